"""SMTP rules about one reply: each fires on it, and is silent on a near miss."""

from __future__ import annotations

import base64

import pytest
from packets import C, S, Scene, found
from smtp_dialogues import (
    BANNER,
    INSIDE,
    MODERN,
    OUTSIDE,
    QUIT,
    SERVER,
    finding,
    hello,
    mail,
    scene_of,
    session,
    talk,
)

from tlsdecrypt.findings.finding import Confidence, Severity

START = [BANNER, *hello(*MODERN)]
LOGIN = [
    "C: AUTH LOGIN",
    "S: 334 VXNlcm5hbWU6",
    "C: YXZlcnlAY29udG9zby5jb20=",
    "S: 334 UGFzc3dvcmQ6",
    "C: VHIwdWI0ZG9y",
]
FROM, TO = "MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example>"
ELSEWHERE, NOBODY = "RCPT TO:<kim@fabrikam.com>", "RCPT TO:<nobody@contoso.local>"
AUTH_NTLM = ["C: AUTH NTLM", "S: 334 ", "C: TlRMTVNTUAABAAAA"]
X_EXPS_NTLM = ["C: X-EXPS NTLM", *AUTH_NTLM[1:]]
CANNOT = "S: 451 5.7.3 Cannot achieve Exchange Server authentication"
WANTS_TLS = "530 5.7.0 Must issue a STARTTLS command first"
WHAT = "S: 500 5.3.3 Unrecognized command"
FAILED = "S: 535 5.7.3 Authentication unsuccessful"
NOT_AS = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
DISABLED = "S: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled"
EXCHANGE = [BANNER, *hello("X-EXPS GSSAPI NTLM")]
STARS = "S: 220 ****************************0*2******0***"
LOGGED_IN = [*LOGIN, "S: 235 2.7.0 Authentication successful"]
INFO, WARNING, ERROR = Severity


def refused(command: str, reply: str) -> list[str]:
    return [*START, f"C: {command}", f"S: {reply}", *QUIT]


def at_end(reply: str) -> list[str]:
    return [*START, *mail(outcome=reply), *QUIT]


