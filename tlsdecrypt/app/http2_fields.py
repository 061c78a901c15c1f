"""Field sections of HTTP/2 (RFC 9113 sections 4.3 and 8) in one direction: from header blocks to fields.

Blocks that were missed take HPACK's table with them: fields that refer to what was lost are told as unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperframe.exceptions import HyperframeError
from hyperframe.frame import HeadersFrame, PushPromiseFrame

from tlsdecrypt.app.hpack_walk import MAX_FIELDS, HpackWalk
from tlsdecrypt.app.http2_frames import CONTINUATION, END_HEADERS, END_STREAM, HEADERS
from tlsdecrypt.errors import ParseError
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from tlsdecrypt.app.hpack_walk import WalkedField
    from tlsdecrypt.app.http import Fields
    from tlsdecrypt.app.http2_frames import Part
    from tlsdecrypt.flow import Span

MAX_BLOCK = 256 * 1024  # bytes of one header block, as of the head of an HTTP/1 message
MAX_LIST = 256 * 1024  # bytes of the fields of one section (RFC 9113 section 10.5.1 counts 32 more for each)
FIELD_OVERHEAD = 32
UNKNOWN_NAME = "(unknown)"  # of a field whose name stood in what was lost


class Section(Value, frozen=True):
    """What one header block said. `pseudo` has the pseudo-fields; `promised` is the stream of a PUSH_PROMISE."""

    stream: int
    pseudo: dict[str, str]
    fields: Fields
    is_end_stream: bool
    promised: int | None
    faults: tuple[str, ...]
    first: Span
    last: Span
    unknown: int = 0


class BlockReader:
    """The header blocks of one direction, in their order."""

    def __init__(self) -> None:
        """Nothing was missed yet."""
        self._walk = HpackWalk()
        self._begin: Part | None = None
        self._block = bytearray()
        self._is_too_long = False
        self._promised: int | None = None

    def lose(self) -> None:
        """Frames were missed, and maybe header blocks with them."""
        self._walk.lose()
        self._begin = None
        self._block.clear()

    def take(self, part: Part) -> Section | None:
        """A HEADERS, PUSH_PROMISE or CONTINUATION frame; the section that ends with it."""
        if part.payload is None:
            self.lose()
            return None
        if part.head.kind == CONTINUATION:
            if self._begin is None or self._begin.head.stream != part.head.stream:
                self.lose()
                return None
            self._add(part.payload)
        elif not self._start(part, part.payload):
            return None
        return self._finish(part) if part.head.flags & END_HEADERS else None

    def _start(self, part: Part, payload: bytes) -> bool:
        if self._begin is not None:  # the end of the block before was not seen
            self.lose()
        try:
            frame = (HeadersFrame if part.head.kind == HEADERS else PushPromiseFrame)(part.head.stream)
            frame.parse_flags(part.head.flags)
            frame.parse_body(memoryview(payload))
        except HyperframeError:
            self.lose()
            return False
        self._begin, self._is_too_long = part, False
        self._promised = frame.promised_stream_id if isinstance(frame, PushPromiseFrame) else None
        self._block.clear()
        self._add(frame.data)
        return True

    def _add(self, fragment: bytes) -> None:
        self._is_too_long = self._is_too_long or len(self._block) + len(fragment) > MAX_BLOCK
        if self._is_too_long:
            self._block.clear()
        else:
            self._block += fragment

    def _finish(self, part: Part) -> Section:
        begin = self._begin or part
        self._begin = None
        faults: list[str] = []
        walked: list[WalkedField] = []
        if self._is_too_long:
            faults.append(f"its header block is longer than {MAX_BLOCK:,} bytes")
            self._walk.lose()
        else:
            try:
                walked = self._walk.walk(bytes(self._block))
            except ParseError as error:
                faults.append(f"its header block is damaged: {error.what}")
                self._walk.lose()
        self._block.clear()
        pseudo, fields, unknown = _sorted_out(walked, faults)
        return Section(
            stream=begin.head.stream,
            pseudo=pseudo,
            fields=fields,
            is_end_stream=begin.head.kind == HEADERS and bool(begin.head.flags & END_STREAM),
            promised=self._promised,
            faults=tuple(faults),
            first=begin.first,
            last=part.last,
            unknown=unknown,
        )


def _sorted_out(walked: list[WalkedField], faults: list[str]) -> tuple[dict[str, str], Fields, int]:
    """Pseudo-fields, other fields, and how many of them are unknown; cookies are one field (section 8.2.3)."""
    pseudo: dict[str, str] = {}
    fields: dict[int, tuple[str, str]] = {}
    cookie_at: int | None = None
    size = unknown = 0
    for number, each in enumerate(walked):
        size += len(each.name or "") + len(each.value) + FIELD_OVERHEAD
        if size > MAX_LIST:
            faults.append(f"its fields are longer than {MAX_LIST:,} bytes: cut there")
            break
        if each.name is None:  # whatever the value is, its name would tell whether it is secret
            unknown += 1
            fields[number] = (UNKNOWN_NAME, "")
        elif each.name.startswith(":"):
            pseudo.setdefault(each.name, each.value.decode("latin-1"))
        elif each.name == "cookie" and cookie_at is not None:
            fields[cookie_at] = ("cookie", f"{fields[cookie_at][1]}; {each.value.decode('latin-1')}")
        else:
            if each.name == "cookie":
                cookie_at = number
            fields[number] = (each.name, each.value.decode("latin-1"))
    if len(walked) == MAX_FIELDS:
        faults.append(f"of its fields {MAX_FIELDS:,} are told")
    if unknown:
        faults.append(f"{unknown} of its fields are unknown: they refer to header blocks that were not captured")
    return pseudo, tuple(fields.values()), unknown
