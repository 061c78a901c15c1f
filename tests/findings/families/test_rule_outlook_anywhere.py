"""Rules of Outlook Anywhere: each fires on its fault, and not on what looks like it."""

from __future__ import annotations

import re
import ssl

import pytest
from autodiscover_dialogues import pox_request, pox_settings, protocol
from dns_dialogues import lookup
from exchange_dialogues import rules_in
from packets import ACK, RST, SYN, C, S, Say, Scene, Segment, found, http_request, http_response
from rpc_http_messages import (
    BIND,
    BIND_NAK,
    CONN_A1,
    CONN_A3,
    CONN_B1,
    CONN_C2,
    INWARD,
    OPENED,
    OTHER,
    REFUSED,
    VIRTUAL,
    cookie,
    fault,
    in_head,
    number,
    out_head,
    request,
    response,
    rts,
)
from tls_dialogues import Identity, identity, tls

from tlsdecrypt.findings.finding import Finding, Severity

CHALLENGE = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"
IN = [C(in_head() + CONN_B1), C(BIND), C(request(0)), C(request(11))]
OUT = [C(out_head() + CONN_A1), S(OPENED), S(CONN_A3 + CONN_C2), S(response())]
OTHER_SERVER = "EXMBX02.contoso.local:6001"


def scene(*dialogues: list[Say], silence: float = 60, **options: object) -> Scene:
    made = Scene()
    for said in dialogues:
        made.dialogue(said, **options)  # type: ignore[arg-type]
    made.silence(silence)
    return made


def one(made: Scene, rule: str, severity: Severity = Severity.ERROR) -> Finding:
    finding = found(made, rule)
    assert finding is not None
    assert finding.severity is severity
    return finding


def out(answer: bytes, target: str = "EXMBX01.contoso.local:6001") -> list[Say]:
    return [C(out_head(target) + CONN_A1), S(answer)]


def test_two_healthy_channels_are_not_mentioned() -> None:
    legs = [C(in_head().replace(b"1073741824", b"0")), S(CHALLENGE)]
    assert rules_in(scene([*legs, *IN], OUT), "oa", "http") == set()


def test_rpc_error_names_the_error() -> None:
    denied = b"HTTP/1.0 503 RPC Error: 5\r\nContent-Length: 0\r\n\r\n"
    finding = one(scene(out(denied)), "oa.rpc-error")
    assert "error 5, access denied" in finding.summary
    assert rules_in(scene(out(denied)), "oa", "http") == {"oa.rpc-error"}
    other = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    assert not found(scene(out(other)), "oa.rpc-error")


@pytest.mark.parametrize(("port", "name"), [(6001, "the store"), (6002, "the referral"), (6004, "the address book")])
def test_backend_port_closed_explains_the_rpc_error(port: int, name: str) -> None:
    made = scene(out(REFUSED, f"EXMBX01.contoso.local:{port}"))
    finding = one(made, "oa.backend-port-closed")
    assert name in finding.summary
    follower = found(made, "oa.rpc-error")
    assert follower is not None
    assert follower.caused_by == "oa.backend-port-closed"
    assert not found(scene(out(REFUSED, "EXMBX01.contoso.local:593")), "oa.backend-port-closed")


def refused_port(port: int, *, is_refused: bool = True) -> Scene:
    made = Scene()
    here, there = ("10.0.0.5", 51_000), ("10.0.0.9", port)
    made.add(Segment(here, there, 1_000, 0, SYN).frame())
    made.add(Segment(there, here, 0 if is_refused else 5_000, 1_001, (RST if is_refused else SYN) | ACK).frame())
    made.silence(10)
    return made


def test_backend_port_closed_by_a_refused_connection() -> None:
    made = refused_port(6001)
    assert "port 6001" in one(made, "oa.backend-port-closed").summary
    assert not found(made, "tcp.connect-refused")
    assert not found(refused_port(6003), "oa.backend-port-closed")
    assert not found(refused_port(6001, is_refused=False), "oa.backend-port-closed")


