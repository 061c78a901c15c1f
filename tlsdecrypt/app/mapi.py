"""An annotator of MAPI over HTTP ([MS-OXCMAPIHTTP]): the annotation `mapi`.

Its keys, each only where it says something:

- `endpoint` (`emsmdb`, `nspi`, `healthcheck`), `mailbox_id` (of the query), `request_type`, `request_id`
- `client_application`, `server_application` (with the version of Outlook and of Exchange), `client_info`
- `has_context`: the request brings the cookie of a session; `opens_context`: the answer sets one
- `affinity`: to which server cookies bind the client, by their names (see `affinity`)
- `response_code`, `response_code_name`, `meaning`: of the X-ResponseCode that counts; `late_response_code`: True where
  it came behind the meta tags and overrides the one in front
- `pending_count`, `is_done` (False: the answer ended before its last part), `elapsed_ms`, `started`
- `pending_period_ms`, `expiration_ms`: how often the server promises a sign of life, how long it keeps the session
- `status_code`, `error`, `error_name`, `error_meaning` (of the body; `error` and ROP values as `0x000004DC`)
- of Connect: `user_dn`, `code_page`, `dn_prefix`; of Execute: `rops` (names), `has_all_rops`, `sender` (that a message
  is given), `failed_rops` (`{"rop", "value", "name", "meaning"}`), `is_compressed`, `is_obfuscated`
- of NotificationWait: `has_event`; of GetMailboxUrl and GetAddressBookUrl: `url`
- `diagnostic`: the start of a text that came instead of an answer; `diagnostic_says`: the faults that it speaks of,
  wherever in it (see `mapi_diagnostic`)
- `error_code`: the name of what failed, in text as in `ews`; `faults`: what could not be read; `summary`: one line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tlsdecrypt.app.affinity import affinity_of
from tlsdecrypt.app.mapi_body import put_request_body, put_response_body
from tlsdecrypt.app.mapi_diagnostic import read_diagnostic
from tlsdecrypt.app.mapi_errors import RESPONSE_CODES
from tlsdecrypt.app.mapi_framing import FramedBody, split_body
from tlsdecrypt.app.xml import put
from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_VALUE = 200  # characters of one value

_ENDPOINT = re.compile(r"/mapi/(emsmdb|nspi|healthcheck)", re.IGNORECASE)
_TYPE = "application/mapi-http"
_MAX_DIGITS = 10
_NUMBERS = 8  # bytes of StatusCode and ErrorCode
_FIRST_ERROR = 400  # HTTP status codes
_CONTEXT = "mapicontext="
_FATAL_ROPS = ("Logon", "SubmitMessage", "TransportSend")  # others fail in every healthy session: NotFound, mostly


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `mapi`: which call this was, and what became of it."""
    facts: dict[str, Any] = {}
    faults: list[str] = []
    if request is not None:
        _put_request_fields(facts, request)
        if request.content and _is_mapi(request):
            _read(faults, "request", put_request_body, facts, request.content)
    if response is not None:
        _put_answer(facts, response, faults)
    put(facts, affinity=_affinity(request, response))
    put(facts, faults=faults)
    put(facts, error_code=_error_code(facts))
    facts["summary"] = _summary(facts, response, annotations["http"].get("user"))
    annotations["mapi"] = facts


def _affinity(request: HttpRequest | None, response: HttpResponse | None) -> dict[str, str]:
    sent = request.all_fields("cookie") if request is not None else ()
    return affinity_of(sent, response.all_fields("set-cookie") if response is not None else ())


def _is_mapi(message: HttpRequest | HttpResponse) -> bool:
    content_type = (message.field("content-type") or _TYPE).partition(";")[0].strip().lower()
    return content_type in (_TYPE, "application/octet-stream")


def _read(faults: list[str], who: str, put_body: Any, facts: dict[str, Any], data: bytes) -> None:
    """Let `put_body` read; what stands before a damage is kept."""
    try:
        put_body(facts, data)
    except ParseError as error:
        faults.append(f"{who}: {error.what}")


def _short(value: str | None) -> str | None:
    return value[:MAX_VALUE] if value else None


def _put_request_fields(facts: dict[str, Any], request: HttpRequest) -> None:
    path, _, query = request.target.partition("?")
    endpoint = _ENDPOINT.search(path)
    parameters = {name.lower(): value for name, value in parse_qsl(query[: MAX_VALUE * 2])}
    put(
        facts,
        endpoint=endpoint[1].lower() if endpoint else None,
        mailbox_id=_short(parameters.get("mailboxid")),
        request_type=_short(request.field("x-requesttype")),
        request_id=_short(request.field("x-requestid")),
        client_application=_short(request.field("x-clientapplication")),
        client_info=_short(request.field("x-clientinfo")),
        has_context=any(_CONTEXT in each.lower() for each in request.all_fields("cookie")) or None,
    )


