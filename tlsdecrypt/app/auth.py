"""Who asks: what an Authorization field shows without its secret (RFC 7617, RFC 6750, RFC 4559, MS-NLMP).

Every function takes whatever a peer sent and never raises.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_TOKEN = 64 * 1024  # characters of a credential that are looked at
MAX_NAME = 256

_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NTLM = b"NTLMSSP\x00"
_SPNEGO = bytes.fromhex("06062b0601050502")  # OBJECT IDENTIFIER 1.3.6.1.5.5.2
_KERBEROS = (bytes.fromhex("06092a864886f712010202"), bytes.fromhex("06092a864882f712010202"))  # and Microsoft's slip
_UNICODE = 0x00000001  # NTLMSSP_NEGOTIATE_UNICODE, MS-NLMP section 2.2.2.5
_CLAIMS = ("aud", "iss", "exp", "appid", "upn", "smtp")
_CHALLENGE, _AUTHENTICATE = 2, 3


class NtlmMessage(NamedTuple):
    """What an NTLM message shows: its type (1 to 3), and the names in it ("" where there are none)."""

    message_type: int
    domain: str = ""
    user: str = ""
    workstation: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An Authorization value, read. `secret` is what must be masked: a password, or the whole credential."""

    scheme: str
    mechanism: str | None = None  # NTLM, Kerberos, SPNEGO, JWT
    user: str | None = None
    ntlm: NtlmMessage | None = None
    claims: tuple[tuple[str, str], ...] = ()
    secret: str = field(default="", repr=False)

    @property
    def description(self) -> str:
        """Scheme and mechanism for people: `Negotiate (NTLM type 3)`."""
        if self.ntlm is not None:
            mechanism = f"NTLM type {self.ntlm.message_type}"
            return mechanism if self.scheme.upper() == "NTLM" else f"{self.scheme} ({mechanism})"
        return f"{self.scheme} ({self.mechanism})" if self.mechanism else self.scheme


def parse_credentials(value: str) -> Credentials:
    """The parts of an Authorization value, or of a challenge that carries a token (RFC 9110 section 11)."""
    scheme, _, rest = value.strip().partition(" ")
    rest = rest.strip()
    folded = "".join(rest.split())
    lowered = scheme.lower()
    if lowered == "basic":
        user, password = _parse_basic(folded)
        return Credentials(scheme, user=user, secret=password if user is not None else rest)
    if lowered in ("ntlm", "negotiate"):
        return _parse_negotiate(scheme, folded)
    claims = parse_jwt(folded)
    if claims:
        user = dict(claims).get("upn") or dict(claims).get("smtp")
        return Credentials(scheme, "JWT", user, claims=claims, secret=folded)
    return Credentials(scheme, secret=rest)


def decode_base64(text: str) -> bytes:
    """Base64 in either alphabet, folded or unpadded; empty where it is none."""
    compact = "".join(text.split())[:MAX_TOKEN].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _parse_basic(token: str) -> tuple[str | None, str]:
    """User name and password; the name is None where there is none to see (RFC 7617 section 2)."""
    decoded = decode_base64(token)
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    user, colon, password = text.partition(":")
    return (user[:MAX_NAME], password) if colon else (None, "")


def _parse_negotiate(scheme: str, token: str) -> Credentials:
    blob = decode_base64(token)
    ntlm = parse_ntlm(blob)
    if ntlm is not None:
        user = f"{ntlm.domain}\\{ntlm.user}" if ntlm.domain else ntlm.user
        return Credentials(scheme, "NTLM", user or None, ntlm, secret=token)
    if any(each in blob for each in _KERBEROS):
        return Credentials(scheme, "Kerberos", secret=token)
    return Credentials(scheme, "SPNEGO" if _SPNEGO in blob else None, secret=token)


def parse_ntlm(blob: bytes) -> NtlmMessage | None:
    """The NTLM message inside a token, wrapped in SPNEGO or not (MS-NLMP section 2.2.1); None where there is none."""
    start = blob.find(_NTLM)
    if start < 0:
        return None
    message = blob[start:]
    message_type = int.from_bytes(message[8:12], "little")
    if message_type == _CHALLENGE:
        return NtlmMessage(_CHALLENGE, target=_ntlm_name(message, 12, flags_at=20))
    if message_type == _AUTHENTICATE:
        domain, user, workstation = (_ntlm_name(message, at, flags_at=60) for at in (28, 36, 44))
        return NtlmMessage(_AUTHENTICATE, domain, user, workstation)
    return NtlmMessage(message_type)


def _ntlm_name(message: bytes, at: int, *, flags_at: int) -> str:
    """The text that the length and offset at `at` point to; what lies outside the message is left out."""
    flags = int.from_bytes(message[flags_at : flags_at + 4], "little")
    length = int.from_bytes(message[at : at + 2], "little")
    offset = int.from_bytes(message[at + 4 : at + 8], "little")
    name = message[offset : offset + min(length, 2 * MAX_NAME)]
    text = name.decode("utf-16-le" if flags & _UNICODE else "latin-1", "replace")
    return "".join(each for each in text if each.isprintable())


def parse_jwt(token: str) -> tuple[tuple[str, str], ...]:
    """Algorithm, key id and the claims that say who and for whom (RFC 7519); empty where it is no JWT."""
    if not _TOKEN68.fullmatch(token) or token.count(".") not in (2, 4):
        return ()
    header, payload = (_json_object(part) for part in token.split(".")[:2])
    if not header:
        return ()
    shown: list[tuple[str, object]] = [(name, header[name]) for name in ("alg", "kid") if name in header]
    shown += [(name, payload[name]) for name in _CLAIMS if name in payload]
    return tuple((name, str(value)[:MAX_NAME]) for name, value in shown if isinstance(value, str | int | list))


def _json_object(part: str) -> dict[str, object]:
    try:
        value = json.loads(decode_base64(part))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
