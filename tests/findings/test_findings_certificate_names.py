"""Names that a certificate must bear, and those that it need not: on captures written from the rules' descriptions."""

from __future__ import annotations

from pathlib import Path

import pytest
from autodiscover_dialogues import GOOD, POX, pox_error, pox_question, pox_redirect
from dns_dialogues import lookup
from exchange_dialogues import basic
from packets import CLIENT, C, S, Scene, findings_of, http_request, http_response, rules_of
from tls_dialogues import public_identity, tls

import tlsdecrypt
from tlsdecrypt.findings.finding import Severity

REPOSITORY = Path(__file__).parents[2]


def lacking_name(*dialogues: tuple[str, bytes], user: str = "", before: Scene | None = None) -> set[str]:
    """The rules above `info` for requests of Autodiscover, each with its answer, to a host named in its certificate."""
    shown = public_identity("autodiscover.contoso.com")
    made = before or Scene()
    fields = ["Content-Type: text/xml", *([basic(user)] if user else [])]
    for address, answer in dialogues:
        asked = http_request(f"POST {POX}", fields, pox_question(address), "autodiscover.contoso.com")
        made.dialogue(tls([C(asked), S(answer)], shown, name="autodiscover.contoso.com"), port=443)
    made.silence(5)
    return {each.rule for each in findings_of(made, keys=shown.store) if each.severity > Severity.INFO}


def test_the_autodiscover_name_is_missed_of_domains_that_are_served_only() -> None:
    assert "tls.cert-autodiscover-san-missing" in lacking_name(("kim@fabrikam.com", GOOD))
    sent_away = pox_redirect("kim@tenant.mail.onmicrosoft.com")
    assert "tls.cert-autodiscover-san-missing" not in lacking_name(("kim@fabrikam.com", sent_away))
    assert "tls.cert-autodiscover-san-missing" not in lacking_name(("kim@fabrikam.com", pox_error(500)))


def test_the_suffix_of_a_login_is_no_mail_domain_unless_it_is_the_domain_of_the_host() -> None:
    served = ("avery@contoso.com", GOOD)
    assert "tls.cert-autodiscover-san-missing" not in lacking_name(served, user="avery@ad.fabrikam.com")
    assert "tls.cert-autodiscover-san-missing" in lacking_name(served, user="avery@eu.contoso.com")


def test_no_certificate_is_missed_where_autodiscover_is_a_redirect_or_an_srv_record() -> None:
    asked = ("kim@fabrikam.com", GOOD)
    redirect = Scene()
    location = f"Location: https://autodiscover.contoso.com{POX}"
    plain = http_request(f"GET {POX}", host="autodiscover.fabrikam.com")
    redirect.dialogue([C(plain), S(http_response("302 Found", [location]))])
    assert "tls.cert-autodiscover-san-missing" not in lacking_name(asked, before=redirect)
    service = Scene()
    lookup(service, CLIENT, "_autodiscover._tcp.fabrikam.com", "0 0 443 autodiscover.contoso.com.", kind="SRV")
    assert "tls.cert-autodiscover-san-missing" not in lacking_name(asked, before=service)


def test_health_checks_of_balancers_may_call_the_server_as_they_like() -> None:
    shown = public_identity("mail.contoso.com")
    for path, is_told in (("/owa/healthcheck.htm", False), ("/owa/", True)):
        said = [C(http_request(f"GET {path}", host="pool-member-1")), S(http_response("200 OK", [], b"200 OK"))]
        made = Scene()
        made.dialogue(tls(said, shown, name=None), port=443)
        made.silence(5)
        rules = rules_of(made, keys=shown.store)
        assert ("tls.cert-name-mismatch" in rules) is is_told


@pytest.mark.parametrize("keys", [[], [REPOSITORY / "keys" / "ech.pem"]], ids=["unknown", "known"])
def test_behind_an_encrypted_hello_the_certificate_bears_the_name_that_is_hidden(keys: list[Path]) -> None:
    store = tlsdecrypt.load_keys(keys=keys, keylogs=[REPOSITORY / "keys" / "go-encrypted-hello.keylog"])
    told = tlsdecrypt.analyze([REPOSITORY / "captures" / "go-encrypted-hello.pcap"], store)
    assert {each.tls.server_name for each in told.conversations if each.tls} == {"public.contoso.com"}
    assert any(each.tls.server_certificates for each in told.conversations if each.tls)
    assert "tls.cert-name-mismatch" not in {each.rule for each in told.findings}
