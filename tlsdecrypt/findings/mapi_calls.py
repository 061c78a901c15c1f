"""What rules ask of calls of MAPI over HTTP: for whom they are, what they said, and which server answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Step

_SERVERS = ("x_beserver", "x_targetbeserver", "x_calculatedbetarget", "x_feserver", "x_diaginfo")


def user_on(step: Step) -> str | None:
    """Who logged on on the connection of a step, up to then: with NTLM only the first requests tell."""
    for each in reversed(step.trace.steps[: step.index + 1]):
        user = each.about("auth").get("user") or each.http.get("user")
        if user:
            return str(user)
    return None


def who(step: Step) -> str:
    """The user or the mailbox of a call, for people."""
    mapi = step.about("mapi")
    name = str(mapi.get("user_dn", "")).rpartition("/cn=")[2]
    return user_on(step) or name or str(mapi.get("mailbox_id") or step.trace.client.address)


def said_of(step: Step) -> Evidence:
    """The code of an answer as evidence, with the text that came with it."""
    mapi = step.about("mapi")
    code = f"X-ResponseCode: {mapi.get('response_code')} ({mapi.get('response_code_name', 'none')})"
    return step.answered(f"{code} {mapi.get('diagnostic', '')}".rstrip())


def session_of(step: Step) -> tuple[str, str]:
    """What tells sessions apart: the client's address, and the mailbox."""
    mapi = step.about("mapi")
    return step.trace.client.address, str(mapi.get("mailbox_id") or mapi.get("client_info") or "")


def context_of(step: Step) -> str:
    """A fingerprint of the session's own cookie in a request, empty where it brings none."""
    sessions = step.http.get("sessions", ())
    return next((str(each) for each in sessions if str(each).lower().startswith("mapicontext#")), "")


def servers_of(step: Step) -> dict[str, str]:
    """The servers that an answer names, by the field that names them, and the address that answered."""
    named = {name: str(step.http[name]).partition("~")[0].lower() for name in _SERVERS if name in step.http}
    return {**named, "address": step.trace.server.address}


def differing_server(one: Step, other: Step) -> tuple[str, str] | None:
    """The servers of two answers where they differ by the same field; the back end first.

    Cookies tell where no field names the back end.
    """
    first, second = servers_of(one), servers_of(other)
    for name in (*_SERVERS, "address"):
        if name in first and name in second and first[name] != second[name]:
            return first[name], second[name]
    if "x_beserver" not in first:
        bound, bound_now = (each.about("mapi").get("affinity", {}) for each in (one, other))
        for name in bound.keys() & bound_now.keys():
            if bound[name] != bound_now[name]:
                return f"the server of {name} {bound[name]}", f"that of {bound_now[name]}"
    return None
