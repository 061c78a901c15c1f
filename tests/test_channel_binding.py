"""Logins are compared with the certificate of the connection on which they came."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from login_dialogues import ntlm
from ntlm_peers import PASSWORD, ntlm_login
from packets import C, S, Scene
from tls_dialogues import identity, tls

from tlsdecrypt.app.auth_facts import ABSENT, CLEAR, DIFFERS, MATCHES

SERVER, DEVICE = identity("mail.contoso.com"), identity("CN=mail.contoso.com,O=Load Balancer")


def _judged(said: list[object], port: int) -> dict[str, str]:
    scene = Scene()
    scene.dialogue(said, port=port)  # type: ignore[arg-type]
    [conversation] = scene.analysis(keys=SERVER.store).conversations
    auth = conversation.exchanges[-1].annotations["auth"]
    assert PASSWORD not in json.dumps(auth)
    assert f"channel binding {auth['channel_binding']['result']}" in auth["summary"]
    judged: dict[str, str] = auth["channel_binding"]
    return judged


@pytest.mark.parametrize(("bound_to", "result"), [(SERVER, MATCHES), (DEVICE, DIFFERS), (None, ABSENT)])
def test_a_login_inside_tls_is_compared_with_the_certificate(bound_to: object, result: str) -> None:
    der = bound_to.certificate.public_bytes(Encoding.DER) if bound_to else None  # type: ignore[attr-defined]
    judged = _judged(tls(ntlm(ntlm_login(der), "200 OK"), SERVER), 443)
    assert judged["result"] == result
    assert len(judged["expected"]) == 32
    assert (judged.get("sent") == judged["expected"]) is (result == MATCHES)


def _smtp_login(der: bytes | None) -> list[object]:
    ask, challenge, prove = (base64.b64encode(each).decode() for each in ntlm_login(der))
    lines = [
        S("220 mail.contoso.com Microsoft ESMTP MAIL Service ready\r\n"),
        *(C("EHLO pc01.contoso.com\r\n"), S("250-mail.contoso.com Hello\r\n250 AUTH NTLM\r\n")),
        *(C("AUTH NTLM\r\n"), S("334 NTLM supported\r\n")),
        *(C(f"{ask}\r\n"), S(f"334 {challenge}\r\n"), C(f"{prove}\r\n"), S("235 2.7.0 Authentication successful\r\n")),
    ]
    return [*lines, C("QUIT\r\n"), S("221 2.0.0 Service closing transmission channel\r\n")]


@pytest.mark.parametrize(("bound_to", "result"), [(SERVER, MATCHES), (DEVICE, DIFFERS), (None, ABSENT)])
def test_a_login_over_smtp_inside_tls_is_compared_too(bound_to: object, result: str) -> None:
    der = bound_to.certificate.public_bytes(Encoding.DER) if bound_to else None  # type: ignore[attr-defined]
    scene = Scene()
    scene.dialogue(tls(_smtp_login(der), SERVER), port=465)  # type: ignore[arg-type]
    [conversation] = scene.analysis(keys=SERVER.store).conversations
    results = [each.annotations["smtp"].get("channel_binding_result") for each in conversation.exchanges]
    assert [each for each in results if each is not None] == [result]


def test_a_bound_login_in_clear_says_so() -> None:
    judged = _judged(ntlm(ntlm_login(SERVER.certificate.public_bytes(Encoding.DER)), "200 OK"), 80)
    assert judged["result"] == CLEAR
    assert "expected" not in judged
