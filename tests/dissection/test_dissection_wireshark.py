"""What is taken of what tshark says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ldap_dialogue
import pytest

from tlsdecrypt.dissection import wireshark
from tlsdecrypt.dissection.clear_frames import ClearCapture, Said
from tlsdecrypt.dissection.wireshark import Dissection, dissect
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from pathlib import Path

UP = Direction.CLIENT_TO_SERVER
DECODE_AS = {"tcp.port==389": "ldap"}


def told(folder: Path, tshark: str, said: bytes, port: int) -> Dissection:
    path = folder / "clear.pcap"
    with path.open("wb") as stream:
        ClearCapture(stream).add(1, port, [Said(UP, said, 1, 1)])
    return dissect(tshark, path, DECODE_AS)


def test_nothing_is_taken_for_tls_once_more(tmp_path: Path, tshark: str) -> None:
    assert told(tmp_path, tshark, b"\x17\x03\x03\x00\x0fof no protocol.", 443) == Dissection({})


def test_digits_of_a_text_are_no_number_in_what_tshark_shows(tmp_path: Path, tshark: str) -> None:
    frames = told(tmp_path, tshark, ldap_dialogue.simple_bind("20261124"), 389).frames
    ((number, frame),) = frames.items()
    is_number = {field.name: field.is_number for field in frame.fields}
    assert number == 4
    assert is_number["ldap.simple"] is False
    assert is_number["ldap.version"] is True


@pytest.mark.parametrize(
    ("shown", "raw", "is_number"),
    [("49", "31", True), ("0x10", "10", True), ("True", "80", True), ("31", "31", False), ("1234", "31323334", False)],
)
def test_one_byte_and_texts_show_as_they_are_in_the_frame(shown: str, raw: str, is_number: bool) -> None:  # noqa: FBT001
    assert wireshark._is_number(shown, raw) is is_number


def test_fields_and_texts_are_bounded(tmp_path: Path, tshark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wireshark, "MAX_FIELDS", 3)
    monkeypatch.setattr(wireshark, "MAX_TEXT", 12)
    ((_, frame),) = told(tmp_path, tshark, ldap_dialogue.simple_bind(), 389).frames.items()
    assert len(frame.fields) == 3
    assert frame.summary.strip() == "bindRequest("
