"""PSRP: what PowerShell remoting carries inside of WSMan (MS-PSRP section 2.2): fragments, messages, CLIXML.

Commands are told by name and by the names of their parameters, never by their values, which may be passwords. Error
records are told with what the server says of them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsdecrypt.app.xml import MAX_TEXT, elements, find, find_all, parse_xml, put, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

MAX_FRAGMENTS = 1_000  # of one envelope
MAX_MESSAGES = 200
MAX_MESSAGE = 1024 * 1024  # bytes of one message, when its fragments are joined
MAX_COMMANDS = 20
MAX_PARAMETERS = 30
MAX_ERRORS = 20

_FRAGMENT = struct.Struct(">QQBI")  # MS-PSRP section 2.2.4
_HEADER = struct.Struct("<II16s16s")  # MS-PSRP section 2.2.1
_START, _END = 1, 2
_BOM = b"\xef\xbb\xbf"

# MS-PSRP section 2.2.1, MessageType.
_TYPES = {
    0x00010002: "SESSION_CAPABILITY",
    0x00010004: "INIT_RUNSPACEPOOL",
    0x00010005: "PUBLIC_KEY",
    0x00010006: "ENCRYPTED_SESSION_KEY",
    0x00010007: "PUBLIC_KEY_REQUEST",
    0x00010008: "CONNECT_RUNSPACEPOOL",
    0x0002100B: "RUNSPACEPOOL_INIT_DATA",
    0x0002100C: "RESET_RUNSPACE_STATE",
    0x00021002: "SET_MAX_RUNSPACES",
    0x00021003: "SET_MIN_RUNSPACES",
    0x00021004: "RUNSPACE_AVAILABILITY",
    0x00021005: "RUNSPACEPOOL_STATE",
    0x00021006: "CREATE_PIPELINE",
    0x00021007: "GET_AVAILABLE_RUNSPACES",
    0x00021008: "USER_EVENT",
    0x00021009: "APPLICATION_PRIVATE_DATA",
    0x0002100A: "GET_COMMAND_METADATA",
    0x00021100: "RUNSPACEPOOL_HOST_CALL",
    0x00021101: "RUNSPACEPOOL_HOST_RESPONSE",
    0x00041002: "PIPELINE_INPUT",
    0x00041003: "END_OF_PIPELINE_INPUT",
    0x00041004: "PIPELINE_OUTPUT",
    0x00041005: "ERROR_RECORD",
    0x00041006: "PIPELINE_STATE",
    0x00041007: "DEBUG_RECORD",
    0x00041008: "VERBOSE_RECORD",
    0x00041009: "WARNING_RECORD",
    0x00041010: "PROGRESS_RECORD",
    0x00041011: "INFORMATION_RECORD",
    0x00041100: "PIPELINE_HOST_CALL",
    0x00041101: "PIPELINE_HOST_RESPONSE",
}
_RUNSPACE_STATES = (
    "before open", "opening", "opened", "closed", "closing", "broken", "negotiation sent", "negotiation succeeded",
    "connecting", "disconnected",
)  # fmt: skip
_PIPELINE_STATES = ("not started", "running", "stopping", "stopped", "completed", "failed", "disconnected")


class Message(NamedTuple):
    """A PSRP message; `data` is its CLIXML, as far as it was there."""

    name: str
    data: bytes


def messages_of(fragments: bytes) -> list[Message]:
    """The messages whose first fragment is in `fragments`, in that order. Never raises: what is cut off ends it."""
    parts: dict[int, bytearray] = {}
    for object_id, flags, data in _fragments(fragments):
        if flags & _START and object_id not in parts and len(parts) < MAX_MESSAGES:
            parts[object_id] = bytearray()
        if object_id in parts and len(parts[object_id]) + len(data) <= MAX_MESSAGE:
            parts[object_id] += data
    return [_message(bytes(each)) for each in parts.values() if len(each) >= _HEADER.size]


def _fragments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    for _ in range(MAX_FRAGMENTS):
        if at + _FRAGMENT.size > len(data):
            return
        object_id, _number, flags, length = _FRAGMENT.unpack_from(data, at)
        at += _FRAGMENT.size
        yield object_id, flags, data[at : at + length]
        at += length


def _message(data: bytes) -> Message:
    _, kind, _, _ = _HEADER.unpack_from(data)
    return Message(_TYPES.get(kind, f"0x{kind:08X}"), data[_HEADER.size :].removeprefix(_BOM))


def describe_messages(messages: list[Message]) -> dict[str, Any]:
    """What messages say, as plain values.

    Keys: `messages` (names, in order), `commands` (each with `name`, `parameters` (names), `is_script`), `errors` (each
    with `id` (FullyQualifiedErrorId), `message`, `category`, `exception`), `state` of the pipeline and
    `runspace_state`, `outputs` (how many).
    """
    facts: dict[str, Any] = {}
    commands: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for message in messages:
        if message.name == "CREATE_PIPELINE":
            commands += _commands(_root(message))
        elif message.name == "ERROR_RECORD":
            errors += _error(_root(message))
        elif message.name in ("PIPELINE_STATE", "RUNSPACEPOOL_STATE"):
            _put_state(facts, errors, message)
    put(
        facts,
        messages=[each.name for each in messages],
        commands=commands[:MAX_COMMANDS],
        errors=errors[:MAX_ERRORS],
        outputs=sum(each.name == "PIPELINE_OUTPUT" for each in messages) or None,
    )
    return facts


def _root(message: Message) -> _Element | None:
    return parse_xml(message.data, "text/xml; charset=utf-8")[0]


def _property(parent: _Element | None, name: str) -> _Element | None:
    """A property of a serialized object, by its name (MS-PSRP section 2.2.5.2)."""
    if parent is None:
        return None
    for holder in ("MS", "Props"):
        for each in elements(find(parent, holder)):
            if each.get("N") == name:
                return each
    return None


def _commands(root: _Element | None) -> list[dict[str, Any]]:
    """CREATE_PIPELINE, MS-PSRP section 2.2.2.10: Cmds of PowerShell, or of each statement in ExtraCmds."""
    shell = _property(root, "PowerShell")
    statements = list(elements(find(_property(shell, "ExtraCmds"), "LST")))
    listed = [_property(each, "Cmds") for each in statements or ([] if shell is None else [shell])]
    return [_command(each) for cmds in listed for each in elements(find(cmds, "LST"))][:MAX_COMMANDS]


def _command(command: _Element) -> dict[str, Any]:
    """A command, MS-PSRP section 2.2.3.11; the text of a script is not told, it may hold passwords."""
    is_script = text_of(_property(command, "IsScript")) == "true"
    arguments = elements(find(_property(command, "Args"), "LST"))
    names = (text_of(_property(each, "N")) for each in arguments)
    facts: dict[str, Any] = {"name": "(script)" if is_script else text_of(_property(command, "Cmd")) or "?"}
    put(
        facts,
        is_script=is_script or None,
        parameters=[each.removeprefix("-").rstrip(":") for each in names if each][:MAX_PARAMETERS],
    )
    return facts


def _error(root: _Element | None) -> list[dict[str, Any]]:
    """An ErrorRecord, MS-PSRP section 2.2.3.15."""
    if root is None:
        return []
    error = root if _property(root, "FullyQualifiedErrorId") is not None else next(_records(root), root)
    exception = _property(error, "Exception")
    facts: dict[str, Any] = {}
    put(
        facts,
        id=text_of(_property(error, "FullyQualifiedErrorId")),
        message=text_of(_property(exception, "Message")) or text_of(find(exception, "ToString")) or _shown(error),
        category=text_of(_property(error, "ErrorCategory_Message")),
        exception=text_of(find(exception, "TN", "T")),
    )
    return [facts] if facts else []


def _records(root: _Element) -> Iterator[_Element]:
    yield from (each for each in find_all(root, "Obj") if _property(each, "FullyQualifiedErrorId") is not None)


def _shown(error: _Element) -> str | None:
    text = text_of(find(error, "ToString"))
    return text[:MAX_TEXT] if text else None


def _put_state(facts: dict[str, Any], errors: list[dict[str, Any]], message: Message) -> None:
    """PIPELINE_STATE and RUNSPACEPOOL_STATE: an error that ended it comes with it."""
    is_pipeline = message.name == "PIPELINE_STATE"
    root = _root(message)
    number = text_of(_property(root, "PipelineState" if is_pipeline else "RunspaceState"))
    names = _PIPELINE_STATES if is_pipeline else _RUNSPACE_STATES
    if number is not None and number.isdecimal() and int(number[:4]) < len(names):
        facts["state" if is_pipeline else "runspace_state"] = names[int(number[:4])]
    record = _property(root, "ExceptionAsErrorRecord")
    if record is not None:
        errors += _error(record)
