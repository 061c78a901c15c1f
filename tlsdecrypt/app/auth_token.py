"""parse_security_token: what a token of Negotiate, NTLM, GSSAPI or Kerberos is, through pyspnego.

Tokens come in HTTP (RFC 4559), in SMTP (`AUTH NTLM`, `AUTH GSSAPI`, `X-EXPS`) and elsewhere. Never raises.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.kerberos import describe_kerberos
from tlsdecrypt.app.ntlm import parse_ntlm
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from tlsdecrypt.app.kerberos import KerberosMessage
    from tlsdecrypt.app.ntlm import NtlmMessage

MAX_TOKEN_BYTES = 64 * 1024
MAX_HEAD = 2048  # bytes of a token of SPNEGO or Kerberos that are parsed: behind them stands what is sealed
CACHED = 256
MAX_MECHANISMS = 10

_DER_STARTS = frozenset({0x60, 0xA0, 0xA1})  # InitialContextToken, NegTokenInit and NegTokenResp (RFC 4178)
_SPNEGO = bytes.fromhex("06062b0601050502")  # OBJECT IDENTIFIER 1.3.6.1.5.5.2
_KERBEROS = (bytes.fromhex("06092a864886f712010202"), bytes.fromhex("06092a864882f712010202"))  # and Microsoft's slip
_MECHANISMS = {
    "1.2.840.113554.1.2.2": "Kerberos",
    "1.2.840.48018.1.2.2": "Kerberos (Microsoft)",
    "1.2.840.113554.1.2.2.3": "Kerberos user-to-user",
    "1.3.6.1.4.1.311.2.2.10": "NTLM",
    "1.3.6.1.4.1.311.2.2.30": "NegoEx",
    "1.3.6.1.5.5.2": "SPNEGO",
}
_STATES = ("accept-completed", "accept-incomplete", "reject", "request-mic")  # RFC 4178 section 4.2.2


class SecurityToken(Value, frozen=True):
    """A token, read.

    `mechanism` is `NTLM`, `Kerberos`, or `SPNEGO` where only its wrapping tells; None for none of them. `offered` are
    the mechanisms that the client would use, in its order; `state` is what the answer says of the negotiation.
    """

    mechanism: str | None = None
    offered: tuple[str, ...] = ()
    state: str | None = None
    ntlm: NtlmMessage | None = None
    kerberos: KerberosMessage | None = None


def parse_security_token(blob: bytes) -> SecurityToken:
    """The facts of a token of any mechanism; nothing but Nones for what is none."""
    outside = _parse_head(blob[:MAX_HEAD])
    ntlm = parse_ntlm(blob[:MAX_TOKEN_BYTES])
    return outside if ntlm is None else SecurityToken("NTLM", outside.offered, outside.state, ntlm)


@lru_cache(maxsize=CACHED)
def _parse_head(head: bytes) -> SecurityToken:
    """All but NTLM. The same ticket comes with each request, and differs behind its head: it is parsed once."""
    offered, state, inner = _unwrap(head)
    kerberos = _kerberos(inner) if inner else None
    if kerberos is not None or any(each in head for each in _KERBEROS):
        return SecurityToken("Kerberos", offered, state, kerberos=kerberos)
    is_negotiation = bool(offered) or state is not None or _SPNEGO in head
    return SecurityToken("SPNEGO" if is_negotiation else None, offered, state)


def _unwrap(blob: bytes) -> tuple[tuple[str, ...], str | None, bytes | None]:
    """The mechanisms offered, the state, and the token inside; the token itself where SPNEGO does not wrap it."""
    if not blob or blob[0] not in _DER_STARTS:
        return (), None, blob
    from spnego._spnego import NegTokenInit, NegTokenResp, unpack_token  # noqa: PLC0415  takes 90 ms

    try:
        token = unpack_token(blob)
    except Exception:  # noqa: BLE001 - hostile input: the library's faults are not documented
        return (), None, None
    if isinstance(token, NegTokenInit):
        names = [_MECHANISMS.get(each, each[:64]) for each in token.mech_types[:MAX_MECHANISMS]]
        return tuple(names), None, token.mech_token
    if isinstance(token, NegTokenResp):
        state = None if token.neg_state is None else _STATES[token.neg_state]
        return (), state, token.response_token
    return (), None, blob


def _kerberos(blob: bytes) -> KerberosMessage | None:
    """The Kerberos message in a GSSAPI token (RFC 4121 section 4.1), or bare."""
    if blob[:1] not in (b"\x60", b"\x6e", b"\x6f", b"\x7e"):
        return None
    from spnego._context import GSSMech  # noqa: PLC0415  see above
    from spnego._spnego import InitialContextToken, unpack_token  # noqa: PLC0415  see above

    try:
        token: Any = unpack_token(blob, unwrap=True) if blob[:1] == b"\x60" else blob
        # The library skips the two bytes that tell the kind of token.
        inner = token.inner_context_token if isinstance(token, InitialContextToken) else b"\x01\x00" + blob
        return describe_kerberos(unpack_token(inner, mech=GSSMech.kerberos))
    except Exception:  # noqa: BLE001 - see above
        return None
