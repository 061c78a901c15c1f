"""Whole SMTP sessions in which a rule was wrong once: mail that leaves or is refused, TLS that does not start."""

from __future__ import annotations

import pytest
from packets import C, S, Scene, findings_of, found, rules_of
from smtp_dialogues import BANNER, INSIDE, MODERN, OUTSIDE, QUIT, SERVER, hello, mail, scene_of, talk
from tls_dialogues import identity, public_identity, tls

from tlsdecrypt.findings.finding import Confidence, Finding, Severity

RELAY = "smtp.anonymous-relay-accepted"
GOOGLE = "S: 220 mx.google.com ESMTP ab12si12345.345 - gsmtp"
CLOUD = "S: 220 BN1AFFO11FD012.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready"
HANDSHAKE_FAILURE = bytes.fromhex("15030100020228")


def test_mail_that_leaves_for_a_hosters_exchanger_is_not_relayed_by_it() -> None:
    lines = [GOOGLE, *hello("SIZE 157286400", "8BITMIME", name="mail.contoso.com")]
    lines += [*mail("avery@contoso.com", "kim@fabrikam.com"), *QUIT]
    assert rules_of(scene_of(*lines, client=INSIDE, server="203.0.113.80")) == set()


@pytest.mark.parametrize("sender", ["avery@contoso.com", "avery@tailspin.example"])
def test_mail_that_microsoft_365_sends_by_the_own_servers_is_not_relayed(sender: str) -> None:
    lines = [BANNER, *hello(*MODERN, name="NAM02-BL2-obe.outbound.protection.outlook.com")]
    assert RELAY not in rules_of(scene_of(*lines, *mail(sender, "kim@fabrikam.com"), *QUIT, client=OUTSIDE))


def test_strangers_whose_mail_an_exchange_server_passes_on_to_strangers_use_an_open_relay() -> None:
    lines = [BANNER, *hello(*MODERN, name="mail.tailspin.example"), *mail("x@tailspin.example", "kim@fabrikam.com")]
    seen = found(scene_of(*lines, *QUIT, client=OUTSIDE), RELAY)
    assert seen is not None
    assert (seen.severity, seen.confidence) == (Severity.ERROR, Confidence.HINT)
    assert seen.summary.endswith("unless that domain is one of its own.")
    assert len(seen.evidence) == 3


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_mail_that_is_refused_loses_no_headers(verb: str) -> None:
    lines = [CLOUD, *hello(*MODERN, name="mail.contoso.com"), "C: MAIL FROM:<avery@contoso.com>"]
    refused = "S: 550 5.7.606 Access denied, banned sending IP [192.0.2.21]"
    if verb == "RCPT":
        lines += ["S: 250 2.1.0 Sender OK", "C: RCPT TO:<kim@contoso.mail.onmicrosoft.com>"]
    assert rules_of(scene_of(*lines, refused, *QUIT, client=OUTSIDE)) == {"smtp.ip-blocked"}


def by_rule(scene: Scene) -> dict[str, Finding]:
    return {each.rule: each for each in findings_of(scene)}


def test_a_demand_for_tls_that_was_not_offered_follows_from_that() -> None:
    without = [each for each in MODERN if each != "STARTTLS"]
    lines = [BANNER, *hello(*without), "C: MAIL FROM:<a@contoso.com>", "S: 451 5.7.3 STARTTLS is required to send mail"]
    seen = by_rule(scene_of(*lines, *QUIT))
    assert set(seen) == {"smtp.starttls-not-offered", "smtp.tls-required"}
    assert seen["smtp.tls-required"].caused_by == "smtp.starttls-not-offered"
    assert seen["smtp.starttls-not-offered"].caused_by is None


def test_starttls_that_an_alert_ends_follows_from_the_handshake() -> None:
    scene = Scene()
    offer = tls([C("EHLO\r\n")], public_identity("mail.contoso.com"), name=None)[0]
    begun = talk(BANNER, *hello(*MODERN), "C: STARTTLS", "S: 220 2.0.0 SMTP server ready")
    said = [*begun, offer, S(HANDSHAKE_FAILURE)]
    scene.dialogue(said, port=25, client=INSIDE, server=SERVER, end="server-fin")
    scene.silence(5)
    seen = by_rule(scene)
    assert set(seen) == {"tls.handshake-failure", "smtp.starttls-failed"}
    assert seen["smtp.starttls-failed"].caused_by == "tls.handshake-failure"


def test_users_at_the_beginning_of_a_sentence_keep_their_spelling() -> None:
    login = ["C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: YXZlcnk=", "S: 334 UGFzc3dvcmQ6", "C: eA==", "S: 235 2.7.0 ok"]
    denied = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
    lines = [BANNER, *hello(*MODERN, "AUTH LOGIN"), *login, *mail("avery@adatum.com", outcome=denied)]
    seen = found(scene_of(*lines, *QUIT), "smtp.send-as-denied")
    assert seen is not None
    assert seen.headline == "User avery may not send as avery@adatum.com"
    assert Finding("a.b", Severity.INFO, Confidence.HINT, "avery is late", "", ()).headline == "avery is late"


@pytest.mark.parametrize(
    ("issuer", "severity"),
    [
        ("CN=Example Public TLS CA G2,O=Example Trust Services,C=US", Severity.INFO),
        ("CN=FortiGate CA,O=Fortinet", Severity.WARNING),
        ("CN=Contoso Root CA,O=Contoso", Severity.WARNING),
    ],
)
def test_an_authority_that_is_not_known_is_no_proof_of_inspection(issuer: str, severity: Severity) -> None:
    cloud = "contoso-com.mail.protection.outlook.com"
    shown = identity(f"CN={cloud}", [cloud], issuer=identity(issuer))
    scene = Scene()
    scene.dialogue(tls([C("x")], public_identity("mail.contoso.com"), name="mail.contoso.com"), port=443)
    scene.dialogue(tls([C("EHLO mail.contoso.com\r\n")], shown, name=cloud), port=443)
    seen = found(scene, "tls.intercepted")
    assert seen is not None
    assert seen.severity is severity
