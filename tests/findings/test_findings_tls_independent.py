"""TLS findings on captures that were written from the description of each rule alone, with their near misses."""

from __future__ import annotations

from ssl import TLSVersion
from typing import TYPE_CHECKING

import pytest
import smtp_dialogues
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dns_dialogues import lookup
from packets import (
    ACK,
    CLIENT,
    PSH,
    RST,
    SERVER,
    START,
    SYN,
    C,
    S,
    Scene,
    Segment,
    found,
    http_request,
    http_response,
    rules_of,
)
from tls_dialogues import Identity, identity, public_authority, public_identity, scene, tls

from tlsdecrypt.findings.addresses import is_exchange_online
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from packets import Say

BASIC = "Authorization: Basic YXZlcnk6bm90LXRydWU="
OWA = (C(http_request("GET /owa/")), S(http_response("200 OK", ["X-OWA-Version: 15.0.1497.2"], b"hello")))
POX = (
    b'<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
    b"<EMailAddress>avery@contoso.com</EMailAddress><AcceptableResponseSchema>"
    b"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>"
    b"</Request></Autodiscover>"
)
NAMES = ["mail.contoso.com", "autodiscover.contoso.com"]
GOOD = public_identity("mail.contoso.com", NAMES)
PFS = "ECDHE-RSA-AES128-GCM-SHA256"


@pytest.mark.parametrize("days", [(-900, -200), (300, 600)], ids=["expired", "not yet valid"])
def test_where_the_certificates_of_unrelated_hosts_are_all_out_of_date_the_clock_is_wrong(
    days: tuple[float, float],
) -> None:
    names = ("mail.contoso.com", "owa.fabrikam.com")
    assert not rules_of(scene(*(tls(OWA, public_identity(name, days=days), name=name) for name in names)))


def test_certificates_of_one_key_are_those_of_several_hosts_too() -> None:
    key = identity("mail.contoso.com").key
    names = ("mail.contoso.com", "owa.fabrikam.com")
    authority = identity("CN=Example CA")
    old = [identity(name, [name], issuer=authority, days=(-900, -200), key=key) for name in names]
    made = scene(*(tls(OWA, each, name=name) for each, name in zip(old, names, strict=True)))
    assert "tls.cert-expired" not in rules_of(made)


def test_an_expired_certificate_on_web_and_mail_of_one_host_is_no_wrong_clock() -> None:
    old = public_identity("mail.contoso.com", NAMES, days=(-400, -10))
    made = scene(tls(OWA, old), tls(OWA, old, name="autodiscover.contoso.com"))
    finding = found(made, "tls.cert-expired")
    assert finding is not None
    assert finding.count == 2


def test_a_name_that_the_client_gives_up_for_another_is_no_mismatch() -> None:
    one_name = public_identity("mail.contoso.com")
    assert "tls.cert-name-mismatch" in rules_of(scene(tls([], one_name, name="contoso.com")))
    tries = scene(tls([], one_name, name="contoso.com"), tls(OWA, one_name))
    assert "tls.cert-name-mismatch" not in rules_of(tries)


def test_a_missing_autodiscover_name_is_a_note_for_plain_clients() -> None:
    request = http_request("POST /autodiscover/autodiscover.xml", ["Content-Type: text/xml", BASIC], POX)
    for names, expected in ((["mail.contoso.com"], Severity.INFO), (NAMES, None)):
        shown = public_identity("mail.contoso.com", names)
        said = [C(request), S(http_response("401 Unauthorized", ["WWW-Authenticate: Negotiate"]))]
        finding = found(scene(tls(said, shown)), "tls.cert-autodiscover-san-missing", keys=shown.store)
        assert (None if finding is None else finding.severity) == expected


def test_a_session_that_stays_closed_is_a_fault_only_to_those_who_gave_a_key() -> None:
    closed = scene(tls(OWA, GOOD, ciphers=PFS))
    for given, expected in (({}, Severity.INFO), ({"keys": GOOD.store}, Severity.WARNING)):
        finding = found(closed, "tls.not-decryptable-pfs", **given)
        assert finding is not None
        assert finding.severity is expected


def _without_beginning() -> Scene:
    made = scene(tls([*OWA, *OWA], GOOD))
    made.frames = made.frames[-14:]
    return made


def test_a_session_that_began_before_the_capture_is_a_note_where_others_were_opened() -> None:
    finding = found(_without_beginning(), "tls.capture-starts-mid-session", keys=GOOD.store)
    assert finding is not None
    assert finding.severity is Severity.WARNING
    both = _without_beginning()
    both.dialogue(tls(OWA, GOOD), port=443, client="192.0.2.77")
    finding = found(both, "tls.capture-starts-mid-session", keys=GOOD.store)
    assert finding is not None
    assert finding.severity is Severity.INFO


def _bare_key(of: Identity) -> SecretStore:
    store = SecretStore()
    pem = of.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    store.add_private_keys(parse_key_file(pem, "server.key", lambda: None))
    return store


