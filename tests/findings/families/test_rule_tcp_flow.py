"""Connections that suffer: cut, dropped when idle, lossy, waiting for the receiver, swallowed by a small MTU."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from packets import (
    ACK,
    CLIENT,
    FIN,
    PSH,
    RST,
    SERVER,
    SYN,
    C,
    S,
    Scene,
    Segment,
    ethernet,
    found,
    http_request,
    http_response,
    ipv4,
    rules_of,
)

from tlsdecrypt.findings.finding import Confidence, Severity

GET = http_request("GET /owa/")
OK = http_response("200 OK")
DIRECT_PUSH = "/Microsoft-Server-ActiveSync"


class Talk:
    """One connection, segment by segment."""

    def __init__(self, *, port: int = 80, client_port: int = 50_000) -> None:
        self.scene = Scene()
        self.ends = (CLIENT, client_port), (SERVER, port)
        self.seqs = [1000, 5000]
        for side, flags in ((0, SYN), (1, SYN | ACK), (0, ACK)):
            self.send(side, flags)

    def send(self, side: int, flags: int, payload: bytes = b"", after: float = 0.001, **fields: int) -> Segment:
        ack = self.seqs[1 - side] if flags & ACK else 0
        segment = Segment(self.ends[side], self.ends[1 - side], self.seqs[side], ack, flags, payload, **fields)
        self.seqs[side] += len(payload) + bool(flags & (SYN | FIN))
        self.again(segment, after)
        return segment

    def data(self, side: int, payload: bytes, after: float = 0.001, **fields: int) -> Segment:
        return self.send(side, PSH | ACK, payload, after, **fields)

    def again(self, segment: Segment, after: float) -> None:
        self.scene.add(segment.frame(), after)


def cut(after: float = 0.2, ttl: int = 64, *, answered: bool = False, client_ends: bool = False) -> Scene:
    """A request, and a reset of the server's side."""
    talk = Talk()
    talk.data(0, GET)
    if answered:
        talk.data(1, OK)
    if client_ends:
        talk.send(0, FIN | ACK)
    talk.send(1, RST | ACK, after=after, ttl=ttl)
    talk.scene.silence(4)
    return talk.scene


def test_tcp_reset_mid_request_fires_while_a_request_waits() -> None:
    finding = found(cut(), "tcp.reset-mid-request")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert finding.summary == f"{SERVER}:80 resets the connection while GET /owa/ waits for its answer"
    assert [each.frame for each in finding.evidence] == [4, 5]


def test_tcp_reset_mid_request_names_a_device_between() -> None:
    finding = found(cut(ttl=250), "tcp.reset-mid-request")
    assert finding is not None
    assert "a device between sent the reset (TTL 250; the server's segments: 64)" in finding.summary


@pytest.mark.parametrize("scene", [cut(answered=True), cut(client_ends=True), cut(after=400)])
def test_tcp_reset_mid_request_is_silent_for_other_resets(scene: Scene) -> None:
    assert "tcp.reset-mid-request" not in rules_of(scene)


def test_tcp_reset_mid_request_is_silent_where_the_server_had_ended_an_idle_connection() -> None:
    talk = Talk()
    talk.data(0, GET)
    talk.data(1, OK)
    talk.send(1, FIN | ACK, after=120)
    talk.data(0, GET, after=0.01)
    talk.send(1, RST | ACK)
    assert "tcp.reset-mid-request" not in rules_of(talk.scene)


def test_tcp_reset_mid_request_is_silent_where_the_client_aborts() -> None:
    scene = Scene()
    scene.dialogue([C(GET)], end="client-rst")
    assert "tcp.reset-mid-request" not in rules_of(scene)


def pings(idle: list[float], *, heartbeat: int = 1740, path: str = "/mapi/emsmdb/", end: str = "rst") -> Scene:
    """Requests that wait, each on a connection that ends after a time without data."""
    wbxml = b"\x03\x01\x6a\x00\x00\x0d\x45\x48\x03" + str(heartbeat).encode() + b"\x00\x01\x01"
    fields = ("Content-Type: application/vnd.ms-sync.wbxml", "MS-ASProtocolVersion: 14.1")
    query = "?Cmd=Ping&User=anna&DeviceId=A1&DeviceType=iPhone"
    scene = Scene()
    for number, seconds in enumerate(idle):
        talk = Talk(client_port=50_000 + number)
        talk.data(0, http_request(f"POST {path}{query}", fields, wbxml))
        talk.send(1, ACK)
        talk.send(1, (RST if end == "rst" else FIN) | ACK, after=seconds)
        scene.frames += [(scene.now + at, frame) for at, frame in talk.scene.frames]
        scene.now += talk.scene.now + 1
    scene.silence(4)
    return scene


@pytest.mark.parametrize("end", ["rst", "fin"])
def test_tcp_idle_timeout_fires_on_the_same_silence_three_times(end: str) -> None:
    finding = found(pings([300, 301, 299.5], end=end), "tcp.idle-timeout")
    assert finding is not None
    assert (finding.severity, finding.count, finding.server) == (Severity.WARNING, 3, SERVER)
    assert "idle for 300 s" in finding.summary


def test_tcp_idle_timeout_of_direct_push_is_told_below_the_rule_that_knows_it() -> None:
    finding = found(pings([300, 301, 299.5], path=DIRECT_PUSH), "tcp.idle-timeout")
    assert finding is not None
    assert finding.caused_by == "eas.direct-push-cut"


