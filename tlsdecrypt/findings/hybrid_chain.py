"""The chain of a request for free/busy: who asked whom, with which token, and which leg broke.

A server that is asked for the free/busy of another organization asks on: it looks for that organization, fetches a
token, and sends the question there; a device in front passes it to a server behind. Requests that the asked server
makes while the question waits for its answer are the legs of the chain.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.autodiscover_answers import error_of, redirect_of
from tlsdecrypt.findings.ews_answers import AVAILABILITY, failures
from tlsdecrypt.findings.inner_requests import InnerRequests
from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.oauth_refusals import reason_of
from tlsdecrypt.findings.reachability import is_refused, is_unanswered
from tlsdecrypt.findings.story import MAX_LEGS, MAX_STORIES, Leg, Story
from tlsdecrypt.findings.tls_story import has_said_something

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.findings.scene import Scene, Step, Trace
    from tlsdecrypt.findings.story import State

MAX_DEPTH = 4  # hops from one server to the next

_WEB_PORTS = frozenset({80, 443})
_TOKEN_HOSTS = (
    "login.microsoftonline.com",
    "accounts.accesscontrol.windows.net",
    "login.live.com",
    "login.windows.net",
)
_CLOUD_HOSTS = ("outlook.office365.com", "outlook.com")
_UNAUTHORIZED, _FIRST_REDIRECT, _FIRST_ERROR = 401, 300, 400


def hybrid_chains(scene: Scene) -> Iterator[Story]:
    """One story for each question for free/busy that goes beyond one server, or fails; the first `MAX_STORIES`."""
    questions = [step for step in scene.steps_by_service.get("ews", ()) if _is_question(step)]
    requests = _Requests(scene, questions)
    inner = {id(each) for question in questions for each in requests.behind(question)}
    count = 0
    for question in questions:
        if id(question) in inner or count >= MAX_STORIES:
            continue
        legs = list(_legs(requests, question, MAX_DEPTH))
        if len(legs) > 1 or legs[0].state == "bad" or "/wssecurity" in question.path:
            count += 1
            yield _story(question, legs)


class _Requests(InnerRequests):
    """Also those that a device passes on from another of its addresses: the same question, meanwhile."""

    def __init__(self, scene: Scene, questions: list[Step]) -> None:
        super().__init__(scene)
        self._questions: dict[tuple[str, ...], list[Step]] = defaultdict(list)
        for each in questions:
            self._questions[_mailboxes(each)].append(each)

    def behind(self, step: Step) -> Sequence[Step]:
        own = super().behind(step)
        if not _is_question(step):
            return own
        known = {id(each) for each in (*own, step)}
        same = self._questions[_mailboxes(step)]
        first = bisect_left(same, step.time_ns, key=lambda each: each.time_ns)
        last = bisect_right(same, step.span.last_time_ns, key=lambda each: each.time_ns)
        relayed = (each for each in same[first:last] if id(each) not in known and _is_relayed(step, each))
        return sorted((*own, *relayed), key=lambda each: each.time_ns)


def _mailboxes(step: Step) -> tuple[str, ...]:
    return tuple(step.about("ews").get("mailboxes", ()))


def _is_relayed(outer: Step, inner: Step) -> bool:
    is_inside = inner.span.last_time_ns <= outer.span.last_time_ns
    return is_inside and inner.path == outer.path and inner.trace.client.address != outer.trace.client.address


def _is_question(step: Step) -> bool:
    return step.about("ews").get("operation") == AVAILABILITY and not is_probe(step)


def _legs(requests: _Requests, step: Step, depth: int) -> Iterator[Leg]:
    yield _leg(step)
    if depth == 0:
        return
    behind: list[tuple[int, list[Leg]]] = []
    for each in requests.behind(step)[:MAX_LEGS]:
        legs = list(_legs(requests, each, depth - 1)) if _is_question(each) else [_leg(each)]
        behind.append((each.time_ns, legs))
    hidden = requests.connections_behind(step)[:MAX_LEGS]
    behind += [(trace.span.first_time_ns, [_hidden_leg(trace)]) for trace in hidden if _may_be_of_chain(trace)]
    for _, legs in sorted(behind, key=lambda part: part[0]):
        yield from legs


def _may_be_of_chain(trace: Trace) -> bool:
    """Not the directory, the database or whatever else a server asks all the time."""
    return trace.tls is not None or trace.server.port in _WEB_PORTS


def _leg(step: Step) -> Leg:
    client, server = step.trace.pair
    outcome, state = _outcome(step)
    host = step.host or server
    what = f"{client} asks {host} ({server}) {_what(step)}, {_token(step)}"
    return Leg(step.time_ns, what, outcome, state, step.trace.id, step.span.first_frame, step.span.last_frame)


def _what(step: Step) -> str:
    if step.service == "ews":
        names = step.about("ews").get("mailboxes") or ["a mailbox"]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"for the free/busy of {names[0]}{more}"
    if step.service in ("ws-trust", "oauth"):
        return f"for a token ({step.path})"
    if step.service == "legacy-free-busy":
        return "for free/busy in public folders"
    return f"where it is served ({step.about('autodiscover').get('operation', 'Autodiscover')})"


def _token(step: Step) -> str:
    """What proves who asks."""
    soap, auth = step.about("soap"), step.about("auth")
    if soap.get("has_encrypted_assertion"):
        return "with a federation token in the SOAP header"
    if soap.get("security_user"):
        return f"as {soap['security_user']} in the SOAP header"
    scheme = step.http.get("auth")
    if not scheme:
        return "without a login"
    token = auth.get("token", {})
    audience = f" for {token['aud']}" if isinstance(token, dict) and token.get("aud") else ""
    user = step.http.get("user")
    return f"with {scheme}{audience}{f' as {user}' if user else ''}"


def _outcome(step: Step) -> tuple[str, State]:
    if step.status is None:
        return "no answer", "bad"
    failed = next(iter(failures(step)), None)
    if failed is not None:
        text = f"{failed.get('code', 'failed')}: {failed.get('message_text', '')}".rstrip(": ")
        return text, "bad"
    error, redirect, reason = error_of(step), redirect_of(step), step.about("soap").get("fault_reason")
    if redirect is not None or _FIRST_REDIRECT <= step.status < _FIRST_ERROR:
        return f"HTTP {step.status}, sent to {redirect or step.http.get('location', 'elsewhere')}", "goes on"
    if error is not None or reason:
        return f"HTTP {step.status}: {error or ''} {reason or ''}".rstrip(), "bad"
    if step.status >= _FIRST_ERROR:
        is_first = (
            step.status == _UNAUTHORIZED
            and not step.about("auth").get("is_complete")
            and "/wssecurity" not in step.path
        )
        sender = step.http.get("via") or step.http.get("server") or "no Server field"
        why = reason_of(step)
        return f"HTTP {step.status} ({sender}){why and f': {why}'}", "goes on" if is_first else "bad"
    return f"HTTP {step.status}", "good"


def _hidden_leg(trace: Trace) -> Leg:
    client, server = trace.pair
    name = trace.server_name or server
    purpose = " for a token" if name.endswith(_TOKEN_HOSTS) else " (the cloud)" if name.endswith(_CLOUD_HOSTS) else ""
    outcome, state = _hidden_outcome(trace)
    what = f"{client} connects to {name} ({trace.server}){purpose}"
    return Leg(trace.span.first_time_ns, what, outcome, state, trace.id, trace.span.first_frame, trace.span.last_frame)


def _hidden_outcome(trace: Trace) -> tuple[str, State]:
    if is_unanswered(trace):
        return "no answer", "bad"
    if is_refused(trace):
        return "refused", "bad"
    if has_said_something(trace):
        return "stays encrypted: nobody can tell", "unknown"
    return "nothing was said", "unknown"


def _story(question: Step, legs: list[Leg]) -> Story:
    names = question.about("ews").get("mailboxes") or ["a mailbox"]
    client, server = question.trace.pair
    broken = [(number, leg) for number, leg in enumerate(legs, 1) if leg.state == "bad"]
    state: State = "good"
    verdict = "it was shown"
    if broken:
        number, leg = broken[-1]  # the one farthest down the chain explains those before
        verdict, state = f"leg {number} broke: {leg.what}: {leg.outcome}", "bad"
    elif legs[0].state != "good":
        verdict, state = f"it ended with {legs[0].outcome}", "unknown"
    title = f"Free/busy of {names[0]}, asked by {client} of {server}"
    return Story("free-busy", title, client, verdict, state, tuple(legs[:MAX_LEGS]), max(0, len(legs) - MAX_LEGS))