def test_a_key_without_certificate_is_meant_for_the_only_server() -> None:
    other = identity("CN=elsewhere")
    finding = found(scene(tls(OWA, GOOD)), "tls.pfx-key-mismatch", keys=_bare_key(other))
    assert finding is not None
    assert finding.severity is Severity.WARNING
    two = scene(tls(OWA, GOOD))
    two.dialogue(tls(OWA, GOOD), port=443, server="198.51.100.99")
    two.silence(5)
    severities = [each.severity for each in two.analysis(keys=_bare_key(other)).findings]
    assert severities
    assert max(severities) is Severity.INFO


def test_forward_secrecy_between_exchange_servers_is_no_warning() -> None:
    keywords = ("X-ANONYMOUSTLS", "X-EXPS GSSAPI NTLM", "XEXCH50")
    lines = [smtp_dialogues.BANNER, *smtp_dialogues.hello(*keywords), "C: X-ANONYMOUSTLS", "S: 220 2.0.0 ready"]
    inside = tls([C("EHLO EXC1.contoso.local\r\n")], identity("EX02", ["EX02"]), name=None, ciphers=PFS)
    made = scene([*smtp_dialogues.talk(*lines), *inside], port=25, client="10.1.1.21", server="10.1.1.22")
    findings = made.analysis(keys=GOOD.store).findings
    assert "tls.pfx-not-for-smtp-anonymoustls" in {each.rule for each in findings}
    assert [each for each in findings if each.severity > Severity.INFO] == []


def _lost_certificate() -> Scene:
    """The server's certificate is sent thrice; the client never sees it, and goes away."""
    made = Scene()
    hello, flight, *_ = tls([], GOOD)
    made.dialogue([hello], port=443, end="open", client_port=50_900)
    here, there = (CLIENT, 50_900), (SERVER, 443)
    data = flight.data[:1400]
    for after in (0.01, 0.3, 0.6):
        made.add(Segment(there, here, 5_001, 1_001 + len(hello.data), PSH | ACK, data).frame(), after)
    made.add(Segment(there, here, 5_001 + len(data), 0, PSH | ACK, flight.data[1400:]).frame(), 0.01)
    made.add(Segment(here, there, 1_001 + len(hello.data), 5_001, ACK).frame(), 0.01)
    made.add(Segment(here, there, 1_001 + len(hello.data), 0, RST).frame(), 5)
    made.silence(5)
    return made


def test_a_certificate_that_never_arrived_was_not_rejected() -> None:
    assert "tls.client-rejected-cert" not in rules_of(_lost_certificate())
    gone = Scene()
    gone.dialogue(tls([], GOOD)[:2], port=443, end="client-rst")
    gone.silence(5)
    assert "tls.client-rejected-cert" in rules_of(gone)


@pytest.mark.parametrize("issuer", ["CN=contoso-DC01-CA", "CN=Contoso Internal Root CA,O=Contoso"])
def test_the_names_of_internal_authorities_are_known(issuer: str) -> None:
    fields = ["User-Agent: ASProxy/CrossForest/EmailDomain//15.20", "Content-Type: text/xml"]
    said = [C(http_request("POST /EWS/Exchange.asmx/WSSecurity", fields, b"<a/>")), S(http_response("200 OK"))]
    shown = identity("mail.contoso.com", NAMES, issuer=identity(issuer), is_chain_sent=True)
    assert "tls.cert-untrusted-for-hybrid" in rules_of(scene(tls(said, shown)), keys=shown.store)
    public = identity("mail.contoso.com", NAMES, issuer=public_authority(), is_chain_sent=True)
    assert "tls.cert-untrusted-for-hybrid" not in rules_of(scene(tls(said, public)), keys=public.store)


@pytest.mark.parametrize(("version", "severity"), [("14", Severity.WARNING), ("15", Severity.INFO)])
def test_a_wildcard_is_no_warning_where_ews_tells_of_a_newer_exchange(version: str, severity: Severity) -> None:
    answer = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><ServerVersionInfo xmlns='
        f'"http://schemas.microsoft.com/exchange/services/2006/types" MajorVersion="{version}" MinorVersion="0"'
        ' MajorBuildNumber="247" MinorBuildNumber="5"/></s:Header><s:Body><m:GetFolderResponse xmlns:m='
        '"http://schemas.microsoft.com/exchange/services/2006/messages"/></s:Body></s:Envelope>'
    )
    ask = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetFolder/></s:Body></s:Envelope>'
    xml = ["Content-Type: text/xml"]
    shown = public_identity("*.contoso.com", ["*.contoso.com"])
    said = [
        C(http_request("POST /EWS/Exchange.asmx", xml, ask.encode())),
        S(http_response("200 OK", xml, answer.encode())),
    ]
    made = Scene()
    lookup(made, SERVER, "ps.outlook.com", "203.0.113.9")
    made.dialogue(tls(said, shown), port=443)
    lines = [smtp_dialogues.BANNER, *smtp_dialogues.hello("STARTTLS"), "C: STARTTLS", "S: 220 2.0.0 ready"]
    made.dialogue([*smtp_dialogues.talk(*lines), *tls([], shown, name=None)], port=25)
    made.silence(5)
    found_ones = [each for each in made.analysis(keys=shown.store).findings if each.rule == "tls.cert-wildcard-cn"]
    assert max(each.severity for each in found_ones) is severity


