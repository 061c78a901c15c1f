"""What a second program, tshark, sees in a capture with the same keys: the truth that expected.json holds."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

from capture_lab.network import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SERVER_PORTS = {21, 25, 80, 110, 143, 389, 443, 1080, 3128, 3306, 5222, 5432}
VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
IN_ORDER = ["-o", "tcp.reassemble_out_of_order:TRUE"]


class Key(NamedTuple):
    """A secret to give: `kind` is the option's name (pfx, key, keylog, psk, ticket-key).

    `path` is relative to the project; a pre-shared key has no file but a `value`, [IDENTITY:]HEX.
    """

    kind: str
    path: str | None = None
    password: str | None = None
    value: str | None = None

    def document(self) -> dict[str, str]:
        """As expected.json has it."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass
class Connection:
    """One TCP connection as tshark sees it.

    `said` holds what was said in the clear or could be decrypted, in order: whether the server sent it, and the bytes
    of one record (TLS) or segment (plain). `alert` is a fatal alert that was seen in the clear (its number).
    """

    client: tuple[str, int]
    server: tuple[str, int]
    version: str | None = None
    cipher_suite: str | None = None
    server_name: str | None = None
    is_tls: bool = False
    alert: int | None = None
    said: list[tuple[bool, bytes]] = field(default_factory=list, repr=False)

    def content(self, *, of_server: bool) -> bytes:
        """All that one side said."""
        return b"".join(data for from_server, data in self.said if from_server is of_server)

    def exchanges(self) -> list[dict[str, Any]]:
        """The HTTP exchanges, read off the start lines."""
        asked = re.findall(rb"(GET|POST|HEAD|OPTIONS) (/\S*) HTTP/1\.", self.content(of_server=False))
        answered = re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.content(of_server=True))
        statuses = [int(each) for each in answered] + [None] * len(asked)
        return [
            {"method": method.decode(), "target": target.decode(), "status": status}
            for (method, target), status in zip(asked, statuses, strict=False)
        ]


def _options(keys: Iterable[Key], root: Path) -> list[str]:
    options = list(IN_ORDER)
    for key in keys:
        path = root / (key.path or "")
        if key.kind == "keylog":
            options += ["-o", f"tls.keylog_file:{path}"]
        elif key.value is not None:
            options += ["-o", f"tls.psk:{key.value.rpartition(':')[2]}"]
        else:
            options += ["-o", f'uat:rsa_keys:"{path}","{key.password or ""}"']
    return options


def _fields(capture: Path, options: Sequence[str], display: str, names: Sequence[str]) -> Iterator[list[str]]:
    wanted = [word for name in names for word in ("-e", name)]
    output = run(["tshark", "-r", str(capture), *options, "-Y", display, "-T", "fields", *wanted])
    for line in output.decode().splitlines():
        yield line.split("\t")


def _connections(capture: Path, options: Sequence[str]) -> list[Connection]:
    """All TCP connections in the order of their first frames; the server is the one with the known port."""
    found: dict[int, Connection] = {}
    names = ["tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport"]
    for stream, ip_source, ipv6_source, source_port, ip_target, ipv6_target, target_port in _fields(
        capture, options, "tcp", names
    ):
        source = (ip_source or ipv6_source, int(source_port))
        target = (ip_target or ipv6_target, int(target_port))
        client, server = (target, source) if source[1] in SERVER_PORTS else (source, target)
        found.setdefault(int(stream), Connection(client, server))
    return [found[stream] for stream in sorted(found)]


def _suite_name(proto: ET.Element) -> str | None:
    for each in proto.iter("field"):
        if each.get("name") == "tls.handshake.ciphersuite":
            match = re.search(r"Cipher Suite: (\w+)", each.get("showname", ""))
            return match[1] if match else None
    return None


def _learn_hellos(capture: Path, options: Sequence[str], connections: list[Connection]) -> None:
    """Version, cipher suite and server name from the first hellos."""
    shown = ["-Y", "tls.handshake.type == 1 || tls.handshake.type == 2", "-T", "pdml"]
    for packet in ET.fromstring(run(["tshark", "-r", str(capture), *options, *shown])).iter("packet"):  # noqa: S314 - tshark's own output
        values: dict[str, str] = {}
        for each in packet.iter("field"):
            values.setdefault(each.get("name", ""), each.get("show", ""))
        connection = connections[int(values["tcp.stream"])]
        if values["tls.handshake.type"] == "1":
            connection.server_name = connection.server_name or values.get("tls.handshake.extensions_server_name")
        elif not connection.version:
            spoken = values.get("tls.handshake.extensions.supported_version") or values["tls.handshake.version"]
            connection.version = VERSIONS[int(spoken, 16)]
            connection.cipher_suite = next(filter(None, map(_suite_name, packet.iter("proto"))), None)


def _learn_protocol(capture: Path, options: Sequence[str], connections: list[Connection]) -> None:
    for (stream,) in _fields(capture, options, "tls", ["tcp.stream"]):
        connections[int(stream)].is_tls = True


def _learn_alerts(capture: Path, options: Sequence[str], connections: list[Connection]) -> None:
    for stream, description in _fields(
        capture, options, "tls.alert_message.level == 2", ["tcp.stream", "tls.alert_message.desc"]
    ):
        connections[int(stream)].alert = int(description.partition(",")[0])


def _followed(
    capture: Path, options: Sequence[str], protocol: str, streams: Sequence[int]
) -> dict[int, list[tuple[bool, bytes]]]:
    """What `tshark -z follow` shows of each stream: by stream, one entry a record (tls) or segment (tcp)."""
    follow = [word for stream in streams for word in ("-z", f"follow,{protocol},raw,{stream}")]
    output = run(["tshark", "-q", "-r", str(capture), *options, *follow]).decode() if streams else ""
    block = re.compile(r"Filter: tcp\.stream eq (\d+)\nNode 0: (.*)\nNode 1: .*\n((?:\t?[0-9a-f]+\n)*)")
    return {int(stream): list(_lines(node, text)) for stream, node, text in block.findall(output)}


def _lines(first_node: str, text: str) -> Iterator[tuple[bool, bytes]]:
    """Lines that begin with a tab come from node 1, the others from node 0; tshark names one of the two at least."""
    first_is_server = int(first_node.rpartition(":")[2]) in SERVER_PORTS
    for line in text.splitlines():
        yield line.startswith("\t") is not first_is_server, bytes.fromhex(line.strip())


def observe(capture: Path, keys: Iterable[Key], root: Path) -> list[Connection]:
    """All TCP connections of `capture` in the order of their first frames, decrypted with `keys` by tshark."""
    options = _options(keys, root)
    connections = _connections(capture, options)
    _learn_protocol(capture, options, connections)
    _learn_hellos(capture, options, connections)
    _learn_alerts(capture, options, connections)
    for protocol, is_tls in (("tls", True), ("tcp", False)):
        streams = [number for number, each in enumerate(connections) if each.is_tls is is_tls]
        for number, said in _followed(capture, options, protocol, streams).items():
            connections[number].said = said
    return connections


def digest(data: bytes) -> dict[str, Any]:
    """Length and SHA-256, as the JSON document of tlsdecrypt has them."""
    return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest() if data else None}
