"""The rules about handshakes that fail, or will: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from packets import C, S, Scene, found, http_request, http_response, rules_of
from tls_dialogues import identity, public_identity, tls

from tlsdecrypt.findings.finding import Confidence, Severity

if TYPE_CHECKING:
    from packets import Say

OWA = (C(http_request("GET /owa/")), S(http_response("200 OK", [], b"hello")))
LONG = (-100.0, 3650.0)
GOOD = public_identity("mail.contoso.com", ["mail.contoso.com", "autodiscover.contoso.com"])
TLS10, TLS11, TLS12, TLS13 = (
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
    ssl.TLSVersion.TLSv1_2,
    ssl.TLSVersion.TLSv1_3,
)
SERVER_HELLO_DONE = b"\x0e\x00\x00\x00"


def scene(*dialogues: list[Say], end: str = "fin", port: int = 443) -> Scene:
    made = Scene()
    for said in dialogues:
        made.dialogue(said, port=port, end=end)
    made.silence(5)
    return made


def alert(level: int, description: int) -> bytes:
    return bytes.fromhex("15 0303 0002") + bytes([level, description])


def test_client_rejected_cert_by_alert() -> None:
    stranger = identity("CN=Other Root", days=LONG)
    finding = found(scene(tls(OWA, GOOD, trusts=stranger)), "tls.client-rejected-cert")
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert "unknown_ca" in finding.summary


def test_client_rejected_cert_by_going_away() -> None:
    flights = tls(OWA, GOOD)[:2]  # ClientHello; ServerHello, Certificate, ServerHelloDone
    assert flights[1].data.endswith(SERVER_HELLO_DONE)
    for end in ("fin", "client-rst"):
        finding = found(scene(flights, end=end), "tls.client-rejected-cert")
        assert finding is not None
        assert finding.confidence is Confidence.LIKELY


def test_client_rejected_cert_is_silent_where_the_server_leaves_or_data_was_sent() -> None:
    flights = tls(OWA, GOOD)
    assert "tls.client-rejected-cert" not in rules_of(scene(flights[:2], end="server-fin"))
    assert "tls.client-rejected-cert" not in rules_of(scene(flights, end="client-rst"))
    late = [*flights, C(alert(2, 46))]
    assert "tls.client-rejected-cert" not in rules_of(scene(late))


def test_handshake_failure_where_no_suite_is_in_common() -> None:
    refused = tls(OWA, GOOD, ciphers="AES256-GCM-SHA384", client_ciphers="AES128-SHA", versions=(TLS12, TLS12))
    finding = found(scene(refused), "tls.handshake-failure")
    assert finding is not None
    assert finding.confidence is Confidence.CERTAIN
    assert "TLS_RSA_WITH_AES_128_CBC_SHA" in " ".join(each.what for each in finding.evidence)


def test_handshake_failure_by_a_reset_after_the_hello_is_likely() -> None:
    finding = found(scene(tls(OWA, GOOD)[:1], end="server-rst"), "tls.handshake-failure")
    assert finding is not None
    assert finding.confidence is Confidence.LIKELY


def test_handshake_failure_is_a_fallback_where_the_client_comes_back() -> None:
    refused = tls(OWA, GOOD, ciphers="AES256-GCM-SHA384", client_ciphers="AES128-SHA", versions=(TLS12, TLS12))
    rules = rules_of(scene(refused, tls(OWA, GOOD)))
    assert "tls.handshake-failure" not in rules
    assert "tls.version-fallback" in rules


@pytest.mark.parametrize(("pause", "is_told"), [(1, False), (30, True)])
def test_handshake_failure_is_told_where_something_else_gets_through_much_later(pause: float, *, is_told: bool) -> None:
    refused = tls(OWA, GOOD, ciphers="AES256-GCM-SHA384", client_ciphers="AES128-SHA", versions=(TLS12, TLS12))
    made = Scene()
    made.dialogue(refused, port=443)
    made.now += pause
    made.dialogue(tls(OWA, GOOD), port=443)
    made.silence(5)
    assert ("tls.handshake-failure" in rules_of(made)) is is_told


def test_handshake_failure_is_silent_where_the_client_resets() -> None:
    assert "tls.handshake-failure" not in rules_of(scene(tls(OWA, GOOD)[:1], end="client-rst"))


def test_protocol_version_by_alert() -> None:
    refused = tls(OWA, GOOD, client=(TLS12, TLS12), versions=(TLS13, TLS13))
    finding = found(scene(refused), "tls.protocol-version")
    assert finding is not None
    assert finding.severity is Severity.ERROR


def test_protocol_version_of_an_old_client_is_a_warning_and_towards_the_cloud_an_error() -> None:
    old = tls(OWA, GOOD, client=(TLS10, TLS11), versions=(TLS10, TLS12), ciphers="AES128-SHA")
    finding = found(scene(old), "tls.protocol-version")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    name = "outlook.office365.com"
    cloud = tls(OWA, GOOD, name=name, client=(TLS10, TLS11), versions=(TLS10, TLS12), ciphers="AES128-SHA")
    finding = found(scene(cloud), "tls.protocol-version")
    assert finding is not None
    assert finding.severity is Severity.ERROR


def test_protocol_version_is_silent_for_a_client_that_offers_tls_12_too() -> None:
    both = tls(OWA, GOOD, client=(TLS10, TLS12), versions=(TLS10, TLS10), ciphers="AES128-SHA")
    assert "tls.protocol-version" not in rules_of(scene(both))


def test_unrecognized_name_and_its_near_miss() -> None:
    hello = tls(OWA, GOOD)[0]
    assert "tls.unrecognized-name" in rules_of(scene([hello, S(alert(2, 112))]))
    assert "tls.unrecognized-name" not in rules_of(scene([hello, S(alert(2, 80))]))


def test_client_cert_requested_on_exchange_paths_only_and_not_where_one_is_sent() -> None:
    exchange = (C(http_request("POST /ews/exchange.asmx", ["Content-Type: text/xml"], b"<a/>")), OWA[1])
    asked = scene(tls(exchange, GOOD, asks_client=True))
    assert "tls.client-cert-requested" in rules_of(asked, keys=GOOD.store)
    other = (C(http_request("GET /shop/")), OWA[1])
    assert "tls.client-cert-requested" not in rules_of(scene(tls(other, GOOD, asks_client=True)), keys=GOOD.store)
    person = identity("CN=Avery", days=LONG)
    sent = scene(tls(exchange, GOOD, asks_client=True, client_identity=person))
    assert "tls.client-cert-requested" not in rules_of(sent, keys=GOOD.store)


def test_plain_http_on_443_from_either_side() -> None:
    assert "tls.plain-http-on-443" in rules_of(scene(list(OWA)))
    hello = tls(OWA, GOOD)[0]
    answered = scene([hello, S(http_response("400 Bad Request", ["Server: nginx"], b"plain"))])
    assert "tls.plain-http-on-443" in rules_of(answered)


def test_plain_http_on_443_is_silent_elsewhere() -> None:
    assert "tls.plain-http-on-443" not in rules_of(scene(list(OWA), port=80))
    assert "tls.plain-http-on-443" not in rules_of(scene(tls(OWA, GOOD)), keys=GOOD.store)
    garbage = [tls(OWA, GOOD)[0], S(b"\x99garbage that is no HTTP")]
    assert "tls.plain-http-on-443" not in rules_of(scene(garbage))
