"""DNS that does not answer, or says that there is no such name."""

from __future__ import annotations

import pytest
from dns_scenes import RESOLVER, addresses, look_up
from packets import CLIENT, SERVER, C, S, Scene, found, http_request, http_response, rules_of
from tls_dialogues import public_identity, tls

from tlsdecrypt.findings.finding import Confidence, Severity

NAME = "autodiscover.contoso.com"
SETTINGS = (
    b'<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response '
    b'xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>'
    b"<AccountType>email</AccountType><Action>settings</Action></Account></Response></Autodiscover>"
)


def missing(name: str = NAME) -> Scene:
    scene = Scene()
    look_up(scene, name, code="NXDOMAIN")
    return scene


def autodiscover(scene: Scene) -> Scene:
    request = http_request("POST /autodiscover/autodiscover.xml", ("Content-Type: text/xml",), b"<a/>", "contoso.com")
    scene.dialogue([C(request), S(http_response("200 OK", ("Content-Type: text/xml",), SETTINGS))])
    return scene


def test_dns_nxdomain_autodiscover_fires_where_nothing_else_works() -> None:
    finding = found(missing(), "dns.nxdomain-autodiscover")
    assert finding is not None
    assert (finding.severity, finding.confidence, finding.place) == (Severity.ERROR, Confidence.CERTAIN, NAME)
    assert (finding.client, finding.server) == (CLIENT, RESOLVER)
    assert finding.evidence[0].what == f"{RESOLVER} answers NXDOMAIN for {NAME} A"


@pytest.mark.parametrize("name", ["contoso.com", "autodiscover-s.outlook.com"])
def test_dns_nxdomain_autodiscover_is_a_warning_where_another_place_stays_closed(name: str) -> None:
    scene = missing()
    request = C(http_request("POST /autodiscover/autodiscover.xml"))
    scene.dialogue(tls([request, S(http_response("200 OK"))], public_identity(name), name=name), port=443)
    finding = found(scene, "dns.nxdomain-autodiscover")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.HINT)


def with_srv() -> Scene:
    scene = missing()
    look_up(
        scene,
        f"_autodiscover._tcp.{NAME[13:]}",
        [f"_autodiscover._tcp.{NAME[13:]}. 60 IN SRV 0 0 443 mail.contoso.com."],
        kind="SRV",
    )
    return scene


def with_address() -> Scene:
    """Only the IPv6 query is answered wrongly, as some load balancers do."""
    scene = Scene()
    look_up(scene, NAME, addresses(NAME, SERVER))
    look_up(scene, NAME, kind="AAAA", code="NXDOMAIN")
    return scene


def from_search_list() -> Scene:
    scene = missing(f"{NAME}.corp.example")
    look_up(scene, NAME, addresses(NAME, SERVER))
    return scene


@pytest.mark.parametrize(
    "scene",
    [autodiscover(missing()), with_srv(), with_address(), from_search_list(), missing("mail.contoso.com")],
    ids=["another place works", "SRV", "an address", "search list", "another name"],
)
def test_dns_nxdomain_autodiscover_is_silent(scene: Scene) -> None:
    assert "dns.nxdomain-autodiscover" not in rules_of(scene)


@pytest.mark.parametrize(
    ("code", "words"), [("SERVFAIL", "fails (SERVFAIL)"), ("REFUSED", "refuses to answer (REFUSED)")]
)
def test_dns_servfail_fires_on_a_resolver_that_fails(code: str, words: str) -> None:
    scene = Scene()
    look_up(scene, "mail.contoso.com", code=code)
    finding = found(scene, "dns.servfail")
    assert finding is not None
    assert (finding.severity, finding.server, finding.place) == (Severity.ERROR, RESOLVER, "mail.contoso.com")
    assert words in finding.summary


def test_dns_servfail_fires_where_only_another_type_is_answered_with_nothing() -> None:
    scene = Scene()
    look_up(scene, "mail.contoso.com", code="SERVFAIL")
    look_up(scene, "mail.contoso.com", kind="AAAA")
    assert "dns.servfail" in rules_of(scene)