def test_an_old_version_towards_a_host_that_dns_calls_microsofts_is_an_error() -> None:
    old = TLSVersion.TLSv1
    shown = identity(
        "outlook.com", ["*.outlook.com"], issuer=identity("CN=DigiCert Example CA,O=DigiCert"), is_chain_sent=True
    )
    made = Scene()
    lookup(made, CLIENT, "outlook.office365.com", SERVER)
    made.dialogue(tls(OWA, shown, name=None, client=(old, old), versions=(old, old), ciphers="AES128-SHA"), port=443)
    made.silence(5)
    finding = found(made, "tls.protocol-version")
    assert finding is not None
    assert finding.severity is Severity.ERROR


def test_a_reset_of_plain_http_on_the_port_of_tls_is_told_with_its_cause() -> None:
    made = Scene()
    made.dialogue([C(http_request("POST /EWS/Exchange.asmx", [], b"<a/>"))], port=443, end="server-rst")
    made.silence(5)
    finding = found(made, "tcp.reset-mid-request")
    assert finding is not None
    assert finding.caused_by == "tls.plain-http-on-443"


def test_a_healthy_session_on_another_port_and_a_lone_syn_are_not_mentioned() -> None:
    made = Scene()
    made.dialogue(tls(OWA, GOOD), port=8443)
    first = Segment((CLIENT, 50_950), (SERVER, 443), 1_000, 0, SYN)
    made.add(first.frame(), 0.01)
    made.silence(1)
    assert rules_of(made, keys=GOOD.store) == set()


class OldScene(Scene):
    """A capture with the clock of Exchange 2010."""

    begin = 1_325_376_000  # 1 January 2012

    def pcap(self) -> bytes:
        made, old = super().pcap(), bytearray()
        old += made[:24]
        at = 24
        while at < len(made):
            seconds, length = (
                int.from_bytes(made[at : at + 4], "little"),
                int.from_bytes(made[at + 8 : at + 12], "little"),
            )
            old += (seconds - START + self.begin).to_bytes(4, "little") + made[at + 4 : at + 16 + length]
            at += 16 + length
        return bytes(old)


@pytest.mark.parametrize(("kind", "severity"), [(Scene, Severity.WARNING), (OldScene, Severity.INFO)])
def test_an_old_version_is_a_note_in_captures_of_its_time(kind: type[Scene], severity: Severity) -> None:
    old = TLSVersion.TLSv1
    shown = public_identity("mail.contoso.com", NAMES, days=(-6000, 265))
    made = kind()
    made.dialogue(tls(OWA, shown, client=(old, old), versions=(old, old), ciphers="AES128-SHA"), port=443)
    made.silence(5)
    finding = found(made, "tls.protocol-version")
    assert finding is not None
    assert finding.severity is severity
    assert {each.severity for each in made.analysis(keys=shown.store).findings} <= {Severity.INFO, severity}


class SceneOfNoTime(OldScene):
    """Frames without times, or a clock that was never set."""

    begin = 0


def test_captures_without_times_say_nothing_about_dates() -> None:
    for kind, expected in ((OldScene, True), (SceneOfNoTime, False)):
        made = kind()
        made.dialogue(tls(OWA, GOOD), port=443)
        made.silence(5)
        assert ("tls.cert-not-yet-valid" in rules_of(made)) is expected


@pytest.mark.parametrize(
    ("client", "severity"),
    [("192.0.2.10", Severity.INFO), ("40.107.22.5", Severity.ERROR), ("2603:1026::5", None), ("10.1.1.5", None)],
)
def test_a_self_signed_certificate_is_a_fault_towards_exchange_online_and_a_note_towards_others(
    client: str, severity: Severity | None
) -> None:
    own = identity("mail.contoso.com", NAMES)
    made = Scene()
    server = "10.1.1.20" if severity is None else SERVER
    made.dialogue(tls(OWA, own), port=443, client="10.1.1.9" if ":" in client else client, server=server)
    made.silence(5)
    finding = found(made, "tls.cert-untrusted-for-hybrid", keys=own.store)
    assert (None if finding is None else finding.severity) is severity
    assert is_exchange_online(client) is client.startswith(("40.107.", "2603:1026:"))


def test_two_intermediates_of_one_public_authority_are_no_interception() -> None:
    def of(issuer: str) -> list[Say]:
        return tls(OWA, identity("mail.contoso.com", NAMES, issuer=identity(issuer), is_chain_sent=True))

    first = "CN=R10,O=Let's Encrypt,C=US"
    assert "tls.intercepted" not in rules_of(scene(of(first), of("CN=R11,O=Let's Encrypt,C=US")))
    assert "tls.intercepted" in rules_of(scene(of(first), of("CN=Web Gateway CA,O=Contoso")))
