"""annotate_auth: the annotation `auth` of one HTTP exchange: who asked, with what, what was offered, how it ended.

Keys, each only where it says something:

- `scheme`, `mechanism` (NTLM, Kerberos, SPNEGO, JWT), `user`, `is_complete` (the server can decide on it: no first
  leg), `size` (characters of the Authorization value): what the client sent; `carries_token`: Basic with a token in
  place of a password
- `mechanisms`: what SPNEGO offers; `negotiation`: what the server's SPNEGO answers
- `ntlm`: `type`, `domain`, `user`, `workstation`, `target_name` (SPN), `response` (NTLMv2, NTLMv1, LM, anonymous),
  `time`, `version`, `flags`, `has_mic`, `channel_binding` (hex, absent where none was sent)
- `kerberos`: `message` (AP-REQ, KRB-ERROR), `realm`, `sname`, `etype`, `kvno`, `error`, `error_text`, `server_time`
- `token`: header and claims of a JWT, `actor` and `access` those of tokens inside it, `expires`, `not_before` as times
- `offers`: the challenges, each with `scheme` and the parameters that may be shown (`realm`, `authorization_uri`,
  `client_id`, `trusted_issuers`, `token_types`, `error`, `error_description`)
- `challenge`: the same as `ntlm`, of the server (`target`, `computer`, `dns_computer`, `dns_domain`, `dns_tree`)
- `answer`: the same as `kerberos`, of the server
- `result`: `challenged` (nothing was sent), `goes on` (a leg was answered), `refused`, `accepted` (the request itself
  may have failed), `unknown`
- `channel_binding`: see `tlsdecrypt.channel_binding`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.auth_token import parse_security_token
from tlsdecrypt.app.base64_text import decode_base64
from tlsdecrypt.app.jwt import numeric_date

if TYPE_CHECKING:
    from tlsdecrypt.app.auth import Credentials
    from tlsdecrypt.app.auth_challenges import Challenge
    from tlsdecrypt.app.auth_token import SecurityToken
    from tlsdecrypt.app.kerberos import KerberosMessage
    from tlsdecrypt.app.ntlm import NtlmMessage

MAX_VALUE = 500  # characters of one value
MAX_OFFERS = 10

# What `channel_binding` says in `result`.
MATCHES = "matches the certificate"
DIFFERS = "does not match the certificate"
ABSENT = "absent"
NOT_SEEN = "cannot be compared: no certificate was seen"
CLEAR = "sent without TLS"

_UNAUTHORIZED = 401
_FIRST_SERVER_ERROR = 500
_TOKEN_SCHEMES = frozenset({"ntlm", "negotiate", "kerberos"})
_SHOWN_PARAMETERS = frozenset(
    {
        "realm", "authorization_uri", "client_id", "trusted_issuers", "token_types", "error", "error_description",
        "resource_id", "charset", "qop", "algorithm", "scope",
    }
)  # fmt: skip


def annotate_auth(
    credentials: Credentials | None, size: int, challenges: list[Challenge], status: int | None
) -> dict[str, Any]:
    """`size` is the length of the Authorization value, `status` that of the answer (None: not seen)."""
    facts: dict[str, Any] = credential_facts(credentials) if credentials else {}
    if credentials:
        facts["size"] = size
    if challenges:
        facts["offers"] = [_offer(each) for each in challenges[:MAX_OFFERS]]
        facts.update(_server_leg(challenges))
    if status is not None:
        facts["result"] = _result(credentials, challenges, status)
    put_summary(facts)
    return facts


def credential_facts(credentials: Credentials) -> dict[str, Any]:
    """What the client sent, free of secrets."""
    facts: dict[str, Any] = {"scheme": credentials.scheme[:MAX_VALUE], "is_complete": credentials.is_complete}
    if credentials.mechanism:
        facts["mechanism"] = credentials.mechanism
    if credentials.user:
        facts["user"] = credentials.user
    if credentials.scheme.lower() == "basic" and credentials.secret.startswith("eyJ"):
        facts["carries_token"] = True
    if credentials.token is not None:
        facts.update(token_facts(credentials.token))
    if credentials.jwt is not None:
        facts["token"] = {
            **credentials.jwt.facts(),
            **_told(
                expires=numeric_date(credentials.jwt.claims, "exp"),
                not_before=numeric_date(credentials.jwt.claims, "nbf"),
            ),
        }
    return facts


def token_facts(token: SecurityToken) -> dict[str, Any]:
    """The facts of a token of NTLM, Kerberos or SPNEGO, in whichever protocol it came."""
    return _told(
        mechanisms=list(token.offered),
        negotiation=token.state,
        ntlm=ntlm_facts(token.ntlm) if token.ntlm else None,
        kerberos=kerberos_facts(token.kerberos) if token.kerberos else None,
    )


def ntlm_facts(ntlm: NtlmMessage) -> dict[str, Any]:
    """A message of NTLM as plain values."""
    return {
        "type": ntlm.message_type,
        **_told(
            domain=ntlm.domain,
            user=ntlm.user,
            workstation=ntlm.workstation,
            target=ntlm.target,
            target_name=ntlm.target_name,
            computer=ntlm.computer,
            dns_computer=ntlm.dns_computer,
            dns_domain=ntlm.dns_domain,
            dns_tree=ntlm.dns_tree,
            response=ntlm.response,
            time=ntlm.time,
            version=ntlm.version,
            flags=list(ntlm.flags),
            has_mic=ntlm.has_mic or None,
            channel_binding=ntlm.channel_binding,
        ),
    }


def kerberos_facts(message: KerberosMessage) -> dict[str, Any]:
    """A message of Kerberos as plain values."""
    return _told(
        message=message.name,
        realm=message.realm,
        sname=message.sname,
        etype=message.etype,
        kvno=message.kvno,
        error=message.error,
        error_text=message.error_text,
        server_time=message.server_time,
    )


def _told(**values: Any) -> dict[str, Any]:
    """Those values that say something."""
    return {name: value for name, value in values.items() if value is not None and value not in ("", [], {})}


def _offer(challenge: Challenge) -> dict[str, Any]:
    shown = {name: value for name, value in challenge.parameters.items() if value and name in _SHOWN_PARAMETERS}
    return {"scheme": challenge.scheme[:MAX_VALUE], **shown}


def _server_leg(challenges: list[Challenge]) -> dict[str, Any]:
    """What the server's own token says: the second leg of NTLM, or the end of a negotiation."""
    for each in challenges:
        if each.token and each.scheme.lower() in _TOKEN_SCHEMES:
            token = parse_security_token(decode_base64(each.token))
            return _told(
                negotiation=token.state,
                challenge=ntlm_facts(token.ntlm) if token.ntlm else None,
                answer=kerberos_facts(token.kerberos) if token.kerberos else None,
            )
    return {}


