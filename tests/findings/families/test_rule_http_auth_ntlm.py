"""The rules about NTLM and Kerberos: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from der_writing import kerberos_token, krb_error, neg_token_resp
from login_dialogues import WINDOWS, ask, b64, ntlm, scene_of
from ntlm_peers import ntlm_login
from packets import Scene, found
from tls_dialogues import Identity, identity, tls

from tlsdecrypt.findings.finding import Confidence, Severity


def _type(tokens: list[bytes], number: int) -> str:
    return f"Authorization: NTLM {b64(tokens[number - 1])}"


def _challenge(tokens: list[bytes]) -> list[str]:
    return [f"WWW-Authenticate: NTLM {b64(tokens[1])}"]


def test_ntlm_broken_by_proxy_where_the_last_message_comes_on_another_connection() -> None:
    tokens = ntlm_login()
    finding = found(
        scene_of(ask(_type(tokens, 1), offers=_challenge(tokens)), ask(_type(tokens, 3))), "http.ntlm-broken-by-proxy"
    )
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.LIKELY)


def test_ntlm_broken_by_proxy_where_challenges_close_the_connection() -> None:
    tokens = ntlm_login()
    cut = ask(_type(tokens, 1), offers=_challenge(tokens), answered=["Connection: close", "Via: 1.1 proxy"])
    finding = found(scene_of(cut, cut, cut), "http.ntlm-broken-by-proxy")
    assert finding is not None
    assert "ends after the challenge" in finding.summary
    assert found(scene_of(cut), "http.ntlm-broken-by-proxy") is None


def test_ntlm_broken_by_proxy_where_first_messages_follow_challenges() -> None:
    tokens = ntlm_login()
    first = ask(_type(tokens, 1), offers=_challenge(tokens), answered=["Via: 1.1 proxy"])
    assert found(scene_of([*first, *first, *first]), "http.ntlm-broken-by-proxy") is not None


def test_ntlm_broken_by_proxy_without_a_sign_needs_three_times() -> None:
    tokens = ntlm_login()
    first = ask(_type(tokens, 1), offers=_challenge(tokens))
    assert found(scene_of([*first * 4]), "http.ntlm-broken-by-proxy") is not None
    assert found(scene_of([*first * 3]), "http.ntlm-broken-by-proxy") is None


def test_ntlm_broken_by_proxy_is_silent_for_whole_logins_and_one_retry() -> None:
    tokens = ntlm_login()
    retry = [*ask(_type(tokens, 1), offers=_challenge(tokens)), *ntlm(tokens)]
    assert found(scene_of(ntlm(tokens), ntlm(tokens), ntlm(tokens)), "http.ntlm-broken-by-proxy") is None
    assert found(scene_of(retry), "http.ntlm-broken-by-proxy") is None
    stray_but_in = [ask(_type(tokens, 3)), ntlm(tokens, "200 OK")]
    assert found(scene_of(*stray_but_in), "http.ntlm-broken-by-proxy") is None


def _over_tls(server: Identity, bound_to: Identity | None, final: str = "401 Unauthorized") -> Scene:
    der = bound_to.certificate.public_bytes(Encoding.DER) if bound_to else None
    scene = Scene()
    scene.dialogue(tls(ntlm(ntlm_login(der), final), server), port=443)
    scene.silence(5)
    return scene


def test_ntlm_epa_suspected_where_the_login_is_bound_to_another_certificate() -> None:
    server, device = identity("mail.contoso.com"), identity("CN=mail.contoso.com,O=Load Balancer")
    finding = found(_over_tls(server, device), "http.ntlm-epa-suspected", keys=server.store)
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert "does not match the certificate" in finding.evidence[0].what


def test_ntlm_epa_suspected_is_silent_where_bindings_match_or_are_absent_or_the_login_works() -> None:
    server, device = identity("mail.contoso.com"), identity("CN=mail.contoso.com,O=Load Balancer")
    for scene in (_over_tls(server, server), _over_tls(server, None), _over_tls(server, device, "200 OK")):
        assert found(scene, "http.ntlm-epa-suspected", keys=server.store) is None


def test_ntlm_epa_suspected_on_the_inner_leg_of_an_offload() -> None:
    device = identity("mail.contoso.com")
    tokens = ntlm_login(device.certificate.public_bytes(Encoding.DER))
    finding = found(scene_of(ntlm(tokens)), "http.ntlm-epa-suspected")
    assert finding is not None
    assert "a device in front has ended" in finding.summary
    assert found(scene_of(*[ntlm(tokens)] * 3), "http.auth-loop") is None
    assert found(scene_of(ntlm(ntlm_login())), "http.ntlm-epa-suspected") is None


def test_ntlm_epa_suspected_where_the_same_user_gets_in_directly() -> None:
    scene = Scene()
    scene.dialogue(ntlm(ntlm_login()), server="198.51.100.10")
    scene.dialogue(ntlm(ntlm_login()), server="198.51.100.10")
    scene.dialogue(ntlm(ntlm_login(), "200 OK", host="ex01.contoso.com"), server="198.51.100.20")
    scene.silence(5)
    finding = found(scene, "http.ntlm-epa-suspected")
    assert finding is not None
    assert (finding.confidence, finding.server) == (Confidence.HINT, "198.51.100.10")


@pytest.mark.parametrize(("version", "is_told"), [("15.2.1118.12", True), ("15.2.986.5", False), ("14.3.123.3", False)])
def test_ntlm_epa_suspected_behind_an_offload_of_an_exchange_that_has_it(version: str, is_told: bool) -> None:  # noqa: FBT001
    server = [f"X-OWA-Version: {version}"]
    inner = ntlm(ntlm_login(), asked=["X-Forwarded-For: 203.0.113.7"], answered=server)
    finding = found(scene_of(inner), "http.ntlm-epa-suspected")
    assert (finding is not None) is is_told
    assert found(scene_of(ntlm(ntlm_login(), answered=server)), "http.ntlm-epa-suspected") is None


def _ticket(status: str = "401 Unauthorized", answer: bytes = b"") -> list[object]:
    offers = [f"WWW-Authenticate: Negotiate {b64(answer)}"] if answer else WINDOWS
    return ask(f"Authorization: Negotiate {b64(kerberos_token('HTTP', 'mail.contoso.com'))}", status, offers)  # type: ignore[return-value]


def test_kerberos_fallback_ntlm_names_the_ticket_and_its_error() -> None:
    error = neg_token_resp(2, krb_error(41, "CONTOSO.COM", "HTTP", "mail.contoso.com"))
    said = [*_ticket(answer=error), *ntlm(ntlm_login(protocol="negotiate"), "200 OK", scheme="Negotiate")]
    finding = found(scene_of(said), "http.kerberos-fallback-ntlm")  # type: ignore[arg-type]
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert "HTTP/mail.contoso.com was refused (KRB_AP_ERR_MODIFIED)" in finding.summary


def test_kerberos_fallback_ntlm_is_silent_without_a_refused_ticket() -> None:
    login = ntlm(ntlm_login(protocol="negotiate"), "200 OK", scheme="Negotiate")
    assert found(scene_of(login), "http.kerberos-fallback-ntlm") is None
    assert found(scene_of([*_ticket("200 OK"), *login]), "http.kerberos-fallback-ntlm") is None  # type: ignore[list-item]
