"""ActiveSync: devices that adapt are no fault, and one fault is told once."""

from __future__ import annotations

from exchange_dialogues import FRONT_END
from packets import C, S, Say, Scene, findings_of, http_request, http_response
from tls_dialogues import public_identity, tls

from tlsdecrypt.findings.finding import Finding, Severity

WBXML = "Content-Type: application/vnd.ms-sync.wbxml"
OFFERED = "MS-ASProtocolVersions: 2.5,12.0,12.1"
ELSEWHERE = "X-MS-Location: https://eas.contoso.com/Microsoft-Server-ActiveSync"


def ask(verb: str, version: str, answer: str, *fields: str, device: str = "D1") -> list[Say]:
    query = "" if verb == "OPTIONS" else f"?Cmd=Sync&User=avery%40contoso.com&DeviceId={device}&DeviceType=iPhone"
    line = f"{verb} /Microsoft-Server-ActiveSync{query}"
    request = http_request(line, (WBXML, f"MS-ASProtocolVersion: {version}"))
    return [C(request), S(http_response(answer, (*FRONT_END, *fields)))]


def told(*said: list[Say], scene: Scene | None = None) -> list[Finding]:
    made = scene or Scene()
    made.dialogue([each for part in said for each in part])
    made.silence(5)
    return findings_of(made)


def test_a_device_that_goes_on_with_an_offered_version_has_adapted() -> None:
    options = ask("OPTIONS", "16.1", "200 OK", OFFERED)
    assert told(options, ask("POST", "12.1", "200 OK")) == []
    assert [each.rule for each in told(options)] == ["eas.versions"]


def test_a_version_that_is_not_offered_is_told_once_and_explains_the_400() -> None:
    found = told(ask("OPTIONS", "14.1", "200 OK", OFFERED), ask("POST", "14.1", "400 Bad Request"))
    assert [(each.rule, each.caused_by) for each in found] == [
        ("eas.versions", None),
        ("eas.xml-error", "eas.versions"),
    ]
    assert found[0].count == 2  # OPTIONS and POST


def test_a_redirect_that_is_followed_into_closed_tls_is_a_note() -> None:
    scene = Scene()
    scene.dialogue(ask("POST", "14.1", "451 Redirect", ELSEWHERE))
    there = public_identity("eas.contoso.com")
    scene.dialogue(tls([C(b"x" * 200), S(b"y" * 200)], there, name="eas.contoso.com"), port=443, server="198.51.100.77")
    scene.silence(5)
    severities = {each.rule: each.severity for each in findings_of(scene)}
    assert severities["eas.redirect-451"] is Severity.INFO


def test_that_another_device_is_served_does_not_mean_that_a_redirect_was_followed() -> None:
    served = ask("POST", "14.1", "200 OK", device="D2")
    found = told(ask("POST", "14.1", "451 Redirect", ELSEWHERE), served)
    assert [(each.rule, each.severity) for each in found] == [("eas.redirect-451", Severity.WARNING)]
