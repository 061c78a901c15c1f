"""What may be shown of credentials and challenges: who, by which mechanism, for whom; never what proves it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.app.auth import parse_credentials
from tlsdecrypt.redact import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.app.auth import Credentials, NtlmMessage

_TOKEN_SCHEMES = frozenset({"ntlm", "negotiate", "kerberos"})
_TOKEN = re.compile(r"[A-Za-z0-9+/]+=*")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 9110 section 11.2; its padding looks like a parameter
_TOKEN_AMONG_SCHEMES = re.compile(r"(\b(?:ntlm|negotiate|kerberos)\s+)([A-Za-z0-9+/]{8,}=*)", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?<![A-Za-z0-9+/_-])([A-Za-z][A-Za-z0-9_-]{0,40})(\s*=\s*)(\"(?:[^\"\\]|\\.)*\"|[^\s,\"=][^\s,\"]*)"
)
_SHOWN_PARAMETERS = frozenset(
    {"username", "realm", "uri", "algorithm", "qop", "nc", "opaque", "domain", "charset", "credential", "signedheaders"}
)
_HIDDEN_IN_CHALLENGES = frozenset({"nextnonce", "rspauth", "cnonce"})


def show_credentials(value: str, mask: Callable[[str, str], str]) -> str:
    """An Authorization value with `mask(kind, secret)` in place of what is secret."""
    credentials = parse_credentials(value)
    if credentials.user is not None and credentials.scheme.lower() == "basic":
        return f"{credentials.scheme} user={credentials.user} password={mask(names.PASSWORD, credentials.secret)}"
    if not credentials.secret:
        return mask(names.SECRET, value) if value.strip() else value
    if _holds_parameters(credentials):
        return f"{credentials.scheme} {_show_parameters(credentials.secret, mask)}"
    shown = [credentials.scheme, *_facts(credentials), mask(names.TOKEN, credentials.secret)]
    return " ".join(shown)


def show_challenge(value: str, mask: Callable[[str, str], str]) -> str:
    """A WWW-Authenticate value: schemes, realms and parameters stay, a token does not."""
    scheme, *rest = value.split() or [""]
    if scheme.lower() in _TOKEN_SCHEMES and _TOKEN.fullmatch("".join(rest)):
        return show_credentials(value, mask)
    value = _TOKEN_AMONG_SCHEMES.sub(lambda match: f"{match[1]}{mask(names.TOKEN, match[2])}", value)
    return _PARAMETER.sub(
        lambda match: (
            f"{match[1]}{match[2]}{mask(names.TOKEN, match[3].strip(chr(34)))}"
            if match[1].lower() in _HIDDEN_IN_CHALLENGES or names.secret_kind(match[1])
            else match[0]
        ),
        value,
    )


def _holds_parameters(credentials: Credentials) -> bool:
    """Whether a credential is a list of `name=value`, and no token whose padding looks like that."""
    secret = credentials.secret
    is_list = credentials.scheme.lower() not in _TOKEN_SCHEMES and _PARAMETER.match(secret) is not None
    return is_list and _TOKEN68.fullmatch(secret) is None


def _facts(credentials: Credentials) -> list[str]:
    if credentials.ntlm is not None:
        return _ntlm_facts(credentials.ntlm)
    shown = [f"{name}={value}" for name, value in credentials.claims]
    return [f"mechanism={credentials.mechanism}", *shown] if credentials.mechanism else shown


def _ntlm_facts(ntlm: NtlmMessage) -> list[str]:
    named = (("domain", ntlm.domain), ("user", ntlm.user), ("workstation", ntlm.workstation), ("target", ntlm.target))
    return [f"NTLM type={ntlm.message_type}", *(f"{name}={value}" for name, value in named if value)]


def _show_parameters(text: str, mask: Callable[[str, str], str]) -> str:
    """`name="value", ...` of Digest and the like, with the proofs masked, and whatever stands between."""
    shown = [_show_parameter(match, mask) for match in _PARAMETER.finditer(text)]
    rest = _PARAMETER.sub("", text).strip(", \t")
    return ", ".join([*shown, mask(names.TOKEN, rest)] if rest else shown)


def _show_parameter(match: re.Match[str], mask: Callable[[str, str], str]) -> str:
    """One of them; a name with digits is rather a token whose padding looks like a parameter."""
    if match[1].lower() in _SHOWN_PARAMETERS:
        return match[0]
    if any(each.isdigit() for each in match[1]):
        return mask(names.TOKEN, match[0])
    return f"{match[1]}{match[2]}{mask(names.TOKEN, match[3].strip(chr(34)))}"
