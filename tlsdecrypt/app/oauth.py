"""OAuth 2.0: who asks for which token, and what came of it (RFC 6749, RFC 7523, MS-OAPX); diagnostics of Exchange.

The annotation `oauth` has these keys, each only where it says something:

- of the request: `grant_type`, `response_type`, `client_id`, `scope`, `resource`, `redirect_uri` (without query),
  `username` (also login_hint), `prompt`, `tenant`, `assertion` (header and claims of the JWT that proves the client or
  the user), `has_client_secret`, `has_client_assertion`
- of the answer: `token_type`, `expires_in`, `granted_scope`, `granted_resource`, `issued` (names of the tokens that
  came), `access` (header and claims of the access token), `error`, `error_description`, `error_codes` (numbers),
  `aadsts` (`AADSTS50012`), `suberror`, `correlation_id`
- `diagnostics`: `id`, `reason`, `error_category` of x-ms-diagnostics (in any service); `names`: all ids where the field
  holds several
- `summary`: one line
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.form_parameters import form_of, query_of
from tlsdecrypt.app.jwt import parse_jwt
from tlsdecrypt.app.xml import put

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_VALUE = 500  # characters
MAX_JSON = 256 * 1024  # bytes
MAX_DIAGNOSTICS = 4_000  # characters of x-ms-diagnostics that are read
MAX_CODES = 10

_OAUTH_PATH = re.compile(r"/oauth2(?:/|\Z)|/tokens/oauth/2", re.IGNORECASE)
_TENANT = re.compile(r"^/([^/]{1,100})/(?:oauth2|tokens)(?:/|\Z)", re.IGNORECASE)
_AADSTS = re.compile(r"\bAADSTS\d{4,8}\b")
_DIAGNOSTIC_ID = re.compile(r"(?:\A|[;,]\s*)(\d{6,8})(?=\s*;|\s*\Z)")
_DIAGNOSTIC = re.compile(r"(reason|error_category|error_type)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"?|([^;]*))", re.IGNORECASE)
_REQUEST_NAMES = ("grant_type", "response_type", "client_id", "scope", "resource", "prompt", "requested_token_use")
_TOKENS = ("access_token", "refresh_token", "id_token")


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add what a request to a token or authorization endpoint, and its answer, said."""
    path = request.target.partition("?")[0] if request is not None else ""
    if request is None or not _OAUTH_PATH.search(path):
        return
    facts: dict[str, Any] = annotations.get("oauth", {})
    _put_request(facts, request, path)
    if response is not None:
        _put_answer(facts, _json_object(response.content))
    facts["summary"] = _summary(facts, response.status if response is not None else None)
    annotations["oauth"] = facts


def annotate_diagnostics(value: str, annotations: Annotations) -> None:
    """Add what x-ms-diagnostics of an answer says, whichever the service."""
    diagnostics = parse_diagnostics(value)
    if diagnostics:
        category = diagnostics.get("error_category")
        told = f"{diagnostics.get('id', '')} {category or ''}".strip()
        annotations["oauth"] = {"diagnostics": diagnostics, "summary": f"diagnostics {told}"}


def parse_diagnostics(value: str) -> dict[str, Any]:
    """`2000003;reason="...";error_category="invalid_resource"`; documents also write error_type."""
    text = value[:MAX_DIAGNOSTICS]
    ids = _DIAGNOSTIC_ID.findall(text)[:MAX_CODES]
    facts: dict[str, Any] = {}
    put(facts, id=ids[0] if ids else None, names=ids if len(ids) > 1 else None)
    for name, quoted, bare in _DIAGNOSTIC.findall(text):
        key = "reason" if name.lower() == "reason" else "error_category"
        said = (quoted or bare).strip()[:MAX_VALUE]
        if said:
            facts.setdefault(key, said)
    return facts


def _put_request(facts: dict[str, Any], request: HttpRequest, path: str) -> None:
    given = {**query_of(request), **form_of(request)}
    tenant = _TENANT.match(path.partition("://")[2].partition("/")[2] if "://" in path else path)
    for name in _REQUEST_NAMES:
        if given.get(name):
            facts[name] = given[name][:MAX_VALUE]
    user = given.get("username") or given.get("login_hint")
    redirect = given.get("redirect_uri", "").partition("?")[0]
    proof = parse_jwt(given.get("client_assertion") or given.get("assertion") or "")
    put(
        facts,
        username=user[:MAX_VALUE] if user else None,
        redirect_uri=redirect[:MAX_VALUE] or None,
        tenant=tenant[1] if tenant else None,
        assertion=proof.facts() if proof else None,
        has_client_secret=True if given.get("client_secret") else None,
        has_client_assertion=True if given.get("client_assertion") else None,
    )


def _json_object(content: bytes | None) -> dict[str, Any]:
    if not content or content.lstrip()[:1] != b"{":
        return {}
    try:
        document = json.loads(content[:MAX_JSON])
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _put_answer(facts: dict[str, Any], answer: dict[str, Any]) -> None:
    tokens = [name.partition("_")[0] for name in _TOKENS if isinstance(answer.get(name), str) and answer[name]]
    access = parse_jwt(str(answer.get("access_token", ""))[:MAX_JSON])
    description = _text(answer, "error_description")
    numbers = answer.get("error_codes")
    put(
        facts,
        token_type=_text(answer, "token_type"),
        expires_in=_text(answer, "expires_in"),
        granted_scope=_text(answer, "scope"),
        granted_resource=_text(answer, "resource"),
        issued=tokens,
        access=access.facts() if access else None,
        error=_text(answer, "error"),
        error_description=description,
        error_codes=[each for each in numbers if isinstance(each, int)][:MAX_CODES]
        if isinstance(numbers, list)
        else None,
        aadsts=list(dict.fromkeys(_AADSTS.findall(description or "")))[:MAX_CODES],
        suberror=_text(answer, "suberror"),
        correlation_id=_text(answer, "correlation_id"),
    )


def _text(answer: dict[str, Any], name: str) -> str | None:
    value = answer.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)[:32]
    return value[:MAX_VALUE] if isinstance(value, str) and value else None


def _summary(facts: dict[str, Any], status: int | None) -> str:
    what = facts.get("grant_type") or facts.get("response_type") or "request"
    parts = [f"OAuth {what}"]
    labels = (("client_id", "by"), ("username", "as"), ("resource", "for"), ("scope", "for"))
    parts += [f"{label} {facts[name]}" for name, label in labels if name in facts]
    return f"{' '.join(parts)} -> {_outcome(facts, status)}"


def _outcome(facts: dict[str, Any], status: int | None) -> str:
    if "error" in facts:
        codes = facts.get("aadsts") or [str(each) for each in facts.get("error_codes", ())]
        return " ".join([facts["error"], *codes])
    if "issued" in facts:
        return f"{', '.join(facts['issued'])} token"
    return f"HTTP {status}" if status is not None else "no answer seen"
