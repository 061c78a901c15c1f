"""Rules of MAPI over HTTP: each fires on its fault, and not on what looks like it."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from exchange_dialogues import basic, rules_in
from mapi_messages import (
    CONNECT_REQUEST,
    CONNECT_RESPONSE,
    TARGET,
    done,
    execute_request,
    execute_response,
    rop_buffer,
)
from packets import C, S, Say, Scene, found, http_request, http_response

from tlsdecrypt.findings.finding import Confidence, Severity

AVERY = basic("avery@contoso.com")
SUBMIT, DENIED = bytes.fromhex("32 00 00 00"), bytes.fromhex("32 00 dc040000")
NOT_FOUND = bytes.fromhex("32 00 0f010480")
EXECUTE = execute_request(rop_buffer(bytes.fromhex("01 00 00")))
EMPTY = execute_response(rop_buffer(b""))


def call(
    request_type: str,
    answered: bytes,
    code: int | None = 0,
    *fields: str,
    asked: bytes = EXECUTE,
    status: str = "200 OK",
    kind: str = "application/mapi-http",
) -> list[Say]:
    """A call with a cookie of its session, and its answer."""
    head = (
        "Content-Type: application/mapi-http",
        f"X-RequestType: {request_type}",
        "Cookie: MapiContext=Tr0ub4dor-marker; MapiSequence=1",
        "X-ClientInfo: {2EF33C39-49C8-421C-B876-CDF7F2AC3AA0}:1",
        AVERY,
    )
    code_field = () if code is None else (f"X-ResponseCode: {code}",)
    answer = (f"Content-Type: {kind}", f"X-RequestType: {request_type}", *code_field, *fields)
    return [C(http_request(f"POST {TARGET}", head, asked)), S(http_response(status, answer, answered))]


def connect(*fields: str, answered: bytes = CONNECT_RESPONSE) -> list[Say]:
    return call("Connect", done(answered), 0, *fields, asked=CONNECT_REQUEST)


def execute(code: int = 0, *fields: str) -> list[Say]:
    if code:
        return call("Execute", b"<html><body>Context not found</body></html>", code, *fields, kind="text/html")
    return call("Execute", done(EMPTY), 0, *fields)


def scene(*calls: list[Say], **options: object) -> Scene:
    made = Scene()
    made.dialogue([each for said in calls for each in said], **options)  # type: ignore[arg-type]
    made.silence(5)
    return made


def test_a_healthy_session_is_not_mentioned() -> None:
    assert rules_in(scene(connect(), execute(), execute(), call("Disconnect", done(bytes(12)))), "mapi") == set()


@pytest.mark.parametrize("code", [1, 4, 7, 9, 11, 12, 17])
def test_response_code_names_the_call_and_the_code(code: int) -> None:
    finding = found(scene(connect(), execute(code)), "mapi.response-code")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert f"code {code} " in finding.summary
    assert "Execute of avery@contoso.com" in finding.summary


def test_response_code_behind_the_meta_tags_counts() -> None:
    late = call("Execute", done(b"", "X-ResponseCode: 12"), 0)
    assert found(scene(connect(), late), "mapi.response-code")


def test_response_code_is_a_note_where_the_client_connects_anew() -> None:
    finding = found(scene(connect(), execute(10), connect(), execute()), "mapi.response-code")
    assert finding is not None
    assert finding.severity is Severity.INFO
    unmended = found(scene(connect(), execute(10)), "mapi.response-code")
    assert unmended is not None
    assert unmended.severity is Severity.ERROR


def test_response_code_of_a_lost_session_is_a_note_where_the_capture_ends_too_soon() -> None:
    for code, severity in ((10, Severity.INFO), (12, Severity.ERROR)):
        made = Scene()
        made.dialogue([*connect(), *execute(code)])
        finding = found(made, "mapi.response-code")
        assert finding is not None
        assert finding.severity is severity


def of_session(said: list[Say], name: str, after: float | None = None) -> list[Say]:
    """The same with another session's cookie."""
    asked, answered = said
    wait = {} if after is None else {"after": after}
    return [replace(asked, data=asked.data.replace(b"Tr0ub4dor", name.encode())), replace(answered, **wait)]


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ([(execute(), "a"), (execute(), "b"), (execute(10), "a"), (connect(), "a"), (execute(10), "b")], Severity.INFO),
        ([(execute(10), "a"), (execute(10), "b")], Severity.INFO),
        ([(execute(), "a"), (execute(10), "a"), (connect(), "a"), (execute(10), "b")], Severity.ERROR),
        ([(execute(), "a"), (execute(10), "a"), (execute(10), "a")], Severity.ERROR),
    ],
)
def test_response_code_counts_sessions_that_are_lost_together_once(
    said: list[tuple[list[Say], str]], severity: Severity
) -> None:
    calls = [of_session(*each) for each in said]
    finding = found(scene(connect(), *calls, connect(), execute()), "mapi.response-code")
    assert finding is not None
    assert finding.severity is severity


