"""The rules about server certificates: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

import pytest
from packets import C, S, found, http_request, http_response, rules_of
from tls_dialogues import Identity, identity, public_authority, public_identity, scene, tls

from tlsdecrypt.findings.finding import Severity

OWA = (C(http_request("GET /owa/")), S(http_response("200 OK", [], b"hello")))
HYBRID_AGENT = "User-Agent: ASProxy/CrossForest/EmailDomain//15.00.0847.000"
HYBRID = (
    C(http_request("POST /ews/exchange.asmx/WSSecurity", [HYBRID_AGENT, "Content-Type: text/xml"], b"<a/>")),
    S(http_response("200 OK", ["Content-Type: text/xml"], b"<a/>")),
)
ASKS_FOR_KIM = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    b'<GetUserAvailabilityRequest xmlns="http://schemas.microsoft.com/exchange/services/2006/messages"'
    b' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><MailboxDataArray><t:MailboxData><t:Email>'
    b"<t:Address>kim@contoso.com</t:Address></t:Email></t:MailboxData></MailboxDataArray>"
    b"</GetUserAvailabilityRequest></s:Body></s:Envelope>"
)
SOON, LONG = (-100.0, 20.0), (-100.0, 3650.0)


def test_a_healthy_certificate_is_not_mentioned() -> None:
    good = public_identity("mail.contoso.com", ["mail.contoso.com", "autodiscover.contoso.com"])
    assert rules_of(scene(tls(OWA, good)), keys=good.store) == set()


def test_cert_expired_names_the_days_before_the_capture() -> None:
    finding = found(scene(tls(OWA, public_identity("mail.contoso.com", days=(-400, -3)))), "tls.cert-expired")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "3 days before" in finding.summary


def test_cert_expired_is_silent_where_all_hosts_of_the_capture_are_out_of_date() -> None:
    names = ("a.contoso.com", "b.fabrikam.com", "c.adatum.com")
    old = [identity(name, [name], days=(-900, -700)) for name in names]
    dialogues = [tls(OWA, each, name=name) for each, name in zip(old, names, strict=True)]
    assert "tls.cert-expired" not in rules_of(scene(*dialogues))


def test_cert_not_yet_valid_and_its_near_miss() -> None:
    assert found(scene(tls(OWA, public_identity("mail.contoso.com", days=(2, 400)))), "tls.cert-not-yet-valid")
    assert not found(scene(tls(OWA, public_identity("mail.contoso.com", days=(-1, 400)))), "tls.cert-not-yet-valid")


def test_cert_expiring_and_its_near_misses() -> None:
    assert found(scene(tls(OWA, public_identity("mail.contoso.com", days=SOON))), "tls.cert-expiring")
    assert not found(scene(tls(OWA, public_identity("mail.contoso.com", days=(-100, 31)))), "tls.cert-expiring")
    assert not found(scene(tls(OWA, public_identity("mail.contoso.com", days=(-100, -1)))), "tls.cert-expiring")


def test_cert_name_mismatch_of_the_name_in_the_hello() -> None:
    finding = found(scene(tls(OWA, public_identity("owa.contoso.com"))), "tls.cert-name-mismatch")
    assert finding is not None
    assert "owa.contoso.com" in finding.summary


@pytest.mark.parametrize(
    ("subject", "names"),
    [("mail.contoso.com", []), ("other", ["mail.contoso.com"]), ("other", ["*.contoso.com"]), ("*.contoso.com", [])],
)
def test_cert_name_mismatch_is_silent_where_a_name_covers_the_host(subject: str, names: list[str]) -> None:
    shown = identity(subject, names, issuer=public_authority(), is_chain_sent=True)
    assert "tls.cert-name-mismatch" not in rules_of(scene(tls(OWA, shown)))


def test_cert_name_mismatch_wildcards_cover_one_label_and_the_common_name_only_counts_alone() -> None:
    deep = identity("x", ["*.contoso.com"], issuer=public_authority(), is_chain_sent=True)
    assert "tls.cert-name-mismatch" in rules_of(scene(tls(OWA, deep, name="a.mail.contoso.com")))
    named = identity("mail.contoso.com", ["owa.contoso.com"], issuer=public_authority(), is_chain_sent=True)
    assert "tls.cert-name-mismatch" in rules_of(scene(tls(OWA, named)))


def test_cert_name_mismatch_of_a_request_that_was_opened_and_sent_no_name() -> None:
    other = public_identity("owa.contoso.com")
    closed = scene(tls(OWA, other, name=None))
    assert "tls.cert-name-mismatch" not in rules_of(closed)
    assert "tls.cert-name-mismatch" in rules_of(closed, keys=other.store)


def test_cert_name_mismatch_is_only_a_note_for_smtp() -> None:
    finding = found(scene(tls([], public_identity("mx.contoso.com")), port=25), "tls.cert-name-mismatch")
    assert finding is None or finding.severity is Severity.INFO


def test_cert_autodiscover_san_missing_in_hybrid_and_not_where_the_name_is_served() -> None:
    lacking = public_identity("mail.contoso.com")
    host = scene(tls(OWA, lacking, name="autodiscover.contoso.com"))
    assert "tls.cert-autodiscover-san-missing" in rules_of(host)
    both = scene(
        tls(OWA, lacking, name="autodiscover.contoso.com"),
        tls(OWA, public_identity("autodiscover.contoso.com"), name="autodiscover.contoso.com"),
    )
    assert "tls.cert-autodiscover-san-missing" not in rules_of(both)
    assert "tls.cert-autodiscover-san-missing" not in rules_of(scene(tls(OWA, lacking)), keys=lacking.store)


@pytest.mark.parametrize(("path", "is_told"), [("/ews/exchange.asmx/WSSecurity", True), ("/ews/exchange.asmx", False)])
def test_cert_autodiscover_san_missing_for_mailboxes_that_another_organisation_asks_for(
    path: str, *, is_told: bool
) -> None:
    lacking = public_identity("mail.contoso.com")
    asked = ASKS_FOR_KIM
    answer = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
    said = (
        C(http_request(f"POST {path}", ["Content-Type: text/xml"], asked)),
        S(http_response("200 OK", ["Content-Type: text/xml"], answer)),
    )
    finding = found(scene(tls(said, lacking)), "tls.cert-autodiscover-san-missing", keys=lacking.store)
    assert (finding is not None) is is_told


@pytest.mark.parametrize("subject", ["CN=mail.contoso.com", "CN=Microsoft Exchange"])
def test_cert_untrusted_for_hybrid_of_what_the_cloud_must_trust(subject: str) -> None:
    own = identity(subject, ["mail.contoso.com"])
    assert "tls.cert-untrusted-for-hybrid" in rules_of(scene(tls(HYBRID, own)), keys=own.store)
    active_directory = identity("CN=contoso-CA,DC=contoso,DC=local")
    inside = identity("mail.contoso.com", ["mail.contoso.com"], issuer=active_directory)
    assert "tls.cert-untrusted-for-hybrid" in rules_of(scene(tls(HYBRID, inside)), keys=inside.store)


def test_cert_untrusted_for_hybrid_is_silent_between_internal_hosts_and_for_public_issuers() -> None:
    own = identity("mail.contoso.com", ["mail.contoso.com"])
    inside = scene(tls(OWA, own), client="10.0.0.5", server="10.0.0.9")
    assert "tls.cert-untrusted-for-hybrid" not in rules_of(inside, keys=own.store)
    public = public_identity("mail.contoso.com")
    assert "tls.cert-untrusted-for-hybrid" not in rules_of(scene(tls(HYBRID, public)), keys=public.store)


def _leaf_alone() -> Identity:
    return identity("mail.contoso.com", ["mail.contoso.com"], issuer=public_authority(), days=LONG)


def test_cert_chain_incomplete_is_a_warning_where_the_client_breaks_off_and_a_note_elsewhere() -> None:
    alone = _leaf_alone()
    stranger = identity("CN=Other Root", days=LONG)
    refused = found(scene(tls(OWA, alone, trusts=stranger)), "tls.cert-chain-incomplete")
    assert refused is not None
    assert refused.severity is Severity.WARNING
    accepted = found(scene(tls(OWA, alone)), "tls.cert-chain-incomplete", keys=alone.store)
    assert accepted is not None
    assert accepted.severity is Severity.INFO


def test_cert_chain_incomplete_is_silent_for_whole_chains_and_self_signed_certificates() -> None:
    for whole in (public_identity("mail.contoso.com"), identity("mail.contoso.com", ["mail.contoso.com"])):
        assert "tls.cert-chain-incomplete" not in rules_of(scene(tls(OWA, whole)))


def test_cert_wildcard_cn_is_a_note_and_a_warning_in_front_of_the_wizard() -> None:
    wildcard = identity("*.contoso.com", ["*.contoso.com"], issuer=public_authority(), is_chain_sent=True)
    alone = found(scene(tls(OWA, wildcard)), "tls.cert-wildcard-cn")
    assert alone is not None
    assert alone.severity is Severity.INFO
    both = scene(tls(OWA, wildcard))
    starttls = [
        S("220 mail.contoso.com Microsoft ESMTP MAIL Service ready\r\n"),
        C("EHLO mx.fabrikam.com\r\n"),
        S("250-mail.contoso.com Hello\r\n250 STARTTLS\r\n"),
        C("STARTTLS\r\n"),
        S("220 2.0.0 SMTP server ready\r\n"),
        *tls([], wildcard),
    ]
    both.dialogue(starttls, port=25)
    both.dialogue([C(http_request("POST /powershell", host="localhost")), S(http_response("401 Unauthorized"))])
    warned = found(both, "tls.cert-wildcard-cn")
    assert warned is not None
    assert warned.severity is Severity.WARNING
    assert not found(scene(tls(OWA, public_identity("mail.contoso.com"))), "tls.cert-wildcard-cn")


def test_intercepted_by_two_issuers_of_one_name_and_by_a_private_issuer_of_the_cloud() -> None:
    proxy = identity("CN=Proxy CA")
    real = public_identity("mail.contoso.com")
    forged = identity("mail.contoso.com", ["mail.contoso.com"], issuer=proxy)
    assert "tls.intercepted" in rules_of(scene(tls(OWA, real), tls(OWA, forged)))
    cloud = identity("outlook.office365.com", ["outlook.office365.com"], issuer=proxy)
    assert "tls.intercepted" in rules_of(scene(tls(OWA, cloud, name="outlook.office365.com")))


def test_intercepted_is_silent_for_a_renewal() -> None:
    old, new = public_identity("mail.contoso.com", days=SOON), public_identity("mail.contoso.com")
    assert "tls.intercepted" not in rules_of(scene(tls(OWA, old), tls(OWA, new)))


@pytest.mark.parametrize(("issuer", "is_told"), [("CN=R10,O=Let's Encrypt,C=US", False), ("CN=Proxy CA", True)])
def test_intercepted_is_silent_where_another_public_authority_signed(issuer: str, *, is_told: bool) -> None:
    first = identity("CN=DigiCert TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US")
    shown = [identity("mail.contoso.com", ["mail.contoso.com"], issuer=each) for each in (first, identity(issuer))]
    assert ("tls.intercepted" in rules_of(scene(*(tls(OWA, each) for each in shown)))) is is_told


def test_a_certificate_that_the_client_refuses_is_told_with_its_cause() -> None:
    authority = public_authority()
    old = public_identity("mail.contoso.com", days=(-400, -3))
    refused = found(scene(tls(OWA, old, trusts=authority)), "tls.client-rejected-cert")
    assert refused is not None
    assert refused.caused_by == "tls.cert-expired"
