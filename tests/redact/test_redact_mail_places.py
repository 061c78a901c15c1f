"""Secrets of mail: a marker in each place where SMTP, POP3 or IMAP carry one, sought in every output."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cli_runs import run
from packets import C, S, Scene
from smtp_dialogues import BANNER, MODERN, QUIT, hello, mail, talk
from test_redact_logins import guises

if TYPE_CHECKING:
    from pathlib import Path

    from packets import Say

MARKER = "Tr0ub4dor3-marker"
NAMES = ("a.txt", "a.json", "a.jsonl", "a.html", "a.har", "a.saz", "a.pcapng")
START = [BANNER, *hello(*MODERN, "X-EXPS GSSAPI NTLM LOGIN", "XEXCH50", "XPROXY")]
OK, NO = "S: 235 2.7.0 Authentication successful", "S: 535 5.7.3 Authentication unsuccessful"
POP3, IMAP = (
    "S: +OK The Microsoft Exchange POP3 service is ready.",
    "S: * OK The Microsoft Exchange IMAP4 service is ready.",
)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = b64(f"\0avery\0{MARKER}")
BEARER = b64(f"user=avery@contoso.com\x01auth=Bearer {MARKER}\x01\x01")
NTLM = base64.b64encode(b"NTLMSSP\x00\x02\x00\x00\x00" + bytes(12) + MARKER.encode() + bytes(20)).decode()

SMTP = {
    "plain": [*START, f"C: AUTH PLAIN {PLAIN}", OK],
    "plain, later": [*START, "C: AUTH PLAIN", "S: 334 ", f"C: {PLAIN}", NO],
    "login": [
        *START,
        "C: AUTH LOGIN",
        "S: 334 VXNlcm5hbWU6",
        f"C: {b64('avery')}",
        "S: 334 UGFzc3dvcmQ6",
        f"C: {b64(MARKER)}",
        OK,
    ],
    "login of exchange": [*START, f"C: X-EXPS LOGIN {b64('avery')}", "S: 334 UGFzc3dvcmQ6", f"C: {b64(MARKER)}", OK],
    "bearer": [*START, f"C: AUTH XOAUTH2 {BEARER}", OK],
    "a challenge": [
        *START,
        "C: AUTH NTLM",
        "S: 334 NTLM supported",
        "C: TlRMTVNTUAABAAAA",
        f"S: 334 {NTLM}",
        "C: *",
        "S: 501 5.7.0 no",
    ],
    "a token": [*START, f"C: X-EXPS GSSAPI {b64('YII' + MARKER)}", NO],
    "the last token": [*START, "C: X-EXPS GSSAPI YIIsample", f"S: 235 {b64(MARKER)}"],
    "after a refusal": [
        *START,
        "C: AUTH LOGIN",
        "S: 504 5.7.4 Unrecognized authentication type",
        f"C: {b64(MARKER)}",
        "S: 500 5.3.3 no",
    ],
    "a password that is repeated": [*START, f"C: AUTH PLAIN {PLAIN}", OK, "C: NOOP", f"S: 250 2.0.0 {MARKER}"],
    "a proxied session": [*START, f"C: XPROXYFROM SID={MARKER} IP=192.0.2.1", "S: 250 XProxyFrom accepted"],
    "a body": [*START, *mail(fields=["", MARKER])],
    "a subject": [*START, *mail(fields=[f"Subject: {MARKER}", f"Thread-Topic: {MARKER}"])],
    "a folded subject": [*START, *mail(fields=["Subject: one", f" {MARKER}"])],
    "a body in base64": [*START, *mail(fields=["Content-Transfer-Encoding: base64", "", b64(MARKER * 3)])],
}
OTHERS = {
    "pass": (110, [POP3, "C: USER avery", "S: +OK", f"C: PASS {MARKER}", "S: +OK"]),
    "apop": (110, [POP3, f"C: APOP avery {MARKER}", "S: +OK"]),
    "auth of pop3": (110, [POP3, "C: AUTH PLAIN", "S: + ", f"C: {PLAIN}", "S: +OK"]),
    "login of imap": (143, [IMAP, f"C: a LOGIN avery {MARKER}", "S: a OK done"]),
    "login with literals": (
        143,
        [IMAP, "C: a LOGIN {5}", "S: + ok", "C: avery {17}", "S: + ok", f"C: {MARKER}", "S: a OK done"],
    ),
    "authenticate": (143, [IMAP, "C: a AUTHENTICATE PLAIN", "S: + ", f"C: {PLAIN}", "S: a OK done"]),
}


def outputs(said: list[Say], port: int, folder: Path) -> bytes:
    """All documents of a capture, a connection byte by byte, and each object."""
    scene = Scene()
    scene.dialogue(said, port=port)
    (folder / "scene.pcap").write_bytes(scene.pcap())
    wanted = [argument for name in NAMES for argument in ("-o", folder / name)]
    results = [run(folder / "scene.pcap", "--verbose", *wanted), run(folder / "scene.pcap", "--follow", "1")]
    assert [each.exit_code for each in results] == [0, 0], results[0].output
    files = b"".join((folder / name).read_bytes() for name in NAMES)
    return files + b"".join(each.stdout_bytes + each.stderr_bytes for each in results)


def assert_hidden(shown: bytes) -> None:
    for guise in guises(MARKER.encode()):
        assert guise not in shown, guise


@pytest.mark.parametrize("name", SMTP)
def test_a_secret_of_smtp_is_in_no_output(name: str, tmp_path: Path) -> None:
    shown = outputs(talk(*SMTP[name], *QUIT), 25, tmp_path)
    assert_hidden(shown)
    assert b"EXC1.contoso.local" in shown


@pytest.mark.parametrize("name", OTHERS)
def test_a_secret_of_pop3_and_imap_is_in_no_output(name: str, tmp_path: Path) -> None:
    port, lines = OTHERS[name]
    shown = outputs(talk(*lines), port, tmp_path)
    assert_hidden(shown)
    assert b"avery" in shown


def test_chunks_and_blobs_are_hidden_too(tmp_path: Path) -> None:
    content = f"From: <avery@contoso.local>\r\nSubject: x\r\n {MARKER}\r\n\r\n{MARKER}".encode()
    blob = b"\x01\x00" + MARKER.encode()
    said = [
        *talk(*START, "C: MAIL FROM:<avery@contoso.local>", "S: 250 2.1.0 OK", "C: RCPT TO:<kim@contoso.local>"),
        *talk("S: 250 2.1.5 OK", f"C: XEXCH50 {len(blob)} 2", "S: 354 Send binary data"),
        C(blob),
        *talk("S: 250 2.0.0 OK"),
        C(b"BDAT %d\r\n" % len(content) + content),
        *talk("S: 250 2.0.0 OK"),
        C(b"BDAT 17 LAST\r\n" + MARKER.encode() + b"QUIT\r\n"),
        S(b"250 2.6.0 queued\r\n221 2.0.0 bye\r\n"),
    ]
    shown = outputs(said, 25, tmp_path)
    assert_hidden(shown)
    assert b"avery@contoso.local" in shown
    assert b"BDAT 17 LAST" in shown


def test_with_show_secrets_all_is_there(tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(talk(*SMTP["plain"], *mail(fields=[f"Subject: {MARKER}"]), *QUIT), port=25)
    (tmp_path / "scene.pcap").write_bytes(scene.pcap())
    result = run(tmp_path / "scene.pcap", "--verbose", "--show-secrets")
    assert PLAIN in result.output
