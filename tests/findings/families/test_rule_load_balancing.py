"""Load balancers that send parts of one session to different servers. NTLM messages are those of pyspnego."""

from __future__ import annotations

import base64

import pytest
import spnego
from packets import C, S, Scene, found, http_request, http_response, rules_of

from tlsdecrypt.findings.finding import Confidence

FIRST, SECOND = "10.1.1.11", "10.1.1.12"
CONTEXT = "MapiContext=MAPIAAAAAIyR1piUvYm9wZG9wZG9wZA"
MAPI = "/mapi/emsmdb/?MailboxId=1f2e@contoso.com"


def legs() -> tuple[str, str, str]:
    """The three messages of NTLM as fields."""
    client = spnego.client(
        "CONTOSO\\anna", "Tr0ub4dor&3", hostname="mail", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm
    )
    negotiate = client.step()
    challenge = bytes.fromhex(
        "4e544c4d53535000020000000e000e003800000015828ae20123456789abcdef00000000000000001e001e0046000000"
        "0a00614a0000000f43004f004e0054004f0053004f0002000e0043004f004e0054004f0053004f000700080000000000000000000000000000"
    )
    authenticate = client.step(challenge)
    assert negotiate is not None
    assert authenticate is not None
    first, second, third = (base64.b64encode(each).decode() for each in (negotiate, challenge, authenticate))
    return f"Authorization: NTLM {first}", f"WWW-Authenticate: NTLM {second}", f"Authorization: NTLM {third}"


NEGOTIATE, CHALLENGE, AUTHENTICATE = legs()
REFUSED = S(http_response("401 Unauthorized", ("WWW-Authenticate: NTLM",)))


def ask(*fields: str) -> bytes:
    return http_request("POST /EWS/Exchange.asmx", fields, b"<a/>")


def torn(*, status: str = "401 Unauthorized", is_torn: bool = True, answered_before: bool = False) -> Scene:
    scene = Scene()
    first = [C(ask(NEGOTIATE)), S(http_response("401 Unauthorized", (CHALLENGE,)))]
    last = [C(ask(AUTHENTICATE)), S(http_response(status))]
    if not is_torn:
        scene.dialogue(first + last, server=FIRST)
        return scene
    scene.dialogue(first + (last if answered_before else []), server=FIRST)
    scene.dialogue(last, server=SECOND)
    return scene


def test_lb_no_persistence_fires_where_a_login_is_torn_apart() -> None:
    finding = found(torn(), "lb.no-persistence")
    assert finding is not None
    assert finding.confidence is Confidence.LIKELY
    assert f"the challenge came on connection 1 ({FIRST}:80), its answer went to {SECOND}:80" in finding.summary


def test_lb_no_persistence_explains_what_a_service_says_of_the_login() -> None:
    """The same login to MAPI over HTTP, whose own rule then sees a refused credential."""
    scene = Scene()
    post = ["Content-Type: application/mapi-http", "X-RequestType: Connect"]
    first, last = (http_request(f"POST {MAPI}", [*post, leg], b"x") for leg in (NEGOTIATE, AUTHENTICATE))
    scene.dialogue([C(first), S(http_response("401 Unauthorized", (CHALLENGE,)))], server=FIRST)
    scene.dialogue([C(last), REFUSED], server=SECOND)
    refused = found(scene, "mapi.auth-401")
    assert refused is not None
    assert refused.caused_by in ("lb.no-persistence", "http.ntlm-broken-by-proxy")


def wrong_password() -> Scene:
    """A login that is refused, beside another one that goes on."""
    scene = Scene()
    first = [C(ask(NEGOTIATE)), S(http_response("401 Unauthorized", (CHALLENGE,)))]
    scene.dialogue(first, server=FIRST)
    scene.dialogue([*first, C(ask(AUTHENTICATE)), REFUSED], server=SECOND)
    return scene


