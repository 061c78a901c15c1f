"""Captures that lost frames: what may stand in the hole is not told as missing. Each is told where nothing is lost."""

from __future__ import annotations

import socket

import pytest
from autodiscover_dialogues import GOOD, pox_request, pox_response, soap_request, soap_settings
from dns_dialogues import lookup
from exchange_dialogues import EWS, HTML, ews_success, ok, post
from packets import CLIENT, SERVER, C, S, Scene, found, http_request, http_response, rules_of
from smtp_dialogues import BANNER, MODERN, QUIT, hello, mail, scene_of
from tls_dialogues import public_identity, tls

from tlsdecrypt.findings.finding import Severity

LOGIN = ["C: AUTH GSSAPI", "S: 334 go on", "C: YIImarker", "S: 235 2.7.0 Authentication successful"]


def without(scene: Scene, *parts: bytes) -> Scene:
    """The same capture without the frames that hold any of these bytes."""
    kept = [each for each in scene.frames if not any(part in each[1] for part in parts)]
    assert len(kept) < len(scene.frames)
    return Scene(kept, scene.now)


def test_who_logged_in_where_the_capture_has_a_hole_is_no_anonymous_relay() -> None:
    rule = "smtp.anonymous-relay-accepted"
    begun, sent = [BANNER, *hello(*MODERN)], [*mail("avery@contoso.local", "kim@fabrikam.com"), *QUIT]
    assert found(scene_of(*begun, *sent), rule) is not None
    whole = scene_of(*begun, *LOGIN, *sent)
    assert found(whole, rule) is None
    assert found(without(whole, b"235 2.7.0"), rule) is None


def test_what_the_server_says_behind_a_hole_in_the_requests_may_be_the_answer() -> None:
    rule = "tcp.reset-mid-request"
    first = [C(http_request("GET /owa/healthcheck.htm")), S(http_response("200 OK", [], b"fine"))]
    asked = C(post(EWS, b"<a/>"))
    for said, is_told in (([*first, asked], True), ([*first, asked, S(ok(ews_success("GetItem")))], False)):
        scene = Scene()
        scene.dialogue(said, end="server-rst")
        scene.silence(5)
        assert (found(scene, rule) is not None) is is_told
        assert (found(without(scene, b"GET /owa"), rule) is not None) is is_told


def test_a_candidate_is_a_note_where_the_answer_of_a_later_one_was_lost() -> None:
    page = S(http_response("404 Not Found", ["Server: nginx", HTML], b"<html/>"))
    scene = Scene()
    scene.dialogue([C(pox_request(host="contoso.com")), page], server="198.51.100.80")
    scene.dialogue([C(pox_request()), S(GOOD)])
    scene.silence(5)
    for made, severity in (
        (scene, Severity.INFO),
        (without(scene, b"HTTP/1.1 200"), Severity.INFO),
        (Scene(scene.frames[:9], scene.now), Severity.WARNING),
    ):
        finding = found(made, "autodiscover.third-party-webserver")
        assert finding is not None
        assert finding.severity is severity


@pytest.mark.parametrize("is_one_sided", [True, False])
def test_resolvers_that_are_never_heard_are_not_silent_in_a_capture_of_one_direction(*, is_one_sided: bool) -> None:
    scene = Scene()
    for _ in range(3):
        lookup(scene, CLIENT, "mail.contoso.com", answered=False)
    scene.dialogue([C(pox_request()), S(GOOD)])
    scene.silence(5)
    from_server = socket.inet_aton(SERVER) + socket.inet_aton(CLIENT)
    made = without(scene, from_server) if is_one_sided else scene
    assert ("dns.servfail" in rules_of(made)) is not is_one_sided


def test_a_client_that_acknowledges_what_was_lost_did_not_leave_at_the_certificate() -> None:
    shown = public_identity("mail.contoso.com")
    scene = Scene()
    scene.dialogue(tls([C(b"x" * 3_000), S(b"y" * 3_000)], shown), port=443, end="client-rst")
    scene.silence(5)
    hole = Scene([*scene.frames[:8], *scene.frames[-2:]], scene.now)  # from behind the certificate up to the reset
    [conversation] = hole.analysis().conversations
    assert conversation.tls is not None
    assert [each.name for each in conversation.tls.messages][-1] == "server_hello_done"
    assert "tls.client-rejected-cert" not in rules_of(hole)


def test_an_external_url_of_ews_may_stand_in_a_hole_of_the_answer() -> None:
    rule = "autodiscover.external-ews-url-missing"
    filler = f"<Pad>{'x' * 1600}</Pad>"
    inside = f"<Type>EXPR</Type><Server>mail.contoso.com</Server>{filler}{{}}{filler}"
    for url, is_told in (("<EwsUrl>https://mail.contoso.com/EWS/Exchange.asmx</EwsUrl>", False), ("", True)):
        settings = f"<Account><Action>settings</Action><Protocol>{inside.format(url)}</Protocol></Account>"
        scene = Scene()
        scene.dialogue([C(pox_request()), S(ok(pox_response(settings)))], client="203.0.113.9")
        scene.silence(5)
        assert (found(scene, rule) is not None) is is_told
        holed = without(scene, b"</Pad><EwsUrl>", b"</Pad><Pad>")
        assert found(holed, rule) is None


def test_an_external_url_of_ews_may_stand_in_a_hole_of_the_settings() -> None:
    rule = "autodiscover.external-ews-url-missing"
    filler = "x" * 1600
    for url in ("https://mail.contoso.com/EWS/Exchange.asmx", ""):
        settings = {"AlternateMailboxes": filler, **({"ExternalEwsUrl": url} if url else {}), "UserDN": filler}
        scene = Scene()
        scene.dialogue([C(soap_request()), S(soap_settings(**settings))], client="203.0.113.9")
        scene.silence(5)
        assert (found(scene, rule) is None) is bool(url)
        assert found(without(scene, b"ExternalEwsUrl</a:Name>", b">UserDN<"), rule) is None