def test_response_code_counts_calls_that_were_under_way_once() -> None:
    made = Scene()
    made.dialogue([each for call_ in (connect(), execute()) for each in call_])
    started = made.now
    made.dialogue(of_session(call("NotificationWait", b"<html/>", 10, kind="text/html"), "Tr0ub4dor", 20.0))
    made.now = started + 5
    made.dialogue([each for call_ in (execute(10), connect(), execute()) for each in call_])
    made.silence(60)
    finding = found(made, "mapi.response-code")
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_response_code_is_silent_for_a_challenge() -> None:
    page = b"<html>Anonymous not allowed</html>"
    challenge = call(
        "Connect", page, 8, "WWW-Authenticate: NTLM", asked=b"", status="401 Unauthorized", kind="text/html"
    )
    said = [C(challenge[0].data.replace(AVERY.encode() + b"\r\n", b"")), challenge[1]]
    assert rules_in(scene(said, connect()), "mapi") == set()


def test_context_lost_names_both_servers() -> None:
    first, second = "X-BEServer: EX01", "X-BEServer: EX02"
    lost = scene(connect(first), execute(0, first), execute(10, second), execute(10, second), execute(13, second))
    finding = found(lost, "mapi.context-lost")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert "ex02" in finding.summary
    assert "ex01" in finding.summary
    assert rules_in(lost, "mapi") == {"mapi.context-lost"}


@pytest.mark.parametrize(("cookies", "is_lost"), [(("a", "b"), True), (("a", "a"), False)])
def test_context_lost_by_the_cookie_of_the_balancer(cookies: tuple[str, str], is_lost: bool) -> None:  # noqa: FBT001
    before, now = (f"Set-Cookie: BIGipServerpool={each}; path=/" for each in cookies)
    made = scene(connect(before), execute(0, before), execute(10, now), execute(10, now))
    assert rules_in(made, "mapi") == {"mapi.context-lost" if is_lost else "mapi.response-code"}
    one_back_end = "X-BEServer: EX01"
    calls = connect(before, one_back_end), execute(10, now, one_back_end), execute(10, now, one_back_end)
    assert rules_in(scene(*calls), "mapi") == {"mapi.response-code"}


def test_context_lost_is_silent_for_one_server_and_for_one_call() -> None:
    first, second = "X-BEServer: EX01", "X-BEServer: EX02"
    same = scene(connect(first), execute(10, first), execute(10, first))
    assert rules_in(same, "mapi") == {"mapi.response-code"}
    once = scene(connect(first), execute(10, second), connect(second), execute(0, second))
    assert rules_in(once, "mapi") == {"mapi.response-code"}


def test_endpoint_disabled_by_code_and_by_text() -> None:
    page = b"<html><body>ProtocolDisabled: MAPI is off</body></html>"
    for said in (
        call("Connect", b"", 16, asked=CONNECT_REQUEST, kind="text/html"),
        call("Connect", page, 1, asked=CONNECT_REQUEST, kind="text/html"),
    ):
        assert rules_in(scene(said), "mapi") == {"mapi.endpoint-disabled"}
    assert "mapi.endpoint-disabled" not in rules_in(scene(execute(12)))
    without_code = call("Connect", page, None, asked=CONNECT_REQUEST, kind="text/html")
    instead = "http.html-instead-of-xml"
    assert rules_in(scene(without_code), "mapi") == {"mapi.endpoint-disabled"}
    assert not found(scene(without_code), instead)
    other_page = call("Connect", b"<html>Hello</html>", None, asked=CONNECT_REQUEST, kind="text/html")
    assert rules_in(scene(other_page), "mapi") == set()
    assert found(scene(other_page), instead)


FAULTS = {
    "mapi.endpoint-disabled": "ProtocolDisabled",
    "mapi.client-access-rule": "Connection blocked by Client Access Rules",
    "mapi.culture": "Culture is not supported",
}


@pytest.mark.parametrize("rule", FAULTS)
@pytest.mark.parametrize(
    ("encoding", "kind"),
    [("utf-8", "text/html"), ("utf-16", "text/html"), ("utf-16-le", "text/html; charset=utf-16le")],
)
def test_texts_of_failures_are_read_whatever_their_encoding_and_wherever_the_reason_stands(
    rule: str, encoding: str, kind: str
) -> None:
    page = f"<html><h1>{'Serverfehler in der Anwendung. ' * 40}</h1><p>{FAULTS[rule]}</p></html>".encode(encoding)
    for code, status in ((1, "200 OK"), (None, "500 Internal Server Error")):
        made = scene(call("Connect", page, code, asked=CONNECT_REQUEST, kind=kind, status=status))
        finding = found(made, rule)
        assert finding is not None
        assert any(FAULTS[rule] in each.what for each in finding.evidence)
        assert rules_in(made, "mapi") == {rule}


