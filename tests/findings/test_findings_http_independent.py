"""Whole dialogues of browsers, Outlook and administrators in which a rule about HTTP or OAuth was wrong once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from login_dialogues import WINDOWS, ask, basic, ntlm
from ntlm_peers import ntlm_login
from packets import C, S, Scene, found, http_request, http_response, rules_of
from tls_dialogues import Identity, public_identity, tls

from tlsdecrypt.findings.finding import Severity

if TYPE_CHECKING:
    from packets import Say

TCP_FRAME = 54  # bytes of a frame without data
BROWSER = "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
LOGON = "https://mail.contoso.com/owa/auth/logon.aspx?url=https%3a%2f%2fmail.contoso.com%2fowa%2f&reason=0"
PAGE = [
    C(http_request("GET /owa/auth/logon.aspx", [BROWSER])),
    S(http_response("200 OK", ["Content-Type: text/html"], b"<html>Outlook</html>")),
]


@pytest.fixture(scope="module")
def mail() -> Identity:
    return public_identity("mail.contoso.com")


def sent_to(path: str, location: str, status: str = "302 Found") -> list[Say]:
    """A request of a browser, and where the answer sends it."""
    return [C(http_request(f"GET {path}", [BROWSER])), S(http_response(status, [f"Location: {location}"]))]


def posted(path: str, answer: bytes, after: float = 0.01, content_type: str = "text/xml") -> Scene:
    scene = Scene()
    scene.dialogue([C(http_request(f"POST {path}", [f"Content-Type: {content_type}"], b"<a/>")), S(answer, after)])
    scene.silence(5)
    return scene


def test_a_way_from_http_over_https_to_the_login_page_is_no_loop(mail: Identity) -> None:
    scene = Scene()
    scene.dialogue(sent_to("/owa/", "https://mail.contoso.com/owa/", "301 Moved Permanently"))
    scene.dialogue(tls([*sent_to("/owa/", LOGON), *PAGE], mail), port=443)
    scene.silence(5)
    assert rules_of(scene, keys=mail.store) == set()


def test_http_and_https_that_redirect_to_each_other_are_a_loop(mail: Identity) -> None:
    scene = Scene()
    for _ in range(2):
        scene.dialogue(sent_to("/owa/", "https://mail.contoso.com/owa/", "301 Moved Permanently"))
        scene.dialogue(tls(sent_to("/owa/", "http://mail.contoso.com/owa/"), mail), port=443)
    scene.silence(5)
    assert rules_of(scene, keys=mail.store) == {"http.redirect-loop"}


def test_visits_minutes_apart_are_no_loop_and_the_same_within_a_second_is_one() -> None:
    visits, loop = Scene(), Scene()
    for scene, pause in ((visits, 60.0), (loop, 0.1)):
        for _ in range(3):
            scene.dialogue(sent_to("/owa/", "https://mail.contoso.com/owa/", "301 Moved Permanently"))
            scene.now += pause
        scene.silence(5)
    assert rules_of(visits) == set()
    assert rules_of(loop) == {"http.redirect-loop"}


def test_a_redirect_to_the_same_page_with_a_cookie_is_no_loop() -> None:
    scene = Scene()
    scene.dialogue([*sent_to("/owa/", "/owa/"), *sent_to("/owa/", LOGON), *PAGE])
    scene.silence(5)
    assert rules_of(scene) == set()


@pytest.mark.parametrize(("rounds", "expected"), [(3, set()), (5, {"http.redirect-loop"})])
def test_a_sign_in_whose_state_changes_is_a_loop_from_ten_redirects_on(rounds: int, expected: set[str]) -> None:
    scene = Scene()
    for each in range(rounds):
        scene.dialogue(sent_to("/owa/", f"https://mail.contoso.com/adfs/ls/?wa=wsignin1.0&wctx={each}"))
        scene.dialogue(sent_to(f"/adfs/ls/?wa=wsignin1.0&wctx={each}", "https://mail.contoso.com/owa/"))
    scene.silence(5)
    assert rules_of(scene) == expected


def test_pages_of_errors_are_read_where_their_type_is_not_named() -> None:
    page = http_response("500 Internal Server Error", [], b"<html>Repeating redirects detected</html>")
    assert "http.redirect-loop" in rules_of(posted("/owa/service.svc", page))


def test_a_proxy_that_says_internet_access_is_blocked_blocks() -> None:
    fields = ["Via: 1.1 tmg01", "Content-Type: text/html"]
    page = http_response("504 Gateway Timeout", fields, b"<html>Internet access is blocked by policy</html>")
    assert rules_of(posted("/autodiscover/autodiscover.xml", page)) == {"http.proxy-block"}


def test_iis_that_denies_access_behind_a_proxy_is_no_block_of_the_proxy() -> None:
    fields = ["Via: 1.1 tmg01", "Server: Microsoft-IIS/7.5", "Content-Type: text/html"]
    page = http_response("403 Forbidden", fields, b"<html>403 - Forbidden: Access is denied.</html>")
    assert rules_of(posted("/EWS/Exchange.asmx", page)) == {"http.forbidden-403"}


def test_http_sys_that_names_a_time_throttles() -> None:
    fields = ["Server: Microsoft-HTTPAPI/2.0", "Retry-After: 30"]
    assert rules_of(posted("/EWS/Exchange.asmx", http_response("503 Service Unavailable", fields))) == {
        "http.throttled"
    }


RECEIVE = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    b'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header><a:Action>'
    b"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/%s</a:Action></s:Header><s:Body/></s:Envelope>"
)


@pytest.mark.parametrize(("action", "expected"), [(b"Receive", set()), (b"Command", {"http.slow-response"})])
def test_receive_of_powershell_waits_for_output(action: bytes, expected: set[str]) -> None:
    kind = "application/soap+xml;charset=UTF-8"
    scene = Scene()
    scene.dialogue(
        [
            C(http_request("POST /powershell?PSVersion=5.1", [f"Content-Type: {kind}"], RECEIVE % action)),
            S(http_response("200 OK", [f"Content-Type: {kind}"], RECEIVE % (action + b"Response")), 120),
        ]
    )
    scene.silence(5)
    assert rules_of(scene) == expected


def test_outlook_that_asks_for_modern_authentication_and_goes_on_with_ntlm_is_a_note() -> None:
    scene = Scene()
    scene.dialogue([*ask("Authorization: Bearer", offers=WINDOWS), *ntlm(ntlm_login(), "200 OK")])
    scene.silence(5)
    finding = found(scene, "oauth.bearer-not-offered")
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert {each.rule for each in scene.analysis().findings if each.severity > Severity.INFO} == set()


def test_a_missing_role_that_is_told_with_403_is_told_once() -> None:
    reason = 'x-ms-diagnostics: 2000008;reason="The application is missing a linked account for RBAC role";'
    answer = ask("Authorization: Bearer b3BhcXVl", "403 Forbidden", ["X-FEServer: EX01", f'{reason}error_category="x"'])
    scene = Scene()
    scene.dialogue(answer)
    scene.silence(5)
    assert rules_of(scene) == {"oauth.rbac-missing"}


CONNECT = "CONNECT outlook.office365.com:443 HTTP/1.1\r\nHost: outlook.office365.com:443\r\n{}\r\n"
QUESTION = S(http_response("407 Proxy Authentication Required", ["Proxy-Authenticate: Negotiate", "Via: 1.1 px"]))


@pytest.mark.parametrize(("pause", "rounds", "expected"), [(0, 1, False), (0, 4, True), (5, 1, True)])
def test_a_question_of_a_proxy_is_a_block_once_it_is_sure_that_no_login_follows(
    pause: float, rounds: int, *, expected: bool
) -> None:
    scene = Scene()
    scene.dialogue([C(CONNECT.format("")), QUESTION] * rounds, port=3128)
    if pause:
        scene.silence(pause)
    assert ("http.proxy-block" in rules_of(scene)) is expected


def test_what_a_proxy_sends_in_its_login_is_not_told() -> None:
    challenge = "TlRMTVNTUAACAAAAc2VjcmV0"
    scene = Scene()
    fields = [f"Proxy-Authenticate: NTLM {challenge}", 'Proxy-Authenticate: Basic realm="x"']
    scene.dialogue([C(CONNECT.format("")), S(http_response("407 Proxy Authentication Required", fields))], port=3128)
    scene.silence(5)
    analysis = scene.analysis()
    assert challenge not in repr(analysis.findings)
    [exchange] = [each for told in analysis.conversations for each in told.exchanges]
    assert exchange.annotations["http"]["proxy_authenticate"] == "NTLM, Basic"


def test_a_client_whose_flights_the_capture_lost_has_not_rejected_the_certificate(mail: Identity) -> None:
    scene = Scene()
    scene.dialogue(tls([C(http_request("GET /"))], mail), port=443)
    talks = [index for index, (_, frame) in enumerate(scene.frames) if len(frame) > TCP_FRAME]
    scene.frames = [*scene.frames[: talks[2] + 2], *scene.frames[-3:]]  # up to the certificate, and the end
    scene.silence(5)
    assert "tls.client-rejected-cert" not in rules_of(scene, keys=mail.store)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [(["Server: nginx"], {"http.html-instead-of-xml"}), (["X-ResponseCode: 0", "X-RequestType: Bind"], set())],
)
def test_a_page_of_a_web_server_is_no_answer_to_mapi(fields: list[str], expected: set[str]) -> None:
    kind = "application/mapi-http"
    answer = http_response("200 OK", ["Content-Type: text/html", *fields], b"<html>hello</html>")
    scene = Scene()
    scene.dialogue(
        [C(http_request("POST /mapi/nspi/", [f"Content-Type: {kind}", "X-RequestType: Bind"], b"x")), S(answer)]
    )
    scene.silence(5)
    assert rules_of(scene) == expected


@pytest.mark.parametrize(
    "token",
    [
        "NTLM TlRMTVNTUAADAAAAsample",
        "Negotiate TlRMTVNTUAADAAAAsample",
        "Negotiate YIIsample",
        "Negotiate YIIGhgYGKwYBBQUCoIIGejCC",
    ],
)
def test_tokens_that_were_cut_are_logins_and_no_sign_of_a_device(token: str) -> None:
    scene = Scene()
    scene.dialogue(ask(f"Authorization: {token}") * 3)
    scene.silence(5)
    assert rules_of(scene) == {"http.auth-loop"}


@pytest.mark.parametrize(("field", "expected"), [("", True), ("X-Forwarded-For: 203.0.113.7", False)])
def test_users_who_all_come_from_one_address_without_tls_come_through_a_device(field: str, *, expected: bool) -> None:
    scene = Scene()
    for user in ("avery", "blake", "casey"):
        scene.dialogue(ask(basic(f"{user}@contoso.com"), "200 OK", [], asked=[field] if field else []))
    scene.silence(5)
    assert ("proxy.x-forwarded-for-missing" in rules_of(scene)) is expected


def test_a_web_server_at_the_place_of_autodiscover_lacks_no_handler() -> None:
    fields = ["Server: nginx", "Content-Type: text/html"]
    page = http_response("405 Not Allowed", fields, b"<html>405</html>")
    assert rules_of(posted("/autodiscover/autodiscover.svc", page)) == {"autodiscover.third-party-webserver"}
