"""Texts in place of answers of MAPI over HTTP: any encoding, any length, any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.mapi_diagnostic import MAX_DIAGNOSTIC, MAX_DIAGNOSTIC_READ, read_diagnostic

KINDS = (None, "text/html", "text/html; charset=utf-16", 'text/plain; charset="iso-8859-1"', "text/html; charset=idna")


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (b"<html><style>p {}</style><p>Gr&ouml;&szlig;e</p></html>", None, "Größe"),
        ("Größe".encode("latin-1"), "text/plain; charset=iso-8859-1", "Größe"),
        ("\ufeff<b>Größe</b>".encode("utf-16-be"), "text/html; charset=utf-8", "Größe"),
        ("<b>Größe</b>".encode("utf-16-le"), None, "Größe"),
        (b"plain", "text/plain; charset=no-such-charset", "plain"),
    ],
)
def test_the_text_is_read_in_its_encoding_without_markup(content: bytes, kind: str | None, text: str) -> None:
    told = read_diagnostic(content, kind)
    assert told is not None
    assert (told.text, told.signs) == (text, ())


@pytest.mark.parametrize("before", [0, 10, 5_000])
def test_a_reason_is_seen_and_shown_wherever_it_stands(before: int) -> None:
    told = read_diagnostic(b"word " * before + b"The protocol is <i>disabled</i>, or so. " + b"word " * 100, None)
    assert told is not None
    assert told.signs == ("protocol disabled",)
    assert "protocol is disabled" in told.text
    assert len(told.text) <= MAX_DIAGNOSTIC


def test_what_is_no_text_and_what_stands_too_far_is_left_alone() -> None:
    assert read_diagnostic(b"a\0b" * 9, "text/html") is None
    assert read_diagnostic(b"<p> </p>", None) is None
    far = read_diagnostic(b"word " * MAX_DIAGNOSTIC_READ + b"Culture is not supported", None)
    assert far is not None
    assert far.signs == ()


@given(st.binary(max_size=300), st.sampled_from(KINDS))
def test_any_bytes_give_a_short_text_or_none(content: bytes, kind: str | None) -> None:
    told = read_diagnostic(content, kind)
    assert told is None or 0 < len(told.text) <= MAX_DIAGNOSTIC


@pytest.mark.parametrize("piece", [b"<style", b"<style>", b"<", b"&#", b"</style"])
def test_hostile_markup_is_read_to_its_bound(piece: bytes) -> None:
    assert read_diagnostic(piece * MAX_DIAGNOSTIC_READ, None) is not None