def unanswered(tries: int, last: float = 4) -> Scene:
    scene = Scene()
    for _ in range(tries):
        look_up(scene, "mail.contoso.com", is_answered=False, after=1)
    scene.silence(last)
    return scene


def test_dns_servfail_fires_on_a_resolver_that_is_silent() -> None:
    finding = found(unanswered(2), "dns.servfail")
    assert finding is not None
    assert finding.confidence is Confidence.LIKELY
    assert f"The resolver {RESOLVER} does not answer {CLIENT}" in finding.summary


def answered_at_last(code: str, *, resolver: str = RESOLVER) -> Scene:
    scene = Scene()
    look_up(scene, "mail.contoso.com", code=code, is_answered=code != "")
    look_up(scene, "mail.contoso.com", addresses("mail.contoso.com", SERVER), resolver=resolver, after=1)
    scene.silence(5)
    return scene


def reverse() -> Scene:
    scene = Scene()
    look_up(scene, "7.2.0.192.in-addr.arpa", kind="PTR", code="SERVFAIL")
    return scene


@pytest.mark.parametrize(
    "scene",
    [
        unanswered(1),
        unanswered(2, last=1),
        answered_at_last(""),
        answered_at_last("SERVFAIL"),
        answered_at_last("REFUSED", resolver="10.0.0.54"),
        reverse(),
        missing("mail.contoso.com"),
    ],
    ids=[
        "one try",
        "the capture ends",
        "a lost packet",
        "then answered",
        "another resolver",
        "reverse",
        "no such name",
    ],
)
def test_dns_servfail_is_silent(scene: Scene) -> None:
    assert "dns.servfail" not in rules_of(scene)


SRV = "_autodiscover._tcp.contoso.com"


def service(data: str, target_records: list[str] | None = None, *, asks_target: bool = True) -> Scene:
    scene = Scene()
    look_up(scene, SRV, [f"{SRV}. 60 IN SRV {data}"], kind="SRV")
    if asks_target:
        look_up(scene, "mail.contoso.com", target_records or [], code="NOERROR" if target_records else "NXDOMAIN")
    return scene


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (service("0 0 8443 mail.contoso.com.", addresses("mail.contoso.com", SERVER)), "port 8443"),
        (service("0 0 443 mail.contoso.com."), "mail.contoso.com has no address"),
    ],
)
def test_dns_srv_target_mismatch_fires(scene: Scene, words: str) -> None:
    finding = found(scene, "dns.srv-target-mismatch")
    assert finding is not None
    assert (finding.severity, finding.place) == (Severity.WARNING, SRV)
    assert words in finding.summary


@pytest.mark.parametrize(
    "scene",
    [
        service("0 0 443 mail.contoso.com.", addresses("mail.contoso.com", SERVER)),
        service("0 0 443 mail.contoso.com.", asks_target=False),
        service("0 0 0 .", asks_target=False),
    ],
    ids=["all well", "nobody asked for the target", "no such service"],
)
def test_dns_srv_target_mismatch_is_silent(scene: Scene) -> None:
    assert "dns.srv-target-mismatch" not in rules_of(scene)


def internal(name: str, resolver: str, code: str = "NXDOMAIN") -> Scene:
    scene = Scene()
    look_up(scene, name, code=code, resolver=resolver)
    return scene


def test_dns_nxdomain_private_tld_fires_where_an_internal_name_is_asked_outside() -> None:
    finding = found(internal("mail.contoso.local", "8.8.8.8"), "dns.nxdomain-private-tld")
    assert finding is not None
    assert (finding.severity, finding.server) == (Severity.INFO, "8.8.8.8")


@pytest.mark.parametrize(
    "scene",
    [
        internal("mail.contoso.local", "10.0.0.53"),
        internal("mail.contoso.com", "8.8.8.8"),
        internal("mail.contoso.local", "8.8.8.8", "NOERROR"),
    ],
    ids=["asked inside", "a public name", "answered"],
)
def test_dns_nxdomain_private_tld_is_silent(scene: Scene) -> None:
    assert "dns.nxdomain-private-tld" not in rules_of(scene)
