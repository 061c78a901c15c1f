"""NTLM and Kerberos over HTTP: logins that a device in between breaks, and logins that fall back."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import zip_longest
from typing import TYPE_CHECKING

from tlsdecrypt.app.auth_facts import ABSENT, CLEAR, DIFFERS, MATCHES
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import (
    NTLM_ASK,
    NTLM_PROVE,
    UNAUTHORIZED,
    Entries,
    answers_at,
    auth_of,
    first_login,
    hit_at,
    host_of,
    is_accepted,
    is_challenge,
    is_refused,
    login_steps,
    ntlm_type,
    scheme_of,
    user_of,
)
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step, Trace

OFTEN = 3  # new first messages that no sign of a device explains
TIMES = 2  # of what one retry (HTTP/2 to HTTP/1.1, a prompt for the password) explains once


_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,5}\.\d{1,5}")
# The first builds of Exchange 2013, 2016 and 2019 that have Extended Protection (security update of August 2022).
_WITH_PROTECTION: dict[tuple[int, ...], tuple[int, ...]] = {
    (15, 0): (15, 0, 1497, 40),
    (15, 1): (15, 1, 2375, 31),
    (15, 2): (15, 2, 986, 29),
}


@rule(
    "http.ntlm-broken-by-proxy",
    Severity.ERROR,
    advice="Let the device in between keep one connection to the server for each connection of a client (no"
    " multiplexing, no Connection: close before the login is over), or use Kerberos or OAuth.",
    source="MS-NTHT section 1.1; RFC 4559 section 6",
    confidence=Confidence.LIKELY,
    suppresses=("http.auth-loop",),
    causes=("lb.no-persistence", "mapi.auth-401", "mrs.401-final", "wsman.access-denied"),
)
def ntlm_broken(scene: Scene) -> Iterator[Hit]:
    """The three messages of NTLM do not stay on one connection, so that no login can succeed.

    Either the last message comes on a connection that saw no challenge, while others did, or challenges are followed by
    a new first message again and again while the device closes connections or names itself (Via). One retry is normal.
    Silent where the client gets in.
    """
    spread: dict[tuple[str, str], list[tuple[Step, str]]] = defaultdict(list)
    for trace in scene.traces:
        for step, why in _breaks(trace):
            spread[step.trace.client.address, host_of(step)].append((step, why))
    entries = scene.derived(Entries)
    for (client, host), breaks in spread.items():
        if not _is_challenged(scene, client, host):
            continue
        first = breaks[0][0]
        is_plain = any(why == _STRAY for _, why in breaks)
        times = TIMES if any(why != _AGAIN_WITHOUT_SIGN for _, why in breaks) else OFTEN
        if (len(breaks) < times and not is_plain) or entries.after(breaks[-1][0]) is not None:
            continue
        evidence = [_break_evidence(step, why) for step, why in breaks[:3]]
        yield hit_at(
            first,
            f"NTLM of {first.trace.client.address} to {host_of(first)} is broken in between: {breaks[0][1]}",
            *evidence,
            confidence=Confidence.CERTAIN if is_plain and len(breaks) >= TIMES else None,
            place=host_of(first),
        )


_STRAY = "the last message comes on a connection that saw no challenge"
_CLOSED = "the connection ends after the challenge"
_AGAIN = "the challenge is answered with a new first message"
_AGAIN_WITHOUT_SIGN = f"{_AGAIN}, again and again"


def _is_challenged(scene: Scene, client: str, host: str) -> bool:
    """Whether a client got a challenge of a host on any connection."""
    steps = (step for trace in scene.by_client[client] for step in trace.steps)
    return any(is_challenge(step) and host_of(step) == host for step in steps)


def _breaks(trace: Trace) -> Iterator[tuple[Step, str]]:
    """Where the order of the messages on one connection is broken."""
    begin = first_login(trace)
    if begin is not None and ntlm_type(begin) == NTLM_PROVE and _saw_all_before(begin) and begin.status == UNAUTHORIZED:
        yield begin, _STRAY
    for step, following in zip_longest(trace.steps, trace.steps[1:]):
        if not is_challenge(step):
            continue
        has_sign = str(step.http.get("connection", "")).lower() == "close" or "via" in step.http
        if following is None:
            if has_sign:
                yield step, _CLOSED
        elif ntlm_type(following) == NTLM_ASK:
            yield step, _AGAIN if has_sign else _AGAIN_WITHOUT_SIGN


def _saw_all_before(step: Step) -> bool:
    """Whether nothing of its connection before a step is missing."""
    return step.trace.has_syn and not step.trace.has_gaps


def _break_evidence(step: Step, why: str) -> Evidence:
    if why == _STRAY:
        return step.asked("Authorization: NTLM type 3, with no type 2 before it on this connection")
    fields = (("connection", "Connection"), ("via", "Via"))
    named = ", ".join(f"{name}: {step.http[key]}" for key, name in fields if key in step.http)
    return answers_at(step, f"NTLM type 2; {why}" + (f" ({named})" if named else ""))


@rule(
    "http.ntlm-epa-suspected",
    Severity.WARNING,
    advice="Use the same certificate on the device in front and on the server (TLS bridging); Extended Protection"
    " cannot work where a device ends TLS and goes on in clear. Until then, set it to Off or Allow there.",
    source="MS-NLMP section 3.1.5.1.2; RFC 5929; Extended Protection in Exchange Server",
    confidence=Confidence.LIKELY,
)
def epa_suspected(scene: Scene) -> Iterator[Hit]:
    """NTLM is refused, and its channel binding cannot be right: Extended Protection is the likely reason.

    The client bound its login to another certificate than the one seen here, or the login came without TLS although the
    client had TLS. A hint behind a device that ends TLS before an Exchange that has Extended Protection; where this
    server accepts no NTLM and the same user gets in at another address; or where he gets in with a binding. A wrong
    password looks alike where bindings match or are absent: silent there.
    """
    proofs = [step for step in login_steps(scene) if ntlm_type(step) == NTLM_PROVE]
    accepted = [step for step in proofs if is_accepted(step)]
    refused = [step for step in proofs if is_refused(step)]
    always = Counter(step.trace.server.address for step in refused)
    for step in accepted:
        always.pop(step.trace.server.address, None)
    for step in refused:
        is_always = always[step.trace.server.address] >= TIMES
        reason, confidence = _suspicion(step, accepted, is_always=is_always)
        if reason is None and _is_behind_offload(scene, step):
            reason = (
                f"TLS ends at a device in front, and this Exchange ({_version(scene, step)}) has Extended Protection"
            )
        if reason is None or any(_is_the_same(step, each) for each in accepted):
            continue
        yield hit_at(
            step,
            f"{host_of(step)} refuses NTLM of {user_of(step) or 'a user'}: {reason}",
            step.asked(_binding_text(step)),
            answers_at(step, f"WWW-Authenticate: {', '.join(step.http.get('challenges', ()))}"),
            confidence=confidence,
        )


def _suspicion(step: Step, accepted: list[Step], *, is_always: bool) -> tuple[str | None, Confidence]:
    """`is_always`: the server accepts no NTLM at all."""
    result = _binding_result(step)
    if result == DIFFERS:
        return "the login is bound to another certificate than the one of this connection", Confidence.LIKELY
    if result == CLEAR:
        return "the login is bound to TLS, which a device in front has ended", Confidence.LIKELY
    others = [each for each in accepted if _is_same_user(step, each)]
    if result == ABSENT and any(_binding_result(each) == MATCHES and _is_same_server(step, each) for each in others):
        return "it has no channel binding, and with one the same user gets in", Confidence.HINT
    if is_always and any(each.path == step.path and not _is_same_server(step, each) for each in others):
        return "the same user gets in at another address", Confidence.HINT
    return None, Confidence.HINT


def _is_behind_offload(scene: Scene, step: Step) -> bool:
    """Whether a login comes in clear from a device that ends TLS, to an Exchange that has Extended Protection."""
    is_device = "x_forwarded_for" in step.http or any(
        trace.tls is not None for trace in scene.by_server.get(step.trace.client.address, ())
    )
    version = _version(scene, step)
    numbers = tuple(map(int, version.split("."))) if version and _VERSION.fullmatch(version) else ()
    first = _WITH_PROTECTION.get(numbers[:2])
    return step.is_clear and is_device and first is not None and numbers >= first


def _version(scene: Scene, step: Step) -> str | None:
    """The build that the server names, in this answer or another one."""
    for trace in scene.by_server.get(step.trace.server.address, ()):
        for other in trace.steps:
            if "x_owa_version" in other.http:
                return str(other.http["x_owa_version"])
    return None


def _binding_result(step: Step) -> str | None:
    found: str | None = auth_of(step).get("channel_binding", {}).get("result")
    return found


def _is_same_user(step: Step, other: Step) -> bool:
    return bool(user_of(step)) and user_of(step).lower() == user_of(other).lower()


def _is_same_server(step: Step, other: Step) -> bool:
    return step.trace.server.address == other.trace.server.address


def _is_the_same(step: Step, other: Step) -> bool:
    """Whether the same login works after all, in the same way."""
    return (
        _is_same_user(step, other)
        and _is_same_server(step, other)
        and _binding_result(step) == _binding_result(other)
        and step.trace.client.address == other.trace.client.address
    )


def _binding_text(step: Step) -> str:
    binding = auth_of(step).get("channel_binding", {})
    hashes = ", ".join(f"{name} {binding[name]}" for name in ("sent", "expected") if name in binding)
    return f"NTLM type 3, channel binding {binding.get('result')}" + (f" ({hashes})" if hashes else "")


@rule(
    "http.kerberos-fallback-ntlm",
    Severity.INFO,
    advice="Check the SPN of the host (setspn -Q HTTP/host), the alternate service account of the Client Access"
    " servers, and the clocks; NTLM works meanwhile, with more load and less security.",
    source="RFC 4559 section 4; MS-SPNG",
    confidence=Confidence.LIKELY,
)
def kerberos_fallback(scene: Scene) -> Iterator[Hit]:
    """A client that failed with a Kerberos ticket goes on with NTLM inside of Negotiate.

    Silent where no ticket was refused before: a client outside of the domain has none.
    """
    tickets: dict[tuple[str, str], Step] = {}
    for step in login_steps(scene):
        key = step.trace.client.address, host_of(step)
        if _is_ticket(step) and _is_ticket_refused(step):
            tickets[key] = step
        elif scheme_of(step) == "negotiate" and ntlm_type(step) == NTLM_ASK and key in tickets:
            ticket = tickets.pop(key)
            kerberos = auth_of(ticket).get("kerberos", {})
            error = auth_of(ticket).get("answer", {}).get("error")
            spn = kerberos.get("sname", "this host")
            yield hit_at(
                step,
                f"{step.trace.client.address} falls back from Kerberos to NTLM at {host_of(step)}: the ticket for {spn}"
                f" was refused" + (f" ({error})" if error else ""),
                ticket.asked(f"Negotiate, Kerberos ticket for {spn}@{kerberos.get('realm', '?')}"),
                answers_at(ticket, error or ""),
                step.asked("Negotiate, NTLM type 1"),
                place=host_of(step),
            )


def _is_ticket(step: Step) -> bool:
    """Whether the client tried another mechanism than NTLM, which is Kerberos."""
    auth = auth_of(step)
    is_other = scheme_of(step) == "negotiate" and "ntlm" not in auth and bool(auth.get("is_complete"))
    return auth.get("mechanism") == "Kerberos" or is_other


def _is_ticket_refused(step: Step) -> bool:
    return step.status == UNAUTHORIZED or auth_of(step).get("negotiation") == "reject"
