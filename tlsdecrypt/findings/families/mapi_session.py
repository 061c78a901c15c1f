"""MAPI over HTTP: sessions that get lost, and connections that are refused."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import without_probes
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import UNAUTHORIZED, Entries, hit_at, host_of, is_accepted, is_refused, user_of
from tlsdecrypt.findings.mapi_calls import context_of, differing_server, said_of, session_of, who
from tlsdecrypt.findings.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.rule import Hit
    from tlsdecrypt.findings.scene import Scene, Step

_CODES = "[MS-OXCMAPIHTTP] section 2.2.3.3.3"
_LOST = frozenset({6, 10, 13})  # the session is not there, or its cookie
_ONCE = _LOST | {15}  # what a client mends by connecting again
_OWN_RULES = frozenset({16, 18})


def _calls(scene: Scene) -> list[Step]:
    return without_probes(scene.steps_by_service["mapi-http"])


def _code(step: Step) -> int:
    code: int = step.about("mapi").get("response_code", 0)
    return code


def _is_connect(step: Step) -> bool:
    return str(step.about("mapi").get("request_type", "")).lower() == "connect"


def _has_connected(step: Step) -> bool:
    return _is_connect(step) and step.about("mapi").get("response_code") == 0 and "error" not in step.about("mapi")


@rule(
    "mapi.response-code",
    Severity.ERROR,
    advice="Look up the code; for codes of the session (6, 10, 13, 15) look for failovers, recycled application pools,"
    " and whether cookies come through every device between.",
    source=_CODES,
)
def response_code(scene: Scene) -> Iterator[Hit]:
    """The server refuses a call with an X-ResponseCode other than 0, mostly inside of HTTP 200.

    A note only where sessions were lost (codes 6, 10, 13, 15) once and the client has connected anew since: calls that
    were under way, and other sessions that were open by then, are lost at the same time. Also a note where the capture
    ends too soon, or lacks too much, to show that. Codes 16 and 18 have rules of their own, and a challenge (401) is
    none.
    """
    calls = _calls(scene)
    times_lost = {session: _times_lost(steps) for session, steps in _by_session(calls).items()}
    for step in calls:
        code = _code(step)
        if code in _OWN_RULES or not code or step.status == UNAUTHORIZED:
            continue
        may_be_mended = _reconnects(scene, step) or not _shows_what_follows(scene, step)
        is_mended = code in _ONCE and times_lost[session_of(step)] == 1 and may_be_mended
        mapi = step.about("mapi")
        yield hit_at(
            step,
            f"{mapi.get('request_type', 'A call')} of {who(step)} was refused with code {code}"
            f" {mapi.get('response_code_name', '')}: {mapi.get('meaning', 'unknown')}",
            *step.evidence,
            said_of(step),
            severity=Severity.INFO if is_mended else None,
            place=f"{step.path} code {code}",
        )


def _reconnects(scene: Scene, step: Step) -> bool:
    return any(_has_connected(each) and session_of(each) == session_of(step) for each in scene.later(step))


def _shows_what_follows(scene: Scene, step: Step) -> bool:
    """Whether the capture would show how the client goes on (guard 1)."""
    return scene.goes_on_after(step.span.last_time_ns) and not step.trace.has_gaps


def _times_lost(calls: list[Step]) -> int:
    """How many times sessions of a client were lost, by its calls in the order of time."""
    times, begun_ns, known_ns = 0, 0, 0
    first_used: dict[str, int] = {}
    refused: set[str] = set()
    has_connected = False  # since then: a session that is new here may be a new one
    for step in calls:
        context = context_of(step)
        used_ns = first_used.setdefault(context, step.time_ns)
        if _code(step) not in _ONCE:
            has_connected = has_connected or _has_connected(step)
            continue
        is_other_session = context not in refused and (used_ns < begun_ns or not has_connected)
        if not times or not (step.time_ns < known_ns or is_other_session):
            times, begun_ns, known_ns = times + 1, step.time_ns, step.span.last_time_ns
            has_connected = False
            refused.clear()
        refused.add(context)
    return times


def _by_session(steps: Iterable[Step]) -> dict[tuple[str, str], list[Step]]:
    found: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in steps:
        found[session_of(step)].append(step)
    return found


@rule(
    "mapi.context-lost",
    Severity.WARNING,
    advice="Let the load balancer keep a client on one server by its cookie or address, and look for failovers and"
    " recycled application pools at these times.",
    source=_CODES,
    confidence=Confidence.LIKELY,
    suppresses=("mapi.response-code",),
)
def context_lost(scene: Scene) -> Iterator[Hit]:
    """Calls reach a server that does not have their session (codes 6, 10, 13), while another had opened it.

    Two refused calls at least, and an answer of another server (X-BEServer, X-FEServer, or the address) that had
    served the session before.
    """
    for session, calls in _by_session(_calls(scene)).items():
        served: Step | None = None
        astray: list[tuple[Step, str, str]] = []
        for step in calls:
            if step.about("mapi").get("response_code") == 0:
                served = step
            elif _code(step) in _LOST and served is not None:
                servers = differing_server(served, step)
                if servers is not None:
                    astray.append((step, *servers))
        if len(astray) > 1:
            step, had, asked = astray[0]
            yield hit_at(
                step,
                f"{len(astray)} calls of {who(step)} ({session[0]}) reached {asked}, which does not have their session:"
                f" {had} does",
                *(said_of(each) for each, _, _ in astray[:3]),
            )


@rule(
    "mapi.connect-error",
    Severity.ERROR,
    advice="Look up the error: UnknownUser and WrongServer mean that the directory and the mailbox do not fit,"
    " LoginPermission and AccessDenied that the account lacks rights on the mailbox.",
    source="[MS-OXCMAPIHTTP] section 2.2.4.1.2; [MS-OXCDATA] section 2.4",
)
def connect_error(scene: Scene) -> Iterator[Hit]:
    """Connect fails inside of an answer that says success: the mailbox cannot be opened.

    A note only where the mailbox is on another server and the client asks Autodiscover then, as it should, or the
    capture ends too soon to show it.
    """
    for step in _calls(scene):
        mapi = step.about("mapi")
        if not _is_connect(step) or "error" not in mapi:
            continue
        may_ask = _asks_autodiscover(scene, step) or not _shows_what_follows(scene, step)
        is_moved = mapi["error_name"] == "WrongServer" and may_ask
        yield hit_at(
            step,
            f"{who(step)} cannot open the mailbox on {step.host}: {mapi['error']} {mapi['error_name']}, "
            f"{mapi.get('error_meaning', 'an error without a name here')}",
            *step.evidence,
            step.answered(f"ErrorCode {mapi['error']} {mapi['error_name']}"),
            severity=Severity.INFO if is_moved else None,
            place=f"{step.path} {mapi['error']}",
        )


def _asks_autodiscover(scene: Scene, step: Step) -> bool:
    client = step.trace.client.address
    return any(
        other.time_ns > step.time_ns and (other.service or "").startswith("autodiscover")
        for trace in scene.by_client[client]
        for other in trace.steps
    )


@rule(
    "mapi.auth-401",
    Severity.ERROR,
    advice="Compare IISAuthenticationMethods and InternalAuthenticationMethods of the virtual directory"
    " (Get-MapiVirtualDirectory) with what the client sends; then the password and the account.",
    source="RFC 9110 section 11; Get-MapiVirtualDirectory",
    confidence=Confidence.LIKELY,
)
def auth_401(scene: Scene) -> Iterator[Hit]:
    """The MAPI virtual directory refuses a complete credential.

    Legs of NTLM and Negotiate are no complete credential. Silent where the client gets in there later, and a hint only
    where the same account gets in nowhere else: then the password may be wrong.
    """
    refused = [step for step in _calls(scene) if is_refused(step) and "x_ms_diagnostics" not in step.http]
    if not refused:
        return
    entries = scene.derived(Entries)
    accepted = {(each.trace.client.address, user_of(each).lower()) for each in scene.steps if is_accepted(each)}
    for step in refused:
        if entries.after(step) is not None:
            continue
        is_good_elsewhere = (step.trace.client.address, user_of(step).lower()) in accepted
        yield hit_at(
            step,
            f"{host_of(step)}{step.path} refuses {user_of(step) or 'the login'}"
            f" with {step.about('auth').get('scheme', 'its scheme')}"
            + (", who gets in elsewhere" if is_good_elsewhere else ""),
            *step.evidence,
            confidence=None if is_good_elsewhere else Confidence.HINT,
        )
