"""Loss: a segment in the middle of a transfer costs the record it belongs to, and nothing else, whatever the cipher."""

from __future__ import annotations

import random
import ssl
import subprocess
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from packets import C, S, Scene, http_request, http_response
from tls_dialogues import public_identity, tls

from tlsdecrypt import analyze
from tlsdecrypt.flow import Direction
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.connection_document import connection_document
from tlsdecrypt.report.hole_document import known_of_hole
from tlsdecrypt.report.html_view import connection_view
from tlsdecrypt.report.text_connection import connection_lines, note_lines
from tlsdecrypt.report.text_view import TextView
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from pathlib import Path

    from tlsdecrypt.conversation import Analysis, Conversation

RECORD = 16_384  # bytes of plaintext that OpenSSL puts into one
CONTENT = bytes(range(256)) * 1_000
GOOD = public_identity("mail.contoso.com")
TLS10, TLS12 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2

FAMILIES = [
    pytest.param("AES128-GCM-SHA256", TLS12, id="GCM"),
    pytest.param("AES128-SHA", TLS12, id="CBC with its own IVs"),
    pytest.param("AES128-SHA256", TLS12, id="CBC with SHA-256"),
    pytest.param("AES128-SHA", TLS10, id="CBC that is chained"),
]


def transfer(cipher: str, version: ssl.TLSVersion, lost: range) -> Conversation:
    """An answer of many records; the frames in `lost`, counted from its first one, were not captured."""
    said = [C(http_request("GET /owa/")), S(http_response("200 OK", [], CONTENT))]
    scene = Scene()
    flights = tls(said, GOOD, ciphers=cipher, client=(version, version), versions=(version, version))
    scene.dialogue(flights, port=443)
    first = next(index for index, (_, frame) in enumerate(scene.frames) if len(frame) > 1_400 and index > 12)
    scene.frames = [each for index, each in enumerate(scene.frames) if index - first not in lost]
    (conversation,) = scene.analysis(keys=GOOD.store).conversations
    return conversation


@pytest.mark.parametrize(("cipher", "version"), FAMILIES)
def test_a_lost_segment_costs_its_record_alone(cipher: str, version: ssl.TLSVersion) -> None:
    whole = transfer(cipher, version, range(0)).digest(Direction.SERVER_TO_CLIENT).length
    assert whole > len(CONTENT)
    for place in (30, 31, 77):
        holed = transfer(cipher, version, range(place, place + 1))
        assert whole - holed.digest(Direction.SERVER_TO_CLIENT).length in (RECORD, 2 * RECORD), place
        assert holed.exchanges[0].response.missing in (0, RECORD, 2 * RECORD)


@pytest.mark.parametrize(("cipher", "version"), FAMILIES)
def test_a_hole_of_many_records_is_got_over(cipher: str, version: ssl.TLSVersion) -> None:
    whole = transfer(cipher, version, range(0)).digest(Direction.SERVER_TO_CLIENT).length
    holed = transfer(cipher, version, range(40, 100)).digest(Direction.SERVER_TO_CLIENT).length
    assert whole - 7 * RECORD <= holed < whole


@pytest.mark.parametrize(("cipher", "version"), FAMILIES)
def test_what_was_captured_of_a_damaged_record_is_kept_apart(cipher: str, version: ssl.TLSVersion) -> None:
    whole = transfer(cipher, version, range(0))
    holed = transfer(cipher, version, range(30, 31))
    proved = holed.digest(Direction.SERVER_TO_CLIENT).length
    unverified = holed.unverified[Direction.SERVER_TO_CLIENT]
    assert whole.unverified[Direction.SERVER_TO_CLIENT].pieces == ()
    damaged = whole.digest(Direction.SERVER_TO_CLIENT).length - proved
    assert damaged - 2_000 < unverified.length < damaged  # all but one segment, and blocks at its edges
    assert all(piece.content in CONTENT for piece in unverified.pieces)
    assert b"".join(piece.content for piece in unverified.pieces)[:256] in CONTENT
    assert {piece.position for piece in unverified.pieces} < set(range(proved))


def test_the_document_tells_of_damaged_records_and_shows_them_with_all_secrets_only() -> None:
    holed = transfer("AES128-GCM-SHA256", TLS12, range(30, 31))
    masked, shown = (
        connection_document(holed, Redactor(show_secrets=is_shown))["unverified"]["server"]
        for is_shown in (False, True)
    )
    assert masked["length"] == shown["length"] > 10_000
    assert sum(piece["length"] for piece in masked["pieces"]) == masked["length"]
    assert [sorted(piece) for piece in masked["pieces"]] == [["frames", "length", "offset", "position"]] * 2
    assert all(b64decode(piece["base64"]) in CONTENT for piece in shown["pieces"])
    whole = transfer("AES128-GCM-SHA256", TLS12, range(0))
    assert connection_document(whole, Redactor())["unverified"] is None