@pytest.mark.parametrize(
    ("rule", "severity", "lines"),
    [
        ("smtp.throttled", WARNING, at_end("421 4.4.2 Message submission rate for this client has exceeded the limit")),
        (
            "smtp.throttled",
            WARNING,
            refused(FROM, "451 4.7.500 Server busy. Please try again later"),
        ),
        ("smtp.throttled", WARNING, refused(FROM, "432 4.3.2 STOREDRV.ClientSubmit; throttled")),
        ("smtp.throttled", WARNING, at_end("451 4.7.3 Throttled due to exceeding sender quota")),
        ("smtp.throttled", WARNING, refused(TO, "450 4.2.1 The user is receiving mail at a rate limit")),
        ("smtp.back-pressure", ERROR, refused(FROM, "452 4.3.1 Insufficient system resources")),
        ("smtp.service-inactive", ERROR, ["S: 421 4.3.2 Service not available, closing transmission channel"]),
        ("smtp.service-inactive", ERROR, refused(FROM, "421 4.3.2 Service not active")),
        (
            "smtp.too-many-connections",
            WARNING,
            ["S: 421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing"],
        ),
        ("smtp.too-many-connections", WARNING, ["S: 421 4.7.0 Too many connections from your host"]),
        ("smtp.too-many-connections", WARNING, ["S: 421 4.3.2 max connections per source reached"]),
        (
            "smtp.message-too-large",
            WARNING,
            refused(f"{FROM} SIZE=99999999", "552 5.3.4 Message size exceeds fixed limit"),
        ),
        ("smtp.message-too-large", WARNING, at_end("552 5.2.3 Message exceeds maximum size")),
        ("smtp.loop", ERROR, at_end("554 5.4.6 Hop count exceeded - possible mail loop")),
        ("smtp.loop", ERROR, at_end("550 5.3.5 System incorrectly configured")),
        ("smtp.bad-sequence", INFO, refused("DATA", "503 5.5.2 Need rcpt command")),
        ("smtp.legacy-xexch50-fail", INFO, refused("XEXCH50 1000 2", "504 5.7.4 Need to authenticate first")),
        ("smtp.sender-denied", WARNING, refused(FROM, "550 5.1.0 Sender denied")),
        (
            "smtp.sender-denied",
            WARNING,
            refused(FROM, "550 5.7.1 Sender denied: on a list"),
        ),
        ("smtp.sender-denied", WARNING, refused("MAIL FROM:<>", "501 5.1.7 Invalid address")),
        ("smtp.recipient-unknown", WARNING, refused(NOBODY, "550 5.1.1 User unknown")),
        ("smtp.recipient-unknown", WARNING, refused(NOBODY, "550 Unrouteable address")),
        (
            "smtp.recipient-unknown",
            WARNING,
            refused(NOBODY, "550 5.1.10 RecipientNotFound; not found"),
        ),
        ("smtp.auth-required", ERROR, refused(FROM, "530 5.7.1 Client was not authenticated")),
        (
            "smtp.auth-required",
            ERROR,
            refused(FROM, "530 5.7.57 SMTP; Client was not authenticated"),
        ),
        ("smtp.auth-failed", ERROR, [*START, *LOGIN, FAILED, *QUIT]),
        (
            "smtp.auth-failed",
            ERROR,
            [*START, *LOGIN, DISABLED],
        ),
        (
            "smtp.tls-required",
            ERROR,
            refused(FROM, WANTS_TLS),
        ),
        ("smtp.tls-required", ERROR, refused(FROM, "451 5.7.3 STARTTLS is required to send mail")),
        (
            "smtp.tenant-attribution",
            ERROR,
            refused(TO, "550 5.7.64 TenantAttribution; Relay Access Denied"),
        ),
        (
            "smtp.ip-blocked",
            ERROR,
            refused(TO, "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"),
        ),
        (
            "smtp.ip-blocked",
            ERROR,
            refused("RCPT TO:<a@b.example>", "550 5.7.1 Client host [192.0.2.1] blocked using Spamhaus"),
        ),
        ("smtp.ip-blocked", ERROR, refused(TO, "550 5.7.511 Access denied, banned sender")),
        (
            "smtp.send-as-denied",
            ERROR,
            [
                *START,
                *LOGGED_IN,
                *mail(
                    "other@fabrikam.com",
                    outcome=NOT_AS,
                ),
            ],
        ),
        ("smtp.relay-denied", WARNING, refused(ELSEWHERE, "550 5.7.1 Unable to relay")),
        (
            "smtp.relay-denied",
            WARNING,
            refused(ELSEWHERE, "550 5.7.54 SMTP; Unable to relay recipient"),
        ),
        ("smtp.plain-auth-without-tls", ERROR, [*START, *LOGGED_IN, *QUIT]),
        (
            "smtp.exchange-auth-failed",
            ERROR,
            [
                BANNER,
                *hello("X-EXPS GSSAPI NTLM"),
                "C: X-EXPS GSSAPI YIIsample",
                CANNOT,
                *QUIT,
            ],
        ),
        (
            "smtp.exchange-auth-failed",
            ERROR,
            [
                BANNER,
                *hello("X-EXPS GSSAPI NTLM"),
                "C: X-EXPS NTLM",
                "S: 334 ",
                "C: TlRMTVNTUAABAAAA",
                FAILED,
                *QUIT,
            ],
        ),
        ("smtp.esmtp-keywords-masked", ERROR, [BANNER, *hello("SIZE 1000", "XXXXXXXA", "XXXB"), *QUIT]),
        (
            "smtp.esmtp-keywords-masked",
            ERROR,
            [STARS, *hello("SIZE 1000"), *QUIT],
        ),
        (
            "smtp.esmtp-keywords-masked",
            ERROR,
            [BANNER, *hello("X-ANONYMOUSTLS"), "C: X-ANONYMOUSTLS", WHAT, *QUIT],
        ),
        (
            "smtp.esmtp-keywords-masked",
            ERROR,
            [BANNER, "C: EHLO EXC1.contoso.local", WHAT, *QUIT],
        ),
    ],
)
def test_a_rule_fires_on_the_reply_that_says_so(rule: str, severity: Severity, lines: list[str]) -> None:
    seen = finding(rule, *lines)
    assert seen is not None
    assert seen.severity is severity
    assert seen.evidence
    assert all(each.frame for each in seen.evidence)
    assert "VHIwdWI0ZG9y" not in repr(seen)


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("smtp.throttled", ["S: 421 4.4.2 SVR01.contoso.local Error: timeout exceeded"]),
        ("smtp.throttled", refused(FROM, "451 4.7.1 Greylisting in action")),
        ("smtp.throttled", ["S: 421 4.7.0 Too many connections from your host"]),
        ("smtp.back-pressure", refused(TO, "452 4.2.2 Mailbox full")),
        ("smtp.service-inactive", ["S: 421 4.4.1 Connection timed out"]),
        ("smtp.service-inactive", ["S: 421 4.3.2 The maximum number of concurrent connections has exceeded a limit"]),
        ("smtp.too-many-connections", ["S: 421 4.7.0 Too many errors on this connection, closing"]),
        ("smtp.too-many-connections", ["S: 421 4.3.2 Service not available, closing transmission channel"]),
        ("smtp.message-too-large", refused(TO, "552 5.2.2 Mailbox full")),
        ("smtp.loop", at_end("554 5.6.0 Corrupt message content")),
        ("smtp.bad-sequence", refused("DATA", "502 5.5.1 not implemented")),
        ("smtp.legacy-xexch50-fail", refused("XEXCH50 1000 2", "500 5.3.3 Unrecognized command")),
        ("smtp.sender-denied", refused(ELSEWHERE, "550 5.7.1 Unable to relay")),
        ("smtp.recipient-unknown", refused(TO, "550 5.7.1 Unable to relay")),
        ("smtp.recipient-unknown", refused(TO, "550 5.2.1 Mailbox disabled, user unknown to policy")),
        (
            "smtp.auth-required",
            [
                *START,
                f"C: {FROM}",
                "S: 530 5.7.1 Client was not authenticated",
                *LOGGED_IN,
                *mail(),
                *QUIT,
            ],
        ),
        ("smtp.auth-required", refused(FROM, WANTS_TLS)),
        ("smtp.auth-failed", [*START, "C: AUTH LOGIN", "S: 504 5.7.4 Unrecognized authentication type", *QUIT]),
        ("smtp.auth-failed", [*START, *LOGGED_IN, *QUIT]),
        ("smtp.tls-required", refused(FROM, "530 5.7.1 Client was not authenticated")),
        (
            "smtp.tls-required",
            [
                *START,
                f"C: {FROM}",
                f"S: {WANTS_TLS}",
                "C: STARTTLS",
                "S: 220 2.0.0 ready",
            ],
        ),
        ("smtp.tenant-attribution", refused(TO, "550 5.7.1 Relay access denied")),
        ("smtp.ip-blocked", refused(TO, "550 5.7.1 Unable to relay")),
        ("smtp.ip-blocked", refused(TO, "550 5.7.57 blocked")),
        (
            "smtp.send-as-denied",
            [*START, *LOGGED_IN, f"C: {FROM}", "S: 550 5.7.1 Unable to relay", *QUIT],
        ),
        (
            "smtp.relay-denied",
            [*START, *LOGGED_IN, f"C: {ELSEWHERE}", "S: 550 5.7.1 Unable to relay", *QUIT],
        ),
        ("smtp.relay-denied", refused(TO, "550 5.7.64 TenantAttribution; Relay Access Denied")),
        (
            "smtp.plain-auth-without-tls",
            [*START, "C: AUTH LOGIN", f"S: {WANTS_TLS}", *QUIT],
        ),
        (
            "smtp.plain-auth-without-tls",
            [*START, *AUTH_NTLM, "S: 535 5.7.3 no", *QUIT],
        ),
        ("smtp.exchange-auth-failed", [*START, *LOGIN, FAILED, *QUIT]),
        (
            "smtp.exchange-auth-failed",
            [*EXCHANGE, *X_EXPS_NTLM, "S: 235 ok", *QUIT],
        ),
        ("smtp.esmtp-keywords-masked", [BANNER, *hello("XEXCH50", "XRDST", "X-EXPS GSSAPI", "XOORG"), *QUIT]),
        ("smtp.esmtp-keywords-masked", [BANNER, *hello("SIZE"), "C: FOO", WHAT, *QUIT]),
    ],
)
def test_a_rule_is_silent_on_a_near_miss(rule: str, lines: list[str]) -> None:
    assert finding(rule, *lines) is None


