"""Following a connection: byte for byte what was said, and on a terminal lines that tell who spoke."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import tiny_capture
from cli_runs import KEYS, assert_refused, run, spawn
from hpack import Encoder
from recorded_captures import frames_of, pcap
from sample_cases import CASES, ROOT
from sample_conversations import conversation, session, span

from tlsdecrypt import Analysis
from tlsdecrypt.flow import Direction
from tlsdecrypt.plaintext import Place
from tlsdecrypt.recapture import follow
from tlsdecrypt.recapture.follow import MAX_LINE, FollowTeller
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.painter import PlainPainter
from tlsdecrypt.report.writer import Manner

if TYPE_CHECKING:
    from pathlib import Path

EXCHANGE = ROOT / "captures" / "exchange.pcapng"
OPENED = ("--pfx", KEYS / "mail.pfx")
EXPECTED: list[dict[str, Any]] = next(
    case["connections"] for case in CASES if case["capture"].endswith("exchange.pcapng")
)
READABLE = [number for number, each in enumerate(EXPECTED, 1) if each["application_data"]["server"]["length"]]


@pytest.mark.parametrize("number", READABLE)
@pytest.mark.parametrize("side", ["client", "server"])
def test_each_side_is_what_tshark_decrypts(number: int, side: str) -> None:
    told = run(EXCHANGE, *OPENED, "--follow", number, "--side", side, "--show-secrets", "--quiet")
    expected = EXPECTED[number - 1]["application_data"][side]
    assert told.exit_code == 0
    assert (len(told.stdout_bytes), hashlib.sha256(told.stdout_bytes).hexdigest()) == (
        expected["length"],
        expected["sha256"],
    )


def test_both_sides_stand_in_the_order_in_which_they_were_said(capture: str) -> None:
    told = spawn(capture, "--follow", "1", "--show-secrets")
    assert told.stdout == tiny_capture.REQUEST + tiny_capture.RESPONSE


def test_secrets_are_overwritten_and_lengths_stay(capture: str) -> None:
    told = run(capture, "--follow", "1")
    assert b"Tr0ub4dor3-marker" not in told.stdout_bytes
    assert len(told.stdout_bytes) == len(tiny_capture.REQUEST + tiny_capture.RESPONSE)
    masked = run(EXCHANGE, *OPENED, "--follow", "13", "--side", "client").stdout_bytes
    shown = run(EXCHANGE, *OPENED, "--follow", "13", "--side", "client", "--show-secrets").stdout_bytes
    assert masked != shown
    assert len(masked) == len(shown)
    assert re.findall(rb"Authorization: Basic [^*\r]", masked) == []


def test_names_have_pseudonyms_where_they_are_wanted() -> None:
    told = run(EXCHANGE, *OPENED, "--follow", "13", "--anonymise").stdout_bytes
    assert len(told) == len(run(EXCHANGE, *OPENED, "--follow", "13").stdout_bytes)
    assert [word for word in (b"contoso", b"avery", b"CAS01") if word in told] == []


def test_what_was_not_captured_is_told_apart_from_what_was_said(tmp_path: Path) -> None:
    up, down = Direction
    flights = [(up, b"HELLO\r\n"), (down, b"x" * 500), (down, b"GOODBYE\r\n")]
    (tmp_path / "gap.pcap").write_bytes(pcap(frames_of(flights, ports=(50_001, 7_777), lost=frozenset({1}))))
    told = run(tmp_path / "gap.pcap", "--follow", "1")
    assert told.stdout_bytes == b"HELLO\r\nGOODBYE\r\n"
    assert "500 bytes were not captured, and are missing here" in told.stderr


def on_a_terminal(*arguments: object, **environment: str) -> str:
    """What the command shows on a terminal of 60 columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 60))
    command = [sys.executable, "-m", "tlsdecrypt", *map(str, arguments)]
    given = {**os.environ, "TERM": "xterm-256color", **environment}
    shown = b""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=given):
        os.close(theirs)
        with suppress(OSError):  # how Linux tells that the other end is closed
            while piece := os.read(ours, 1 << 16):
                shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_on_a_terminal_marks_and_colours_tell_who_spoke(capture: str) -> None:
    shown = on_a_terminal(capture, "--follow", "1")
    assert "\x1b[33m> Host: mail.contoso.com\x1b[0m\n" in shown
    assert "\x1b[32m< HTTP/1.1 302 Found\x1b[0m\n" in shown


