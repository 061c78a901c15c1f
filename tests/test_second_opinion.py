"""tshark, through pyshark, is the second opinion on every sample capture that it can open with the case's keys."""

from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyshark
import pytest
from sample_cases import CASES, ROOT, name_of, run

from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyshark.packet.layers.xml_layer import XmlLayer
    from pyshark.packet.packet import Packet

    from tlsdecrypt import Conversation
    from tlsdecrypt.flow import Span

PREFERENCES = {
    "tcp.reassemble_out_of_order": "TRUE",
    "http.desegment_body": "FALSE",  # else tshark never shows an answer that ends with its TLS connection
}
# Where fields and content of a request come in records of their own, tshark takes the content for another message then.
IN_TWO_RECORDS = {"captures/logins-healthy.pcap"}
VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
CLIENT_HELLO, SERVER_HELLO = "1", "2"
FIRST_FINAL_STATUS = 200
NO_KEY_FOR_TSHARK = re.compile(r"\.der$|\.encrypted\.pem$|/mail\.pfx$")  # to it, no password means PEM
CUT_SHORT = 2  # tshark's exit status for a capture that ends within a frame


def keys_for_tshark(case: dict[str, Any]) -> list[dict[str, str]]:
    """The case's keys, or others that open the same where tshark has no use for them."""
    keys: list[dict[str, str]] = case.get("truth_keys", case["keys"])
    return keys


def is_for_tshark(case: dict[str, Any]) -> bool:
    """Whether tshark can be asked: not where `truth` tells that it cannot follow this very capture."""
    if case["refused"] or case["truth"] != f"tshark on {case['capture']}":
        return False
    return not any(NO_KEY_FOR_TSHARK.search(key.get("path", "")) for key in keys_for_tshark(case))


BY_TSHARK = pytest.mark.parametrize("case", list(filter(is_for_tshark, CASES)), ids=name_of)


def preferences(case: dict[str, Any]) -> dict[str, str]:
    """Wireshark's preferences that give it keys as they are."""
    chosen = dict(PREFERENCES)
    if case["capture"] in IN_TWO_RECORDS:
        chosen["http.desegment_body"] = "TRUE"
    for key in keys_for_tshark(case):
        path = ROOT / key.get("path", "")
        if key["kind"] == "keylog":
            chosen["tls.keylog_file"] = str(path)
        elif key["kind"] == "psk":
            chosen["tls.psk"] = key["value"].rpartition(":")[2]
        else:
            chosen["uat:rsa_keys"] = f'"{path}","{key.get("password", "")}"'
    return chosen


@dataclass
class Reading:
    """What tshark read on one TCP connection.

    `requests` and `responses` end with the frame that completes their fields; `frames` hold any part of a message.
    """

    frames: list[int] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    responses: list[tuple[int, int]] = field(default_factory=list)
    version: str | None = None
    cipher_suite: str | None = None
    server_name: str | None = None

    def add_http(self, layer: XmlLayer, frame: int) -> None:
        if not layer.get("proxy_connect_host"):  # which stands for all that goes through a tunnel
            self.frames.append(frame)
        if layer.get("request_method"):
            self.requests.append((layer.request_method, layer.request_uri, frame))
        elif layer.get("response_code") and int(layer.response_code) >= FIRST_FINAL_STATUS:
            self.responses.append((int(layer.response_code), frame))

    def add_hello(self, layer: XmlLayer) -> None:
        if layer.get("handshake_type") == CLIENT_HELLO:
            self.server_name = self.server_name or layer.get("handshake_extensions_server_name")
        elif layer.get("handshake_type") == SERVER_HELLO and not self.version:
            spoken = layer.get("handshake_extensions_supported_version") or layer.handshake_version
            self.version = VERSIONS[int(spoken, 16)]
            self.cipher_suite = re.search(r"Suite: (\w+)", layer.handshake_ciphersuite.showname)[1]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop of our own: the one that pyshark would take from the policy is never closed."""
    own = asyncio.new_event_loop()
    yield own
    own.close()


def packets(case: dict[str, Any], loop: asyncio.AbstractEventLoop) -> list[Packet]:
    """The frames with hellos and HTTP messages, dissected by tshark."""
    capture = pyshark.FileCapture(
        str(ROOT / case["capture"]),
        override_prefs=preferences(case),
        custom_parameters=["-Y", "http || tls.handshake.type == 1 || tls.handshake.type == 2"],
        eventloop=loop,
    )
    capture.load_packets()  # which closes the capture; to iterate and then to close it races with tshark's end
    return list(capture)


def read_by_tshark(case: dict[str, Any], loop: asyncio.AbstractEventLoop) -> dict[int, Reading]:
    """By tshark's stream number, which counts connections in the order of their first frames."""
    readings: dict[int, Reading] = defaultdict(Reading)
    for packet in packets(case, loop):
        reading = readings[int(packet.tcp.stream)]
        for layer in packet.layers:
            if layer.layer_name == "http":
                reading.add_http(layer, int(packet.number))
            elif layer.layer_name == "tls":
                reading.add_hello(layer)
    return readings


