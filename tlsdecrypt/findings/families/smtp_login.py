"""SMTP: logins that fail, that are missing, or that everybody can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import (
    client_of,
    command_and_reply,
    demands_tls,
    dialogue_of,
    refusal,
    reply_text,
    server_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Step

_SMTP = ("smtp",)
_AUTH = ("AUTH",)
_LOGINS = ("AUTH", "X-EXPS")
_READABLE = frozenset({"LOGIN", "PLAIN", "XOAUTH2", "OAUTHBEARER"})
_SENT = frozenset({None, 235, 334, 454, 535, 550})  # replies to credentials, not to the wish to give some

_DISABLED = re.compile(r"disabled|basic auth|not enabled|turned off", re.IGNORECASE)
_UNAUTHENTICATED = re.compile(
    r"not authenticated|authentication (?:is )?required|must authenticate|authenticate first", re.IGNORECASE
)


@rule(
    "smtp.auth-failed",
    Severity.ERROR,
    advice="Check user name and password, and whether the account may use SMTP AUTH (Set-CASMailbox"
    " -SmtpClientAuthenticationDisabled, authentication policy, security defaults).",
    source="RFC 4954 section 6",
    protocols=_SMTP,
)
def auth_failed(step: Step) -> Iterator[Hit]:
    """The server refuses a login: wrong password, or SMTP AUTH is switched off for the account.

    A note only where the client gets in by another mechanism in the same session.
    """
    found = refusal(step)
    if step.verb not in _AUTH or found is None:
        return
    code, enhanced, text = found
    if code != 535 and enhanced not in ("5.7.3", "5.7.8", "5.7.139"):  # noqa: PLR2004 - a reply code
        return
    facts = step.about("smtp")
    who = facts.get("user") or "the client"
    why = ": SMTP AUTH is switched off there" if _DISABLED.search(text) else ""
    severity = Severity.INFO if dialogue_of(step).goes_on_with(step, *_LOGINS) else None
    summary = f"{server_of(step)} refuses the login of {who} ({facts.get('mechanism')}) from {client_of(step)}{why}."
    yield Hit(summary, command_and_reply(step), severity=severity, place=f"AUTH {who}")


@rule(
    "smtp.auth-required",
    Severity.ERROR,
    advice="Let the client authenticate, or allow anonymous senders on the receive connector that catches its address"
    " (permission group Anonymous users).",
    source="RFC 4954 section 6; Exchange Server: enhanced status codes in delivery reports",
    protocols=_SMTP,
)
def auth_required(step: Step) -> Iterator[Hit]:
    """The server takes no mail from a client that has not authenticated.

    Silent where the client authenticates later in the same session.
    """
    found = refusal(step)
    if found is None or step.verb in _LOGINS or step.verb in ("STARTTLS", "XEXCH50") or demands_tls(step):
        return
    code, enhanced, text = found
    is_demand = enhanced == "5.7.57" or (
        code == 530 and (enhanced == "5.7.1" or _UNAUTHENTICATED.search(text) is not None)  # noqa: PLR2004 - a code
    )
    if is_demand and not dialogue_of(step).goes_on_with(step, *_LOGINS):
        yield Hit(f"{server_of(step)} wants {client_of(step)} to authenticate first.", command_and_reply(step))


@rule(
    "smtp.plain-auth-without-tls",
    Severity.ERROR,
    advice="Let the server offer AUTH only inside TLS (RequireTLS, BasicAuthRequireTLS of the receive connector), set"
    " the client to STARTTLS, and change the password: whoever captured this has it.",
    source="RFC 4954 section 4",
    protocols=_SMTP,
)
def plain_auth(step: Step) -> Iterator[Hit]:
    """A password or token went over the network in the clear: Base64 hides nothing.

    Silent for NTLM and GSSAPI, inside TLS, and where the server refused before anything secret was sent.
    """
    facts = step.about("smtp")
    if step.verb not in _LOGINS or facts.get("tls") or not step.is_clear:
        return
    mechanism = facts.get("mechanism")
    if mechanism in _READABLE and facts.get("user") and step.status in _SENT:
        what = "token" if "OAUTH" in mechanism else "password"
        outcome = reply_text(step) if step.status else "no reply was seen"
        evidence = (step.asked(f"{step.verb} {mechanism}, user {facts['user']}"), step.answered(outcome))
        yield Hit(f"The {what} of {facts['user']} goes to {server_of(step)} without TLS ({mechanism}).", evidence)
