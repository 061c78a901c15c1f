"""Mail messages: who wrote to whom stays, what was written goes."""

from __future__ import annotations

import pytest

from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.mail_message import mask_message

MESSAGE = (
    b"Received: from a by b;\r\n\tTue, 24 Nov 2026 07:43:24 +0000\r\nFrom: kim@fabrikam.com\r\n"
    b"Subject: to be or\r\n not\r\n"
    b"X-Note: password=Tr0ub4dor3\r\nno field\r\n\r\nHello.\r\n"
)
MASKED = (
    b"Received: from a by b;\r\n\tTue, 24 Nov 2026 07:43:24 +0000\r\nFrom: kim@fabrikam.com\r\n"
    b"Subject: <masked:personal len=14>\r\nX-Note: <masked:personal len=19>\r\n\r\n<masked:personal len=6>\r\n"
)


def test_the_envelope_stays_and_the_rest_is_masked() -> None:
    redactor = Redactor()
    assert mask_message(MESSAGE, redactor) == MASKED
    assert redactor.counts["personal"] == 3


def test_lines_that_end_with_a_line_feed_alone_are_read_too() -> None:
    assert mask_message(MESSAGE.replace(b"\r\n", b"\n"), Redactor()).count(b"<masked") == 3


def test_with_show_secrets_a_message_is_as_it_was() -> None:
    assert mask_message(MESSAGE, Redactor(show_secrets=True)) == MESSAGE


def test_a_secret_in_a_field_that_is_shown_is_masked() -> None:
    masked = mask_message(b"Message-ID: <x?password=Tr0ub4dor3>\r\n\r\n", Redactor())
    assert b"Tr0ub4dor3" not in masked
    assert masked.startswith(b"Message-ID: <x?password=")


@pytest.mark.parametrize("length", range(len(MESSAGE)))
def test_a_message_that_is_cut_shows_no_more(length: int) -> None:
    masked = mask_message(MESSAGE[:length], Redactor())
    assert [word for word in (b"to be", b"not", b"Tr0", b"Hel") if word in masked] == []