def test_of_a_hole_in_a_content_is_told_how_much_is_known_of_damaged_records() -> None:
    holed = transfer("AES128-GCM-SHA256", TLS12, range(30, 31))
    known = sum(len(piece.content) for piece in holed.unverified[Direction.SERVER_TO_CLIENT].pieces)
    response = connection_document(holed, Redactor())["exchanges"][0]["response"]
    assert (response["missing"], response["unverified"]) == (RECORD, known)
    told = f"{known:,} of them are known from damaged records, unverified: --follow shows them"
    lines = connection_lines(holed, TextView(Redactor(), 120))
    assert any(told in "".join(text for text, _ in each.parts) for each in lines)
    assert told in connection_view(holed, Redactor())["exchanges"][0]["sides"][1]["note"]
    whole = connection_document(transfer("AES128-GCM-SHA256", TLS12, range(0)), Redactor())
    assert "unverified" not in whole["exchanges"][0]["response"]


def test_pieces_elsewhere_on_the_connection_fill_no_hole_of_this_message() -> None:
    holed = transfer("AES128-GCM-SHA256", TLS12, range(30, 31))
    response = holed.exchanges[0].response
    unverified = holed.unverified[Direction.SERVER_TO_CLIENT]
    last = response.span.last_frame
    elsewhere = [replace(piece, span=replace(piece.span, last_frame=last + 1)) for piece in unverified.pieces]
    assert known_of_hole(response, replace(unverified, pieces=tuple(elsewhere))) == 0
    assert known_of_hole(replace(response, version="HTTP/2"), unverified) == 0


def test_the_text_tells_of_damaged_records() -> None:
    holed = transfer("AES128-GCM-SHA256", TLS12, range(30, 31))
    view = TextView(Redactor(), 120)
    told = ["".join(text for text, _ in each.parts) for each in note_lines(holed, view)]
    assert "bytes of damaged records from the server decrypted too, unverified" in told[0]


def snapped(tmp_path: Path, length: int, cipher: str, first: int) -> tuple[int, Analysis]:
    """The longest frame of a transfer, and what is told of it where frames from `first` on were cut to `length`."""
    said = [C(http_request("GET /owa/")), S(http_response("200 OK", [], CONTENT))]
    scene = Scene()
    scene.dialogue(tls(said, GOOD, ciphers=cipher, client=(TLS12, TLS12), versions=(TLS12, TLS12)), port=443)
    paths = [tmp_path / name for name in ("whole.pcap", "head.pcap", "tail.pcap", "cut.pcap", "all.pcap")]
    whole, head, tail, cut, joined = map(str, paths)
    paths[0].write_bytes(scene.pcap())
    subprocess.run(["editcap", "-F", "nsecpcap", "-r", whole, head, f"1-{first - 1}"], check=True)
    subprocess.run(["editcap", "-F", "nsecpcap", "-r", whole, tail, f"{first}-9999"], check=True)
    subprocess.run(["editcap", "-F", "nsecpcap", "-s", str(length), tail, cut], check=True)
    subprocess.run(["mergecap", "-F", "nsecpcap", "-a", "-w", joined, head, cut], check=True)
    return max(len(frame) for _, frame in scene.frames), analyze([joined], keys=GOOD.store)


def test_a_snap_length_is_named_with_the_one_that_would_have_been_enough(tmp_path: Path, tshark: str) -> None:
    assert tshark
    longest, analysis = snapped(tmp_path, 1_450, "AES128-GCM-SHA256", 15)
    (told,) = analysis.captures[0].notes
    assert told.endswith(f" frames were cut by a snap length of 1,450 bytes: {longest:,} would have been enough.")
    (conversation,) = analysis.conversations
    assert conversation.tls is not None
    enough = f"the snap length cut frames, and {longest:,} bytes would have been enough"
    assert enough in conversation.tls.verdict.summary
    holes = [note.what for note in conversation.notes]
    assert set(holes) == {f"{longest - 1_450} bytes from the server not captured: cut by the snap length"}
    assert conversation.unverified[Direction.SERVER_TO_CLIENT].length > 100_000  # the bound of one stretch


def test_a_snap_length_that_cut_the_handshake_is_told_from_a_wrong_key(tmp_path: Path, tshark: str) -> None:
    assert tshark
    longest, analysis = snapped(tmp_path, 1_450, "AES128-GCM-SHA256", 2)
    assert analysis.verdicts == {"truncated": 1}
    (conversation,) = analysis.conversations
    assert conversation.tls is not None
    assert f"{longest:,} bytes would have been enough" in conversation.tls.verdict.summary


def test_frames_that_several_processors_captured_late_cost_nothing() -> None:
    said = [C(http_request("GET /owa/")), S(http_response("200 OK", [], CONTENT))]
    scene = Scene()
    flights = tls(said, GOOD, ciphers="AES128-GCM-SHA256", client=(TLS12, TLS12), versions=(TLS12, TLS12))
    scene.dialogue(flights, port=443)
    (whole,) = scene.analysis(keys=GOOD.store).conversations
    chance = random.Random(1)
    scene.frames = [(time + 0.004 * chance.choice((0, 0, 0, 1)), frame) for time, frame in scene.frames]
    (late,) = scene.analysis(keys=GOOD.store).conversations
    assert late.streams[1].out_of_order > 30
    assert late.application_data == whole.application_data
    assert [facts.gaps for facts in late.streams] == [0, 0]