@pytest.mark.parametrize("rule", FAULTS)
@pytest.mark.parametrize("kind", ["application/mapi-http", "text/plain"])
@pytest.mark.parametrize("code", [0, None])
def test_texts_of_failures_are_read_without_a_code(rule: str, kind: str, code: int | None) -> None:
    text = FAULTS[rule].encode()
    for body in (text, done(text)):
        assert rules_in(scene(call("Connect", body, code, asked=CONNECT_REQUEST, kind=kind)), "mapi") == {rule}
    assert rules_in(scene(connect(answered=CONNECT_RESPONSE + text)), "mapi") == set()


def test_endpoint_shutting_down_explains_an_answer_of_503() -> None:
    answer = call("Execute", b"<html>", 18, "X-FEServer: FE01", kind="text/html", status="503 Service Unavailable")
    follower = found(scene(connect(), answer), "http.backend-503")
    assert follower is not None
    assert follower.caused_by == "mapi.endpoint-shutting-down"


def test_endpoint_shutting_down_and_its_near_miss() -> None:
    finding = found(scene(connect(), execute(18)), "mapi.endpoint-shutting-down")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert rules_in(scene(connect(), execute(18)), "mapi") == {"mapi.endpoint-shutting-down"}
    assert not found(scene(connect(), execute(17)), "mapi.endpoint-shutting-down")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (0x3EB, "UnknownUser"),
        (0x3F2, "LoginPermission"),
        (0x478, "WrongServer"),
        (0x480, "ServerBusy"),
        (0x50C, "MailboxInTransit"),
        (0x80070005, "AccessDenied"),
    ],
)
def test_connect_error_names_what_is_wrong(error: int, name: str) -> None:
    finding = found(scene(connect(answered=struct.pack("<II", 0, error))), "mapi.connect-error")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert name in finding.summary


@pytest.mark.parametrize("endpoint", ["emsmdb", "nspi"])
def test_connect_error_may_be_the_status_of_the_request_as_a_whole(endpoint: str) -> None:
    asked, answered = connect(answered=struct.pack("<II", 0x80040115, 0))
    said = [replace(asked, data=asked.data.replace(b"/mapi/emsmdb", f"/mapi/{endpoint}".encode())), answered]
    finding = found(scene(said), "mapi.connect-error")
    assert finding is not None
    assert "0x80040115" in finding.summary


def test_connect_error_without_a_response_code_and_meta_tags() -> None:
    made = scene(call("Connect", struct.pack("<II", 0, 0x3EB), None, asked=CONNECT_REQUEST))
    assert rules_in(made, "mapi") == {"mapi.connect-error"}
    good = scene(call("Connect", struct.pack("<II", 0, 0), None, asked=CONNECT_REQUEST))
    assert rules_in(good, "mapi") == set()


def test_connect_error_is_a_note_where_the_client_asks_autodiscover() -> None:
    made = scene(connect(answered=struct.pack("<II", 0, 0x478)))
    made.dialogue(
        [
            C(http_request("POST /autodiscover/autodiscover.xml", ["Content-Type: text/xml"], b"<Autodiscover/>")),
            S(http_response("200 OK", ["Content-Type: text/xml"], b"<Autodiscover/>")),
        ]
    )
    finding = found(made, "mapi.connect-error")
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert not found(scene(connect()), "mapi.connect-error")
    ends = Scene()
    ends.dialogue(connect(answered=struct.pack("<II", 0, 0x478)))
    soon = found(ends, "mapi.connect-error")
    assert soon is not None
    assert soon.severity is Severity.INFO


@pytest.mark.parametrize("flags", [0x04, 0x06])
def test_send_as_denied_names_user_and_sender(flags: int) -> None:
    sender = b"\x1f\x00\x02\x5d" + "boss@fabrikam.com".encode("utf-16-le") + b"\0\0"
    values = struct.pack("<H", 2 + len(sender)) + b"\x01\x00" + sender
    properties = execute_request(rop_buffer(b"\x0a\x00\x00" + values, flags))
    submit = execute_request(rop_buffer(SUBMIT, flags))
    said = (
        call("Execute", done(EMPTY), asked=properties),
        call("Execute", done(execute_response(rop_buffer(DENIED, flags))), asked=submit),
    )
    finding = found(scene(connect(), *said), "mapi.send-as-denied")
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert finding.confidence is Confidence.CERTAIN
    assert finding.summary.startswith("avery@contoso.com may not send as boss@fabrikam.com. Perhaps")


