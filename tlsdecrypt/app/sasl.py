"""read_sasl: who authenticates by SASL (RFC 4422) in SMTP, POP3 and IMAP, as far as the tokens show it.

Every function takes whatever a peer sent and never raises. Facts are plain values without secrets: `mechanism` (as the
client named it, in upper case), and where they are to be seen `user`, `authorize_as`, `domain`, `workstation`, `target`
(who challenges), `target_name` (the service that the client believes to talk to), `token` (what a token of Negotiate
really is: `NTLM`, `Kerberos`), `response` (`NTLMv2` ...), `channel_binding` (hex, "" where the client sent none),
`error` (of Kerberos) and `error_status` (of a refused bearer token).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsdecrypt.app.auth import decode_base64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_NAME = 256
CANCELLED = "*"

_TOKENS = frozenset({"NTLM", "GSSAPI", "GSS-SPNEGO", "NEGOTIATE", "KERBEROS", "SPNEGO", "EXCHANGEAUTH"})
_DIGEST_USER = re.compile(r'(?:\A|,)\s*username="((?:[^"\\]|\\.){1,256})"')
_DIGEST_HOST = re.compile(r'(?:\A|,)\s*digest-uri="([^"]{1,256})"')
_SCRAM_USER = re.compile(r"\A[ny](?:=[^,]*)?,(?:a=([^,]*))?,(?:m=[^,]*,)?n=([^,]{1,256})")
_OAUTH_USER = re.compile(r"(?:\A|\x01)user=([^\x01]{1,256})")
_OAUTH_BEARER_USER = re.compile(r"\A[ny],a=([^,\x01]{1,256})")
_OAUTH_TOKEN = re.compile(r"\x01auth=(?:Bearer )?([^\x01]{1,65536})")
_ERROR_STATUS = re.compile(r'"status"\s*:\s*"([A-Za-z0-9_. -]{1,80})"')


class Sasl(NamedTuple):
    """What the exchange of tokens shows, and the secrets that other texts may repeat."""

    facts: dict[str, Any]
    passwords: tuple[str, ...] = ()


def read_sasl(mechanism: str, answers: Sequence[str], challenges: Sequence[str]) -> Sasl:
    """`answers` are the client's tokens in Base64, an initial response first; `challenges` the server's."""
    name = mechanism.upper()[:MAX_NAME]
    spoken = [decode_base64(each) for each in answers if each != CANCELLED]
    asked = [decode_base64(each) for each in challenges]
    reader = _read_tokens if name in _TOKENS else _READERS.get(name.removesuffix("-PLUS"))
    if reader is None and name.startswith("SCRAM-"):
        reader = _read_scram
    found = reader(spoken, asked) if reader is not None else Sasl({})
    facts = {key: value[:MAX_NAME] for key, value in found.facts.items() if value is not None}
    return Sasl({"mechanism": name, **facts}, tuple(each for each in found.passwords if each))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _shown(text: str) -> str | None:
    """A name without what no name holds; None for an empty one."""
    return "".join(each for each in text[:MAX_NAME] if each.isprintable()) or None


def _read_plain(spoken: list[bytes], _: list[bytes]) -> Sasl:
    """PLAIN, RFC 4616: authorization identity, user and password, with NUL between."""
    for token in spoken:
        parts = _text(token).split("\0")
        if len(parts) == 3:  # noqa: PLR2004 - see above
            identity, user, password = parts
            authorize_as = _shown(identity) if identity != user else None
            return Sasl({"user": _shown(user), "authorize_as": authorize_as}, (password,))
    return Sasl({})


def _read_login(spoken: list[bytes], _: list[bytes]) -> Sasl:
    """LOGIN: the user, then the password."""
    tokens = [_text(each) for each in spoken if each]
    user = _shown(tokens[0]) if tokens else None
    return Sasl({"user": user}, tuple(tokens[1:2]))


def _read_cram(spoken: list[bytes], _: list[bytes]) -> Sasl:
    """CRAM-MD5, RFC 2195: user, space, digest."""
    user, space, _digest = _text(spoken[-1]).rpartition(" ") if spoken else ("", "", "")
    return Sasl({"user": _shown(user) if space else None})


def _read_digest(spoken: list[bytes], _: list[bytes]) -> Sasl:
    """DIGEST-MD5, RFC 2831."""
    said = _text(spoken[0]) if spoken else ""
    user, host = _DIGEST_USER.search(said), _DIGEST_HOST.search(said)
    return Sasl({"user": _shown(user[1]) if user else None, "target_name": _shown(host[1]) if host else None})


def _read_scram(spoken: list[bytes], _: list[bytes]) -> Sasl:
    """SCRAM, RFC 5802 section 7: client-first-message."""
    user = next((found for each in spoken if (found := _SCRAM_USER.match(_text(each)))), None)
    if user is None:
        return Sasl({})
    return Sasl(
        {"user": _shown(user[2].replace("=2C", ",").replace("=3D", "=")), "authorize_as": _shown(user[1] or "")}
    )


def _read_bearer(spoken: list[bytes], asked: list[bytes]) -> Sasl:
    """XOAUTH2, and OAUTHBEARER (RFC 7628 section 3): user and access token; a refusal is JSON."""
    said = _text(b"\x01".join(spoken))
    user = _OAUTH_USER.search(said) or _OAUTH_BEARER_USER.search(said)
    token = _OAUTH_TOKEN.search(said)
    errors = [found[1] for each in asked if (found := _ERROR_STATUS.search(_text(each)))]
    facts = {"user": _shown(user[1]) if user else None, "error_status": errors[-1] if errors else None}
    return Sasl(facts, (token[1],) if token else ())


def _read_external(spoken: list[bytes], _: list[bytes]) -> Sasl:
    """EXTERNAL, RFC 4422 appendix A: the certificate of TLS says who; a name says as whom."""
    return Sasl({"user": _shown(_text(spoken[0])) if spoken else None})


def _read_tokens(spoken: list[bytes], asked: list[bytes]) -> Sasl:
    """NTLM, GSSAPI and their kin: the last token that names somebody counts."""
    from tlsdecrypt.app.auth_token import parse_security_token  # noqa: PLC0415  most sessions hold no such token

    facts: dict[str, Any] = {}
    for blob in (*asked, *spoken):
        token = parse_security_token(blob) if blob else None
        if token is None or token.mechanism is None:
            continue
        facts["token"] = token.mechanism
        if token.ntlm is not None:
            ntlm = token.ntlm
            named = (
                ("user", ntlm.user),
                ("domain", ntlm.domain),
                ("workstation", ntlm.workstation),
                ("target", ntlm.target),
                ("target_name", ntlm.target_name),
                ("response", ntlm.response),
            )
            facts |= {key: _shown(value) for key, value in named if value}
            if ntlm.user:
                facts["channel_binding"] = ntlm.channel_binding
        elif token.kerberos is not None:
            kerberos = token.kerberos
            shown = (("target_name", kerberos.sname), ("domain", kerberos.realm), ("error", kerberos.error))
            facts |= {key: _shown(value) for key, value in shown if value}
    return Sasl(facts)


_READERS: dict[str, Callable[[list[bytes], list[bytes]], Sasl]] = {
    "PLAIN": _read_plain,
    "LOGIN": _read_login,
    "CRAM-MD5": _read_cram,
    "DIGEST-MD5": _read_digest,
    "XOAUTH2": _read_bearer,
    "OAUTHBEARER": _read_bearer,
    "EXTERNAL": _read_external,
}
