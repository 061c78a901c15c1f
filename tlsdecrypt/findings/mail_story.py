"""The way of one message: connection, TLS, login, sender, recipients, content; from server to server by Message-ID."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.smtp_dialogue import REFUSED, dialogues, reply_text
from tlsdecrypt.findings.story import MAX_LEGS, MAX_STORIES, Leg, Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step
    from tlsdecrypt.findings.smtp_dialogue import SmtpDialogue
    from tlsdecrypt.findings.story import State

_BEFORE = ("STARTTLS", "X-ANONYMOUSTLS", "AUTH", "X-EXPS")  # what of the session's start belongs to its messages
_CONTENT = ("DATA", "BDAT")
_END = ("MAIL", "RSET", "QUIT", "EHLO", "HELO")

_Transaction = tuple["SmtpDialogue", "list[Step]"]


def mail_stories(scene: Scene) -> Iterator[Story]:
    """One story for each message, in the order of time; where there are too many, those that failed."""
    ways: dict[str, list[_Transaction]] = defaultdict(list)
    for dialogue in dialogues(scene):
        for steps in _transactions(dialogue):
            name = _message_id(steps) or f"{dialogue.trace.id}.{steps[0].index}"
            ways[name].append((dialogue, steps))
    stories = [_story(way) for way in ways.values()]
    if len(stories) > MAX_STORIES:
        stories.sort(key=lambda story: story.state != "bad")
    yield from stories[:MAX_STORIES]


def _transactions(dialogue: SmtpDialogue) -> Iterator[list[Step]]:
    """The steps of each message, from MAIL to its content, or to where it was given up."""
    steps: list[Step] = []
    for step in dialogue.steps:
        if steps and step.verb in _END:
            yield steps
            steps = []
        if step.verb == "MAIL" and not is_probe(step):
            steps = [step]
        elif steps:
            steps.append(step)
            if step.verb in _CONTENT and step.about("smtp").get("is_last"):
                yield steps
                steps = []
    if steps:
        yield steps


def _message_id(steps: list[Step]) -> str | None:
    """Of a message that was taken: one that was refused goes no further."""
    last = steps[-1]
    message = last.about("smtp").get("message") or {}
    name: str | None = message.get("message_id")
    return name if name and _state(last) == "good" else None


def _story(way: list[_Transaction]) -> Story:
    first, steps = way[0]
    legs = [leg for dialogue, each in way for leg in _legs(dialogue, each)]
    verdict, state = _verdict(way)
    sender = steps[0].about("smtp").get("mail_from")
    recipients = [str(step.about("smtp").get("recipient")) for step in steps if step.verb == "RCPT"]
    to = recipients[0] if len(recipients) == 1 else f"{len(recipients) or 'no'} recipients"
    return Story(
        kind="message",
        title=f"Message from <{sender or ''}> to {to}",
        client=first.trace.client.address,
        verdict=verdict,
        state=state,
        legs=tuple(legs[:MAX_LEGS]),
        left_out=max(len(legs) - MAX_LEGS, 0),
    )


def _legs(dialogue: SmtpDialogue, steps: list[Step]) -> Iterator[Leg]:
    first = steps[0]
    yield _connection(dialogue)
    for step in dialogue.steps:
        if step.verb in _BEFORE and step.index < first.index:
            yield _leg(step, _before(dialogue, step))
    for step in steps:
        yield _leg(step, _said(step))


def _connection(dialogue: SmtpDialogue) -> Leg:
    trace, greeting = dialogue.trace, dialogue.greeting
    name = f" ({dialogue.client_name})" if dialogue.client_name else ""
    span = trace.span if greeting is None else greeting.span
    return Leg(
        time_ns=trace.span.first_time_ns,
        what=f"{trace.client.address}{name} connects to {trace.server}",
        outcome="no greeting seen" if greeting is None else reply_text(greeting),
        state="unknown" if greeting is None else _state(greeting, is_end=False),
        connection=trace.id,
        first_frame=trace.span.first_frame,
        last_frame=span.first_frame if greeting is None else span.last_frame,
    )


def _before(dialogue: SmtpDialogue, step: Step) -> str:
    """TLS with what was agreed on, a login with its user."""
    facts, tls = step.about("smtp"), dialogue.trace.tls
    if step.verb in ("AUTH", "X-EXPS"):
        user = facts.get("user") or "("
        return f"{step.verb} {facts.get('mechanism')}{'' if user.startswith('(') else f' as {user}'}"
    return f"{step.verb}, {tls.version} {tls.cipher_suite}" if tls is not None and tls.version else step.verb


def _said(step: Step) -> str:
    if step.verb in _CONTENT:
        return f"{step.verb}, {step.request_length:,} bytes"
    return step.target or step.verb or "(command not seen)"


def _leg(step: Step, what: str) -> Leg:
    span = step.span
    is_end = step.verb in _CONTENT
    return Leg(
        time_ns=step.time_ns,
        what=what,
        outcome="no answer seen" if step.status is None else reply_text(step),
        state=_state(step, is_end=is_end),
        connection=step.trace.id,
        first_frame=span.first_frame,
        last_frame=span.last_frame,
    )


def _state(step: Step, *, is_end: bool = True) -> State:
    if step.status is None:
        return "unknown"
    if step.status >= REFUSED:
        return "bad"
    return "good" if is_end else "goes on"


def _verdict(way: list[_Transaction]) -> tuple[str, State]:
    """How it ended at the last server that it came to."""
    dialogue, steps = way[-1]
    last = steps[-1]
    server = dialogue.server_name or str(dialogue.trace.server)
    refused = [step for step in steps if _state(step) == "bad"]
    if last.verb in _CONTENT and _state(last) == "good" and last.about("smtp").get("is_last"):
        lost = [step for step in refused if step.verb == "RCPT"]
        without = f", but for {len(lost)} of its recipients" if lost else ""
        return f"{server} took it{without}", "bad" if lost else "good"
    if refused:
        return f"{server} refused it: {reply_text(refused[-1])}", "bad"
    return "it was not sent to its end", "unknown"
