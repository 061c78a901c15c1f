"""Wireshark's dissectors, asked through pyshark: what each frame of a capture says.

tshark is run twice: for its summary of each frame, and for the layers and fields. Its output comes from captured data,
so all that is taken of it is bounded, and so is the time it may take.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsdecrypt.conversation import DissectedField, ExpertNote
from tlsdecrypt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAX_SECONDS = 120  # that one run of tshark may take
MAX_TEXT = 400  # characters of a summary, a value or a note that are kept
MAX_FIELDS = 40  # of one frame
MAX_EXPERT_NOTES = 10  # of one frame
MAX_LAYERS = 20  # of one frame

# Where Wireshark installs tshark without adding it to the PATH.
_FOLDERS = (
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/Applications/Wireshark.app/Contents/MacOS",
    r"%ProgramFiles%\Wireshark",
    r"%ProgramFiles(x86)%\Wireshark",
)
_MISSING_TSHARK = (
    "--dissect needs Wireshark's tshark, which was not found: install it (apt install tshark; brew install wireshark;"
    " winget install WiresharkFoundation.Wireshark)"
)
_MISSING_PYSHARK = "--dissect needs pyshark, which is not installed: pip install 'tlsdecrypt[wireshark]'"
# The same columns whatever the preferences of whoever runs it say; no reading of names, which would ask the network.
_PREFERENCES = {"gui.column.format": '"Number","%m","Protocol","%p","Summary","%i"'}
_TWO_PASSES = ["-2"]  # so that what is put together of several frames is known in the first of them, too
_TRANSPORT = frozenset({"geninfo", "frame", "raw", "ip", "tcp", "eth"})  # of the made-up frames
_NO_LAYER = "fake-field-wrapper"  # so PDML calls what belongs to none
_OF_WIRESHARK = "_ws."
_NO_FIELDS = (_OF_WIRESHARK, "tcp.", "data.")  # of Wireshark itself, of reassembly, of what nobody understood
_NOT_UNDERSTOOD = ["data"]
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?|0x[0-9a-fA-F]+|True|False")
_SEVERITIES = {0x100000: "comment", 0x200000: "chat", 0x400000: "note", 0x600000: "warning", 0x800000: "error"}
_EXPERT_MESSAGE, _EXPERT_SEVERITY = "_ws.expert.message", "_ws.expert.severity"


@dataclass(slots=True)
class DissectedFrame:
    """What tshark says of one frame: `layers` above TCP, `fields` by Wireshark's names, `expert` severity and words."""

    protocol: str = ""
    summary: str = ""
    layers: list[str] = field(default_factory=list)
    fields: list[DissectedField] = field(default_factory=list, repr=False)
    expert: list[ExpertNote] = field(default_factory=list)


class Dissection(NamedTuple):
    """What is said in frames, by their numbers, only of those with something above TCP; and why there is no more."""

    frames: dict[int, DissectedFrame]
    failure: str | None = None


class _FailedError(Exception):
    """What went wrong with tshark."""


def find_tshark() -> str:
    """Its path. Raises InputError where it, or pyshark, is missing: one sentence says how to get it."""
    if find_spec("pyshark") is None:
        raise InputError(_MISSING_PYSHARK)
    folders = os.pathsep.join((os.environ.get("PATH", ""), *map(os.path.expandvars, _FOLDERS)))
    path = shutil.which("tshark", path=folders)
    if path is None:
        raise InputError(_MISSING_TSHARK)
    return path


def dissect(tshark: str, capture: Path, decode_as: Mapping[str, str]) -> Dissection:
    """What is said in the frames of a capture. Nothing is left running, whatever happens."""
    frames: dict[int, DissectedFrame] = {}
    try:
        _run(tshark, capture, decode_as, lambda packet: _take_layers(frames, packet), is_summary=False)
        if frames:
            _run(tshark, capture, decode_as, lambda packet: _take_summary(frames, packet), is_summary=True)
    except _FailedError as failure:
        return Dissection(frames, str(failure))
    return Dissection(frames)