def test_no_color_leaves_the_marks(capture: str) -> None:
    shown = on_a_terminal(capture, "--follow", "1", NO_COLOR="1")
    assert "\n> Host: mail.contoso.com\n>\n< HTTP/1.1 302 Found\n" in shown
    assert "\x1b[" not in shown


def test_a_stranger_sends_no_command_to_the_terminal(tmp_path: Path) -> None:
    up, down = Direction
    flights = [(up, b"a\x1b]0;pwned\x07\xff\xfe\n" + b"y" * 10_000), (down, "\u202eb\u00e9\n".encode())]
    (tmp_path / "odd.pcap").write_bytes(pcap(frames_of(flights, ports=(50_001, 7_777))))
    shown = on_a_terminal(tmp_path / "odd.pcap", "--follow", "1", NO_COLOR="1")
    assert r"> a\x1b]0;pwned\x07\xff\xfe" in shown
    assert r"< \u202eb" + "\u00e9" in shown
    assert "\x1b" not in shown
    assert shown.count("y") == 10_000


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 10_000])
def test_lines_do_not_depend_on_how_the_bytes_were_cut(cut: int) -> None:
    data = "one\r\ntwo \u20ac\n\nthree".encode() + b"\xff\n" + b"z" * (2 * MAX_LINE + 5)
    lines = follow._Lines(Direction.CLIENT_TO_SERVER)
    told = [each for at in range(0, len(data), cut) for each in lines.feed(data[at : at + cut])]
    told += lines.finish()
    texts = [each.parts[0][0] for each in told]
    assert texts[:4] == ["> one", "> two \u20ac", "> ", r"> three\xff"]
    assert "".join(each.removeprefix("> ") for each in texts[4:]) == "z" * (2 * MAX_LINE + 5)


def test_what_is_known_of_a_hole_stands_in_it_and_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    side = Direction.SERVER_TO_CLIENT
    said = [follow.Said(side, 4, b"one\n"), follow.Said(side, 9, None), follow.Said(side, 5, b"three")]
    missing = follow._paint(said, PlainPainter(sys.stdout), {(side, 4): [b"two"], (side, 9): [b"elsewhere"]})
    assert missing == 9
    assert capsys.readouterr().out.splitlines() == [
        "< one",
        "< [9 bytes not captured]",
        "< [of them, 3 bytes, unverified:]",
        "< two",
        "< three",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--follow", "99"), "there is no connection 99: they are numbered 1 to 16"),
        (("--follow", "8"), "nothing that can be read was said on connection 8: forward-secrecy"),
        (("--follow", "1", "--format", "json"), "--follow takes the place of the text"),
        (("--follow", "1", "--explain"), "--follow takes the place of the text"),
        (("--side", "client"), "give --follow too"),
        (("--follow", "0"), "--follow"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(options: tuple[str, ...], words: str) -> None:
    assert_refused(run(EXCHANGE, *OPENED, *options), words)


def test_secrets_of_http_2_are_overwritten_too(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    secret = "q7ZxT0kenVa1ueThatNobodyMaySee9911"
    fields = [(":method", "GET"), (":scheme", "https"), (":path", "/"), ("authorization", f"Bearer {secret}")]
    block = Encoder().encode(fields, huffman=False)
    head = len(block).to_bytes(3, "big") + b"\x01\x05" + (1).to_bytes(4, "big")  # HEADERS, RFC 9113 section 6.2
    said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + head + block
    for show_secrets in (False, True):
        teller = FollowTeller(Manner(Redactor(show_secrets=show_secrets)), 1, None)
        teller.sink.said(Place(1, is_decrypted=True), Direction.CLIENT_TO_SERVER, said, span(1, 1, 1, 1))
        talk = conversation(1, session(), application_protocol="http/2")
        teller.take(talk)
        teller.finish(Analysis((), (), (talk,), frames=0, other_frames={}))
        told = capsysbinary.readouterr().out
        assert (len(told), told == said, secret.encode() in told) == (len(said), show_secrets, show_secrets)


def test_an_empty_capture_has_nothing_to_follow(tmp_path: Path) -> None:
    (tmp_path / "none.pcap").write_bytes(pcap([]))
    assert_refused(run(tmp_path / "none.pcap", "--follow", "1", "--quiet"), "there is no connection 1: there is none")
