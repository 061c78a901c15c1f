"""The rules about PowerShell remoting: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from login_dialogues import ask, basic, ntlm
from ntlm_peers import ntlm_login
from packets import C, S, Scene, found, http_request, http_response, rules_of
from wsman_peers import MESSAGE, SECRET, command_request, create_request, fault_response, receive_response

from tlsdecrypt.findings.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packets import Say

SHELL = "POST /powershell?PSVersion=5.1"
SOAP = "Content-Type: application/soap+xml;charset=UTF-8"
SEALED = 'Content-Type: multipart/encrypted;protocol="application/HTTP-Kerberos-session-encrypted";boundary="x"'


def wsman(content: bytes, answer: bytes, status: str = "200 OK", fields: Sequence[str] = (SOAP,)) -> list[Say]:
    return [C(http_request(SHELL, fields, content)), S(http_response(status, fields, answer))]


def scene_of(*said: Say) -> Scene:
    scene = Scene()
    scene.dialogue(said)
    scene.silence(5)
    return scene


def test_access_denied_where_a_complete_login_is_refused() -> None:
    scene = scene_of(*ntlm(ntlm_login(), line=SHELL))
    finding = found(scene, "wsman.access-denied")
    assert finding is not None
    assert "CONTOSO\\avery" in finding.summary
    thrice = scene_of(*ask(basic(), line=SHELL, offers=["WWW-Authenticate: Basic"]) * 3)
    assert found(thrice, "wsman.access-denied") is not None
    loop = found(thrice, "http.auth-loop")
    assert loop is not None
    assert loop.caused_by == "wsman.access-denied"
    not_offered = scene_of(*ask(basic(), line=SHELL, offers=["WWW-Authenticate: Negotiate"]))
    follower = found(not_offered, "http.auth-scheme-not-offered")
    assert follower is not None
    assert follower.caused_by == "wsman.access-denied"


def test_access_denied_where_the_fault_has_code_5() -> None:
    scene = scene_of(*wsman(create_request(), fault_response(), "500 Internal Server Error"))
    assert found(scene, "wsman.access-denied") is not None
    assert found(scene, "wsman.fault") is None


def test_access_denied_is_silent_for_legs_and_where_the_client_gets_in() -> None:
    assert found(scene_of(*ask(line=SHELL)), "wsman.access-denied") is None
    assert found(scene_of(*ntlm(ntlm_login(), "200 OK", line=SHELL)), "wsman.access-denied") is None
    later = [*ntlm(ntlm_login(), line=SHELL), *ntlm(ntlm_login(), "200 OK", line=SHELL)]
    assert found(scene_of(*later), "wsman.access-denied") is None


def test_fault_has_code_and_message() -> None:
    answer = fault_response(2150859174, "The shell was not found on the server.")
    finding = found(scene_of(*wsman(command_request(), answer, "500 Internal Server Error")), "wsman.fault")
    assert finding is not None
    assert "2150859174 (0x803381A6): The shell was not found" in finding.summary


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("0x803381A6", "wsman.fault"),
        ("-2144108122", "wsman.fault"),
        ("0x5", "wsman.access-denied"),
        ("-2147024891", "wsman.access-denied"),
        ("0x80070005", "wsman.access-denied"),
    ],
)
def test_codes_are_known_however_they_are_written(code: str, rule: str) -> None:
    answer = fault_response(5, "Zugriff verweigert").replace(b'Code="5"', f'Code="{code}"'.encode())
    scene = scene_of(*wsman(command_request(), answer, "500 Internal Server Error"))
    assert rules_of(scene) == {rule}


@pytest.mark.parametrize("is_in_envelope", [True, False])
def test_fault_without_a_fault_of_soap(is_in_envelope: bool) -> None:  # noqa: FBT001
    answer = '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150859174"/>'
    if is_in_envelope:
        soap = "http://www.w3.org/2003/05/soap-envelope"
        answer = f'<s:Envelope xmlns:s="{soap}"><s:Body>{answer}</s:Body></s:Envelope>'
    assert rules_of(scene_of(*wsman(command_request(), answer.encode(), "500 Error"))) == {"wsman.fault"}
    quoted = answer.replace("<f:", "&lt;f:")
    assert "wsman.fault" not in rules_of(scene_of(*wsman(command_request(), quoted.encode(), "500 Error")))


def test_fault_is_silent_while_there_is_no_output_yet() -> None:
    answer = fault_response(2150858793, "The WS-Management service cannot complete the operation within the time.")
    assert found(scene_of(*wsman(command_request(), answer, "500 Error")), "wsman.fault") is None
    assert found(scene_of(*wsman(command_request(), receive_response())), "wsman.fault") is None


def test_redirect_names_the_other_address() -> None:
    said = [
        C(http_request(SHELL, [SOAP], create_request())),
        S(http_response("302 Found", ["Location: https://ps.outlook.com/powershell"])),
    ]
    finding = found(scene_of(*said), "wsman.redirect")
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert found(scene_of(*wsman(create_request(), b"")), "wsman.redirect") is None


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("RedirectLocation", "https://ps.outlook.com/powershell", "wsman.redirect"),
        ("Redirect", "https://ps.outlook.com/powershell", "wsman.redirect"),
        ("Redirect", "none", "wsman.fault"),
        ("Location", "https://ps.outlook.com/powershell", "wsman.fault"),
    ],
)
def test_redirect_in_a_fault(name: str, text: str, rule: str) -> None:
    fault = fault_response(2150859193, "The client is to ask another server.")
    [end] = {each for each in (b"</s:Detail>", b"</soap:Detail>") if each in fault}
    answer = fault.replace(end, f'<w:{name} xmlns:w="http://example.com/w">{text}</w:{name}>'.encode() + end)
    assert rules_of(scene_of(*wsman(create_request(), answer, "500 Error"))) == {rule}


def test_encrypted_body_is_named() -> None:
    finding = found(scene_of(*wsman(b"--x\r\n\x01", b"--x\r\n\x02", fields=[SEALED])), "wsman.encrypted-body")
    assert finding is not None
    assert (finding.severity, "sealed by Kerberos" in finding.summary) == (Severity.INFO, True)
    assert found(scene_of(*wsman(create_request(), b"")), "wsman.encrypted-body") is None


def test_cmdlet_error_quotes_the_message_and_the_command() -> None:
    finding = found(scene_of(*wsman(command_request(), receive_response())), "wsman.cmdlet-error")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert MESSAGE in finding.summary
    assert "Set-HybridMailflow" in finding.summary
    assert SECRET not in repr(finding)


def test_cmdlet_error_is_silent_without_an_error_record() -> None:
    assert rules_of(scene_of(*wsman(create_request(), b""), *wsman(command_request(), b""))) == set()
