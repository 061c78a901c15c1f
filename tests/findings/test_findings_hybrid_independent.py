"""Free/busy, federation and mailbox moves: what is told once, what follows from what, and what is not told at all."""

from __future__ import annotations

import pytest
from autodiscover_dialogues import federation_request
from dns_dialogues import lookup
from exchange_dialogues import EWS, asked, free_busy, ok, post, soap
from packets import ACK, RST, SYN, C, S, Scene, Segment, findings_of, found, http_request, http_response, rules_of
from tls_dialogues import identity, public_identity, tls

from tlsdecrypt.findings.finding import Confidence, Severity

WSSECURITY = f"{EWS}/WSSecurity"
AGENT = "User-Agent: ASProxy/CrossForest/EmailDomain//14.02.0247.000"
FED = "fed.getfederationinformation-failed"
EXCHANGE, OUTSIDE, NAME = "10.1.1.20", "203.0.113.50", "autodiscover.fabrikam.com"
MAIL = public_identity("mail.contoso.com")
OFFLOAD = "mrs.404-ssl-offload"


def federated(created: str, expires: str) -> bytes:
    secext = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    utility = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
    token = (
        f'<w:Security xmlns:w="{secext}" xmlns:u="{utility}"><u:Timestamp><u:Created>{created}</u:Created>'
        f'<u:Expires>{expires}</u:Expires></u:Timestamp><x:EncryptedData xmlns:x="http://www.w3.org/2001/04/xmlenc#"/>'
        "</w:Security>"
    )
    data = "<t:MailboxData><t:Email><t:Address>avery@contoso.com</t:Address></t:Email></t:MailboxData>"
    ask = (
        f"<m:GetUserAvailabilityRequest><m:MailboxDataArray>{data}</m:MailboxDataArray></m:GetUserAvailabilityRequest>"
    )
    return post(WSSECURITY, soap(ask, token), AGENT)


def causes_of(scene: Scene) -> dict[str, str | None]:
    """Errors and warnings, each with its cause."""
    return {each.rule: each.caused_by for each in findings_of(scene) if each.severity > Severity.INFO}


def failed_for(code: str, text: str) -> Scene:
    ask = post(EWS, soap("<m:GetUserAvailabilityRequest/>"), "Authorization: Negotiate YIIGsample")
    return asked((ask, ok(free_busy((code, text)))))


def test_a_401_with_diagnostics_is_of_exchange_and_no_demand_of_a_device() -> None:
    fields = ("WWW-Authenticate: Negotiate", 'x-ms-diagnostics: 2000000;reason="x";error_category="invalid_signature"')
    scene = asked((federated("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"), http_response("401 X", fields)))
    assert set(causes_of(scene)) == {"freebusy.wssecurity-rejected"}


@pytest.mark.parametrize(
    ("code", "text", "root", "follower"),
    [
        (
            "ErrorProxyRequestProcessingFailed",
            "Configuration information for forest/domain fabrikam.com could not be found. LID: 47932",
            "freebusy.org-relationship",
            "freebusy.proxy-failed",
        ),
        (
            "ErrorAddressSpaceNotFound",
            "Configuration information for forest/domain fabrikam.com could not be found in Active Directory.",
            "freebusy.org-relationship",
            "freebusy.autodiscover-failed",
        ),
        (
            "ErrorProxyRequestProcessingFailed",
            "Proxy web request failed: Object moved",
            "freebusy.object-moved",
            "freebusy.proxy-failed",
        ),
        (
            "ErrorProxyRequestProcessingFailed",
            "No access. LID: 44348",
            "freebusy.no-access",
            "freebusy.proxy-failed",
        ),
        (
            "ErrorProxyRequestProcessingFailed",
            "The result set contains too many calendar entries. LID: 54796",
            "freebusy.too-many-entries",
            "freebusy.proxy-failed",
        ),
    ],
)
def test_the_reason_that_a_text_gives_is_the_cause_of_the_code(code: str, text: str, root: str, follower: str) -> None:
    assert causes_of(failed_for(code, text)) == {root: None, follower: root}


def test_a_timestamp_that_is_valid_for_long_is_no_wrong_clock_while_requests_are_served() -> None:
    request = federated("2025-12-31T23:50:00Z", "2026-01-01T00:50:00Z")
    date = "Date: Thu, 01 Jan 2026 00:00:00 GMT"
    assert causes_of(asked((request, ok(free_busy(("NoError", "")), date)))) == {}
    rejected = soap("<s:Fault><faultcode>a:InvalidSecurity</faultcode><faultstring>x</faultstring></s:Fault>")
    assert set(causes_of(asked((request, ok(rejected, date, status="500 X"))))) == {"freebusy.clock-skew"}


