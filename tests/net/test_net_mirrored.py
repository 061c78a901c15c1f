"""Segments that are in one capture twice are dropped and counted; what was sent again stays."""

from __future__ import annotations

import random

import pytest
from net_building import ACK, FIN, MILLISECOND, RST, SYN, Heard, batch_of, ethernet, handshake, hear, ipv4, ipv6, tcp

from tlsdecrypt.flow import Direction
from tlsdecrypt.net.columns import read_fast_lane
from tlsdecrypt.net.mirrored import LOOK_BACK, REACH_NS, Mirrored

CLIENT_TO_SERVER = Direction.CLIENT_TO_SERVER
PAYLOAD = bytes(range(200))
VLAN = 0x8100


def routed(frame: bytes) -> bytes:
    """The same segment behind a router: other MAC addresses, one hop less, other IP checksum."""
    return b"\x0a" * 12 + frame[12:22] + bytes((frame[22] - 1,)) + frame[23:24] + b"\x12\x34" + frame[26:]


def tagged(frame: bytes) -> bytes:
    return frame[:12] + VLAN.to_bytes(2) + b"\x00\x07" + frame[12:]


def numbered(number: int, *, identification: int) -> bytes:
    return ethernet(ipv4(tcp(1001 + 200 * number, PAYLOAD, ack=5001), identification=identification))


def doubled(frames: list[bytes], times_ns: list[int]) -> int:
    return hear(frames, times_ns=times_ns).table.other_frames["doubled"]


def transfer(identifications: list[int]) -> list[bytes]:
    return [numbered(number, identification=each) for number, each in enumerate(identifications)]