def test_service_inactive_is_a_note_where_the_server_shuts_down() -> None:
    seen = finding("smtp.service-inactive", "S: 421 4.3.2 System is shutting down, service not available")
    assert seen is not None
    assert seen.severity is INFO


def test_send_as_denied_names_both_and_hides_what_it_explains() -> None:
    seen = finding("smtp.send-as-denied", *START, *LOGGED_IN, *mail("other@fabrikam.com", outcome=NOT_AS))
    assert seen is not None
    assert seen.summary.startswith("user avery@contoso.com may not send as other@fabrikam.com.")
    assert "second address" in seen.summary
    same = finding("smtp.send-as-denied", *START, *LOGGED_IN, *mail("other@contoso.com", outcome=NOT_AS))
    assert same is not None
    assert "second address" not in same.summary


def test_auth_failed_is_a_note_where_another_mechanism_works() -> None:
    ntlm = [*AUTH_NTLM, FAILED]
    seen = finding("smtp.auth-failed", *START, *ntlm, *LOGGED_IN, *QUIT)
    assert seen is not None
    assert seen.severity is INFO


def test_plain_auth_says_nothing_of_the_password() -> None:
    seen = finding("smtp.plain-auth-without-tls", *START, *LOGGED_IN, *QUIT)
    assert seen is not None
    assert "avery@contoso.com" in seen.summary
    assert base64.b64decode("VHIwdWI0ZG9y").decode() not in repr(seen)