def test_a_timestamp_of_another_year_is_no_wrong_clock_while_requests_are_served() -> None:
    date = "Date: Thu, 01 Jan 2026 00:00:00 GMT"
    served = (federated("2011-12-22T03:00:00Z", "2011-12-22T03:05:00Z"), ok(free_busy(("NoError", "")), date))
    assert causes_of(asked(served)) == {}
    stopped = http_response("401 Unauthorized", ("WWW-Authenticate: Basic realm=gate", date))
    assert set(causes_of(asked((served[0], stopped)))) == {"freebusy.preauth-blocks-wssecurity"}
    wrong = (federated("2026-01-01T00:20:00Z", "2026-01-01T00:25:00Z"), ok(free_busy(("NoError", "")), date))
    assert set(causes_of(asked(wrong))) == {"freebusy.clock-skew"}


def test_an_mrs_proxy_behind_a_server_that_says_nothing_of_itself_is_behind_a_device() -> None:
    request = http_request("POST /EWS/mrsproxy.svc", ("Content-Type: application/soap+xml; charset=utf-8",), b"<a/>")
    scene = Scene()
    scene.dialogue(tls([C(request), S(http_response("404 Not Found", ("Content-Type: text/html",)))], MAIL), port=443)
    finding = found(scene, OFFLOAD, keys=MAIL.store)
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.LIKELY)


def test_resets_of_a_mailbox_move_follow_from_what_cuts_it() -> None:
    request = http_request("POST /EWS/mrsproxy.svc", ("Content-Type: application/soap+xml",), b"<a/>" * 5_000)
    scene = Scene()
    for _ in range(3):
        scene.dialogue([C(request)], end="server-rst")
    scene.silence(5)
    assert causes_of(scene)["tcp.reset-mid-request"] == "mrs.connection-cut"


def exchange_host() -> Scene:
    """An Exchange server that asks another organization for free/busy."""
    scene = Scene()
    asks = federated("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z")
    scene.dialogue([C(asks), S(ok(free_busy(("NoError", ""))))], client=EXCHANGE, server="203.0.113.77")
    return scene


@pytest.mark.parametrize(
    ("status", "field", "cause"),
    [
        ("405 Method Not Allowed", "Server: Microsoft-IIS/7.5", "http.svc-handler-missing"),
        ("503 Service Unavailable", "Server: Microsoft-HTTPAPI/2.0", "http.http-sys-503"),
    ],
)
def test_federation_information_fails_for_what_http_says(status: str, field: str, cause: str) -> None:
    scene = asked((federation_request(), http_response(status, (field,))), client=EXCHANGE)
    assert causes_of(scene) == {cause: None, FED: cause}


def test_federation_information_fails_for_what_dns_says() -> None:
    scene = exchange_host()
    for name in (NAME, "fabrikam.com"):
        lookup(scene, EXCHANGE, name, rcode="NXDOMAIN")
    scene.silence(5)
    assert causes_of(scene) == {"dns.nxdomain-autodiscover": None, FED: "dns.nxdomain-autodiscover"}


@pytest.mark.parametrize(("is_refused", "cause"), [(True, "tcp.connect-refused"), (False, "tcp.connect-timeout")])
@pytest.mark.parametrize(("name", "rule"), [(NAME, FED), ("login.microsoftonline.com", "fed.mfg-unreachable")])
def test_federation_fails_for_what_tcp_says(name: str, rule: str, cause: str, *, is_refused: bool) -> None:
    scene = exchange_host()
    lookup(scene, EXCHANGE, name, OUTSIDE)
    for _ in range(4):
        scene.add(Segment((EXCHANGE, 55_555), (OUTSIDE, 443), 100, 0, SYN).frame(), 1.0)
        if is_refused:
            scene.add(Segment((OUTSIDE, 443), (EXCHANGE, 55_555), 0, 101, RST | ACK).frame())
    scene.silence(10)
    assert causes_of(scene) == {cause: None, rule: cause}


def test_federation_fails_for_a_certificate_that_the_server_looks_at_after_the_handshake() -> None:
    scene = exchange_host()
    lookup(scene, EXCHANGE, NAME, OUTSIDE)
    other = public_identity("www.fabrikam.com")
    scene.dialogue(tls([], other, name=NAME), port=443, client=EXCHANGE, server=OUTSIDE)
    scene.silence(5)
    told = causes_of(scene)
    assert told[FED] == "tls.cert-name-mismatch"


def test_federation_fails_for_an_issuer_that_the_server_does_not_trust() -> None:
    scene = exchange_host()
    lookup(scene, EXCHANGE, NAME, OUTSIDE)
    said = tls([], identity(NAME, [NAME]), name=NAME, trusts=public_identity("other.test"))
    scene.dialogue(said, port=443, client=EXCHANGE, server=OUTSIDE)
    scene.silence(5)
    assert causes_of(scene) == {"tls.client-rejected-cert": None, FED: "tls.client-rejected-cert"}


def test_a_handshake_that_is_left_unused_with_the_right_certificate_is_no_failure() -> None:
    scene = exchange_host()
    lookup(scene, EXCHANGE, NAME, OUTSIDE)
    scene.dialogue(tls([], public_identity(NAME), name=NAME), port=443, client=EXCHANGE, server=OUTSIDE)
    scene.silence(5)
    assert FED not in rules_of(scene)
