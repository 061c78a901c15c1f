"""The rules about AD FS: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING

import pytest
from packets import START, C, S, Scene, found, http_request, http_response, rules_of
from trust_messages import certificate, federation_metadata

from tlsdecrypt.findings.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

STS = "sts.contoso.com"
MEX, LS = "/adfs/services/trust/mex", "/adfs/ls/"
METADATA = "/FederationMetadata/2007-06/FederationMetadata.xml"
HTTP_SYS = ["Server: Microsoft-HTTPAPI/2.0", "Content-Type: text/html; charset=us-ascii", "Connection: close"]
PAGE = b"<HTML><BODY><h2>Service Unavailable</h2><hr><p>HTTP Error 503. The service is unavailable.</p></BODY></HTML>"
NOW = datetime.fromtimestamp(START, UTC)


def get(
    path: str,
    status: str = "503 Service Unavailable",
    fields: Sequence[str] = HTTP_SYS,
    page: bytes = PAGE,
    asked: Sequence[str] = (),
) -> list[object]:
    return [C(http_request(f"GET {path}", asked, host=STS)), S(http_response(status, fields, page))]


def scene_of(*dialogues: list[object], **where: object) -> Scene:
    scene = Scene()
    for said in dialogues:
        scene.dialogue(said, **where)  # type: ignore[arg-type]
    scene.silence(5)
    return scene


@pytest.mark.parametrize("path", [MEX, METADATA, LS])
def test_metadata_503_of_http_sys_means_that_nobody_listens(path: str) -> None:
    scene = scene_of(get(path))
    finding = found(scene, "adfs.metadata-503")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "Nobody listens" in finding.summary
    assert {each.rule for each in scene.analysis().findings if each.severity is Severity.ERROR} == {"adfs.metadata-503"}


def test_metadata_503_of_a_device_or_a_proxy_is_a_warning() -> None:
    device = found(scene_of(get(MEX, fields=["Server: nginx"])), "adfs.metadata-503")
    proxy = found(scene_of(get(MEX, asked=["X-MS-Proxy: PROXY01"])), "adfs.metadata-503")
    assert device is not None
    assert proxy is not None
    assert (device.severity, proxy.severity) == (Severity.WARNING, Severity.WARNING)
    assert "test the AD FS server itself" in proxy.summary


def test_metadata_503_is_a_warning_where_another_url_answers_and_silent_to_throttling() -> None:
    finding = found(scene_of(get(METADATA), get(LS, "200 OK", [], b"")), "adfs.metadata-503")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert found(scene_of(get(MEX, fields=[*HTTP_SYS, "Retry-After: 30"])), "adfs.metadata-503") is None
    assert found(scene_of(get("/EWS/Exchange.asmx")), "adfs.metadata-503") is None


def test_mex_port_conflict_where_sign_in_works() -> None:
    scene = scene_of(get(LS, "200 OK", [], b""), get(MEX))
    finding = found(scene, "adfs.mex-port-conflict")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert found(scene, "adfs.metadata-503") is None


def test_mex_port_conflict_is_silent_at_a_proxy_and_where_nothing_works() -> None:
    proxy = ["X-MS-Proxy: PROXY01"]
    assert found(scene_of(get(LS, "200 OK", [], b""), get(MEX, asked=proxy)), "adfs.mex-port-conflict") is None
    assert found(scene_of(get(LS), get(MEX)), "adfs.mex-port-conflict") is None
    assert found(scene_of(get(LS, "200 OK", [], b""), get(MEX, "200 OK")), "adfs.mex-port-conflict") is None


@pytest.mark.parametrize("scheme_and_host", ["", "http://other.example"])
def test_what_another_sts_answers_behind_the_same_proxy_says_nothing_of_this_one(scheme_and_host: str) -> None:
    """The address is that of the proxy; directly, the same address is the same server, whatever it is called."""
    other = C(http_request(f"GET {scheme_and_host}{LS}", host="other.example")), S(http_response("200 OK"))
    via = "" if not scheme_and_host else f"http://{STS}"
    scene = scene_of(get(f"{via}{MEX}"), list(other))
    told = {"adfs.metadata-503"} if scheme_and_host else {"adfs.mex-port-conflict"}
    assert {each for each in rules_of(scene) if each.startswith("adfs.")} == told


def sign_in_page(inside: str) -> list[object]:
    page = f'<html><span id="errorText" for="">{inside}</span></html>'.encode()
    return get(f"{LS}?wa=wsignin1.0&wtrealm=urn:a", "200 OK", ["Content-Type: text/html"], page)


def test_passive_error_quotes_the_code() -> None:
    finding = found(scene_of(sign_in_page("MSIS7012: An error occurred.")), "adfs.passive-error")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "MSIS7012" in finding.summary
    wrong = found(scene_of(sign_in_page("Incorrect user ID or password.")), "adfs.passive-error")
    assert wrong is not None
    assert wrong.severity is Severity.WARNING


def test_passive_error_is_silent_on_a_page_without_error() -> None:
    assert found(scene_of(sign_in_page("")), "adfs.passive-error") is None
    assert found(scene_of(sign_in_page(" \n ")), "adfs.passive-error") is None


WINDOWS = "/adfs/services/trust/13/windowstransport"


def test_windowstransport_external_is_open_to_a_public_address() -> None:
    scene = scene_of(get(WINDOWS, "401 Unauthorized", ["WWW-Authenticate: Negotiate"]), client="203.0.113.7")
    assert found(scene, "adfs.windowstransport-external") is not None


@pytest.mark.parametrize(
    ("client", "status"), [("10.0.0.7", "401 No"), ("203.0.113.7", "503 No"), ("198.51.100.7", "401 No")]
)
def test_windowstransport_external_is_silent_inside_and_where_it_is_closed(client: str, status: str) -> None:
    scene = scene_of(get(WINDOWS, status, ["WWW-Authenticate: Negotiate"]), client=client)
    assert found(scene, "adfs.windowstransport-external") is None


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        (["X-MS-Proxy: WAP01"], True),
        (["X-Forwarded-For: 203.0.113.7, 10.0.0.9"], True),
        (["X-Forwarded-For: 10.0.0.7"], False),
        (["X-Forwarded-For: unknown"], False),
    ],
)
def test_windowstransport_external_is_seen_behind_a_proxy(fields: list[str], is_told: bool) -> None:  # noqa: FBT001
    refused = get(WINDOWS, "401 Unauthorized", ["WWW-Authenticate: Negotiate"], asked=fields)
    scene = scene_of(refused, client="10.0.0.200", server="10.1.1.40")
    assert (found(scene, "adfs.windowstransport-external") is not None) is is_told


def test_metadata_503_of_a_page_that_asks_for_patience_is_a_note() -> None:
    page = b"<html><h1>Sorry</h1>Maintenance until 10 p.m.</html>"
    for server, severity in (
        ("BigIP", Severity.INFO),
        ("Microsoft-IIS/10.0", Severity.WARNING),
        ("Microsoft-HTTPAPI/2.0", Severity.ERROR),
    ):
        scene = scene_of(get(MEX, fields=[f"Server: {server}", "Content-Type: text/html"], page=page))
        finding = found(scene, "adfs.metadata-503")
        assert finding is not None
        assert finding.severity is severity


@pytest.mark.parametrize(("client", "is_told"), [("2001:db8:16:5::7", False), ("2001:db8:44::7", True)])
def test_windowstransport_external_counts_the_48_of_a_site_as_inside(client: str, is_told: bool) -> None:  # noqa: FBT001
    refused = get(WINDOWS, "401 Unauthorized", ["WWW-Authenticate: Negotiate"])
    scene = scene_of(refused, client=client, server="2001:db8:16::40")
    assert (found(scene, "adfs.windowstransport-external") is not None) is is_told


def test_federated_sts_unreachable_is_found_at_the_end_of_a_page_and_in_a_fault() -> None:
    page = f"<html>{'<p>The service is not available now.</p>' * 30}<b>FederatedStsUnreachable</b></html>".encode()
    behind = get("/owa/", "503 No", ["Content-Type: text/html"], page)
    assert found(scene_of(behind), "adfs.federated-sts-unreachable") is not None
    own = "<d:error><d:value>0x1</d:value><d:internalerror><d:text>{}</d:text></d:internalerror></d:error>"
    cases = [("FederatedStsUnreachable: no answer", True), ("NoSuchUser", False)]
    for detail, (text, is_told) in product((own, "<d:said>{}</d:said>"), cases):
        fault = (
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><s:Fault><s:Code><s:Value>s:Receiver"
            "</s:Value></s:Code><s:Reason><s:Text>Failure</s:Text></s:Reason>"
            f"<s:Detail xmlns:d='urn:d'>{detail.format(text)}</s:Detail></s:Fault></s:Body></s:Envelope>"
        )
        answer = get("/extSTS.srf", "503 No", ["Content-Type: application/soap+xml"], fault.encode())
        assert (found(scene_of(answer), "adfs.federated-sts-unreachable") is not None) is is_told


def test_federated_sts_unreachable_is_found_in_body_and_field() -> None:
    text = "LiveIdBasicAuth:FederatedStsUnreachable:&lt;X-forwarded-for:&gt;"
    body = get("/autodiscover/autodiscover.xml", "503 No", ["Content-Type: text/html"], f"<p>{text}</p>".encode())
    field = get("/EWS/Exchange.asmx", "401 No", [f"X-AutoDiscovery-Error: {text}", "WWW-Authenticate: Basic"], b"")
    assert found(scene_of(body), "adfs.federated-sts-unreachable") is not None
    assert found(scene_of(field), "adfs.federated-sts-unreachable") is not None
    assert found(scene_of(get("/autodiscover/autodiscover.xml")), "adfs.federated-sts-unreachable") is None


def test_federated_sts_unreachable_is_why_the_answer_was_slow() -> None:
    scene = Scene()
    asks, answers = get("/owa/", "503 No", ["Content-Type: text/html"], b"<p>FederatedStsUnreachable</p>")
    scene.dialogue([asks, S(answers.data, after=30)])  # type: ignore[list-item,attr-defined]
    scene.silence(5)
    slow = found(scene, "http.slow-response")
    assert slow is not None
    assert slow.caused_by == "adfs.federated-sts-unreachable"


def metadata(*days: float) -> Scene:
    document = federation_metadata(*(certificate(NOW + timedelta(days=each)) for each in days))
    return scene_of(get(METADATA, "200 OK", ["Content-Type: text/xml"], document.encode()))


def test_signing_cert_expiring_counts_the_days() -> None:
    finding = found(metadata(10.5), "adfs.signing-cert-expiring")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert "ends in 10 days" in finding.summary
    expired = found(metadata(-3.5), "adfs.signing-cert-expiring")
    assert expired is not None
    assert expired.severity is Severity.ERROR
    assert "expired 3 days before the capture" in expired.summary


def test_signing_cert_expiring_is_a_note_while_another_lasts_and_silent_for_fresh_ones() -> None:
    finding = found(metadata(10, 300), "adfs.signing-cert-expiring")
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert rules_of(metadata(31)) == set()


def test_a_service_that_is_down_is_told_once_for_all_of_its_urls() -> None:
    finding = found(scene_of(get(METADATA), get(MEX), get(LS)), "adfs.metadata-503")
    assert finding is not None
    assert finding.count == 3
