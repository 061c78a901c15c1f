"""SMTP rules about TLS, through sessions of OpenSSL behind STARTTLS: firing, and near misses."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from dns_dialogues import lookup
from packets import Scene, found, rules_of
from smtp_dialogues import BANNER, INSIDE, MODERN, OUTSIDE, QUIT, SERVER, finding, hello, mail, session, talk
from tls_dialogues import identity, public_identity, tls

from tlsdecrypt.findings.finding import Severity

if TYPE_CHECKING:
    from packets import Say
    from tls_dialogues import Identity

CLOUD = "mail-am6.outbound.protection.outlook.com"
WITHOUT_TLS = tuple(each for each in MODERN if each != "STARTTLS")
STARTED = [BANNER, *hello(*MODERN), "C: STARTTLS", "S: 220 2.0.0 SMTP server ready"]
GOOD = public_identity("SVR01.contoso.local")
OTHER = public_identity("www.tailspin.example")


def behind(clear: list[str], inside: list[str], server: Identity = GOOD, **how: Any) -> list[Say]:
    """A dialogue that goes on in TLS."""
    return [*talk(*clear), *tls(talk(*inside), server, name=None, **how)]


def scene(said: list[Say], **how: Any) -> Scene:
    made = Scene()
    made.dialogue(said, port=25, **{"client": INSIDE, "server": SERVER, **how})
    made.silence(5)
    return made


def test_starttls_not_offered_to_the_cloud() -> None:
    lines = [BANNER, *hello(*WITHOUT_TLS, name=CLOUD), *mail("kim@fabrikam.com", "avery@contoso.com"), *QUIT]
    seen = finding("smtp.starttls-not-offered", *lines, client=OUTSIDE)
    assert seen is not None
    assert seen.severity is Severity.ERROR
    xoorg = [BANNER, *hello(*WITHOUT_TLS, "XOORG"), *QUIT]
    assert finding("smtp.starttls-not-offered", *xoorg) is not None
    demanded = [
        BANNER,
        *hello(*WITHOUT_TLS),
        "C: MAIL FROM:<a@b.example>",
        "S: 530 5.7.0 Must issue a STARTTLS command first",
    ]
    assert finding("smtp.starttls-not-offered", *demanded) is not None


def test_starttls_not_offered_by_a_server_that_dns_calls_the_cloud() -> None:
    lines = ["S: 220 ESMTP ready", "C: EHLO EXC1.contoso.local", "S: 250-ok", "S: 250 SIZE 1000", *mail(), *QUIT]
    for name, fires in (("contoso-com.mail.protection.outlook.com", True), ("mail.fabrikam.com", False)):
        made = Scene()
        lookup(made, INSIDE, name, OUTSIDE)
        session(made, *lines, server=OUTSIDE)
        assert (found(made, "smtp.starttls-not-offered") is not None) == fires


def test_starttls_not_offered_is_silent_inside_and_where_it_is_offered() -> None:
    assert finding("smtp.starttls-not-offered", BANNER, *hello(*WITHOUT_TLS), *mail(), *QUIT) is None
    assert finding("smtp.starttls-not-offered", BANNER, *hello(*MODERN, name=CLOUD), *QUIT) is None
    inside = scene(behind(STARTED, [*hello(*WITHOUT_TLS, name=CLOUD), *QUIT]))
    assert found(inside, "smtp.starttls-not-offered", keys=GOOD.store) is None


def test_starttls_failed_by_a_reply_and_by_a_close() -> None:
    refused = [BANNER, *hello(*MODERN), "C: STARTTLS", "S: 454 4.7.0 TLS not available due to temporary reason", *QUIT]
    assert finding("smtp.starttls-failed", *refused) is not None
    assert finding("smtp.starttls-failed", *STARTED, end="server-rst") is not None


def test_starttls_failed_by_an_alert() -> None:
    broken = behind(
        STARTED,
        [],
        client=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        client_ciphers="AES256-SHA256",
        ciphers="AES128-GCM-SHA256",
    )
    seen = found(scene(broken), "smtp.starttls-failed")
    assert seen is not None
    assert "handshake_failure" in seen.summary


def test_starttls_failed_is_silent_where_tls_works_opened_or_not() -> None:
    works = scene(behind(STARTED, [*hello(*MODERN), *mail(), *QUIT]))
    assert found(works, "smtp.starttls-failed", keys=GOOD.store) is None
    assert found(works, "smtp.starttls-failed") is None
    assert finding("smtp.starttls-failed", BANNER, *hello(*MODERN), "C: STARTTLS", "S: 503 5.5.1 no", *QUIT) is None


def test_the_session_after_starttls_is_judged_with_what_was_said_before() -> None:
    left = scene(behind(STARTED, [*hello(*WITHOUT_TLS), *QUIT]))
    assert found(left, "smtp.exchange-auth-not-offered", keys=GOOD.store) is not None
    assert found(left, "smtp.exchange-auth-not-offered") is None
    offered = scene(behind(STARTED, [*hello("X-EXPS GSSAPI"), *QUIT]))
    assert found(offered, "smtp.exchange-auth-not-offered", keys=GOOD.store) is None


def test_a_password_inside_tls_is_no_fault() -> None:
    login = ["C: AUTH PLAIN AGF2ZXJ5AFRyMHViNGRvcg==", "S: 235 2.7.0 ok"]
    after = scene(behind(STARTED, [*hello(*MODERN), *login, *QUIT]))
    assert "smtp.plain-auth-without-tls" not in rules_of(after, keys=GOOD.store)
    implicit = Scene()
    implicit.dialogue(tls(talk(BANNER, *hello(*MODERN), *login, *QUIT), GOOD), port=465, client=INSIDE, server=SERVER)
    assert "smtp.plain-auth-without-tls" not in rules_of(implicit, keys=GOOD.store)
    clear = Scene()
    clear.dialogue(talk(BANNER, *hello(*MODERN), *login, *QUIT), port=465, client=INSIDE, server=SERVER)
    assert "smtp.plain-auth-without-tls" in rules_of(clear)


def test_certificate_mismatch_only_where_tls_must_be_verified() -> None:
    inside = [*hello(*WITHOUT_TLS, "XOORG", name=CLOUD), *mail("kim@fabrikam.com", "avery@contoso.com"), *QUIT]
    seen = found(scene(behind(STARTED, inside, OTHER)), "smtp.tls-cert-mismatch", keys=OTHER.store)
    assert seen is not None
    assert "www.tailspin.example" in seen.summary
    assert found(scene(behind(STARTED, inside)), "smtp.tls-cert-mismatch", keys=GOOD.store) is None
    anonymous = [*STARTED[:-2], "C: X-ANONYMOUSTLS", "S: 220 2.0.0 SMTP server ready"]
    assert found(scene(behind(anonymous, inside, OTHER)), "smtp.tls-cert-mismatch", keys=OTHER.store) is None
    opportunistic = [*hello(*WITHOUT_TLS), *mail(), *QUIT]
    assert found(scene(behind(STARTED, opportunistic, OTHER)), "smtp.tls-cert-mismatch", keys=OTHER.store) is None


TO_CLOUD = "S: 220 AM6EUR.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready"


def test_hybrid_headers_lost_on_the_way_to_the_cloud() -> None:
    lines = [TO_CLOUD, *hello(*MODERN), *mail("avery@contoso.com", "kim@contoso.mail.onmicrosoft.com"), *QUIT]
    seen = finding("smtp.hybrid-headers-lost", *lines)
    assert seen is not None
    assert seen.severity is Severity.WARNING
    headers = ["X-OriginatorOrg: contoso.com"]
    other = [TO_CLOUD, *hello(*MODERN), *mail("avery@contoso.com", "kim@fabrikam.com", fields=headers), *QUIT]
    assert finding("smtp.hybrid-headers-lost", *other) is not None
    own = [TO_CLOUD, *hello(*MODERN), *mail("avery@contoso.com", "kim@contoso.com"), *QUIT]
    assert finding("smtp.hybrid-headers-lost", *own) is not None


@pytest.mark.parametrize(
    "lines",
    [
        [TO_CLOUD, *hello(*MODERN), *mail("avery@contoso.com", "kim@fabrikam.com"), *QUIT],
        [BANNER, *hello(*MODERN), *mail("avery@contoso.com", "kim@contoso.com"), *QUIT],
        [TO_CLOUD, *hello(*MODERN, "XOORG"), *mail("avery@contoso.com", "kim@contoso.mail.onmicrosoft.com"), *QUIT],
        [BANNER, *hello(*MODERN), *mail("avery@contoso.com", "kim@contoso.mail.onmicrosoft.com"), *QUIT],
    ],
)
def test_hybrid_headers_lost_is_silent_otherwise(lines: list[str]) -> None:
    assert finding("smtp.hybrid-headers-lost", *lines) is None


def test_anonymous_tls_needs_another_key() -> None:
    clear = [BANNER, *hello(*MODERN, "X-ANONYMOUSTLS"), "C: X-ANONYMOUSTLS", "S: 220 2.0.0 SMTP server ready"]
    transport = identity("SVR01")
    closed = scene(behind(clear, [*hello(*MODERN), *QUIT], transport))
    seen = found(closed, "tls.pfx-not-for-smtp-anonymoustls", keys=GOOD.store)
    assert seen is not None
    assert (seen.severity, "CN=SVR01" in seen.summary) == (Severity.INFO, True)
    assert found(closed, "tls.pfx-not-for-smtp-anonymoustls", keys=transport.store) is None
    starttls = scene(behind(STARTED, [*hello(*MODERN), *QUIT], transport))
    assert found(starttls, "tls.pfx-not-for-smtp-anonymoustls", keys=GOOD.store) is None
