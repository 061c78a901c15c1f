"""Jwt: what a JSON Web Token shows but its signature (RFC 7519), with the tokens that Microsoft nests inside."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from tlsdecrypt.app.base64_text import decode_base64
from tlsdecrypt.value import Value

MAX_CLAIM = 256  # characters of one claim
MAX_LIST = 10  # values of one claim, as of `aud` or `roles`
MAX_DEPTH = 2  # a token in a token

_FORM = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PARTS = (2, 4)  # dots of a signed and of an encrypted token, RFC 7515 section 7.1 and RFC 7516 section 7.1
_HEADERS = ("alg", "kid", "x5t", "typ")
_CLAIMS = (
    "aud", "iss", "exp", "nbf", "iat", "appid", "azp", "appidacr", "upn", "unique_name", "preferred_username", "smtp",
    "nameid", "nii", "sub", "oid", "tid", "scp", "roles", "idtyp", "trustedfordelegation", "isbrowserhostedapp",
    "appctxsender", "scope", "ver", "puid",
)  # fmt: skip
_USERS = ("upn", "smtp", "unique_name", "preferred_username")
_NESTED = {"actortoken": "actor", "at": "access", "accesstoken": "access"}


class Jwt(Value, frozen=True):
    """A token without its signature: a part of its header, and the claims that say who, for whom and when.

    Claims are plain values: str, int, bool, or a list of these. `actor` is the token of the application that acts for
    the user (`actortoken` of server-to-server OAuth), `access` the access token inside a proof of possession (`at`).
    """

    header: dict[str, Any]
    claims: dict[str, Any]
    actor: Jwt | None = None
    access: Jwt | None = None

    @property
    def user(self) -> str | None:
        """The user that it names."""
        for each in (self, self.access):
            named = (each.claims.get(name) for name in _USERS) if each else ()
            found = next((str(name) for name in named if name), None)
            if found:
                return found
        return _user_in_context(self.claims.get("appctx_user"))

    def facts(self) -> dict[str, Any]:
        """Header and claims in one dict of plain values, nested tokens as dicts `actor` and `access`."""
        told = {**self.header, **self.claims}
        for name, nested in (("actor", self.actor), ("access", self.access)):
            if nested:
                told[name] = nested.facts()
        return told


def parse_jwt(token: str, depth: int = MAX_DEPTH) -> Jwt | None:
    """The token that `token` is, None where it is none. Never raises."""
    if not _FORM.fullmatch(token) or token.count(".") not in _PARTS:
        return None
    header, payload = (_json_object(part) for part in token.split(".")[:2])
    if not header:
        return None
    nested: dict[str, Jwt | None] = {}
    if depth > 1:
        for claim, name in _NESTED.items():
            inner = payload.get(claim)
            if isinstance(inner, str):
                nested[name] = parse_jwt(inner.removeprefix("Bearer ").strip(), depth - 1) or nested.get(name)
    return Jwt(_shown(header, _HEADERS), _claims(payload), nested.get("actor"), nested.get("access"))


def _json_object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(decode_base64(part))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _claims(payload: dict[str, Any]) -> dict[str, Any]:
    claims = _shown(payload, _CLAIMS)
    context = payload.get("appctx")  # of a token that an Exchange server asserts: JSON in a string
    if isinstance(context, str):
        context = _json_text(context)
    if isinstance(context, dict):
        user = next((context[name] for name in ("smtp", "upn", "nameid") if isinstance(context.get(name), str)), None)
        if user:
            claims["appctx_user"] = user[:MAX_CLAIM]
    return claims


def _json_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _user_in_context(user: Any) -> str | None:
    return user if isinstance(user, str) else None


def _shown(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    told = {name: _plain(values[name]) for name in names if name in values}
    return {name: value for name, value in told.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_CLAIM]
    if isinstance(value, list):
        return [each for each in map(_plain, value[:MAX_LIST]) if not isinstance(each, list) and each is not None]
    if isinstance(value, float):
        return int(value) if abs(value) < 1 << 53 else None  # a NumericDate may have a fraction
    return value if isinstance(value, int) and abs(value) < 1 << 63 else None


def numeric_date(claims: dict[str, Any], name: str) -> str | None:
    """A claim that is a NumericDate (RFC 7519 section 2) as ISO 8601 UTC, None where it is none."""
    value = claims.get(name)
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:16])
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None
