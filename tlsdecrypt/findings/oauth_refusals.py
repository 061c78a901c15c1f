"""What several rules of OAuth ask: whether a token was refused, and what the server says is wrong with it."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsdecrypt.app.jwt import numeric_date
from tlsdecrypt.app.timestamps import parse_date_time
from tlsdecrypt.findings.ews_answers import ABOUT_TOKENS, failure_evidence, failures
from tlsdecrypt.findings.logins import UNAUTHORIZED, auth_of, host_of, scheme_of
from tlsdecrypt.findings.monitors import is_probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step

_CATEGORIES = {
    "2000000": "invalid_signature", "2000001": "invalid_token", "2000002": "token_expired",
    "2000003": "invalid_resource", "2000004": "invalid_tenant", "2000005": "invalid_user", "2000006": "invalid_client",
    "2000007": "internal_error", "2000008": "invalid_grant",
}  # fmt: skip
MEANINGS = {
    "invalid_signature": "the signature of the token is not valid here",
    "invalid_token": "the token cannot be used",
    "token_expired": "the token has expired",
    "invalid_resource": "the token was issued for another resource",
    "invalid_tenant": "the token is of another organization",
    "invalid_user": "the user in the token is not valid here",
    "invalid_client": "the application in the token is not valid here",
    "internal_error": "the server failed while it looked at the token",
    "invalid_grant": "the application may not do that",
}
_OWN_APPLICATION = re.compile(r"00000002-0000-0ff1-ce00-000000000000(?:/|\Z)", re.IGNORECASE)
_OTHER_APPLICATION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:/([^@]+))?(?:@.*)?\Z", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:[a-z][a-z0-9+.-]*://)([^/:?#]+)", re.IGNORECASE)
_ABOUT_AUDIENCE = frozenset({"", "invalid_resource", "invalid_token"})
_FIRST_ERROR = 400
_LINKED_ACCOUNT = "missing a linked account"


def diagnostics_of(step: Step) -> dict[str, Any]:
    """What x-ms-diagnostics says, empty where it is not there."""
    found: dict[str, Any] = step.about("oauth").get("diagnostics", {})
    return found


def reason_of(step: Step) -> str:
    """The reason in x-ms-diagnostics."""
    return str(diagnostics_of(step).get("reason", ""))


def category_of(step: Step) -> str:
    """What the server says is wrong: by its word, else by the number."""
    facts = diagnostics_of(step)
    return str(facts.get("error_category") or _CATEGORIES.get(str(facts.get("id")), ""))


def is_token_refused(step: Step) -> bool:
    """Whether a token, or another complete login, was refused with diagnostics.

    An empty Bearer only asks how to log in; Exchange puts diagnostics into the first legs of NTLM and Negotiate too.
    """
    is_refused = step.status == UNAUTHORIZED and bool(diagnostics_of(step))
    return is_refused and bool(scheme_of(step)) and bool(auth_of(step).get("is_complete"))


def token_evidence(step: Step) -> tuple[Evidence, ...]:
    """The token as far as it may be shown, and what the server says of it."""
    facts, token = diagnostics_of(step), auth_of(step).get("token", {})
    named = [f"{name} {token[name]}" for name in ("aud", "iss", "appid", "expires") if name in token]
    asked = step.asked(f"{step.verb} {step.path}, token: {', '.join(named)}" if named else f"{step.verb} {step.path}")
    said = ", ".join(str(facts[name]) for name in ("id", "error_category", "reason") if name in facts)
    return asked, step.answered(f"{step.status} x-ms-diagnostics: {said}" if said else f"{step.status}")


def is_told_elsewhere(step: Step) -> bool:
    """Whether a rule of its own tells why the token was refused."""
    return has_expired(step) or is_about_audience(step) or any(each(step) for each in _SPECIFIC.values())


def is_ambiguous(step: Step) -> bool:
    """Whether more than one account fits the user of the token."""
    return "ambiguous" in reason_of(step).lower()


def is_user_missing(step: Step) -> bool:
    """Whether the user of the token does not exist."""
    reason = reason_of(step).lower()
    return ("user-context" in reason or "user context" in reason or "the user specified" in reason) and (
        "not exist" in reason or "not found" in reason or "unsupported" in reason
    )


def is_role_missing(step: Step) -> bool:
    """Whether the application has no account with a role."""
    if (step.status or 0) < _FIRST_ERROR:
        return False
    said = f"{reason_of(step)} {step.about('soap').get('fault_reason', '')} {step.http.get('error_text', '')}"
    return _LINKED_ACCOUNT in said.lower()


def is_signature(step: Step) -> bool:
    """Whether the signature is what the server cannot verify."""
    return category_of(step) == "invalid_signature"


def is_about_host_name(step: Step) -> bool:
    """Whether the server does not know itself by the host name in the audience."""
    return "hostname component of the audience claim" in reason_of(step).lower()


_SPECIFIC = {
    "token-user-ambiguous": is_ambiguous,
    "token-user-missing": is_user_missing,
    "token-signature": is_signature,
    "token-role-missing": is_role_missing,
}
_AMBIGUOUS_PLACE = 43532  # LID


class TokenFault(NamedTuple):
    """What is wrong with a token: where it was said, by whom, and the words."""

    step: Step
    sender: str
    evidence: tuple[Evidence, ...]


def token_faults(scene: Scene) -> dict[str, list[TokenFault]]:
    """What is wrong with tokens, by the names of `_SPECIFIC` and `token-host-name`; to be had by `Scene.derived`.

    A server says it itself, or it is quoted by one that asked another for free/busy in the name of a user.
    """
    found: dict[str, list[TokenFault]] = defaultdict(list)
    for step in scene.steps:
        is_error = step.protocol == "http" and step.status is not None and step.status >= _FIRST_ERROR
        if (is_error or _may_quote(step)) and not is_probe(step):
            said = dict(_quoted(step))
            if is_error:
                said.update(_said_itself(step))
            for sign, fault in said.items():
                found[sign].append(fault)
    return found


def _said_itself(step: Step) -> Iterator[tuple[str, TokenFault]]:
    for sign, is_meant in _SPECIFIC.items():
        if (is_token_refused(step) or sign == "token-role-missing") and is_meant(step):
            yield sign, TokenFault(step, host_of(step), token_evidence(step))


def _may_quote(step: Step) -> bool:
    return step.status is not None and "ews" in step.annotations


def _quoted(step: Step) -> Iterator[tuple[str, TokenFault]]:
    """In an answer of Exchange Web Services: a fault is its own, free/busy that failed is of the other side."""
    sender = host_of(step) if step.about("ews").get("is_fault") else "the other organization"
    for failure in failures(step):
        signs = [each for each in failure.get("signs", ()) if each.startswith(ABOUT_TOKENS)]
        if _AMBIGUOUS_PLACE in failure.get("lids", ()) and "token-user-ambiguous" not in signs:
            signs.append("token-user-ambiguous")
        for sign in signs:
            yield sign, TokenFault(step, sender, failure_evidence(step, failure))


def has_expired(step: Step) -> bool:
    """Whether the token has expired: the server says so, or its own claim when it was used, or that of its actor."""
    if is_token_refused(step) and category_of(step) == "token_expired":
        return True
    token = auth_of(step).get("token", {})
    ends = (parse_date_time(numeric_date(each, "exp")) for each in (token, token.get("actor", {})))
    return any(until is not None and until < step.time_ns // 1_000_000_000 for until in ends)


def foreign_audience(step: Step) -> str | None:
    """The host in the audience of the token, the first of several, where it is another one."""
    audience = auth_of(step).get("token", {}).get("aud")
    audiences = [each for each in (audience if isinstance(audience, list) else [audience]) if isinstance(each, str)]
    hosts = [_host_in(each) for each in audiences]
    if not step.host or not hosts or None in hosts or host_of(step) in hosts:
        return None
    return hosts[0]


def _host_in(audience: str) -> str | None:
    """The host that an audience names; None for the application of Exchange, and where it names none."""
    named = _AUTHORITY.match(audience) or _OTHER_APPLICATION.match(audience)
    return named[1].lower() if named and named[1] and not _OWN_APPLICATION.match(audience) else None


def is_about_audience(step: Step) -> bool:
    """Whether the token was refused for its audience, as far as anybody can see."""
    if step.status != UNAUTHORIZED or category_of(step) not in _ABOUT_AUDIENCE:
        return False
    return foreign_audience(step) is not None


def codes_of(facts: dict[str, Any]) -> set[str]:
    """The codes of Entra in an answer, as in `AADSTS50012`."""
    return {*facts.get("aadsts", ()), *(f"AADSTS{each}" for each in facts.get("error_codes", ()))}
