"""SMTP rules about whole sessions: each fires on its cause, and is silent on a near miss."""

from __future__ import annotations

from typing import Any

import pytest
from packets import C, Scene, found, rules_of
from smtp_dialogues import (
    BANNER,
    INSIDE,
    INSIDE_TOO,
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
NOT_OFFERED = "smtp.exchange-auth-not-offered"
LEFT = [*START, *QUIT]
WITH_EXPS = [BANNER, *hello(*MODERN, "X-ANONYMOUSTLS", "X-EXPS GSSAPI NTLM")]
AUTHENTICATED = [*WITH_EXPS, "C: X-EXPS NTLM", "S: 334 ", "C: TlRMTVNTUAABAAAA", "S: 235 2.7.0 ok"]


def test_exchange_auth_not_offered_on_the_log_of_the_post() -> None:
    seen = finding(NOT_OFFERED, *LEFT)
    assert seen is not None
    assert (seen.severity, seen.confidence) == (Severity.ERROR, Confidence.LIKELY)
    assert "EXC1.contoso.local" in seen.summary
    assert "451 5.7.3" in seen.summary
    assert any("Microsoft ESMTP" in each.what for each in seen.evidence)
    assert any("CHUNKING" in each.what and "QUIT 10 ms later" in each.what for each in seen.evidence)
    assert [each.what for each in seen.evidence][-2:] == ["QUIT", "221 2.0.0 Service closing transmission channel"]


def test_exchange_auth_not_offered_where_the_client_just_closes() -> None:
    assert finding(NOT_OFFERED, *START) is not None
    assert finding(NOT_OFFERED, *START, end="server-fin") is None


def test_exchange_auth_not_offered_to_a_client_that_uses_it_elsewhere() -> None:
    scene = Scene()
    session(scene, BANNER, *hello(*MODERN, name="relay.fabrikam.com"), *QUIT)
    assert found(scene, NOT_OFFERED) is None
    session(scene, *AUTHENTICATED, *mail(), *QUIT, server="10.4.2.16")
    assert found(scene, NOT_OFFERED) is not None


@pytest.mark.parametrize(
    ("name", "is_monitor"),
    [("lb01", True), ("F5-A", True), ("bigip", True), ("exc1", False), ("club7", False), ("album", False)],
)
def test_a_balancer_of_the_same_domain_that_comes_like_a_clock_is_a_monitor(name: str, *, is_monitor: bool) -> None:
    scene = Scene()
    for _ in range(4):
        session(scene, BANNER, *hello(*MODERN, name=f"{name}.contoso.local"), *QUIT)
        scene.now += 30
    assert (found(scene, "smtp.monitor-probe") is not None) is is_monitor
    assert (found(scene, NOT_OFFERED) is None) is is_monitor


def test_exchange_auth_not_offered_again_and_again_is_surer() -> None:
    scene = Scene()
    for _ in range(3):
        session(scene, *LEFT)
        scene.silence(60)
    seen = found(scene, NOT_OFFERED)
    assert seen is not None
    assert (seen.count, seen.confidence) == (3, Confidence.CERTAIN)
    assert found(scene, "smtp.monitor-probe") is None


@pytest.mark.parametrize(
    "lines",
    [
        [BANNER, "C: HELO EXC1.contoso.local", "S: 250 hello", *QUIT],
        [BANNER, *hello(*MODERN, name="mail.fabrikam.com"), *QUIT],
        [*START, *mail(), *QUIT],
        [*WITH_EXPS, *QUIT],
        [BANNER, *hello(*MODERN, "X-EXPS GSSAPI NTLM"), *QUIT],
        [BANNER.replace("Microsoft ESMTP MAIL Service", "ESMTP Postfix"), *hello(*MODERN), *QUIT],
        [*START, "C: NOOP", "S: 250 2.0.0 OK", *QUIT],
    ],
)
def test_exchange_auth_not_offered_is_silent_otherwise(lines: list[str]) -> None:
    assert finding(NOT_OFFERED, *lines) is None


def test_masked_keywords_are_the_cause_of_what_is_missing() -> None:
    scene = scene_of(BANNER, *hello("SIZE 1000", "XXXXXXXA", "XXXXXXXB"), *QUIT)
    seen = found(scene, NOT_OFFERED)
    assert seen is not None
    assert seen.caused_by == "smtp.esmtp-keywords-masked"


def monitored(period: float, *lines: str, count: int = 4, jitter: float = 0.0, **how: Any) -> Scene:
    scene = Scene()
    for number in range(count):
        scene.now = number * period + (jitter if number % 2 else 0.0)
        session(scene, *lines, client="10.4.2.5", **how)
    scene.silence(5)
    return scene


PROBE = (BANNER, "C: HELO lb", "S: 250 hello", *QUIT)


@pytest.mark.parametrize("lines", [PROBE, (BANNER, *hello(*MODERN, name="lb.example"), *QUIT), (BANNER, *QUIT)])
def test_monitor_probe_in_a_fixed_period(lines: tuple[str, ...]) -> None:
    seen = found(monitored(120, *lines), "smtp.monitor-probe")
    assert seen is not None
    assert seen.severity is Severity.INFO
    assert "every 120 s" in seen.summary
    assert len(seen.connections) == 4


def test_monitor_probe_that_connects_and_resets() -> None:
    assert found(monitored(30, BANNER, end="client-rst"), "smtp.monitor-probe") is not None


def test_monitor_probe_that_connects_and_closes() -> None:
    assert found(monitored(10, BANNER, end="fin"), "smtp.monitor-probe") is not None
    assert found(monitored(10, BANNER, end="server-fin"), "smtp.monitor-probe") is None


def test_monitor_probe_is_silent_for_mail_for_few_and_for_irregular_sessions() -> None:
    assert found(monitored(120, *START, *mail(), *QUIT), "smtp.monitor-probe") is None
    assert found(monitored(120, *PROBE, count=2), "smtp.monitor-probe") is None
    assert found(monitored(120, *PROBE, jitter=30), "smtp.monitor-probe") is None
    assert found(monitored(0.5, *PROBE), "smtp.monitor-probe") is None


def test_a_monitor_raises_nothing_else() -> None:
    rules = rules_of(monitored(120, BANNER, *hello(*MODERN, name="lb.example"), *QUIT))
    assert {rule for rule in rules if rule.startswith("smtp.")} == {"smtp.monitor-probe"}


WHAT = "S: 500 5.3.3 Unrecognized command"


@pytest.mark.parametrize(("pause", "is_told"), [(3.0, True), (0.02, False)])
def test_manual_session_where_whole_lines_come_slowly_and_none_is_a_command(pause: float, *, is_told: bool) -> None:
    lines = [*talk("C: this is server one", WHAT, "C: a second line of it", WHAT, *QUIT)]
    scene = Scene()
    said = [*talk(BANNER), *(C(each.data, pause) if each.is_client else each for each in lines)]
    scene.dialogue(said, port=25, client=INSIDE, server=SERVER)
    scene.silence(5)
    assert (found(scene, "smtp.manual-session") is not None) is is_told


def behind_snat(count: int, *, fields: tuple[str, ...] = (), client: str = "10.4.2.5") -> Scene:
    scene = Scene()
    for number in range(count):
        lines = hello(*MODERN, name=f"app{number}.contoso.local")
        session(scene, BANNER, *lines, *mail(f"app{number}@contoso.local", fields=fields), *QUIT, client=client)
    scene.silence(5)
    return scene


def test_snat_hides_clients_of_five_names() -> None:
    seen = found(behind_snat(5), "smtp.snat-hides-clients")
    assert seen is not None
    assert (seen.severity, seen.confidence) == (Severity.WARNING, Confidence.LIKELY)


def test_snat_is_silent_for_four_names_and_for_a_gateway() -> None:
    assert found(behind_snat(4), "smtp.snat-hides-clients") is None
    gateway = behind_snat(6, fields=("Received: from client.example by gw.contoso.local",))
    assert found(gateway, "smtp.snat-hides-clients") is None


RELAY = "smtp.anonymous-relay-accepted"


@pytest.mark.parametrize(
    ("lines", "client", "severity"),
    [
        (mail("scan@contoso.com", "kim@fabrikam.com"), INSIDE, Severity.WARNING),
        (mail("scan@contoso.com", "kim@fabrikam.com"), OUTSIDE, Severity.ERROR),
        (mail("x@spam.example", "kim@fabrikam.com"), OUTSIDE, Severity.ERROR),
        (mail("noreply@application.example", "kim@fabrikam.com"), INSIDE, Severity.WARNING),
    ],
)
def test_anonymous_relay_accepted(lines: list[str], client: str, severity: Severity) -> None:
    seen = finding(RELAY, *START, *lines, *QUIT, client=client)
    assert seen is not None
    assert seen.severity is severity
    assert "kim@fabrikam.com" in seen.summary


HOSTER = BANNER.replace("contoso.local", "corp.local")
LOGIN = ["C: AUTH NTLM", "S: 334 ", "C: TlRMTVNTUAABAAAA", "S: 235 2.7.0 ok"]


@pytest.mark.parametrize(
    "lines",
    [
        [*START, *mail("kim@fabrikam.com", "avery@contoso.com")],
        [*START, *LOGIN, *mail("scan@contoso.com", "kim@fabrikam.com")],
        [*AUTHENTICATED, *mail("scan@contoso.com", "kim@fabrikam.com")],
        [*START, *mail("scan@contoso.com", "kim@fabrikam.com", outcome="550 5.7.1 no")],
        [*START, *mail("kim@fabrikam.com", "lee@fabrikam.com")],
        [*START, *mail("x@tailspin.example", "kim@fabrikam.com", fields=["Received: from a by b"])],
        [HOSTER, *hello(*MODERN, name="mail.tailspin.example"), *mail("x@tailspin.example", "kim@fabrikam.com")],
    ],
)
def test_anonymous_relay_is_silent_otherwise(lines: list[str]) -> None:
    assert finding(RELAY, *lines, *QUIT, client=OUTSIDE) is None


def test_anonymous_relay_is_silent_for_a_domain_that_several_sources_send_to() -> None:
    scene = Scene()
    for client in (OUTSIDE, "198.51.100.9"):
        session(scene, *START, *mail("x@spam.example", "kim@fabrikam.com"), *QUIT, client=client)
    assert found(scene, RELAY) is None


DROPS = "smtp.server-drops"


@pytest.mark.parametrize(
    ("end", "reply"),
    [("server-fin", []), ("server-rst", []), ("server-fin", ["S: 250 ok"]), ("server-rst", ["S: 550 no"])],
)
def test_server_drops_in_the_middle(end: str, reply: list[str]) -> None:
    seen = finding(DROPS, *START, "C: MAIL FROM:<a@b.example>", *reply, end=end)
    assert seen is not None
    assert "after MAIL" in seen.summary


def test_server_drops_explains_the_reset() -> None:
    reset = finding("tcp.reset-mid-request", *START, "C: MAIL FROM:<a@b.example>", end="server-rst")
    assert reset is not None
    assert reset.caused_by == DROPS


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        ([*START, *QUIT], "server-fin"),
        (["S: 452 4.3.1 Insufficient system resources"], "server-fin"),
        ([*START, "S: 421 4.4.1 Connection timed out"], "server-fin"),
        ([*START, "C: MAIL FROM:<a@b.example>"], "fin"),
        ([*START, "C: MAIL FROM:<a@b.example>"], "client-rst"),
        ([*START, "C: RSET", "S: 550 5.7.1 blocked, closing connection"], "server-fin"),
        (["S: 554 5.7.1 no service here"], "server-fin"),
        ([*START, "C: MAIL FROM:<a@b.example>", "S: 451 4.7.651 rate limited"], "server-fin"),
    ],
)
def test_server_drops_is_silent_where_the_end_was_told(lines: list[str], end: str) -> None:
    assert finding(DROPS, *lines, end=end) is None


def test_a_healthy_day_raises_nothing() -> None:
    scene = Scene()
    session(scene, *AUTHENTICATED, *mail("avery@contoso.local", "kim@contoso.local"), *QUIT)
    session(
        scene,
        BANNER,
        *hello(*MODERN, name="mail.fabrikam.com"),
        *mail("kim@fabrikam.com", "avery@contoso.com"),
        *QUIT,
        client=OUTSIDE,
    )
    session(scene, *START, *LOGIN, *mail("avery@contoso.com", "kim@fabrikam.com"), *QUIT, port=587, client=INSIDE_TOO)
    scene.silence(10)
    assert {each.rule for each in scene.analysis().findings if each.severity is not Severity.INFO} == set()


def test_the_frames_of_the_evidence_are_those_of_the_dialogue() -> None:
    scene = scene_of(*LEFT)
    seen = found(scene, NOT_OFFERED)
    assert seen is not None
    frames = [each.frame for each in seen.evidence]
    assert frames == sorted(frames, key=lambda frame: frame or 0)
    assert frames[0] == 4
    assert len(talk(*LEFT)) == 5
    assert SERVER in {each.server for each in scene.analysis().findings}