def _result(credentials: Credentials | None, challenges: list[Challenge], status: int) -> str:
    if status == _UNAUTHORIZED:
        if credentials is None or not (credentials.secret or credentials.is_complete):
            return "challenged"
        return "goes on" if any(each.token for each in challenges) and not credentials.is_complete else "refused"
    if credentials is None:
        return "challenged" if challenges else "unknown"
    return "accepted" if status < _FIRST_SERVER_ERROR else "unknown"


def put_summary(facts: dict[str, Any]) -> None:
    """One line on what the summary of `http` does not say; none where there is no more."""
    parts = [*_ntlm_parts(facts), *_kerberos_parts(facts), *_token_parts(facts.get("token"))]
    if parts:
        facts["summary"] = ", ".join(parts)


def _ntlm_parts(facts: dict[str, Any]) -> list[str]:
    ntlm, challenge = facts.get("ntlm", {}), facts.get("challenge", {})
    parts = []
    if ntlm.get("type") == 3:  # noqa: PLR2004  AUTHENTICATE_MESSAGE
        parts += [str(ntlm[each]) for each in ("response",) if each in ntlm]
        parts += [f"from {ntlm['workstation']}"] if "workstation" in ntlm else []
        parts += [f"for {ntlm['target_name']}"] if "target_name" in ntlm else []
        parts += [f"channel binding {facts['channel_binding']['result']}"] if "channel_binding" in facts else []
    if challenge:
        who = challenge.get("dns_computer") or challenge.get("target")
        parts.append(f"NTLM challenge of {who}" if who else "NTLM challenge")
    return parts


def _kerberos_parts(facts: dict[str, Any]) -> list[str]:
    parts = []
    asked, answer = facts.get("kerberos", {}), facts.get("answer", {})
    if "sname" in asked:
        parts.append(f"Kerberos ticket for {asked['sname']}@{asked.get('realm', '?')} ({asked.get('etype', '?')})")
    if "error" in answer:
        parts.append(f"Kerberos error {answer['error']}")
    if facts.get("negotiation") == "reject":
        parts.append("the server rejects the negotiation")
    return parts


def _token_parts(token: dict[str, Any] | None) -> list[str]:
    if not token:
        return []
    labels = (("aud", "for"), ("iss", "by"), ("appid", "application"), ("expires", "until"))
    named = [f"{label} {token[name]}" for name, label in labels if token.get(name)]
    return [f"token {' '.join(named)}"[:MAX_VALUE]] if named else []
