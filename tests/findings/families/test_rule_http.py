"""The rules about what HTTP answers: each fires on its fault, and is silent on a near miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packets import C, S, Scene, found, http_request, http_response, rules_of

from tlsdecrypt.findings.finding import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packets import Say

EWS = "POST /EWS/Exchange.asmx"
XML = ["Content-Type: text/xml"]
HTML = "Content-Type: text/html"
IIS = "Server: Microsoft-IIS/8.5"
EXCHANGE = ["X-FEServer: CAS01", IIS, "X-Powered-By: ASP.NET"]
SOAP = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'


def exchange(
    line: str,
    status: str,
    fields: Sequence[str] = (),
    page: bytes = b"",
    *,
    asked: Sequence[str] = (),
    after: float = 0.01,
) -> list[Say]:
    content = SOAP if line.startswith("POST") else b""
    return [
        C(http_request(line, [*(XML if content else []), *asked], content)),
        S(http_response(status, fields, page), after),
    ]


def scene(*dialogues: list[Say], **where: object) -> Scene:
    made = Scene()
    for said in dialogues:
        made.dialogue(said, **where)  # type: ignore[arg-type]
    made.silence(5)
    return made


def test_forbidden_403_names_the_reason_of_the_sub_status() -> None:
    page = b"<h2>403.4 - Forbidden: SSL is required</h2>"
    finding = found(scene(exchange("GET /owa/", "403 Forbidden", [IIS, HTML], page)), "http.forbidden-403")
    assert finding is not None
    assert "TLS is required" in finding.summary


@pytest.mark.parametrize(
    ("line", "fields", "page"),
    [
        ("GET /shop/", [IIS, HTML], b"403.4"),
        ("POST /Microsoft-Server-ActiveSync?Cmd=Sync", EXCHANGE, b""),
        ("GET /owa/", ["Via: 1.1 squid", HTML], b"Access denied by the web filter"),
        ("GET /owa/", ["Server: nginx"], b""),
    ],
)
def test_forbidden_403_is_silent_where_others_know_more(line: str, fields: list[str], page: bytes) -> None:
    assert "http.forbidden-403" not in rules_of(scene(exchange(line, "403 Forbidden", fields, page)))


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway", "504 Gateway Timeout"])
def test_proxy_block_by_what_the_page_says(status: str) -> None:
    blocked = exchange("GET /owa/", status, ["Via: 1.1 proxy (squid/3.5)", HTML], b"<h1>Access Denied</h1>")
    rules = rules_of(scene(blocked))
    assert "http.proxy-block" in rules
    assert "http.502-504-gateway" not in rules


def test_proxy_block_407_unless_the_client_logs_in() -> None:
    asks = exchange("GET /ews/", "407 Proxy Authentication Required", ["Proxy-Authenticate: NTLM"])
    finding = found(scene(asks), "http.proxy-block")
    assert finding is not None
    assert finding.confidence is Confidence.CERTAIN
    assert "http.proxy-block" not in rules_of(scene(asks + exchange("GET /ews/", "200 OK")))


def test_proxy_block_is_silent_where_exchange_itself_denies() -> None:
    denied = exchange("GET /owa/", "403 Forbidden", [*EXCHANGE, HTML], b"Access denied")
    assert "http.proxy-block" not in rules_of(scene(denied))


SVC = "POST /autodiscover/autodiscover.svc"


def test_svc_handler_missing_is_certain_where_pages_work() -> None:
    missing = exchange(SVC, "405 Method Not Allowed", ["Allow: GET, HEAD, OPTIONS, TRACE", IIS])
    alone = found(scene(missing), "http.svc-handler-missing")
    assert alone is not None
    assert alone.confidence is Confidence.LIKELY
    beside = found(scene(missing, exchange(EWS, "200 OK", XML, SOAP)), "http.svc-handler-missing")
    assert beside is not None
    assert beside.confidence is Confidence.CERTAIN


def test_svc_handler_missing_is_silent_for_browsers_and_where_pages_fail_alike() -> None:
    get = exchange("GET /autodiscover/autodiscover.svc", "405 Method Not Allowed")
    assert "http.svc-handler-missing" not in rules_of(scene(get))
    both = scene(exchange(SVC, "405 Method Not Allowed"), exchange(EWS, "405 Method Not Allowed"))
    assert "http.svc-handler-missing" not in rules_of(both)


def test_svc_handler_missing_tells_more_than_the_404_of_the_mrs_proxy() -> None:
    page = b"<h2>HTTP Error 404.3 - Not Found</h2><p>The extension configuration does not allow this page.</p>"
    told = rules_of(scene(exchange("POST /EWS/mrsproxy.svc", "404 Not Found", [*EXCHANGE, HTML], page)))
    assert "http.svc-handler-missing" in told
    assert "mrs.404-ssl-offload" not in told
    plain = rules_of(scene(exchange("POST /EWS/mrsproxy.svc", "404 Not Found", [*EXCHANGE, HTML], b"<h2>404</h2>")))
    assert "mrs.404-ssl-offload" in plain


@pytest.mark.parametrize("line", [EWS, "POST /mapi/emsmdb/?MailboxId=1", "GET /OAB/1/oab.xml", "POST /powershell"])
def test_not_found_vdir_for_what_protocols_ask(line: str) -> None:
    assert "http.not-found-vdir" in rules_of(scene(exchange(line, "404 Not Found", [IIS])))


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("GET /ews/", [IIS]),
        ("POST /EWS/mrsproxy.svc", [IIS]),
        (EWS, ["X-CasErrorCode: UserNotFound"]),
        ("POST /shop/", [IIS]),
        ("POST /rpc/rpcproxy.dll?a:6001", [IIS]),
    ],
)
def test_not_found_vdir_is_silent_elsewhere(line: str, fields: list[str]) -> None:
    assert "http.not-found-vdir" not in rules_of(scene(exchange(line, "404 Not Found", fields)))


def test_not_found_vdir_is_silent_where_it_works_later() -> None:
    later = scene(exchange(EWS, "404 Not Found"), exchange(EWS, "200 OK", XML, SOAP))
    assert "http.not-found-vdir" not in rules_of(later)


@pytest.mark.parametrize(("status", "is_told"), [("200 OK", False), ("401 Unauthorized", True)])
def test_not_found_vdir_is_silent_for_one_file_of_an_address_book_that_is_there(status: str, *, is_told: bool) -> None:
    first = exchange("GET /OAB/1/oab.xml", status, [IIS])
    made = scene([*first, *exchange("GET /OAB/1/binpatch-12.lzx", "404 Not Found", [IIS])])
    assert ("http.not-found-vdir" in rules_of(made)) is is_told


def test_not_found_vdir_of_one_candidate_of_autodiscover_is_a_note() -> None:
    pox = "POST /autodiscover/autodiscover.xml"
    first = [C(http_request(pox, XML, SOAP, host="contoso.com")), S(http_response("404 Not Found"))]
    second = [C(http_request(pox, XML, SOAP, host="autodiscover.contoso.com")), S(http_response("200 OK", XML, SOAP))]
    made = Scene()
    made.dialogue(first, server="203.0.113.5")
    made.dialogue(second)
    finding = found(made, "http.not-found-vdir")
    assert finding is None or finding.severity is Severity.INFO


HTTP_SYS = ["Server: Microsoft-HTTPAPI/2.0", "Connection: close", HTML]


def test_http_sys_503_and_its_near_misses() -> None:
    page = b"<h2>Service Unavailable</h2><p>HTTP Error 503."
    assert "http.http-sys-503" in rules_of(scene(exchange(EWS, "503 Service Unavailable", HTTP_SYS, page)))
    for line, fields in (("GET /shop/", HTTP_SYS), (EWS, [IIS]), ("GET /adfs/services/trust/mex", HTTP_SYS)):
        assert "http.http-sys-503" not in rules_of(scene(exchange(line, "503 Service Unavailable", fields, page)))


def test_backend_503_names_both_servers_and_is_no_throttling() -> None:
    fields = [*EXCHANGE, "X-CalculatedBETarget: mbx07.contoso.local"]
    finding = found(scene(exchange(EWS, "503 Service Unavailable", fields)), "http.backend-503")
    assert finding is not None
    assert "CAS01" in finding.summary
    assert "mbx07.contoso.local" in finding.summary
    throttled = rules_of(scene(exchange(EWS, "503 Service Unavailable", [*fields, "Retry-After: 30"])))
    assert "http.backend-503" not in throttled
    assert "http.throttled" in throttled


def test_throttled_by_429_and_not_by_a_plain_503() -> None:
    assert "http.throttled" in rules_of(scene(exchange("GET /owa/", "429 Too Many Requests", ["Retry-After: 5"])))
    assert "http.throttled" not in rules_of(scene(exchange("GET /owa/", "503 Service Unavailable")))


def test_502_504_gateway_and_its_near_miss() -> None:
    finding = found(scene(exchange(EWS, "504 Gateway Timeout", ["Via: 1.1 balancer"])), "http.502-504-gateway")
    assert finding is not None
    assert "no answer in time" in finding.summary
    assert "http.502-504-gateway" not in rules_of(scene(exchange(EWS, "500 Internal Server Error")))


def test_body_too_large_by_status_and_by_resets_at_one_size() -> None:
    assert "http.body-too-large" in rules_of(scene(exchange(EWS, "413 Request Entity Too Large")))
    page = b"404.13 - Not Found: content length too large"
    assert "http.body-too-large" in rules_of(scene(exchange(EWS, "404 Not Found", [HTML], page)))

    def cut(size: int) -> list[Say]:
        head = b"POST /ews/exchange.asmx HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n"
        return [C(head + bytes(size))]

    same = scene(*[cut(size) for size in (60_000, 60_500, 61_000)], end="server-rst")
    assert "http.body-too-large" in rules_of(same)
    different = scene(*[cut(size) for size in (40_000, 60_500, 90_000)], end="server-rst")
    assert "http.body-too-large" not in rules_of(different)


def test_412_cookies_of_outlook_on_the_web_only() -> None:
    assert "http.412-cookies" in rules_of(scene(exchange("GET /owa/", "412 Precondition Failed")))
    assert "http.412-cookies" not in rules_of(scene(exchange("GET /dav/", "412 Precondition Failed")))


LOGIN = "Location: https://mail.contoso.com/CookieAuth.dll?GetLogon?reason=0"


def test_redirect_to_login_by_redirect_and_by_page() -> None:
    assert "http.redirect-to-login" in rules_of(scene(exchange(EWS, "302 Found", [LOGIN])))
    page = rules_of(scene(exchange(EWS, "200 OK", [HTML], b"<h1>Please sign in</h1><input name=password>")))
    assert "http.redirect-to-login" in page
    assert "http.html-instead-of-xml" not in page


def test_a_page_with_a_field_for_a_password_is_a_login_page_in_every_language() -> None:
    french = b"<title>Connexion</title><form><input name='p' autocomplete=off type='password'></form>"
    assert "http.redirect-to-login" in rules_of(scene(exchange(EWS, "200 OK", [HTML], french)))
    assert "http.redirect-to-login" in rules_of(scene(exchange(EWS, "200 OK", [HTML], b"<title>Anmeldung</title>")))
    search = b"<title>Accueil</title><input type=text name=passwordless>"
    assert "http.redirect-to-login" not in rules_of(scene(exchange(EWS, "200 OK", [HTML], search)))


@pytest.mark.parametrize(
    ("line", "asked"),
    [("GET /owa/", []), ("GET /ews/exchange.asmx", ["User-Agent: Mozilla/5.0"]), (f"{EWS}/WSSecurity", [])],
)
def test_redirect_to_login_is_silent_for_people_and_federation(line: str, asked: list[str]) -> None:
    assert "http.redirect-to-login" not in rules_of(scene(exchange(line, "302 Found", [LOGIN], asked=asked)))


def test_html_instead_of_xml_and_its_near_misses() -> None:
    page = b"<h1>Welcome to our web site</h1>"
    assert "http.html-instead-of-xml" in rules_of(scene(exchange(EWS, "200 OK", [HTML], page)))
    assert "http.html-instead-of-xml" not in rules_of(scene(exchange(EWS, "200 OK", XML, SOAP)))
    assert "http.html-instead-of-xml" not in rules_of(scene(exchange("GET /owa/", "200 OK", [HTML], page)))
    mapi = exchange("POST /mapi/emsmdb/", "200 OK", [HTML, "X-ResponseCode: 10"], b"Context Not Found")
    assert "http.html-instead-of-xml" not in rules_of(scene(mapi))


def redirects(*steps: tuple[str, str]) -> list[Say]:
    return [said for path, goal in steps for said in exchange(f"GET {path}", "302 Found", [f"Location: {goal}"])]


def test_redirect_loop_in_a_circle_and_by_number() -> None:
    circle = redirects(("/a", "/b"), ("/b", "/a"), ("/a", "/b"))
    assert "http.redirect-loop" in rules_of(scene(circle))
    many = redirects(*[(f"/{n}", f"/{n + 1}") for n in range(5)])
    assert "http.redirect-loop" in rules_of(scene(many))
    page = exchange("GET /owa/", "500 Error", [HTML], b"Repeating redirects detected")
    assert "http.redirect-loop" in rules_of(scene(page))


def test_redirect_loop_is_silent_for_short_chains_and_sign_in_with_changing_state() -> None:
    assert "http.redirect-loop" not in rules_of(scene(redirects(*[(f"/{n}", f"/{n + 1}") for n in range(4)])))
    sign_in = redirects(*[(f"/adfs/ls/?state={n}", f"/adfs/ls/?state={n + 1}") for n in range(6)])
    assert "http.redirect-loop" not in rules_of(scene(sign_in))
    again = (
        redirects(("/a", "/b")) + exchange("GET /b", "200 OK") + redirects(("/a", "/b")) + exchange("GET /b", "200 OK")
    )
    assert "http.redirect-loop" not in rules_of(scene(again))


def test_slow_response_is_a_warning_from_ten_seconds_and_an_error_from_a_minute() -> None:
    for seconds, severity in ((12, Severity.WARNING), (70, Severity.ERROR)):
        finding = found(scene(exchange(EWS, "200 OK", XML, SOAP, after=seconds)), "http.slow-response")
        assert finding is not None
        assert finding.severity is severity
        assert f"{seconds} s" in finding.summary


@pytest.mark.parametrize(
    "line",
    ["POST /Microsoft-Server-ActiveSync?Cmd=Ping&User=a", "GET /owa/ev.owa2?ns=PendingRequest", "POST /mapi/emsmdb/"],
)
def test_slow_response_is_silent_for_what_waits_on_purpose(line: str) -> None:
    assert "http.slow-response" not in rules_of(scene(exchange(line, "200 OK", after=300)))
    assert "http.slow-response" not in rules_of(scene(exchange(EWS, "200 OK", XML, SOAP, after=9)))


def test_x_forwarded_for_missing_where_both_legs_are_seen() -> None:
    outer, inner = {"server": "198.51.100.20"}, {"client": "198.51.100.20", "server": "10.0.0.7"}
    said = exchange(EWS, "200 OK", XML, SOAP)
    made = Scene()
    made.dialogue(said, **outer)  # type: ignore[arg-type]
    made.dialogue(said, **inner)  # type: ignore[arg-type]
    assert "proxy.x-forwarded-for-missing" in rules_of(made)
    named = Scene()
    named.dialogue(said, **outer)  # type: ignore[arg-type]
    forwarded = exchange(EWS, "200 OK", XML, SOAP, asked=["X-Forwarded-For: 192.0.2.10"])
    named.dialogue(forwarded, **inner)  # type: ignore[arg-type]
    assert "proxy.x-forwarded-for-missing" not in rules_of(named)
    assert "proxy.x-forwarded-for-missing" not in rules_of(scene(said))


def test_x_forwarded_for_missing_where_several_programs_come_from_one_address() -> None:
    def asking(*agents: str) -> Scene:
        return scene(*(exchange(EWS, "200 OK", XML, SOAP, asked=[f"User-Agent: {agent}"]) for agent in agents))

    assert "proxy.x-forwarded-for-missing" in rules_of(asking("A/1", "B/2", "C/3"))
    assert "proxy.x-forwarded-for-missing" not in rules_of(asking("A/1", "B/2", "A/1"))


def test_monitors_get_notes_at_most() -> None:
    probe = exchange(EWS, "404 Not Found", asked=["User-Agent: AMProbe/Local/ClientAccess"])
    finding = found(scene(probe), "http.not-found-vdir")
    assert finding is not None
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(
    ("line", "asked", "severity"),
    [
        ("GET /owa/healthcheck.htm", ["User-Agent: KEMP/LM"], Severity.INFO),
        ("GET /owa/healthcheck.htm", [], Severity.INFO),
        ("GET /owa/healthcheck.htm", ["User-Agent: Mozilla/5.0"], Severity.ERROR),
        ("GET /owa/", [], Severity.ERROR),
    ],
)
def test_balancers_that_ask_for_the_health_page_are_monitors(line: str, asked: list[str], severity: Severity) -> None:
    finding = found(scene(exchange(line, "503 Service Unavailable", EXCHANGE, asked=asked)), "http.backend-503")
    assert finding is not None
    assert finding.severity is severity
