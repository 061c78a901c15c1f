"""Remarks: what is said on standard error beside the documents, a sentence each, about what was asked and was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.arguments import Arguments
    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.report.outputs import OutputFile

_CHOSEN_IN = "key logs and captures, and none is written: name one with -o (.keylog, .pcapng, .pcap, .dsb.pcapng)"


def before(arguments: Arguments, files: Sequence[OutputFile]) -> Iterator[str]:
    """What must not be handed on; and, unless nobody wants notes, which options change nothing."""
    if arguments.show_secrets:
        yield "the output holds passwords and tokens (--show-secrets): do not hand it on"
    for file in files:
        if file.is_secret:
            yield f"{file.path} will hold the secrets of sessions: whoever has it can read them"
    if not arguments.quiet:
        yield from _without_effect(arguments, files)


def _without_effect(arguments: Arguments, files: Sequence[OutputFile]) -> Iterator[str]:
    given = {"--connection": arguments.connection, "--finding": arguments.finding}
    unused = [name for name, values in given.items() if values]
    if unused and not any(each.is_chosen_from for each in files):
        yield f"{' and '.join(unused)} choose{'' if len(unused) > 1 else 's'} what goes into {_CHOSEN_IN}"
    if arguments.with_original and not any(each.is_decrypted_capture for each in files):
        yield "--with-original is of decrypted captures, and none is written: name one with -o (.pcapng, .pcap)"


def after(analysis: Analysis, arguments: Arguments) -> Iterator[str]:
    """Captures that could not be read; and, for those who do not read the text, its notes."""
    yield from analysis.errors
    if arguments.quiet:
        return
    if analysis.frames and not analysis.conversations:
        yield _why_empty(analysis, arguments)
    if arguments.form == "text":
        return
    for capture in analysis.captures:
        yield from (f"{capture.path}: {note}" for note in capture.notes)
    for key in analysis.keys:
        yield from (f"{key.source}: {note}" for note in key.notes)
    yield from analysis.notes


def _why_empty(analysis: Analysis, arguments: Arguments) -> str:
    """No connection is no answer: why there is none."""
    if arguments.host or arguments.port:
        return "no connection of the capture is with what --host and --port choose"
    if all(kind.startswith("unknown link type") for kind in analysis.other_frames):
        return f"no frame can be read: {', '.join(analysis.other_frames)}"
    return "no TCP connection was found in the capture"