def test_send_as_denied_is_silent_for_another_failure() -> None:
    submit = execute_request(rop_buffer(SUBMIT))
    other = call("Execute", done(execute_response(rop_buffer(NOT_FOUND))), asked=submit)
    assert rules_in(scene(connect(), other), "mapi") == set()
    save, refused_save = bytes.fromhex("0c 00 00 00 08"), bytes.fromhex("0c 00 dc040000")
    answer = done(execute_response(rop_buffer(refused_save)))
    saved = call("Execute", answer, asked=execute_request(rop_buffer(save)))
    assert rules_in(scene(connect(), saved), "mapi") == set()


def test_client_access_rule_and_its_near_miss() -> None:
    page = b"<html><body>Connection blocked by Client Access Rules</body></html>"
    blocked = scene(call("Connect", page, 1, asked=CONNECT_REQUEST, kind="text/html"))
    assert rules_in(blocked, "mapi") == {"mapi.client-access-rule"}
    other = scene(call("Connect", b"<html>Access to the rules</html>", 1, asked=CONNECT_REQUEST, kind="text/html"))
    assert not found(other, "mapi.client-access-rule")


def test_culture_and_its_near_miss() -> None:
    page = b"<html><body>Culture is not supported. zz-ZZ is an invalid culture identifier.</body></html>"
    said = scene(call("Connect", page, 1, asked=CONNECT_REQUEST, kind="text/html"))
    finding = found(said, "mapi.culture")
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert rules_in(said, "mapi") == {"mapi.culture"}
    assert not found(scene(execute(12)), "mapi.culture")


def refused(*, with_credential: bool = True) -> list[Say]:
    fields = [AVERY] if with_credential else []
    answer = http_response("401 Unauthorized", ["WWW-Authenticate: Basic realm=x", "WWW-Authenticate: NTLM"])
    return [C(http_request(f"POST {TARGET}", fields)), S(answer)]


def test_auth_401_is_told_for_a_complete_credential() -> None:
    finding = found(scene(refused()), "mapi.auth-401")
    assert finding is not None
    assert finding.confidence is Confidence.HINT
    ews = [
        C(http_request("POST /EWS/Exchange.asmx", [AVERY, "Content-Type: text/xml"], b"<a/>")),
        S(http_response("200 OK", ["Content-Type: text/xml"], b"<a/>")),
    ]
    surer = found(scene(refused(), ews), "mapi.auth-401")
    assert surer is not None
    assert surer.confidence is Confidence.LIKELY
    assert surer.severity is Severity.ERROR


def test_auth_401_is_silent_for_challenges_and_where_the_client_gets_in() -> None:
    assert not found(scene(refused(with_credential=False), connect()), "mapi.auth-401")
    assert not found(scene(refused(with_credential=False)), "mapi.auth-401")
    assert not found(scene(refused(), connect()), "mapi.auth-401")


def test_auth_401_follows_the_loop_where_the_client_goes_on() -> None:
    made = scene(*[refused()] * 3)
    loop, follower = found(made, "http.auth-loop"), found(made, "mapi.auth-401")
    assert loop is not None
    assert follower is not None
    assert (loop.caused_by, follower.caused_by) == (None, "http.auth-loop")
    alone = found(scene(*[refused()] * 2), "mapi.auth-401")
    assert alone is not None
    assert alone.caused_by is None


def test_auth_401_is_told_although_another_account_gets_in_from_the_same_address() -> None:
    boss = basic("boss@contoso.com").encode()
    asked, answered = connect()
    as_boss = [replace(asked, data=asked.data.replace(AVERY.encode(), boss)), answered]
    goes_on = [replace(asked, data=asked.data.replace(AVERY.encode() + b"\r\n", b"")), answered]
    for others, is_told in (([*as_boss, *goes_on], True), (goes_on, False), (connect(), False)):
        made = scene(refused())
        made.dialogue(others)
        assert (found(made, "mapi.auth-401") is not None) is is_told


def test_auth_401_follows_a_scheme_that_is_not_offered() -> None:
    asked, answered = refused()
    other = replace(answered, data=answered.data.replace(b"Basic realm=x", b"Negotiate"))
    made = scene([asked, other])
    cause, follower = found(made, "http.auth-scheme-not-offered"), found(made, "mapi.auth-401")
    assert cause is not None
    assert follower is not None
    assert (cause.caused_by, follower.caused_by) == (None, "http.auth-scheme-not-offered")