def test_backend_port_closed_is_silent_for_a_scan() -> None:
    made = Scene()
    for number_, port in enumerate((22, 25, 443, 6001, 6002, 6004), 51_000):
        here, there = ("10.0.0.5", number_), ("10.0.0.9", port)
        made.add(Segment(here, there, 1_000, 0, SYN).frame())
        made.add(Segment(there, here, 0, 1_001, RST | ACK).frame())
    made.silence(10)
    assert rules_in(made, "oa") == set()


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "403 Forbidden", "405 Method Not Allowed", "501 Not Implemented"]
)
def test_verb_blocked_by_a_device(status: str) -> None:
    by_device = http_response(status, ["Server: BigIP"])
    finding = one(scene(out(by_device)), "oa.verb-blocked")
    assert "RPC_OUT_DATA" in finding.summary
    by_iis = http_response(status, ["Server: Microsoft-IIS/8.5", "X-Powered-By: ASP.NET"])
    assert not found(scene(out(by_iis)), "oa.verb-blocked")
    get = [C(http_request("GET /rpc/rpcproxy.dll")), S(by_device)]
    assert not found(scene(get), "oa.verb-blocked")


def test_rpc_fault_and_a_refused_bind() -> None:
    finding = one(scene(IN, [*OUT, S(fault(5))]), "oa.rpc-fault")
    assert "access denied" in finding.summary
    one(scene(IN, [*OUT, S(BIND_NAK)]), "oa.rpc-fault")
    one(scene(IN, [*OUT, S(fault(0x1C010002))]), "oa.rpc-fault", Severity.INFO)


def test_rpc_fault_in_a_channel_that_does_not_name_its_type() -> None:
    untyped = OPENED.replace(b"Content-Type: application/rpc\r\n", b"")
    assert untyped != OPENED
    one(scene(IN, [C(out_head() + CONN_A1), S(untyped), S(CONN_A3 + CONN_C2 + fault(5))]), "oa.rpc-fault")


def test_only_one_channel_where_the_other_never_comes() -> None:
    finding = one(scene(OUT), "oa.only-one-channel")
    assert "no IN channel came" in finding.summary
    assert "no OUT channel came" in one(scene(IN), "oa.only-one-channel").summary


def test_only_one_channel_where_nothing_was_said_on_it() -> None:
    opened = [C(out_head(length=0)), S(OPENED)]
    one(scene(opened), "oa.only-one-channel")
    assert not found(scene(opened, IN), "oa.only-one-channel")


def test_only_one_channel_is_silent_where_the_capture_cannot_tell() -> None:
    assert not found(scene(IN, OUT), "oa.only-one-channel")
    assert not found(scene(OUT, silence=5), "oa.only-one-channel")
    assert not found(scene(out(REFUSED)), "oa.only-one-channel")
    replaced = rts(4, number(6, 1), *(cookie(3, each) for each in (VIRTUAL, OTHER, INWARD)), number(0, 65_536))
    assert not found(scene([C(out_head(length=len(replaced)) + replaced), S(OPENED)]), "oa.only-one-channel")
    other_cookie = [C(in_head() + CONN_B1.replace(VIRTUAL, bytes(16)))]
    assert not found(scene(OUT, other_cookie), "oa.only-one-channel")
    assert not found(scene(OUT, [C(in_head().replace(b"1073741824", b"0")), S(CHALLENGE)]), "oa.only-one-channel")


def test_only_one_channel_where_both_lead_to_different_servers() -> None:
    astray = [C(in_head(OTHER_SERVER) + CONN_B1)]
    finding = one(scene(astray, OUT), "oa.only-one-channel")
    assert "EXMBX02" in finding.summary
    assert "EXMBX01" in finding.summary


@pytest.mark.parametrize(
    ("said", "is_split"), [(CONN_A3, True), (CONN_A3 + CONN_C2, False), (CONN_A3 + response(), False)]
)
def test_only_one_channel_where_two_proxies_have_one_each(said: bytes, is_split: bool) -> None:  # noqa: FBT001
    made = Scene()
    made.dialogue(IN, server="198.51.100.21")
    made.dialogue([C(out_head() + CONN_A1), S(OPENED + said)], server="198.51.100.22")
    made.silence(60)
    finding = found(made, "oa.only-one-channel")
    assert (finding is not None) is is_split
    if finding is not None:
        assert "by 198.51.100.21, OUT to EXMBX01.contoso.local:6001 by 198.51.100.22" in finding.summary
    soon = Scene()
    soon.dialogue(IN, server="198.51.100.21")
    soon.dialogue([C(out_head() + CONN_A1), S(OPENED + CONN_A3)], server="198.51.100.22")
    soon.silence(5)
    assert not found(soon, "oa.only-one-channel")


