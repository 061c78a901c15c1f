"""Builds captures for rules: Ethernet frames of TCP dialogues, UDP and whatever else, at chosen times, as a pcap file.

    scene = Scene()
    scene.dialogue([C(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), S(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")])
    scene.silence(5)
    assert rules_of(scene) == {...}

Times are seconds since the start of the capture.
"""

from __future__ import annotations

import socket
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlsdecrypt import analyze

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.findings.finding import Finding

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
CLIENT, SERVER = "192.0.2.10", "198.51.100.20"
START = 1_767_225_600  # 2026-01-01 00:00:00 UTC
SEGMENT = 1400  # bytes of payload

_CLIENT_MAC, _SERVER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"


@dataclass(frozen=True)
class Say:
    """Bytes of one side, said `after` seconds of silence."""

    is_client: bool
    data: bytes
    after: float = 0.01


def C(data: bytes | str, after: float = 0.01) -> Say:  # noqa: N802 - reads like a dialogue
    """The client says."""
    return Say(is_client=True, data=data.encode() if isinstance(data, str) else data, after=after)


def S(data: bytes | str, after: float = 0.01) -> Say:  # noqa: N802
    """The server says."""
    return Say(is_client=False, data=data.encode() if isinstance(data, str) else data, after=after)


def mac(text: str) -> bytes:
    """Six bytes."""
    return bytes.fromhex(text.replace(":", "").replace("-", ""))


def ethernet(payload: bytes, ethertype: int, source: str = _CLIENT_MAC, target: str = _SERVER_MAC) -> bytes:
    """A frame."""
    return mac(target) + mac(source) + struct.pack(">H", ethertype) + payload


def ipv4(payload: bytes, protocol: int, source: str, target: str, ttl: int = 64, ident: int = 0) -> bytes:
    """A datagram; its checksum is left 0, as offload leaves it."""
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), ident, 0x4000, ttl, protocol, 0)
    return header + socket.inet_aton(source) + socket.inet_aton(target) + payload


def ipv6(payload: bytes, protocol: int, source: str, target: str, ttl: int = 64) -> bytes:
    """A packet of version 6."""
    header = struct.pack(">IHBB", 6 << 28, len(payload), protocol, ttl)
    return header + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target) + payload


@dataclass(frozen=True)
class Segment:
    """One TCP segment to be framed."""

    source: tuple[str, int]
    target: tuple[str, int]
    seq: int
    ack: int
    flags: int
    payload: bytes = b""
    window: int = 65535
    ttl: int = 64
    ident: int = 0
    macs: tuple[str, str] = (_CLIENT_MAC, _SERVER_MAC)

    def frame(self) -> bytes:
        """The Ethernet frame."""
        tcp = struct.pack(
            ">HHIIBBHHH",
            self.source[1],
            self.target[1],
            self.seq % 2**32,
            self.ack % 2**32,
            5 << 4,
            self.flags,
            self.window,
            0,
            0,
        )
        source, target = self.source[0], self.target[0]
        if ":" in source:
            return ethernet(ipv6(tcp + self.payload, 6, source, target, self.ttl), 0x86DD, *self.macs)
        return ethernet(ipv4(tcp + self.payload, 6, source, target, self.ttl, self.ident), 0x0800, *self.macs)