def _run(
    tshark: str, capture: Path, decode_as: Mapping[str, str], take: Callable[[Any], None], *, is_summary: bool
) -> None:
    from pyshark.tshark.tshark import TSharkNotFoundException, TSharkVersionException  # noqa: PLC0415 - see pyshark_run

    from tlsdecrypt.dissection.pyshark_run import CrashError, open_capture  # noqa: PLC0415 - few runs need pyshark

    loop = asyncio.new_event_loop()  # of its own: pyshark would take, and leave open, that of the program
    seen = 0

    def counted(packet: Any) -> None:
        nonlocal seen
        seen += 1
        take(packet)

    try:
        reading = open_capture(
            str(capture),
            loop,
            keep_packets=False,
            only_summaries=is_summary,
            tshark_path=tshark,
            decode_as=dict(decode_as),
            disable_protocol="tls",  # what was said inside is there already
            override_prefs=_PREFERENCES,
            custom_parameters=_TWO_PASSES,
        )
        try:
            reading.apply_on_packets(counted, timeout=MAX_SECONDS)
        finally:
            reading.end()
    except TimeoutError:
        raise _FailedError(f"tshark took longer than {MAX_SECONDS} seconds") from None
    except (CrashError, TSharkNotFoundException, TSharkVersionException, OSError, ValueError) as fault:
        raise _FailedError(f"tshark could not read what was decrypted ({type(fault).__name__})") from None
    finally:
        loop.close()
    if not seen:
        raise _FailedError("tshark said nothing of what was decrypted")


def _take_layers(frames: dict[int, DissectedFrame], packet: Any) -> None:
    told = DissectedFrame()
    for layer in packet.layers:
        name = str(layer._layer_name)  # noqa: SLF001 - the public one calls several things DATA
        if name in _TRANSPORT:
            continue
        if name != _NO_LAYER and name not in told.layers and len(told.layers) < MAX_LAYERS:
            told.layers.append(name.removeprefix(_OF_WIRESHARK))
        _take_fields(told, layer)
    if told.layers and told.layers != _NOT_UNDERSTOOD:
        frames[int(packet.number)] = told


def _take_fields(told: DissectedFrame, layer: Any) -> None:
    every = layer._all_fields  # noqa: SLF001 - the public list has names without their protocols
    for name, container in every.items():
        if not name or name.startswith(_NO_FIELDS):
            continue
        if len(told.fields) >= MAX_FIELDS:
            break
        told.fields.extend(
            DissectedField(name, str(each.show)[:MAX_TEXT], is_number=_is_number(str(each.show), each.raw_value))
            for each in container.all_fields
            if each.show
        )
    del told.fields[MAX_FIELDS:]
    messages = every.get(_EXPERT_MESSAGE)
    severities = every.get(_EXPERT_SEVERITY)
    if messages is None or severities is None:
        return
    for message, severity in zip(messages.all_fields, severities.all_fields, strict=False):
        if len(told.expert) < MAX_EXPERT_NOTES:
            told.expert.append(ExpertNote(_severity(str(severity.show)), str(message.show)[:MAX_TEXT]))


def _is_number(shown: str, raw: str | None) -> bool:
    """Whether a value is a number or a flag: digits of a text, and a single byte, show as they are in the frame."""
    if not _NUMBER.fullmatch(shown):
        return False
    return raw is None or (raw != shown and raw.lower() != shown.encode().hex())


def _severity(shown: str) -> str:
    with suppress(ValueError):
        return _SEVERITIES.get(int(shown, 0), "note")
    return "note"


def _take_summary(frames: dict[int, DissectedFrame], packet: Any) -> None:
    told = frames.get(int(packet.number))
    if told is not None:
        told.protocol, told.summary = str(packet.protocol)[:MAX_TEXT], str(packet.summary)[:MAX_TEXT]