def test_only_one_channel_is_silent_where_one_direction_was_captured() -> None:
    made = Scene()
    made.dialogue([C(out_head() + CONN_A1)])
    made.silence(60)
    assert found(made, "oa.only-one-channel")
    made.frames = [each for each in made.frames if each[1][34:36] != (80).to_bytes(2, "big")]
    assert not found(made, "oa.only-one-channel")


def test_only_one_channel_is_silent_where_the_other_one_may_be_in_a_hole() -> None:
    lost = scene(OUT, [C(b"x" * 300), C(b"y" * 300)])
    assert found(lost, "oa.only-one-channel")
    lost.frames = [each for each in lost.frames if b"x" * 300 not in each[1]]
    assert not found(lost, "oa.only-one-channel")


def test_only_one_channel_is_silent_for_an_echo() -> None:
    echo = in_head().replace(b"1073741824", b"4") + bytes.fromhex("f8e81808")
    assert not found(scene([C(echo), S(OPENED)]), "oa.only-one-channel")


def test_404_rpcproxy_and_its_near_miss() -> None:
    missing = [C(out_head(length=0)), S(http_response("404 Not Found", ["Server: Microsoft-IIS/8.5"]))]
    one(scene(missing), "oa.404-rpcproxy")
    scanner = [C(http_request("GET /rpc/rpcproxy.dll")), S(http_response("404 Not Found"))]
    one(scene(scanner), "oa.404-rpcproxy", Severity.INFO)
    assert rules_in(scene(missing), "oa", "http") == {"oa.404-rpcproxy"}
    fields = ["Content-Type: application/mapi-http", "X-RequestType: PING"]
    mapi = [
        C(http_request("POST /mapi/emsmdb/?MailboxId=a@contoso.com", fields)),
        S(http_response("200 OK", [*fields, "X-ResponseCode: 0"])),
    ]
    assert not found(scene(missing, mapi), "oa.404-rpcproxy")
    assert not found(scene(missing, IN, OUT), "oa.404-rpcproxy")
    elsewhere = scene(IN, OUT)
    elsewhere.dialogue(missing, client="192.0.2.99")
    one(elsewhere, "oa.404-rpcproxy")
    offer = autodiscover(protocol("EXPR", "mail.contoso.com"), '<Protocol Type="mapiHttp" Version="1"></Protocol>')
    assert not found(scene(missing, offer), "oa.404-rpcproxy")


def autodiscover(*protocols: str) -> list[Say]:
    return [C(pox_request(host="mail.contoso.com")), S(pox_settings(*protocols))]


def test_auth_mismatch_between_autodiscover_and_the_proxy() -> None:
    basic = protocol("EXPR", "mail.contoso.com", AuthPackage="Basic")
    legs = [C(in_head().replace(b"1073741824", b"0")), S(CHALLENGE)]
    finding = one(scene(autodiscover(basic), legs), "oa.auth-mismatch")
    assert "with Basic" in finding.summary
    assert "NTLM" in finding.summary
    with_basic = re.sub(rb"Authorization: [^\r]+", b"Authorization: Basic YTpi", legs[0].data)
    sent = [C(with_basic), legs[1]]
    follower = found(scene(autodiscover(basic), sent), "http.auth-scheme-not-offered")
    assert follower is not None
    assert follower.caused_by == "oa.auth-mismatch"
    fits = protocol("EXPR", "mail.contoso.com", AuthPackage="Ntlm")
    assert not found(scene(autodiscover(fits), legs), "oa.auth-mismatch")
    assert not found(scene(autodiscover(basic), [*legs, *IN], OUT), "oa.auth-mismatch")


def test_retired_in_cloud_and_its_near_miss() -> None:
    cloud = [C(out_head().replace(b"mail.contoso.com", b"outlook.office365.com")), S(http_response("404 Not Found"))]
    one(scene(cloud), "oa.retired-in-cloud")
    assert not found(scene(OUT, IN), "oa.retired-in-cloud")


OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1)
WILDCARD = identity("*.contoso.com", ["*.contoso.com", "contoso.com"])
OTHER_NAME = identity("owa.contoso.com", ["owa.contoso.com"])
MAIL = identity("mail.contoso.com", ["mail.contoso.com"])


