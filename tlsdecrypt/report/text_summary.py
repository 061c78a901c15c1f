"""The end of the text report: what was read, which keys there were, what was opened, what stayed closed, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.conversation import OPENED
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import clock_time, counted, duration, size, which_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Analysis, CaptureFacts, KeyFacts
    from tlsdecrypt.report.lines import Line, Part
    from tlsdecrypt.tls.verdict import Verdict

MAX_NOTES = 20  # notes of one capture or key that are shown
MAX_REASONS = 5  # ways in which one verdict reads (suites, sessions that a key log lacks) that are told apart

_SIGNING_KINDS = ("EC ", "Ed", "DSA")


def summary_lines(analysis: Analysis) -> Iterator[Line]:
    """Captures, keys, notes, sessions."""
    yield from input_lines(analysis)
    yield from session_count_lines(analysis)
    yield from _reason_lines(analysis)


def input_lines(analysis: Analysis) -> Iterator[Line]:
    """Captures, keys, notes."""
    yield from _capture_lines(analysis)
    yield from _key_lines(analysis)
    if analysis.notes:
        yield line(("Notes", "heading"))
        yield from _note_lines(analysis.notes, level=1)


def _capture_lines(analysis: Analysis) -> Iterator[Line]:
    yield line(("Captures", "heading"))
    for facts in analysis.captures:
        yield line((facts.path, "strong"), facts.format, *_extent(facts), level=1)
        yield line((_became(facts), "faint"), level=2)
        yield from _note_lines(facts.notes)
    for error in analysis.errors:
        yield line((f"not read: {error}", "bad"), level=1)
    if len(analysis.captures) > 1:
        yield line("together", counted(analysis.frames, "frame"), level=1)
        yield line((_became(analysis), "faint"), level=2)


def _became(counts: CaptureFacts | Analysis) -> str:
    """What became of all frames; the parts add up."""
    others = sorted(counts.other_frames.items(), key=lambda item: (-item[1], item[0]))
    parts = [(counts.tcp_frames, "TCP"), *((count, kind) for kind, count in others)]
    parts += [(counts.doubled_frames, "doubled")] if counts.doubled_frames else []
    return f"frames: {', '.join(f'{count:,} {kind}' for count, kind in parts)}"


def _extent(facts: CaptureFacts) -> Iterator[str]:
    """How much, and when."""
    yield counted(facts.frames, "frame")
    if facts.size:
        yield size(facts.size)
    if facts.secrets:
        yield counted(facts.secrets, "secret inside", "secrets inside")
    if facts.start_ns is not None and facts.end_ns is not None:
        yield f"{clock_time(facts.start_ns)} UTC, {duration(facts.end_ns - facts.start_ns)}"


def _key_lines(analysis: Analysis) -> Iterator[Line]:
    yield line(("Keys", "heading"))
    if not analysis.keys:
        yield line("none: give --pfx, --key, --keylog, --psk, --ticket-key or --keys", level=1)
    for facts in analysis.keys:
        yield line((facts.source, "strong"), facts.kind, facts.subject, _opened(facts), level=1)
        yield from _note_lines(facts.notes)


def _opened(facts: KeyFacts) -> Part:
    """What a key was good for."""
    connections = facts.connections
    if not connections:
        why = ": such a key signs handshakes, and opens none" if facts.kind.startswith(_SIGNING_KINDS) else ""
        return f"opened nothing{why}", "caution"
    return f"opened {counted(len(connections), 'session')} ({which_connections(connections)})", "good"


def _note_lines(notes: tuple[str, ...], level: int = 2) -> Iterator[Line]:
    for note in notes[:MAX_NOTES]:
        yield line((note, "caution"), level=level)
    if len(notes) > MAX_NOTES:
        yield line((f"and {counted(len(notes) - MAX_NOTES, 'more note')}", "faint"), level=level)


def session_count_lines(analysis: Analysis) -> Iterator[Line]:
    """How many sessions there are, and how many of them were opened."""
    sessions = analysis.tls_conversations
    opened = [each.id for each in sessions if each.is_decrypted]
    yield line(("Sessions", "heading"))
    yield line(f"{counted(len(analysis.conversations), 'connection')}, {len(sessions):,} with TLS", level=1)
    if opened:
        which = f"opened {len(opened):,} of {len(sessions):,} ({which_connections(opened)})"
        yield line((which, "good"), level=1)
    elif sessions:
        yield line((f"opened none of {len(sessions):,}", "bad"), level=1)


def _reason_lines(analysis: Analysis) -> Iterator[Line]:
    """What stayed closed and why; where one verdict reads in many ways, the rest of them in one line."""
    told: Counter[str] = Counter()
    rest: dict[str, list[int]] = defaultdict(list)
    for verdict, numbers in _reasons(analysis).items():
        code = verdict.code.value
        told[code] += 1
        if told[code] > MAX_REASONS:
            rest[code] += numbers
            continue
        yield line(_how_many(code, numbers), verdict.summary, level=1)
        if verdict.remedy:
            yield line((f"remedy: {verdict.remedy}", "caution"), level=2)
    for code, numbers in rest.items():
        yield line(_how_many(code, numbers), "the like, told with each connection", level=1)


def _how_many(code: str, numbers: list[int]) -> Part:
    which = f"{len(numbers):,} x {code} ({which_connections(numbers)})"
    return which, "caution" if code in OPENED else "bad"


def _reasons(analysis: Analysis) -> dict[Verdict, list[int]]:
    """The connections that were not wholly opened, by their verdict; the most frequent first."""
    numbers: dict[Verdict, list[int]] = defaultdict(list)
    for conversation in analysis.tls_conversations:
        if conversation.tls and conversation.tls.verdict.code.value != "decrypted":
            numbers[conversation.tls.verdict].append(conversation.id)
    return dict(sorted(numbers.items(), key=lambda item: -len(item[1])))
