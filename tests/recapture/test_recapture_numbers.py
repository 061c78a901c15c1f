"""Sequence numbers, holes, reused ports and frames of others in decrypted captures."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from packets import C, S, Scene, http_request, http_response
from rewriting import BROKEN, by_tshark, rewritten
from tls_dialogues import identity, public_identity, tls

from tlsdecrypt import analyze

if TYPE_CHECKING:
    from pathlib import Path

SERVER, STRANGER = public_identity("mail.contoso.com"), identity("other.example")
SAID = [C(http_request("GET /one")), S(http_response("200 OK", content=b"x" * 40_000)), C(http_request("GET /two"))]
ORDER = (
    "tcp.analysis.lost_segment or tcp.analysis.out_of_order or tcp.analysis.retransmission"
    " or tcp.analysis.ack_lost_segment"
)


def decrypted(scene: Scene, tmp_path: Path) -> Path:
    original, path = tmp_path / "original.pcap", tmp_path / "decrypted.pcapng"
    original.write_bytes(scene.pcap())
    path.write_bytes(rewritten([original], SERVER.store))
    return path


def test_numbers_go_on_without_a_hole_from_handshake_to_end(tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(tls(SAID, SERVER), port=443)
    path = decrypted(scene, tmp_path)
    assert by_tshark(path, "-Y", f"{ORDER} or {BROKEN}") == []
    (conversation,) = analyze([str(path)]).conversations
    assert [each.length for each in conversation.streams] == [
        sum(len(each.data) for each in SAID if each.is_client is way) for way in (True, False)
    ]
    assert [each.end for each in conversation.streams] == ["fin", "fin"]
    assert conversation.has_syn


@pytest.mark.parametrize("end", ["client-rst", "server-rst", "server-fin", "open"])
def test_a_connection_ends_as_it_ended(end: str, tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(tls(SAID, SERVER), port=443, end=end)
    path = decrypted(scene, tmp_path)
    assert by_tshark(path, "-Y", f"{ORDER} or {BROKEN}") == []
    before, after = (
        analyze([str(each)], keys).conversations
        for each, keys in ((tmp_path / "original.pcap", SERVER.store), (path, None))
    )
    assert [each.end for each in after[0].streams] == [each.end for each in before[0].streams]


def test_a_port_that_is_used_again_for_a_session_that_stays_closed(tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(tls(SAID, SERVER), port=443, client_port=50_123)
    scene.silence(120)
    scene.dialogue(tls(SAID, STRANGER), port=443, client_port=50_123)
    scene.silence(120)
    scene.dialogue(tls(SAID, SERVER), port=443, client_port=50_123)
    path = decrypted(scene, tmp_path)
    told = analyze([str(path)]).conversations
    assert [each.tls is None for each in told] == [True, False, True]
    assert [len(each.exchanges) for each in told] == [2, 0, 2]
    original = analyze([str(tmp_path / "original.pcap")]).conversations[1]
    assert told[1].streams == original.streams


def test_frames_of_others_stay_as_they_are(tmp_path: Path) -> None:
    scene = Scene()
    scene.udp(("192.0.2.10", 5353), ("198.51.100.20", 53), b"not DNS")
    scene.dialogue(tls(SAID, SERVER), port=443)
    scene.dialogue([C(b"NOOP\r\n"), S(b"250 ok\r\n")], port=2525)
    scene.silence(1)
    path = decrypted(scene, tmp_path)
    fields = ("-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "ip.id", "-e", "tcp.seq_raw")
    others = "not tcp.port == 443"
    assert by_tshark(path, "-Y", others, *fields) == by_tshark(tmp_path / "original.pcap", "-Y", others, *fields)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_lost_is_a_hole_and_what_was_not_is_there(seed: int, tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(tls(SAID, SERVER), port=443)
    chosen = random.Random(seed)  # the same holes in every run
    handshake = scene.frames[:12]
    scene.frames = handshake + [each for each in scene.frames[12:] if chosen.random() > 0.05]
    path = decrypted(scene, tmp_path)
    assert by_tshark(path, "-Y", BROKEN) == []
    before = analyze([str(tmp_path / "original.pcap")], SERVER.store).conversations[0]
    after = analyze([str(path)]).conversations[0]
    assert [each.length for each in after.streams] == [each.length for each in before.application_data]
    has_holes = [each.gaps > 0 for each in before.streams]
    assert [each.gaps > 0 for each in after.streams] == has_holes or not all(has_holes)


@pytest.mark.parametrize("seed", range(4))
def test_frames_that_come_in_another_order_or_twice_change_nothing(seed: int, tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(tls(SAID, SERVER), port=443)
    chosen = random.Random(seed)
    frames = [
        (time + (chosen.random() * 0.01 if index > 12 else 0), frame)
        for index, (time, frame) in enumerate(scene.frames)
    ]
    scene.frames = sorted(frames + chosen.sample(frames[12:], 8), key=lambda each: each[0])
    path = decrypted(scene, tmp_path)
    assert by_tshark(path, "-Y", BROKEN) == []
    after = analyze([str(path)]).conversations[0]
    assert [(each.length, each.gaps, each.conflicting) for each in after.streams] == [
        (sum(len(each.data) for each in SAID if each.is_client is way), 0, 0) for way in (True, False)
    ]