def _put_answer(facts: dict[str, Any], response: HttpResponse, faults: list[str]) -> None:
    content = response.content or b""
    body = split_body(content) if _is_mapi(response) else None
    late = body.headers if body is not None else {}
    code, late_code = _number(response.field("x-responsecode")), _number(late.get("x-responsecode"))
    put(
        facts,
        request_type=facts.get("request_type") or _short(response.field("x-requesttype")),
        server_application=_short(response.field("x-serverapplication")),
        response_code=code if late_code is None else late_code,
        late_response_code=True if late_code is not None and late_code != code else None,
        pending_period_ms=_number(response.field("x-pendingperiod")),
        expiration_ms=_number(response.field("x-expirationinfo")),
        elapsed_ms=_number(late.get("x-elapsedtime") or response.field("x-elapsedtime")),
        started=_short(late.get("x-starttime")),
        opens_context=any(each.lower().startswith(_CONTEXT) for each in response.all_fields("set-cookie")) or None,
    )
    if "response_code" in facts:
        known = RESPONSE_CODES.get(facts["response_code"])
        put(facts, response_code_name=known.name if known else "Unknown", meaning=known.meaning if known else None)
    is_binary = _is_mapi(response) and not facts.get("response_code") and response.status < _FIRST_ERROR
    if body is None and is_binary and not _is_text(content):
        body = FramedBody(0, is_done=True, headers={}, data=content)  # from a server that had it ready at once
    if body is not None:
        _put_body(facts, body, faults)
    elif content:
        _put_diagnostic(facts, content, response.field("content-type"))


def _put_body(facts: dict[str, Any], body: FramedBody, faults: list[str]) -> None:
    put(facts, pending_count=body.pending_count or None, is_done=None if body.is_done else False)
    if not body.data:
        return
    if facts.get("response_code") or _is_text(body.data):
        _put_diagnostic(facts, body.data, None)
    else:
        _read(faults, "response", put_response_body, facts, body.data)


def _is_text(data: bytes) -> bool:
    """Every binary answer begins with numbers of 32 bits, of which some byte is zero."""
    return b"\0" not in data[:_NUMBERS]


def _number(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) <= _MAX_DIGITS else None


def _put_diagnostic(facts: dict[str, Any], content: bytes, content_type: str | None) -> None:
    told = read_diagnostic(content, content_type)
    if told is not None:
        put(facts, diagnostic=told.text, diagnostic_says=list(told.signs))


def _error_code(facts: dict[str, Any]) -> str | None:
    if facts.get("response_code"):
        return str(facts["response_code_name"])
    if "error_name" in facts:
        return str(facts["error_name"])
    failed = (each for each in facts.get("failed_rops", ()) if each["rop"] in _FATAL_ROPS)
    return next((str(each["name"]) for each in failed), None)


def _summary(facts: dict[str, Any], response: HttpResponse | None, user: str | None) -> str:
    endpoint = {"nspi": "MAPI/HTTP address book"}.get(facts.get("endpoint", ""), "MAPI/HTTP")
    parts = [endpoint, facts.get("request_type") or "request"]
    if "rops" in facts:
        parts.append(f"[{_rops(facts)}]")
    if "sender" in facts:
        parts.append(f"from {facts['sender']}")
    if "user_dn" in facts:
        parts.append(f"to {facts['user_dn'].rpartition('/cn=')[2]}")
    if user:
        parts.append(f"as {user}")
    return f"{' '.join(parts)} -> {_outcome(facts, response)}"


def _rops(facts: dict[str, Any]) -> str:
    names = list(dict.fromkeys(facts["rops"]))
    shown = ", ".join(names[:4])
    return f"{shown} ..." if len(names) > 4 or not facts.get("has_all_rops") else shown  # noqa: PLR2004  as fit in a line


def _outcome(facts: dict[str, Any], response: HttpResponse | None) -> str:
    if response is None:
        return "no answer seen"
    parts = []
    if facts.get("response_code"):
        parts.append(f"code {facts['response_code']} {facts['response_code_name']}: {facts.get('meaning', 'unknown')}")
    elif "error_name" in facts:
        parts.append(f"{facts['error']} {facts['error_name']}: {facts.get('error_meaning', 'unknown')}")
    failed = facts.get("failed_rops", ())
    parts += [
        f"{each['rop']} failed with {each['value']} {each['name']}" for each in failed if each["rop"] in _FATAL_ROPS
    ]
    if not parts:
        is_good = "response_code" in facts or "status_code" in facts
        parts.append("success" if is_good else f"HTTP {response.status}")
        parts += [f"{each['rop']}: {each['name']}" for each in failed[:2]]
    if facts.get("is_done") is False:
        parts.append("the answer was not complete")
    if "diagnostic" in facts:
        parts.append(f'"{facts["diagnostic"]}"')
    return ", ".join(parts)
