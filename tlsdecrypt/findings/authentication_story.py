"""The logins of one connection over HTTP: who, by which scheme, leg by leg, and how it ended."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.logins import (
    NTLM_PROVE,
    UNAUTHORIZED,
    auth_of,
    host_of,
    is_accepted,
    is_refused,
    ntlm_type,
    user_of,
)
from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.story import MAX_LEGS, MAX_STORIES, Leg, Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.findings.story import State

_FIRST_ERROR = 400


def authentication_stories(scene: Scene) -> Iterator[Story]:
    """One story for each connection whose login took more than one leg, or failed; the first `MAX_STORIES`."""
    count = 0
    for trace in scene.traces:
        steps = [step for step in trace.steps if "auth" in step.annotations and step.protocol == "http"]
        if not steps or all(map(is_probe, steps)) or count >= MAX_STORIES:
            continue
        legs = list(_legs(steps))
        if len(legs) > 1 or legs[0].state == "bad":
            count += 1
            yield _story(trace, steps, legs)


def _legs(steps: list[Step]) -> Iterator[Leg]:
    """Legs that say the same of one another are told once, with their number."""
    for (what, outcome, state), same in groupby(steps, key=_told):
        run = list(same)
        span = run[0].span.to(run[-1].span)
        yield Leg(
            time_ns=run[0].time_ns,
            what=what if len(run) == 1 else f"{what} ({len(run)} times)",
            outcome=outcome,
            state=state,
            connection=run[0].trace.id,
            first_frame=span.first_frame,
            last_frame=span.last_frame,
        )


def _told(step: Step) -> tuple[str, str, State]:
    auth = auth_of(step)
    return _asked(step, auth), _answered(step, auth), _state(step, auth)


def _asked(step: Step, auth: dict[str, Any]) -> str:
    """`POST /ews/exchange.asmx, NTLM type 3 as avery (NTLMv2, channel binding absent)`."""
    if "scheme" not in auth:
        return f"{step.place}, no login"
    who = f" as {user_of(step)}" if user_of(step) else ""
    details = ", ".join(_details(step, auth))
    return f"{step.place}, {step.http.get('auth', auth['scheme'])}{who}" + (f" ({details})" if details else "")


def _details(step: Step, auth: dict[str, Any]) -> Iterator[str]:
    ntlm, kerberos, token = auth.get("ntlm", {}), auth.get("kerberos", {}), auth.get("token", {})
    if ntlm_type(step) == NTLM_PROVE:
        yield from (str(ntlm[name]) for name in ("response",) if name in ntlm)
        yield from (f"from {ntlm[name]}" for name in ("workstation",) if name in ntlm)
        if "channel_binding" in auth:
            yield f"channel binding {auth['channel_binding']['result']}"
    if "sname" in kerberos:
        yield f"ticket for {kerberos['sname']}@{kerberos.get('realm', '?')}"
    if "aud" in token:
        yield f"for {token['aud']}"
    if "expires" in token:
        yield f"until {token['expires']}"


def _answered(step: Step, auth: dict[str, Any]) -> str:
    if step.status is None:
        return "no answer seen"
    challenge, answer = auth.get("challenge", {}), auth.get("answer", {})
    said = [str(step.status)]
    if challenge:
        who = challenge.get("dns_computer") or challenge.get("target")
        said.append(f"NTLM challenge of {who}" if who else "NTLM challenge")
    elif step.status == UNAUTHORIZED:
        schemes = ", ".join(dict.fromkeys(str(each["scheme"]) for each in auth.get("offers", ())))
        said.append(f"offers {schemes}" if schemes else "offers nothing")
    if "error" in answer:
        said.append(f"Kerberos error {answer['error']}")
    diagnostics = step.about("oauth").get("diagnostics", {})
    if "reason" in diagnostics:
        said.append(str(diagnostics["reason"]))
    return ", ".join(said)


def _state(step: Step, auth: dict[str, Any]) -> State:
    if is_refused(step):
        return "bad"
    if step.status == UNAUTHORIZED:
        return "goes on"
    if is_accepted(step):
        return "good"
    is_unauthenticated = "scheme" not in auth and step.status is not None and step.status < _FIRST_ERROR
    return "goes on" if is_unauthenticated else "unknown"


def _story(trace: Trace, steps: list[Step], legs: list[Leg]) -> Story:
    verdict, state = _verdict(steps)
    return Story(
        kind="authentication",
        title=f"Login of {trace.client.address} to {host_of(steps[0])} on connection {trace.id}",
        client=trace.client.address,
        verdict=verdict,
        state=state,
        legs=tuple(legs[:MAX_LEGS]),
        left_out=max(len(legs) - MAX_LEGS, 0),
    )


def _verdict(steps: list[Step]) -> tuple[str, State]:
    """How the last complete credential ended; where there is none, how far it came."""
    decided = [step for step in steps if is_refused(step) or is_accepted(step)]
    if not decided:
        has_asked = any("scheme" in auth_of(step) for step in steps)
        return ("the login was not finished" if has_asked else "the client was asked to log in, and did not"), "unknown"
    last = decided[-1]
    who, how = user_of(last) or "the client", last.http.get("auth", "its login")
    if is_accepted(last):
        return f"{who} gets in with {how}", "good"
    refusals = sum(map(is_refused, decided))
    return f"{who} is refused{f' {refusals} times' if refusals > 1 else ''} with {how}", "bad"
