"""Who asks: what an Authorization field shows without its secret (RFC 7617, RFC 6750, RFC 4559, MS-NLMP, RFC 4120).

Every function takes whatever a peer sent and never raises.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tlsdecrypt.app.auth_token import SecurityToken, parse_security_token
from tlsdecrypt.app.base64_text import decode_base64
from tlsdecrypt.app.jwt import Jwt, parse_jwt
from tlsdecrypt.app.ntlm import AUTHENTICATE, MAX_NAME, NtlmMessage, parse_ntlm
from tlsdecrypt.value import Hidden, Value

__all__ = ["Credentials", "NtlmMessage", "decode_base64", "parse_credentials", "parse_jwt", "parse_ntlm"]

LONGEST_CACHED = 16 * 1024  # characters of a field that is remembered once it was read
CACHED = 256

_INITIAL_TOKEN = b"\x60"  # InitialContextToken, RFC 2743 section 3.1: of an unknown mechanism, or cut
_TOKEN_SCHEMES = frozenset({"ntlm", "negotiate", "kerberos"})
_PARAMETER = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))")
_TOKEN_PARAMETERS = ("actortoken", "accesstoken", "usertoken", "at", "token")


class Credentials(Value, frozen=True):
    """An Authorization value, read. `secret` is what must be masked: a password, or the whole credential.

    `mechanism` is NTLM, Kerberos, SPNEGO or JWT. `is_complete` says that the server can decide on it: it is no first
    leg of a negotiation, and not empty.
    """

    scheme: str
    mechanism: str | None = None
    user: str | None = None
    token: SecurityToken | None = None
    jwt: Jwt | None = None
    is_complete: bool = False
    secret: Hidden[str] = ""

    @property
    def ntlm(self) -> NtlmMessage | None:
        """The NTLM message in it."""
        return self.token.ntlm if self.token else None

    @property
    def claims(self) -> tuple[tuple[str, str], ...]:
        """Header and claims of a JWT as text."""
        told = {**self.jwt.header, **self.jwt.claims} if self.jwt else {}
        return tuple((name, str(value)[:MAX_NAME]) for name, value in told.items())

    @property
    def description(self) -> str:
        """Scheme and mechanism for people: `Negotiate (NTLM type 3)`."""
        if self.ntlm is not None:
            mechanism = f"NTLM type {self.ntlm.message_type}"
            return mechanism if self.scheme.upper() == "NTLM" else f"{self.scheme} ({mechanism})"
        return f"{self.scheme} ({self.mechanism})" if self.mechanism else self.scheme


def parse_credentials(value: str) -> Credentials:
    """The parts of an Authorization value, or of a challenge that carries a token (RFC 9110 section 11)."""
    return _cached(value) if len(value) <= LONGEST_CACHED else _parse(value)


def _parse(value: str) -> Credentials:
    scheme, _, rest = value.strip().partition(" ")
    rest = rest.strip()
    folded = "".join(rest.split())
    lowered = scheme.lower()
    if lowered == "basic":
        user, password = _parse_basic(folded)
        is_known = user is not None
        return Credentials(scheme, user=user, is_complete=is_known, secret=password if is_known else rest)
    if lowered in _TOKEN_SCHEMES:
        return _parse_token(scheme, folded)
    jwt = parse_jwt(folded)
    if jwt is not None:
        return Credentials(scheme, "JWT", jwt.user, jwt=jwt, is_complete=True, secret=folded)
    return _parse_parameters(scheme, rest)


_cached = lru_cache(maxsize=CACHED)(_parse)


def _parse_basic(token: str) -> tuple[str | None, str]:
    """User name and password; the name is None where there is none to see (RFC 7617 section 2)."""
    decoded = decode_base64(token)
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    user, colon, password = text.partition(":")
    return (user[:MAX_NAME], password) if colon else (None, "")


def _parse_token(scheme: str, text: str) -> Credentials:
    blob = decode_base64(text) or decode_base64(text[:-1])  # a token that somebody cut
    token = parse_security_token(blob)
    ntlm = token.ntlm
    user = ntlm.account if ntlm is not None else ""
    if ntlm is not None:
        is_complete = ntlm.message_type == AUTHENTICATE
    else:
        is_unread = blob[:1] == _INITIAL_TOKEN and not token.offered
        is_complete = token.mechanism == "Kerberos" or is_unread
    return Credentials(scheme, token.mechanism, user or None, token, is_complete=is_complete, secret=text)


def _parse_parameters(scheme: str, text: str) -> Credentials:
    """`name="value", ...`: Digest (RFC 7616) names its user, MSAuth1.0 holds tokens; anything else is opaque."""
    parameters = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(text[:LONGEST_CACHED])}
    user = parameters.get("username")
    for name in _TOKEN_PARAMETERS:
        jwt = parse_jwt(parameters.get(name, "").removeprefix("Bearer ").strip())
        if jwt is not None:
            return Credentials(scheme, "JWT", jwt.user, jwt=jwt, is_complete=True, secret=text)
    return Credentials(scheme, user=user[:MAX_NAME] if user else None, is_complete=bool(text), secret=text)