def messages(conversation: Conversation, side: str) -> list[Any]:
    """The HTTP requests or responses of one connection."""
    exchanges = [each for each in conversation.exchanges if each.protocol.startswith("http/1")]  # tshark has http2, too
    return [message for each in exchanges if (message := getattr(each, side)) is not None]


def assert_same_messages(found: list[tuple[tuple[Any, ...], Span]], read: list[tuple[Any, ...]]) -> None:
    """`found`: what a message said, and its span; `read`: the same, and the frame in which tshark shows it."""
    assert [said for said, _ in found] == [tuple(said) for *said, _ in read]
    for (said, span), (*_, frame) in zip(found, read, strict=True):
        assert is_within(frame, span), said


def is_within(frame: int, span: Span) -> bool:
    return span.first_frame <= frame <= span.last_frame


def assert_same_reading(conversation: Conversation, reading: Reading) -> None:
    if reading.version is not None:
        assert conversation.tls is not None
        for name in ("version", "cipher_suite", "server_name"):
            assert getattr(conversation.tls, name) == getattr(reading, name)
    requests, responses = messages(conversation, "request"), messages(conversation, "response")
    assert_same_messages([((each.method, each.target), each.span) for each in requests], reading.requests)
    assert_same_messages([((each.status,), each.span) for each in responses], reading.responses)
    for frame in reading.frames:
        assert any(is_within(frame, each.span) for each in requests + responses), frame


@BY_TSHARK
@pytest.mark.usefixtures("tshark")
def test_tshark_reads_the_same_hellos_and_http_messages(case: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
    conversations = run(case).conversations
    readings = read_by_tshark(case, loop)
    assert readings.keys() <= set(range(len(conversations)))
    for number, conversation in enumerate(conversations):
        assert_same_reading(conversation, readings[number])


def follow(tshark: str, case: dict[str, Any], streams: int) -> str:
    """The count of frames, and the TLS plaintext of each stream in hexadecimal: a tab before what node 1 said."""
    options = [word for name, value in preferences(case).items() for word in ("-o", f"{name}:{value}")]
    options += [word for stream in range(streams) for word in ("-z", f"follow,tls,raw,{stream}")]
    command = [tshark, "-q", "-r", str(ROOT / case["capture"]), *options, "-z", "io,stat,0"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode in {0, CUT_SHORT}, done.stderr
    return done.stdout


def followed(output: str, stream: int, server_port: int) -> tuple[bytes, bytes]:
    """What client and server said on one stream. tshark names the port of node 0 or of node 1, the first to speak."""
    block = re.search(rf"Filter: tcp\.stream eq {stream}\nNode 0: .*:(\d+)\nNode 1: .*:(\d+)\n([^=]*)", output)
    assert block
    first_is_server = str(server_port) == block[1] or (block[1] == "0" and str(server_port) != block[2])
    lines = block[3].splitlines()
    nodes = [
        bytes.fromhex("".join(line for line in lines if line.startswith("\t") is second)) for second in (False, True)
    ]
    client, server = reversed(nodes) if first_is_server else nodes
    return client, server


@BY_TSHARK
def test_tshark_counts_the_same_frames_and_decrypts_the_same_plaintext(case: dict[str, Any], tshark: str) -> None:
    analysis = run(case)
    output = follow(tshark, case, len(analysis.conversations))
    counted = re.search(r"<> .*\|\s+(\d+) \|\s+\d+ \|", output)
    assert counted
    assert analysis.frames == int(counted[1])
    for number, conversation in enumerate(analysis.conversations):
        plaintext = followed(output, number, conversation.server.port)
        for direction in Direction:
            digest = conversation.digest(direction)
            assert digest.length == len(plaintext[direction])
            assert digest.sha256 == (hashlib.sha256(plaintext[direction]).hexdigest() if digest.length else None)


def test_tshark_is_asked_about_all_captures_but_these() -> None:
    asked = {case["capture"] for case in CASES if is_for_tshark(case)}
    left_out = {Path(case["capture"]).name for case in CASES} - {Path(name).name for name in asked}
    unreadable = {"go-encrypted-hello.pcap", "mbedtls-truncated.pcap"}  # to tshark: their peers say what was said
    assert left_out == {
        "cut.pcap",
        "damaged.pcap",
        "openssl-child-first.pcap",
        "gnutls-post-handshake.pcap",
        *unreadable,
    }