@pytest.mark.parametrize(
    "recipients", [["a@x.example", "a@x.example.net", "b@x.example"], ["kim%fabrikam.com@contoso.local"]]
)
def test_relay_denied_is_a_note_where_somebody_tries_it_out(recipients: list[str]) -> None:
    tries = [line for each in recipients for line in (f"C: RCPT TO:<{each}>", "S: 550 5.7.1 Unable to relay")]
    seen = finding("smtp.relay-denied", *START, *tries, *QUIT, client=OUTSIDE)
    assert seen is not None
    assert (seen.severity, seen.count) == (INFO, len(recipients))


@pytest.mark.parametrize(
    ("client", "domains", "severity"),
    [
        (OUTSIDE, ["a.example", "b.example", "c.example"], INFO),
        (OUTSIDE, ["a.example", "a.example", "b.example"], WARNING),
        (INSIDE, ["a.example", "b.example", "c.example"], WARNING),
    ],
)
def test_relay_denied_is_a_note_where_a_stranger_tries_it_out_in_several_sessions(
    client: str, domains: list[str], severity: Severity
) -> None:
    scene = Scene()
    for domain in domains:
        lines = [*START, f"C: RCPT TO:<test@{domain}>", "S: 550 5.7.1 Unable to relay", *QUIT]
        session(scene, *lines, client=client)
    scene.silence(5)
    seen = found(scene, "smtp.relay-denied")
    assert seen is not None
    assert (seen.severity, seen.count) == (severity, len(domains))


def test_relay_denied_tells_the_envelope() -> None:
    lines = [
        "C: MAIL FROM:<scan@contoso.com>",
        "S: 250 2.1.0 Sender OK",
        f"C: {ELSEWHERE}",
        "S: 550 5.7.1 Unable to relay",
    ]
    seen = finding("smtp.relay-denied", *START, *lines, *QUIT)
    assert seen is not None
    for part in (INSIDE, "EXC1.contoso.local", "scan@contoso.com", "kim@fabrikam.com", "without a login"):
        assert part in seen.summary


def test_recipient_unknown_is_a_note_where_many_are_tried() -> None:
    tries = [line for number in range(6) for line in (f"C: RCPT TO:<u{number}@contoso.local>", "S: 550 5.1.1 unknown")]
    seen = finding("smtp.recipient-unknown", *START, *tries, *QUIT)
    assert seen is not None
    assert (seen.severity, seen.count) == (INFO, 6)
    assert "6 recipients" in seen.summary


def test_a_fault_that_comes_again_is_told_once() -> None:
    scene = Scene()
    for _ in range(4):
        session(scene, *refused(FROM, "452 4.3.1 Insufficient system resources"))
    scene.silence(5)
    seen = found(scene, "smtp.back-pressure")
    assert seen is not None
    assert (seen.count, seen.confidence) == (4, Confidence.CERTAIN)


def test_probes_of_exchange_get_notes_only() -> None:
    lines = [*START, "C: MAIL FROM:<HealthMailbox7@contoso.local>", "S: 530 5.7.1 Client was not authenticated", *QUIT]
    seen = finding("smtp.auth-required", *lines)
    assert seen is not None
    assert seen.severity is INFO


def test_banner_delay_after_five_seconds_and_not_before() -> None:
    for delay, fires in ((7.5, True), (4.0, False)):
        scene = Scene()
        first, *rest = talk(BANNER, *hello(*MODERN), *QUIT)
        scene.dialogue([S(first.data, delay), *rest], port=25, client=INSIDE, server=SERVER)
        scene.silence(5)
        assert (found(scene, "smtp.banner-delay") is not None) == fires


def test_manual_session_where_keys_come_one_by_one() -> None:
    typed = [C(character, 0.2) for character in "HELP ME\r\n"]
    said = [*talk(BANNER), *typed, *talk(WHAT, *QUIT)]
    scene = Scene()
    scene.dialogue(said, port=25, client=INSIDE, server=SERVER)
    seen = found(scene, "smtp.manual-session")
    assert seen is not None
    assert seen.severity is INFO
    assert found(scene_of(BANNER, "C: HELP ME", WHAT, *QUIT), "smtp.manual-session") is None