@pytest.mark.parametrize("copy", [routed, tagged, bytes])
@pytest.mark.parametrize("per_batch", [1, 2, 3, 7, 100])
def test_the_copy_of_each_segment_is_dropped_wherever_it_was_captured(copy: type, per_batch: int) -> None:
    frames = [*handshake()[:2], *transfer([7, 8, 9, 10])]
    both = [each for frame in frames for each in (frame, copy(frame))]
    times = [MILLISECOND * (number // 2) + 900_000 * (number % 2) for number in range(len(both))]
    heard = hear(both, times_ns=times, per_batch=per_batch)
    facts = heard.connections[0].facts(CLIENT_TO_SERVER)
    assert heard.table.other_frames == {"doubled": len(frames)}
    assert (facts.repeated, facts.segments) == (0, 5)
    assert heard.stream() == PAYLOAD * 4


def test_three_copies_are_one() -> None:
    frames = transfer([7, 8])
    assert doubled([frames[0], routed(frames[0]), tagged(frames[0]), frames[1]], [0, 100_000, 200_000, 300_000]) == 2


def test_copies_that_come_a_few_milliseconds_later_are_told_by_their_identification() -> None:
    frames = transfer([7, 8, 9])
    late = [*frames, *frames]
    assert doubled(late, [0, 1, 2, *(5 * MILLISECOND + n for n in range(3))]) == 3
    assert doubled(late, [0, 1, 2, *(REACH_NS + 5 + n for n in range(3))]) == 0


@pytest.mark.parametrize("apart_ns", [1_600_000, 5 * MILLISECOND, 300 * MILLISECOND])
def test_what_was_sent_again_stays(apart_ns: int) -> None:
    first, again = transfer([7, 8, 9]), transfer([17, 18, 19])
    times = [0, 1, 2, apart_ns, apart_ns + 1, apart_ns + 2]
    heard = hear([*first, *again], times_ns=times)
    assert not heard.table.other_frames
    assert heard.connections[0].facts(CLIENT_TO_SERVER).repeated == 600


@pytest.mark.parametrize("identification", [0, 1])
def test_a_sender_that_does_not_count_may_send_again_after_a_moment(identification: int) -> None:
    frames = transfer([identification] * 3)
    assert doubled([*frames, *frames], [0, 1, 2, *(2 * MILLISECOND + n for n in range(3))]) == 0
    assert doubled([*frames, *map(routed, frames)], [0, 1, 2, *(2 * MILLISECOND + n for n in range(3))]) == 3
    assert doubled([*frames, *frames], [0, 1, 2, 10_000, 10_001, 10_002]) == 3


def test_duplicate_acknowledgments_stay() -> None:
    acks = [ethernet(ipv4(tcp(1001, ack=5001), identification=0))] * 4
    counted = [ethernet(ipv4(tcp(1001, ack=5001), identification=number)) for number in range(1, 5)]
    six = [ethernet(ipv6(tcp(1001, ack=5001)), 0x86DD)] * 4
    for frames in (acks, counted, six):
        assert doubled(frames, [0, 1, 2, 3]) == 0


@pytest.mark.parametrize("flags", [SYN, FIN | ACK, RST])
def test_a_copy_of_a_segment_without_payload_is_dropped_if_it_opens_or_ends(flags: int) -> None:
    frame = ethernet(ipv4(tcp(1001, flags=flags), identification=0))
    assert doubled([frame, frame], [0, 1000]) == 1


def test_ipv6_is_told_by_the_way_it_took() -> None:
    frame = ethernet(ipv6(tcp(1001, PAYLOAD)), 0x86DD)
    behind = frame[:21] + bytes((frame[21] - 1,)) + frame[22:]
    assert doubled([frame, behind], [0, 5 * MILLISECOND]) == 1
    assert doubled([frame, frame], [0, 5 * MILLISECOND]) == 0


@pytest.mark.parametrize("change", [42, 47, 50, 60, -1])
def test_segments_that_differ_anywhere_that_counts_stay(change: int) -> None:
    """Acknowledgment, flags, checksum, payload: at its start and at its end."""
    frame = numbered(0, identification=0)
    other = bytearray(frame)
    other[change] ^= 1
    assert doubled([frame, bytes(other)], [0, 1000]) == 0


def test_copies_are_looked_for_among_the_last_segments_only() -> None:
    others = [ethernet(ipv4(tcp(90_000 + number, b"x"), identification=0)) for number in range(LOOK_BACK)]
    frame = numbered(0, identification=0)
    assert doubled([frame, *others[1:], frame], list(range(LOOK_BACK + 1))) == 1
    assert doubled([frame, *others, frame], list(range(LOOK_BACK + 2))) == 0


def test_frames_of_any_bytes_are_no_trouble() -> None:
    chance = random.Random(1)
    mirrored = Mirrored()
    for _ in range(60):
        frames = []
        for _ in range(chance.randint(1, 8)):
            frame = bytearray(numbered(chance.randint(0, 2), identification=chance.randint(0, 2)))
            frame[chance.randrange(len(frame))] = chance.randrange(256)
            frames.append(bytes(frame[: chance.randint(14, len(frame))]))
        batch = batch_of(frames)
        segments = read_fast_lane(batch).segments
        fresh = mirrored.fresh(batch, segments) if len(segments) else None
        assert fresh is None or set(fresh.tolist()) < set(range(len(segments)))


def test_what_is_dropped_does_not_depend_on_the_batches() -> None:
    chance = random.Random(2)
    frames, times, now = [], [], 0
    for number in range(300):
        frame = numbered(number, identification=number + 1)
        for copy in (frame, routed(frame))[: chance.randint(1, 2)]:
            now += chance.randint(1_000, 400_000)
            frames.append(copy)
            times.append(now)
    counts = {}
    for per_batch in (1, 5, 64, len(frames)):
        heard = Heard()
        for start in range(0, len(frames), per_batch):
            part = slice(start, start + per_batch)
            heard.feed(batch_of(frames[part], times_ns=times[part], first_number=start + 1))
        counts[per_batch] = heard.table.other_frames["doubled"]
    assert set(counts.values()) == {len(frames) - 300}
