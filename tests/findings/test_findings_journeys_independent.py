"""Journeys of Outlook to its settings: places that do not answer on the way are no faults once one of them does."""

from __future__ import annotations

import pytest
from autodiscover_dialogues import AVERY, GOOD, SVC, A, pox_error, pox_request
from dns_dialogues import lookup
from exchange_dialogues import ok, post, soap
from packets import ACK, CLIENT, RST, SYN, C, S, Scene, Segment, findings_of
from tls_dialogues import Identity, public_identity, tls

from tlsdecrypt.findings.finding import Severity

WEB_SITE = "203.0.113.80"


@pytest.fixture(scope="module")
def mail() -> Identity:
    return public_identity("mail.contoso.com", ("mail.contoso.com", "autodiscover.contoso.com"))


def refused(scene: Scene, address: str) -> None:
    """A SYN to port 443, and a reset."""
    scene.add(Segment((CLIENT, 51_000), (address, 443), 1, 0, SYN).frame())
    scene.add(Segment((address, 443), (CLIENT, 51_000), 0, 2, RST | ACK).frame())


@pytest.mark.parametrize(("has_record", "worst"), [(True, Severity.INFO), (False, Severity.ERROR)])
def test_a_domain_that_refuses_https_is_a_note_where_its_srv_record_leads_to_the_settings(
    mail: Identity, *, has_record: bool, worst: Severity
) -> None:
    scene = Scene()
    lookup(scene, CLIENT, "contoso.com", WEB_SITE)
    refused(scene, WEB_SITE)
    if has_record:
        lookup(scene, CLIENT, "autodiscover.contoso.com", rcode="NXDOMAIN")
        lookup(scene, CLIENT, "_autodiscover._tcp.contoso.com", "0 0 443 mail.contoso.com.", kind="SRV")
    scene.dialogue(tls([C(pox_request(AVERY, host="mail.contoso.com")), S(GOOD)], mail), port=443)
    scene.silence(5)
    found = {each.rule: each.severity for each in findings_of(scene, keys=mail.store)}
    assert found["tcp.connect-refused"] is worst
    assert max(found.values()) is worst


@pytest.mark.parametrize(
    ("address", "severity"),
    [
        ("avery@contoso.onmicrosoft.com", Severity.INFO),
        ("avery@contoso.mail.onmicrosoft.com", Severity.INFO),
        ("avery@contoso.com", Severity.ERROR),
    ],
)
def test_an_address_of_the_tenant_is_no_fault_where_a_server_on_premises_does_not_know_it(
    mail: Identity, address: str, severity: Severity
) -> None:
    scene = Scene()
    scene.dialogue(tls([C(pox_request(address, host="mail.contoso.com")), S(pox_error(500))], mail), port=443)
    scene.silence(5)
    [finding] = findings_of(scene, keys=mail.store)
    assert (finding.rule, finding.severity) == ("autodiscover.address-not-found", severity)


def test_the_user_who_is_not_valid_is_named_and_not_the_first(mail: Identity) -> None:
    users = ("avery@contoso.com", "blake@contoso.com")
    asked = "".join(f"<a:User><a:Mailbox>{each}</a:Mailbox></a:User>" for each in users)
    results = "".join(
        f"<a:UserResponse><a:ErrorCode>{code}</a:ErrorCode></a:UserResponse>" for code in ("NoError", "InvalidUser")
    )
    question = soap(
        f"<a:GetUserSettingsRequestMessage {A}><a:Request><a:Users>{asked}</a:Users></a:Request>"
        "</a:GetUserSettingsRequestMessage>"
    )
    answer = soap(
        f"<a:GetUserSettingsResponseMessage {A}><a:Response><a:ErrorCode>NoError</a:ErrorCode>"
        f"<a:UserResponses>{results}</a:UserResponses></a:Response></a:GetUserSettingsResponseMessage>"
    )
    scene = Scene()
    scene.dialogue(tls([C(post(SVC, question, host="mail.contoso.com")), S(ok(answer))], mail), port=443)
    scene.silence(5)
    [finding] = findings_of(scene, keys=mail.store)
    assert finding.rule == "autodiscover.soap-error"
    assert "for blake@contoso.com ended with InvalidUser" in finding.summary
