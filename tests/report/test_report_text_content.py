"""Contents in the verbose text: laid out, masked, bounded, and never a command to a terminal."""

from __future__ import annotations

import io

from cli_runs import run
from sample_conversations import SECRET, conversation, request, response, session, span
from written import EXCHANGE, ROOT, analysis_of, written

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.report.text_content import MAX_LINES
from tlsdecrypt.report.text_writer import TextWriter


def told(content: bytes, media_type: str = "text/xml", **how: object) -> str:
    """The verbose text of an exchange whose answer has this content."""
    fields = (("Content-Type", media_type),)
    answer = response(200, "OK", span(6, 6, 6, 6), fields=fields, content=content, content_length=len(content))
    said = Exchange("http/1.1", request("/", span(5, 5, 5, 5)), answer)
    analysis = analysis_of([conversation(1, session(), exchanges=(said,))])
    return written(TextWriter, analysis, **({"is_verbose": True} | how)).decode()


def test_xml_stands_laid_out_behind_the_fields() -> None:
    assert "        < Content-Type: text/xml\n        <\n        < <a>\n        <   <b>1</b>\n        < </a>\n" in told(
        b"<a><b>1</b></a>"
    )


def test_without_verbose_no_content_is_told() -> None:
    assert "<b>" not in told(b"<a><b>1</b></a>", is_verbose=False)


def test_long_contents_are_cut_and_say_so() -> None:
    text = told(b"x\n" * 1_000, "text/plain")
    assert text.count("< x\n") == MAX_LINES
    assert "[only the beginning of 2,000 bytes]" in text


def test_what_is_no_text_is_counted() -> None:
    assert "[3 bytes that are no text]" in told(b"\x00\xff\x01", "image/png")


def test_secrets_and_control_characters_stay_inside() -> None:
    text = told(b"password=" + SECRET.encode() + b" \x1b]0;pwned\x07\r\nnext\tcolumn", "text/plain")
    assert SECRET not in text
    assert "\x1b" not in text
    assert "< next    column\n" in text


def test_the_command_tells_contents_only_when_asked() -> None:
    how = (str(EXCHANGE), "--pfx", str(ROOT / "keys" / "mail.pfx"))
    assert "<AccountType>email</AccountType>" not in run(*how).stdout
    verbose = run(*how, "--verbose").stdout
    assert "        <       <AccountType>email</AccountType>\n" in verbose
    assert "not-a-real-password" not in verbose


def test_the_whole_text_can_be_painted_in_colour() -> None:
    from tlsdecrypt.report.lines import line  # noqa: PLC0415
    from tlsdecrypt.report.painter import ColourPainter  # noqa: PLC0415

    stream = io.StringIO()
    ColourPainter(stream).paint(line("<  <a>", level=2))
    assert "        <  <a>" in stream.getvalue()
