"""Journeys of Outlook to its settings: places that do not answer on the way are no faults once one of them does."""

from __future__ import annotations

import pytest
from autodiscover_dialogues import AVERY, GOOD, pox_request
from dns_dialogues import lookup
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