@pytest.mark.parametrize(
    "scene",
    [torn(status="200 OK"), torn(is_torn=False), torn(answered_before=True), wrong_password()],
    ids=["accepted", "one connection", "answered where it was asked", "a wrong password"],
)
def test_lb_no_persistence_is_silent_for_other_logins(scene: Scene) -> None:
    assert "lb.no-persistence" not in rules_of(scene)


def moved(
    *, code: int = 0, modern: bool = False, server: str = SECOND, cookie: str = CONTEXT, client: str = "10.1.1.5"
) -> Scene:
    """A session that goes on at another server."""
    scene = Scene()
    request = http_request(
        f"POST {MAPI}", ("Content-Type: application/mapi-http", "X-RequestType: Execute", f"Cookie: {CONTEXT}")
    )
    again = http_request(
        f"POST {MAPI}", ("Content-Type: application/mapi-http", "X-RequestType: Execute", f"Cookie: {cookie}")
    )
    fields = ("Content-Type: application/mapi-http", *(("X-FEServer: CAS01",) if modern else ()))
    scene.dialogue(
        [C(request), S(http_response("200 OK", (*fields, "X-ResponseCode: 0")))], server=FIRST, client="10.1.1.5"
    )
    scene.dialogue(
        [C(again), S(http_response("200 OK", (*fields, f"X-ResponseCode: {code}")))], server=server, client=client
    )
    return scene


@pytest.mark.parametrize(
    ("status", "fields", "is_told"),
    [
        ("401 Unauthorized", ("WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM"), False),
        ("440 Login Timeout", (), True),
        ("401 Unauthorized", (), True),
    ],
)
def test_lb_no_persistence_is_silent_for_the_challenge_of_a_new_connection(
    status: str, fields: tuple[str, ...], *, is_told: bool
) -> None:
    asked = http_request("POST /EWS/Exchange.asmx", ("Cookie: X-BackEndCookie=S-1-5-21=abc",), b"<a/>")
    scene = Scene()
    scene.dialogue([C(asked), S(http_response("200 OK", ("X-FEServer: MBX01",)))], server=FIRST)
    scene.dialogue([C(asked), S(http_response(status, ("X-FEServer: MBX02", *fields)))], server=SECOND)
    assert ("lb.no-persistence" in rules_of(scene)) is is_told


@pytest.mark.parametrize(
    ("scene", "confidence"), [(moved(code=10, modern=True), Confidence.LIKELY), (moved(), Confidence.HINT)]
)
def test_lb_no_persistence_fires_where_a_session_moves(scene: Scene, confidence: Confidence) -> None:
    finding = found(scene, "lb.no-persistence")
    assert finding is not None
    assert finding.confidence is confidence
    assert f"The session MapiContext of 10.1.1.5 went to {FIRST}, then to {SECOND}" in finding.summary
    assert "MAPIAAAAA" not in str(finding)


def both_legs() -> Scene:
    """One request before and behind a device that keeps the client's address."""
    fields = ("Content-Type: application/mapi-http", "X-RequestType: Execute", f"Cookie: {CONTEXT}")
    request = http_request(f"POST {MAPI}", fields)
    answer = http_response("200 OK", ("Content-Type: application/mapi-http", "X-ResponseCode: 0"))
    outer, inner = Scene(), Scene()
    outer.dialogue([C(request), S(answer, after=0.5)], server=FIRST, client="10.1.1.5")
    inner.now = 0.1
    inner.dialogue([C(request), S(answer, after=0.2)], server=SECOND, client="10.1.1.5")
    outer.frames += inner.frames
    return outer


@pytest.mark.parametrize(
    "scene",
    [
        both_legs(),
        moved(modern=True),
        moved(server=FIRST),
        moved(cookie="MapiContext=another"),
        moved(client="10.1.1.254"),
    ],
    ids=["both legs", "Exchange 2013 serves it", "one server", "two sessions", "two legs of one request"],
)
def test_lb_no_persistence_is_silent_for_sessions_that_stay(scene: Scene) -> None:
    assert "lb.no-persistence" not in rules_of(scene)