@dataclass
class Scene:
    """Frames with their times. `now` is where the next dialogue begins."""

    frames: list[tuple[float, bytes]] = field(default_factory=list)
    now: float = 0.0
    _port: int = 50_000

    def add(self, frame: bytes, after: float = 0.001) -> None:
        """One frame, `after` seconds after the one before."""
        self.now += after
        self.frames.append((self.now, frame))

    def silence(self, seconds: float) -> None:
        """Nothing for a while, and then a frame that concerns nobody (an ARP probe), so that the capture lasts."""
        probe = (
            bytes.fromhex("0001080006040001") + mac("02:00:00:00:00:99") + bytes(4) + bytes(6) + bytes([203, 0, 113, 9])
        )
        self.add(ethernet(probe, 0x0806, "02:00:00:00:00:99", "ff:ff:ff:ff:ff:ff"), seconds)

    def udp(self, source: tuple[str, int], target: tuple[str, int], payload: bytes, after: float = 0.01) -> None:
        """One UDP datagram."""
        datagram = struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0) + payload
        self.add(ethernet(ipv4(datagram, 17, source[0], target[0]), 0x0800), after)

    def dialogue(
        self,
        said: Sequence[Say],
        *,
        port: int = 80,
        client: str = CLIENT,
        server: str = SERVER,
        end: str = "fin",
        client_port: int | None = None,
    ) -> int:
        """A whole TCP connection; `end` is `fin` (client first), `server-fin`, `client-rst`, `server-rst` or `open`.

        The client's port.
        """
        self._port += 1
        here, there = (client, client_port or self._port), (server, port)
        seqs = {True: 1_000, False: 5_000}

        client_side, server_side = True, False

        def send(is_client: bool, flags: int, payload: bytes = b"", after: float = 0.0005) -> None:  # noqa: FBT001
            source, target = (here, there) if is_client else (there, here)
            macs = (_CLIENT_MAC, _SERVER_MAC) if is_client else (_SERVER_MAC, _CLIENT_MAC)
            ack = seqs[not is_client] if flags & ACK else 0
            segment = Segment(source, target, seqs[is_client], ack, flags, payload, macs=macs)
            seqs[is_client] += len(payload) + bool(flags & (SYN | FIN))
            self.add(segment.frame(), after)

        send(client_side, SYN)
        send(server_side, SYN | ACK)
        send(client_side, ACK)
        for each in said:
            for at in range(0, len(each.data), SEGMENT):
                send(each.is_client, PSH | ACK, each.data[at : at + SEGMENT], each.after if at == 0 else 0.0005)
            send(not each.is_client, ACK)
        if end in ("fin", "server-fin"):
            first = end == "fin"
            send(first, FIN | ACK)
            send(not first, FIN | ACK)
            send(first, ACK)
        elif end != "open":
            send(end == "client-rst", RST | ACK)
        return here[1]

    def pcap(self) -> bytes:
        """A pcap file, nanoseconds, Ethernet."""
        records = [
            struct.pack("<IIII", *divmod(round((START + time) * 1_000_000_000), 1_000_000_000), len(frame), len(frame))
            + frame
            for time, frame in sorted(self.frames, key=lambda each: each[0])
        ]
        return struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1) + b"".join(records)

    def analysis(self, **given: Any) -> Analysis:
        """What `analyze` says of it; `given` goes there (`keys`)."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scene.pcap"
            path.write_bytes(self.pcap())
            return analyze([str(path)], **given)


def findings_of(scene: Scene, **given: Any) -> list[Finding]:
    """All findings; no rule may have failed on the way."""
    analysis = scene.analysis(**given)
    assert [note for note in analysis.notes if "please report" in note] == []
    return list(analysis.findings)


def rules_of(scene: Scene, **given: Any) -> set[str]:
    """The ids of all rules that found something."""
    return {each.rule for each in findings_of(scene, **given)}


def found(scene: Scene, rule: str, **given: Any) -> Finding | None:
    """The one finding of a rule, None where it is silent."""
    findings = [each for each in findings_of(scene, **given) if each.rule == rule]
    assert len(findings) <= 1, findings
    return findings[0] if findings else None


def http_request(line: str, fields: Iterable[str] = (), content: bytes = b"", host: str = "mail.contoso.com") -> bytes:
    """A request with Host and Content-Length."""
    length = [f"Content-Length: {len(content)}"] if content or line.startswith("POST") else []
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *fields, *length, "", ""]).encode() + content


def http_response(line: str, fields: Iterable[str] = (), content: bytes = b"") -> bytes:
    """An answer with Content-Length."""
    return "\r\n".join([f"HTTP/1.1 {line}", *fields, f"Content-Length: {len(content)}", "", ""]).encode() + content
