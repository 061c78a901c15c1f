"""An annotator of Outlook on the web, of the Exchange admin center, and of the forms page of TMG: the annotation `owa`.

Its keys, each only where it says something:

- `app` (`owa`, `ecp`, `tmg`), `step` (`logon form`, `sign-in`, `sign-out`, `password expired`, `error page`,
  `language`, `call`), `action` (the name of a call)
- of a sign-in: `user` (as typed), `is_private_computer`; `result` (`signed in`, `refused`, `password expired`,
  `language`)
- `reason`, `reason_meaning`: why the form is shown, of its own address or of the one that the answer leads to
- `canaries`: the names under which the token against forged requests is sent or set
- `error`: X-OWA-Error, the class of what failed; `http_code`, `error_message` of an error page
- `version`: X-OWA-Version; `summary`: one line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.form_parameters import form_of, parse_parameters, query_of
from tlsdecrypt.app.xml import put

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_VALUE = 200  # characters

_APPS = (("/cookieauth.dll", "tmg"), ("/ecp", "ecp"), ("/owa", "owa"))
_STEPS = (
    (re.compile(r"/auth\.owa\Z|/auth/owaauth\.dll\Z"), "sign-in"),
    (re.compile(r"/auth/expiredpassword\.aspx\Z"), "password expired"),
    (re.compile(r"/auth/logon(?:\.aspx)?\Z"), "logon form"),
    (re.compile(r"/logoff\.(?:owa|aspx)\Z|/auth/(?:logoff|signout)\.aspx\Z"), "sign-out"),
    (re.compile(r"/auth/error(?:fe)?\.aspx\Z|/error2?\.aspx\Z"), "error page"),
    (re.compile(r"/languageselection\.aspx\Z|/lang\.owa\Z"), "language"),
    (re.compile(r"/(?:service\.svc|ev\.owa2?|plt1\.ashx|ddiservice\.svc)(?:/|\Z)"), "call"),
)
_TMG_STEPS = (("getlogon", "logon form"), ("logon", "sign-in"), ("logoff", "sign-out"))

# What logon.aspx says for each of its reasons; of those of TMG only the first is told by all its versions.
_REASONS = {
    "0": "first visit",
    "1": "signed out",
    "2": "user name or password is wrong",
    "3": "the session timed out",
    "4": "signed out to change the password",
}
_TMG_REASONS = {"0": "first visit"}
_SESSION_COOKIES = frozenset({"cadata", "sessionid", "usercontext", "cadatakey", "cadatasig"})
_CANARY = re.compile(r"(X-OWA-CANARY|canary|msExchEcpCanary|UserContext)\s*=", re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307})
_BASIC_FLAG = 4  # of the form: the user said that the computer is private


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `owa`: which step of a sign-in or which call this was, and what came of it."""
    facts: dict[str, Any] = {}
    if request is not None:
        _put_request(facts, request)
    if response is not None:
        _put_response(facts, response)
    put(facts, canaries=_canaries(request, response))
    put(facts, error_code=facts.get("error"))
    facts["summary"] = _summary(facts, response)
    annotations["owa"] = facts


def _put_request(facts: dict[str, Any], request: HttpRequest) -> None:
    path, _, query = request.target.partition("?")
    lowered = path.lower()
    facts["app"] = next((app for start, app in _APPS if lowered.startswith(start)), "owa")
    parameters = query_of(request)
    if facts["app"] == "tmg":
        step = next((name for start, name in _TMG_STEPS if query.lower().startswith(start)), None)
        parameters = parse_parameters(query.partition("?")[2] or query)
    else:
        step = next((name for pattern, name in _STEPS if pattern.search(lowered)), None)
    if step == "logon form" and request.method == "POST":
        step = "sign-in"
    put(facts, step=step, action=_short(request.field("action") or parameters.get("action")))
    _put_reason(facts, parameters.get("reason"))
    if step == "sign-in":
        form = form_of(request)
        put(facts, user=_short(form.get("username")), is_private_computer=_is_private(form) or None)
    elif step == "error page":
        put(facts, http_code=_short(parameters.get("httpcode")), error_message=_short(parameters.get("msg")))


def _is_private(form: dict[str, str]) -> bool:
    flags = form.get("flags", "")
    return (flags.isascii() and flags.isdigit() and bool(int(flags[:4]) & _BASIC_FLAG)) or form.get("trusted") == "4"


def _put_reason(facts: dict[str, Any], reason: str | None) -> None:
    if reason:
        meanings = _TMG_REASONS if facts.get("app") == "tmg" else _REASONS
        put(facts, reason=reason[:10], reason_meaning=meanings.get(reason))


def _put_response(facts: dict[str, Any], response: HttpResponse) -> None:
    put(facts, version=_short(response.field("x-owa-version")), error=_short(response.field("x-owa-error")))
    if facts.get("step") != "sign-in":
        return
    location = (response.field("location") or "").lower() if response.status in _REDIRECTS else ""
    path, _, query = location.partition("?")
    cookies = {each.partition("=")[0].strip().lower() for each in response.all_fields("set-cookie")}
    if path.endswith("/auth/expiredpassword.aspx"):
        result: str | None = "password expired"
    elif path.endswith("/auth/logon.aspx") or "getlogon" in query:
        result = "refused"
        _put_reason(facts, parse_parameters(query).get("reason"))
    elif "languageselection" in path:
        result = "language"
    elif location and (cookies & _SESSION_COOKIES or facts.get("app") == "tmg"):
        result = "signed in"
    else:
        result = None
    put(facts, result=result)


def _canaries(request: HttpRequest | None, response: HttpResponse | None) -> list[str]:
    """Names only: the values are secret."""
    said: list[str] = []
    if request is not None:
        said += [*request.all_fields("cookie"), request.target.partition("?")[2][: MAX_VALUE * 10]]
        said += [f"{name}=" for name, _ in request.fields if name.lower() == "x-owa-canary"]
    if response is not None:
        said += [each.partition(";")[0] for each in response.all_fields("set-cookie")]
    return sorted({match[1] for each in said for match in _CANARY.finditer(each)})


def _short(value: str | None) -> str | None:
    return value[:MAX_VALUE] if value else None


def _summary(facts: dict[str, Any], response: HttpResponse | None) -> str:
    names = {"ecp": "Exchange admin center", "tmg": "TMG forms page"}
    parts = [names.get(facts.get("app", ""), "Outlook on the web"), facts.get("step", "request")]
    if "action" in facts:
        parts.append(facts["action"])
    if "user" in facts:
        parts.append(f"as {facts['user']}")
    if "http_code" in facts:
        parts.append(f"for HTTP {facts['http_code']}")
    outcome = [facts.get("result") or (f"HTTP {response.status}" if response is not None else "no answer seen")]
    if "reason" in facts:
        outcome.append(
            f"reason {facts['reason']}" + (f": {facts['reason_meaning']}" if "reason_meaning" in facts else "")
        )
    if "error" in facts:
        outcome.append(facts["error"])
    return f"{' '.join(parts)} -> {', '.join(outcome)}"