@pytest.mark.parametrize(
    "scene",
    [
        pings([300, 301]),
        pings([200, 300, 400]),
        pings([1000, 1001, 1002]),
        pings([600, 600, 600], heartbeat=600, path=DIRECT_PUSH),
        pings([300, 300, 300], path="/owa/"),
    ],
    ids=["twice", "of different length", "too long", "the heartbeat itself", "of another service"],
)
def test_tcp_idle_timeout_is_silent_for_other_silences(scene: Scene) -> None:
    assert "tcp.idle-timeout" not in rules_of(scene)


def lossy(repeats: int, segments: int = 40, *, after: float = 0.3) -> Scene:
    talk = Talk()
    for _ in range(segments):
        segment = talk.data(0, b"POST".ljust(500, b"x"), 0.01)
        if repeats > 0:
            talk.again(segment, after)
            repeats -= 1
        talk.send(1, ACK)
    return talk.scene


def test_tcp_retransmissions_fires_on_more_than_two_per_cent() -> None:
    finding = found(lossy(5), "tcp.retransmissions")
    assert finding is not None
    assert (finding.severity, finding.place) == (Severity.WARNING, "80 client")
    assert "5 of 47 segments were sent again" in finding.summary


def test_tcp_retransmissions_fires_on_one_segment_that_is_sent_again_and_again() -> None:
    talk = Talk()
    for _ in range(300):
        segment = talk.data(0, b"x" * 100)
        talk.send(1, ACK)
    for _ in range(4):
        talk.again(segment, 0.5)
    talk.send(1, ACK)
    finding = found(talk.scene, "tcp.retransmissions")
    assert finding is not None
    assert "one of them 4 times" in finding.summary


@pytest.mark.parametrize(
    "scene", [lossy(1), lossy(4, 300), lossy(20, after=0.00001)], ids=["one", "a few of many", "captured twice"]
)
def test_tcp_retransmissions_is_silent_for_what_is_normal(scene: Scene) -> None:
    assert "tcp.retransmissions" not in rules_of(scene)


def test_tcp_retransmissions_is_silent_where_the_capture_dropped_frames() -> None:
    scene = lossy(5)
    dropped = replace(Segment((CLIENT, 50_000), (SERVER, 80), 0, 0, ACK), source=(SERVER, 80), target=(CLIENT, 50_000))
    scene.add(replace(dropped, seq=5001, ack=1001 + 500 * 40 + 9000).frame())
    assert "tcp.retransmissions" not in rules_of(scene)


def full(seconds: float) -> Scene:
    talk = Talk()
    talk.data(0, GET)
    talk.data(1, OK)
    talk.send(0, ACK, window=0)
    talk.send(0, ACK, after=seconds, window=8000)
    talk.scene.silence(4)
    return talk.scene


def test_tcp_zero_window_fires_after_more_than_a_second() -> None:
    finding = found(full(2.5), "tcp.zero-window")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert f"The client {CLIENT} takes nothing more for 2.5 s" in finding.summary
    assert finding.evidence[0].frame == 6


def test_tcp_zero_window_is_silent_for_a_short_pause() -> None:
    assert "tcp.zero-window" not in rules_of(full(0.8))


def test_tcp_zero_window_is_silent_where_the_peer_has_nothing_more_to_send() -> None:
    talk = Talk()
    talk.data(0, GET)
    talk.data(1, OK)
    talk.send(1, FIN | ACK)
    talk.send(0, ACK, window=0)
    talk.send(0, FIN | ACK, after=9)
    assert "tcp.zero-window" not in rules_of(talk.scene)


def blackhole(size: int = 1460, *, acknowledged: bool = False, reported: bool = False) -> Scene:
    talk = Talk()
    talk.data(0, GET)
    talk.data(1, OK)
    large = talk.data(0, b"POST /ews".ljust(size, b"x"))
    if reported:
        quoted = ipv4(struct.pack(">HHI", 50_000, 80, large.seq), 6, CLIENT, SERVER)
        icmp = ipv4(b"\x03\x04\x00\x00\x00\x00\x05\x78" + quoted, 1, "192.0.2.1", CLIENT)
        talk.scene.add(ethernet(icmp, 0x0800))
    for after in (0.3, 0.6, 1.2, 2.4):
        talk.again(large, after)
    if acknowledged:
        talk.send(1, ACK)
    talk.scene.silence(4)
    return talk.scene


def test_icmp_pmtu_blackhole_fires_where_large_segments_vanish() -> None:
    finding = found(blackhole(), "icmp.pmtu-blackhole")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert "1460 bytes were sent 5 times in vain" in finding.summary
    assert "tcp.retransmissions" not in rules_of(blackhole())


@pytest.mark.parametrize(
    "scene",
    [blackhole(600), blackhole(acknowledged=True), blackhole(reported=True)],
    ids=["small", "acknowledged at last", "reported by a router"],
)
def test_icmp_pmtu_blackhole_is_silent_for_other_losses(scene: Scene) -> None:
    assert "icmp.pmtu-blackhole" not in rules_of(scene)


def test_icmp_pmtu_blackhole_is_silent_where_small_segments_are_lost_too() -> None:
    talk = Talk()
    talk.data(0, GET)
    talk.data(1, OK)
    small = talk.data(0, b"x" * 300)
    large = talk.data(0, b"y" * 1460)
    for after in (0.3, 0.6, 1.2):
        talk.again(small, after)
        talk.again(large, 0.001)
    talk.scene.silence(4)
    assert "icmp.pmtu-blackhole" not in rules_of(talk.scene)


def test_a_healthy_connection_gives_no_finding_of_this_family() -> None:
    scene = Scene()
    scene.dialogue([C(GET), S(OK), C(GET, after=200), S(OK)])
    scene.silence(5)
    assert not {each for each in rules_of(scene) if each.startswith(("tcp.", "icmp."))}