def outlook(
    server: Identity, principal: str | None, *, aborts: int, is_old: bool = False, more: tuple[str, ...] = ()
) -> Scene:
    """Autodiscover inside TLS, and handshakes after which the client says nothing."""
    settings = {"CertPrincipalName": principal} if principal else {}
    answer = autodiscover(protocol("EXPR", "mail.contoso.com", **settings), *more)
    versions = OLD if is_old else (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    options = {"name": None if is_old else "mail.contoso.com", "client": versions, "ciphers": "AES128-SHA"}
    if is_old:
        options["versions"] = OLD
    made = Scene()
    made.dialogue(tls(answer, server, **options), port=443)  # type: ignore[arg-type]
    for _ in range(aborts):
        made.dialogue(tls([], server, **options), port=443)  # type: ignore[arg-type]
    made.silence(5)
    return made


def principal_rules(made: Scene, server: Identity) -> Finding | None:
    return found(made, "oa.cert-principal-mismatch", keys=server.store)


def test_cert_principal_mismatch_where_the_client_breaks_off_twice() -> None:
    finding = principal_rules(outlook(OTHER_NAME, "msstd:mail.contoso.com", aborts=2), OTHER_NAME)
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "mail.contoso.com shows CN=owa.contoso.com" in finding.summary


def test_cert_principal_mismatch_of_an_old_client_looks_at_the_common_name() -> None:
    finding = principal_rules(outlook(WILDCARD, "msstd:mail.contoso.com", aborts=1, is_old=True), WILDCARD)
    assert finding is not None
    assert finding.severity is Severity.ERROR
    literal = outlook(WILDCARD, "msstd:*.contoso.com", aborts=1, is_old=True)
    assert principal_rules(literal, WILDCARD) is None


def test_cert_principal_mismatch_of_a_proxy_at_another_address_without_sni() -> None:
    answer = autodiscover(protocol("EXPR", "mail.contoso.com"))
    for aborts, name, expected in ((2, None, True), (0, None, False), (2, "sts.contoso.com", False)):
        made = Scene()
        if name is not None:
            lookup(made, "192.0.2.10", name, "198.51.100.77")
        made.dialogue(tls(answer, MAIL, client=OLD, versions=OLD, ciphers="AES128-SHA", name=None), port=443)
        for _ in range(aborts):
            broken = tls([], OTHER_NAME, name=None, client=OLD, versions=OLD, ciphers="AES128-SHA")
            made.dialogue(broken, port=443, server="198.51.100.77")
        made.silence(5)
        assert bool(found(made, "oa.cert-principal-mismatch", keys=MAIL.store)) is expected


def test_cert_principal_mismatch_is_silent_where_the_client_talks_unread() -> None:
    made = outlook(OTHER_NAME, "msstd:mail.contoso.com", aborts=2)
    made.dialogue(tls(OUT, OTHER_NAME, ciphers="ECDHE-RSA-AES128-GCM-SHA256"), port=443)
    made.silence(5)
    assert principal_rules(made, OTHER_NAME) is None


def test_cert_principal_mismatch_is_a_warning_without_broken_handshakes() -> None:
    finding = principal_rules(outlook(OTHER_NAME, None, aborts=0), OTHER_NAME)
    assert finding is not None
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("server", "principal", "more"),
    [
        (MAIL, "msstd:mail.contoso.com", ()),
        (MAIL, None, ()),
        (WILDCARD, "msstd:mail.contoso.com", ()),  # in the alternative names, for a client that sends SNI
        (OTHER_NAME, "none", ()),
        (OTHER_NAME, "msstd:mail.contoso.com", ('<Protocol Type="mapiHttp" Version="1"></Protocol>',)),
    ],
)
def test_cert_principal_mismatch_is_silent(server: Identity, principal: str | None, more: tuple[str, ...]) -> None:
    assert principal_rules(outlook(server, principal, aborts=3, more=more), server) is None


def test_cert_principal_mismatch_is_silent_where_a_channel_opens() -> None:
    made = outlook(OTHER_NAME, "msstd:mail.contoso.com", aborts=2)
    made.dialogue(tls(OUT, OTHER_NAME), port=443)
    made.silence(5)
    assert principal_rules(made, OTHER_NAME) is None
