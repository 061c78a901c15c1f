"""Captured text must not drive a terminal, whatever it holds."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.report.json_bytes import json_bytes
from tlsdecrypt.report.visible import shorten, visible, well_formed

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def test_control_characters_are_spelled_out() -> None:
    assert visible("a\x1b[2Jb\r\n\x07\x9b\x7f") == r"a\x1b[2Jb\r\n\x07\x9b\x7f"


def test_bidirectional_overrides_and_lone_surrogates_are_spelled_out() -> None:
    assert visible("exe\u202efdp\ud800") == r"exe\u202efdp\ud800"


def test_letters_of_all_scripts_stay() -> None:
    assert visible("Grüße, 漢字, Ελλάδα") == "Grüße, 漢字, Ελλάδα"


@given(ANY_TEXT)
def test_what_is_visible_is_printable_and_can_be_encoded(text: str) -> None:
    assert visible(text).isprintable()
    assert well_formed(visible(text)) == visible(text)


def test_a_long_text_keeps_both_ends() -> None:
    assert shorten("/autodiscover/autodiscover.xml", 20) == "/autodiscove...r.xml"


@given(ANY_TEXT, st.integers(min_value=5, max_value=60))
def test_a_shortened_text_fits(text: str, width: int) -> None:
    assert len(shorten(text, width)) <= width
    assert len(text) > width or shorten(text, width) == text


@given(VALUES)
def test_every_value_becomes_json_without_raw_control_characters(value: object) -> None:
    document = json_bytes(value).decode()
    assert not any(each < " " or "\x7f" <= each <= "\x9f" for each in document)
    json.loads(document)


def test_json_escapes_keep_the_meaning() -> None:
    assert json.loads(json_bytes({"a\x9b": ["\x7f\x1b", "ä"]})) == {"a\x9b": ["\x7f\x1b", "ä"]}


def test_a_number_beyond_64_bits_and_a_name_with_surrogates_are_written_as_text() -> None:
    assert json.loads(json_bytes([2**64, {"cap\udcff.pcap": (1, True, None)}])) == [
        str(2**64),
        {well_formed("cap\udcff.pcap"): [1, True, None]},
    ]
