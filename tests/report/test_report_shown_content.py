"""What outputs show of contents: masked, bounded, and as text where it is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_conversations import SECRET, response, span

from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.content_file import ContentFile
from tlsdecrypt.report.shown_content import SLACK, ShownContent, as_text, shown_content

BOUND = 1_000


def shown(
    content: bytes | None, media_type: str | None = None, redactor: Redactor | None = None
) -> ShownContent | None:
    fields = (("Content-Type", media_type),) if media_type else ()
    message = response(200, "OK", span(1, 1, 1, 1), fields=fields, content=content)
    return shown_content(message, redactor or Redactor(salt=b"x"), BOUND)


def test_a_message_without_content_shows_none() -> None:
    assert shown(None) is None
    assert shown(b"") is None


def test_content_on_disk_is_read() -> None:
    contents = ContentFile()
    message = response(200, "OK", span(1, 1, 1, 1), kept=contents.keep(b"on disk"))
    content = shown_content(message, Redactor(), BOUND)
    assert content is not None
    assert (content.text, content.length, content.is_cut) == ("on disk", 7, False)


def test_content_is_masked_by_its_type() -> None:
    content = shown(f"user=avery&password={SECRET}".encode(), "application/x-www-form-urlencoded")
    assert content is not None
    assert content.text is not None
    assert content.text.startswith("user=avery&password=<masked:password")
    assert SECRET.encode() not in content.data


@pytest.mark.parametrize("before", range(BOUND - 30, BOUND + 5))
def test_a_secret_that_the_bound_would_cut_in_two_is_masked_whole(before: int) -> None:
    redactor = Redactor(salt=b"x")
    redactor.learn(SECRET)
    for length in (before + len(SECRET) + 100, before + len(SECRET) + 2 * SLACK):
        data = (b"." * before + SECRET.encode()).ljust(length, b".")
        content = shown(data, "text/plain", redactor)
        assert content is not None
        assert content.is_cut
        assert len(content.data) <= BOUND
        assert SECRET[:4].encode() not in content.data


def test_what_grows_by_masks_is_cut_to_the_bound() -> None:
    redactor = Redactor(salt=b"x")
    redactor.learn("abcd")
    content = shown(b"abcd " * 190, "text/plain", redactor)
    assert content is not None
    assert content.is_cut
    assert len(content.data) == BOUND
    assert content.length == 950


@pytest.mark.parametrize(
    ("data", "media_type", "text"),
    [
        (b"plain", "", "plain"),
        ("\u00e9".encode(), "text/plain", "\u00e9"),
        (b"\xe9", "text/plain; charset=iso-8859-1", "\u00e9"),
        (b"\xe9", "text/plain", "\u00e9"),
        (b"\xe9", "text/plain; charset=no-such", "\u00e9"),
        (b"\xe9", "", None),
        ("\ufeff<a/>".encode("utf-16-le"), "text/xml", "<a/>"),
        ("<a/>".encode("utf-16-be"), "text/xml", "<a/>"),
        (b"\x00\x01\x02", "application/octet-stream", None),
        (b"\x1b[31m", "text/plain", "\x1b[31m"),
        (b"\x1b[31m", "application/octet-stream", None),
        (b"41", "text/plain; charset=hex", "41"),
        (b"{}", "application/problem+json", "{}"),
    ],
)
def test_text_is_known_by_type_and_by_its_bytes(data: bytes, media_type: str, text: str | None) -> None:
    assert as_text(data, media_type) == text


def test_half_a_character_at_the_cut_is_left_out() -> None:
    assert as_text("cut \u20ac".encode()[:-1], "text/plain", is_cut=True) == "cut "


@given(
    st.binary(max_size=50),
    st.sampled_from(["", "text/xml", "text/plain; charset=utf-7", "image/png", "text/x; charset=hex"]),
)
def test_any_bytes_are_shown_somehow(data: bytes, media_type: str) -> None:
    content = shown(data, media_type or None)
    assert (content is None) == (data == b"")
    assert content is None or content.text is None or isinstance(content.text, str)
