"""annotate_http: what one HTTP exchange means, as plain values free of secrets.

The annotation `http` has these keys, each only where it says something: `service` (see `endpoint`), `auth` (scheme and
mechanism), `user` (who authenticates, as far as it can be seen), `claims` (of a JWT), `challenges` (schemes of
WWW-Authenticate), `cookies_set` (names), `sessions` (see `cookies`), `content_type`, `request_content_type`,
`think_time_ms` (last byte of the request to first byte of the answer), `transfer_time_ms`, and the fields of
`_REQUEST_FIELDS` and `_RESPONSE_FIELDS` and all that begin with `X-MS-Credential`, in lower case with underscores
(`x_feserver`, `retry_after`, `location` without its query, the schemes of `proxy_authenticate`). `xml` holds `faults`
where XML was damaged or hostile.
`auth` (see `auth_facts`) is there where anybody authenticates or is asked to; `soap`, `ews` and `autodiscover` have
modules of their own. Each annotation has a `summary` where there is something to tell in one line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.annotators import annotators_of
from tlsdecrypt.app.auth import parse_credentials
from tlsdecrypt.app.auth_challenges import parse_challenges
from tlsdecrypt.app.auth_facts import annotate_auth
from tlsdecrypt.app.cookies import session_cookies
from tlsdecrypt.app.endpoint import classify
from tlsdecrypt.app.page import is_page
from tlsdecrypt.app.xml import is_xml_type

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import Fields, HttpRequest, HttpResponse

MAX_VALUE = 500  # characters of a field that goes into an annotation

_REQUEST_FIELDS = frozenset(
    {
        "user-agent",
        "client-request-id",
        "x-anchormailbox",
        "x-user-identity",
        "x-mapihttpcapability",
        "soapaction",
        "expect",
        "x-forwarded-for",
        "x-ms-proxy",
        "x-probetype",
    }
)
_RESPONSE_FIELDS = frozenset(
    {
        "server",
        "via",
        "x-powered-by",
        "x-aspnet-version",
        "request-id",
        "x-feserver",
        "x-beserver",
        "x-targetbeserver",
        "x-calculatedbetarget",
        "x-calculatedfetarget",
        "x-diaginfo",
        "x-caserrorcode",
        "x-backendhttpstatus",
        "x-ms-diagnostics",
        "x-autodiscovery-error",
        "retry-after",
        "x-owa-version",
        "x-ms-server-fqdn",
        "allow",
        "connection",
        "x-ms-asthrottle",
        "date",
        "content-type",
    }
)
_REQUEST_KEYS = {name: name.replace("-", "_") for name in _REQUEST_FIELDS} | {"content-type": "request_content_type"}
_RESPONSE_KEYS = {name: name.replace("-", "_") for name in _RESPONSE_FIELDS}
_CREDENTIAL_PREFIX = "x-ms-credential"
_SCHEME = re.compile(r"(?:^|,\s*)([A-Za-z][A-Za-z0-9-]*)(?=\s*(?:,|$)|\s+[^\s=,]+=*\s*(?:,|$)|\s+[A-Za-z0-9_-]+\s*=)")


def annotate_http(request: HttpRequest | None, response: HttpResponse | None) -> Annotations:
    """The annotations of one exchange; either side may be missing."""
    http: dict[str, Any] = {}
    if request is not None:
        service = classify(request.method, request.target)
        if service:
            http["service"] = service
        _put_request_facts(http, request.fields)
    if response is not None:
        _put_response_facts(http, response.fields)
        if request is not None:
            _put_times(http, request, response)
    _put_summary(http)
    annotations: Annotations = {"http": http}
    if "auth" in http or "challenges" in http:
        annotations["auth"] = _auth(request, response)
    if "x_ms_diagnostics" in http and response is not None:
        _put_diagnostics(response.field("x-ms-diagnostics") or "", annotations)
    has_xml = _has_xml(request) or _has_xml(response)
    has_page = response is not None and bool(response.content) and _is_page(http, response)
    for annotate in annotators_of(http.get("service"), has_xml=has_xml, has_page=has_page):
        annotate(request, response, annotations)
    return annotations


def _auth(request: HttpRequest | None, response: HttpResponse | None) -> Annotations:
    """Who asked, with what, and what was offered."""
    sent = request.field("authorization") if request is not None else None
    credentials = parse_credentials(sent) if sent else None
    challenges = parse_challenges(response.all_fields("www-authenticate")) if response is not None else []
    status = response.status if response is not None else None
    return annotate_auth(credentials, len(sent or ""), challenges, status)


def _put_diagnostics(value: str, annotations: Annotations) -> None:
    from tlsdecrypt.app.oauth import annotate_diagnostics  # noqa: PLC0415  few captures hold such a refusal

    annotate_diagnostics(value, annotations)


def _is_page(http: dict[str, Any], response: HttpResponse) -> bool:
    return is_page(http.get("service"), response.status, response.field("content-type"))


def _has_xml(message: HttpRequest | HttpResponse | None) -> bool:
    """Content that is XML, or may be: its type is not told."""
    return message is not None and bool(message.content) and _is_xml(message.field("content-type"))


def _is_xml(content_type: str | None) -> bool:
    return content_type is None or is_xml_type(content_type)


def _put_request_facts(http: dict[str, Any], fields: Fields) -> None:
    for name, value in fields:
        key = name.lower()
        if key in _REQUEST_KEYS:
            http[_REQUEST_KEYS[key]] = value[:MAX_VALUE]
        elif key == "authorization":
            _put_credentials(http, value)
        elif key == "cookie":
            sessions = session_cookies(value)
            if sessions:
                http.setdefault("sessions", []).extend(sessions)


def _put_credentials(http: dict[str, Any], value: str) -> None:
    credentials = parse_credentials(value)
    http["auth"] = credentials.description[:MAX_VALUE]
    if credentials.user:
        http["user"] = credentials.user
    if credentials.claims:
        http["claims"] = dict(credentials.claims)


def _put_response_facts(http: dict[str, Any], fields: Fields) -> None:
    for name, value in fields:
        key = name.lower()
        if key in _RESPONSE_KEYS:
            http[_RESPONSE_KEYS[key]] = value[:MAX_VALUE]
        elif key == "location":
            http["location"] = value.partition("?")[0][:MAX_VALUE]
        elif key == "set-cookie":
            http.setdefault("cookies_set", []).append(value.partition("=")[0].strip()[:MAX_VALUE])
        elif key.startswith(_CREDENTIAL_PREFIX):
            http[key.replace("-", "_")] = value[:MAX_VALUE]
        elif key == "www-authenticate":
            http.setdefault("challenges", []).extend(_SCHEME.findall(value[:MAX_VALUE]))
        elif key == "proxy-authenticate":
            asked = [*filter(None, [http.get("proxy_authenticate")]), *_SCHEME.findall(value[:MAX_VALUE])]
            http["proxy_authenticate"] = ", ".join(asked)


def _put_times(http: dict[str, Any], request: HttpRequest, response: HttpResponse) -> None:
    asked, answered = request.span, response.span
    http["think_time_ms"] = (answered.first_time_ns - asked.last_time_ns) / 1_000_000
    http["transfer_time_ms"] = (answered.last_time_ns - answered.first_time_ns) / 1_000_000


def _put_summary(http: dict[str, Any]) -> None:
    """Who asks, what is demanded, and which front end answered."""
    parts = []
    if "user" in http:
        parts.append(f"as {http['user']} ({http['auth']})")
    elif "auth" in http:
        parts.append(f"with {http['auth']}")
    if "challenges" in http:
        parts.append(f"challenged: {', '.join(dict.fromkeys(http['challenges']))}")
    if "x_feserver" in http:
        parts.append(f"fe={http['x_feserver']}")
    if "x_caserrorcode" in http:
        parts.append(f"CAS error {http['x_caserrorcode']}")
    if parts:
        http["summary"] = ", ".join(parts)
