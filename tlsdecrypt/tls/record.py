"""Records: the framing of TLS (RFC 8446 section 5.1), found again after a hole.

A `RecordReader` serves one direction. It copies nothing but a record that straddles two pieces of the stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias

from tlsdecrypt.flow import Span
from tlsdecrypt.tls.damage import Damage, DamageNotes
from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from tlsdecrypt.wire import Buffer

Locate: TypeAlias = Callable[[int, int], Span]  # the frames of data[start:end]

HEADER_LENGTH = 5
MAX_FRAGMENT_LENGTH = 2**14 + 2048  # TLSCiphertext.length, RFC 5246 section 6.2.3
MAX_BEFORE = 64  # bytes before a record behind a hole: a block that the next one is chained to, and a MAC behind it
MAX_SEARCH_BYTES = 4 << 20  # how far a record boundary is looked for, after a hole or after nonsense

HANDSHAKE = 0x16
MAJOR_VERSION = 0x03  # of SSL 3.0 and of every TLS
SSLV2_HELLO = 0x80  # stands for a content type where the record is a ClientHello in the format of SSL 2.0

_unpack_header = Struct(">BHH").unpack_from

# A header: a known content type, version 3.0 to 3.4, and the first byte of a length below 2^14 + 2048. The numbers say
# the same of a header that was unpacked.
_FIRST_TYPE, _LAST_TYPE, _FIRST_VERSION, _LAST_VERSION, _LENGTH_BOUND = 0x14, 0x18, 0x0300, 0x0304, 0x4900
_HEADER = re.compile(rb"[\x14-\x18]\x03[\x00-\x04][\x00-\x48]")
CLIENT_HELLO = re.compile(rb"\x16\x03[\x00-\x04]..\x01\x00", re.DOTALL)
SERVER_ANSWER = re.compile(rb"\x16\x03[\x00-\x04]..\x02\x00|\x15\x03[\x00-\x04]\x00\x02", re.DOTALL)
_SSLV2_CLIENT_HELLO = re.compile(rb"[\x80-\xbf].\x01(?:\x03[\x00-\x04]|\x00\x02)", re.DOTALL)


def starts_with_record(data: Buffer) -> bool:
    """Whether the first bytes may be a record header (of any kind, in the middle of a connection too)."""
    return _HEADER.match(data) is not None


def starts_with_client_hello(data: Buffer) -> bool:
    """Whether the first bytes are those of a ClientHello, in the format of SSL 2.0 too."""
    return CLIENT_HELLO.match(data) is not None or starts_with_sslv2_hello(data)


def starts_with_sslv2_hello(data: Buffer) -> bool:
    """Whether the first bytes are those of a ClientHello in the format of SSL 2.0 (RFC 5246 appendix E.2)."""
    return _SSLV2_CLIENT_HELLO.match(data) is not None


def starts_with_server_answer(data: Buffer) -> bool:
    """Whether the first bytes are those of a ServerHello, or of an alert in its place."""
    return SERVER_ANSWER.match(data) is not None


class Record(Value, frozen=True):
    """A record as it was on the wire. `lost` bytes of the stream are missing right before it (None: nobody knows).

    `before` is the end of what was captured of the record that was damaged, right up to this one's header; `damage` is
    all that was captured since the last whole record, where that is known to have ended right before it.
    """

    content_type: int
    version: int
    fragment: Buffer
    span: Span
    lost: int | None = 0
    before: bytes = b""
    damage: Damage | None = None


class RecordReader:
    """Cuts one direction into records, and finds the next one after a hole or after nonsense.

    `fault` says what was wrong with the first bytes that were no record; `is_opaque` is True once the search was given
    up: nothing comes out any more.
    """

    __slots__ = (
        "_at_start",
        "_before",
        "_damage",
        "_expected",
        "_lost",
        "_rest",
        "_rest_span",
        "_searched",
        "_searching",
        "_wanted",
        "fault",
        "is_opaque",
    )

    def __init__(self, *, has_start: bool = True) -> None:
        """`has_start` is False where the first byte that is fed may lie in the middle of a record."""
        self._rest = bytearray()  # a record that has begun: `_wanted` bytes are needed to go on
        self._rest_span: Span | None = None
        self._wanted = 0
        self._lost: int | None = 0 if has_start else None
        self._before = b""
        self._damage: DamageNotes | None = None  # from where a damaged record began
        self._expected: int | None = None  # where in the damage the next record begins, by the last header seen
        self._at_start = has_start
        self._searching = not has_start
        self._searched = 0
        self.fault: str | None = None
        self.is_opaque = False

    def gap(self, length: int | None) -> None:
        """`length` bytes are missing here; a record that had begun is lost with them."""
        if self._damage is None and not self._searching and self._lost == 0:
            self._damage = DamageNotes()
        if self._damage is not None and not self._searching:
            has_header = len(self._rest) >= HEADER_LENGTH
            self._expected = self._damage.length + self._wanted if has_header else None
        self._pass_over(self._rest, self._rest_span)
        if self._damage is not None:
            self._damage.skip(length)
        if length is None:
            self._expected = None
        self._lose(len(self._rest))
        self._lose(length)
        self._rest.clear()
        self._before = b""
        self._searching = True
        self._at_start = False

    def unfinished(self) -> Damage | None:
        """What was captured since the last whole record, where the stream ends here; None where that is nothing."""
        if self._damage is None and (not self._rest or self._searching or self._lost != 0):
            return None
        self._damage = self._damage or DamageNotes()
        self._pass_over(self._rest, self._rest_span)
        self._rest.clear()
        return self._damage.damage(is_over=False)

    def feed(self, data: bytes, locate: Locate) -> list[Record]:
        """The records that are complete with `data`; `locate` names the frames of a part of it."""
        records: list[Record] = []
        if self.is_opaque:
            return records
        if self._searching and self._rest:
            data, locate = self._joined(data, locate)
        position = 0
        while self._rest and position < len(data):
            position = self._complete(data, position, locate, records)
        if position < len(data):
            self._cut(data, position, locate, records)
        return records

    def _joined(self, data: bytes, locate: Locate) -> tuple[bytes, Locate]:
        """The rest and `data` as one, which costs a copy: only while a record boundary is looked for."""
        rest, first = bytes(self._rest), self._rest_span
        self._rest.clear()
        split = len(rest)

        def locate_joined(start: int, end: int) -> Span:
            if start >= split or first is None:
                return locate(start - split, end - split)
            return first if end <= split else first.to(locate(0, end - split))

        return rest + data, locate_joined

    def _complete(self, data: bytes, position: int, locate: Locate, records: list[Record]) -> int:
        """Add to the record that has begun, and cut it when it is whole. Returns the new position in `data`."""
        stop = min(position + self._wanted - len(self._rest), len(data))
        span = locate(position, stop)
        whole_span = self._rest_span.to(span) if self._rest_span else span
        self._rest += data[position:stop]
        self._rest_span = whole_span
        if len(self._rest) == self._wanted:
            whole = bytes(self._rest)
            self._rest.clear()
            self._cut(whole, 0, lambda _start, _end: whole_span, records)
        return stop

    def _cut(self, data: bytes, position: int, locate: Locate, records: list[Record]) -> None:
        """Append the whole records of `data[position:]`, and keep what remains."""
        end = len(data)
        view = memoryview(data)
        if self._at_start and end - position >= HEADER_LENGTH:
            self._at_start = False
            if _SSLV2_CLIENT_HELLO.match(data, position):
                position = self._cut_sslv2_hello(view, position, locate, records)
        while end - position >= HEADER_LENGTH:
            if self._searching:
                position = self._search(data, position, locate)
                if self._searching:
                    break
            content_type, version, length = _unpack_header(data, position)
            is_known = _FIRST_TYPE <= content_type <= _LAST_TYPE and _FIRST_VERSION <= version <= _LAST_VERSION
            if not is_known or length >= _LENGTH_BOUND:
                self._meet_nonsense(data[position : position + HEADER_LENGTH])
                continue
            start = position + HEADER_LENGTH
            stop = start + length
            if stop > end:
                self._wanted = stop - position
                break
            span = locate(position, stop)
            if self._lost == 0:
                records.append(Record(content_type, version, view[start:stop], span))
            else:
                records.append(self._behind_hole(Record(content_type, version, view[start:stop], span)))
            position = stop
        if position < end:
            self._keep(data, position, locate)

    def _cut_sslv2_hello(self, view: memoryview, position: int, locate: Locate, records: list[Record]) -> int:
        start = position + 2
        stop = start + ((view[position] & 0x7F) << 8 | view[position + 1])
        if stop > len(view):
            self._at_start = True  # comes again with the rest of it
            self._wanted = stop - position
            self._keep(bytes(view), position, locate)
            return len(view)
        records.append(Record(SSLV2_HELLO, 0x0002, view[start:stop], locate(position, stop)))
        return stop

    def _keep(self, data: bytes, position: int, locate: Locate) -> None:
        self._rest += data[position:]
        self._rest_span = locate(position, len(data))
        if len(self._rest) < HEADER_LENGTH:
            self._wanted = HEADER_LENGTH

    def _meet_nonsense(self, header: bytes) -> None:
        said = " (plain HTTP)" if header == b"HTTP/" else ""
        self.fault = self.fault or f"no record header: {header.hex(' ')}{said}"
        self._searching = True

    def _lose(self, length: int | None) -> None:
        self._lost = None if self._lost is None or length is None else self._lost + length

    def _behind_hole(self, record: Record) -> Record:
        """The record, and what is known of the hole before it."""
        damage = self._damage.damage(is_over=True) if self._damage is not None else None
        record = replace(record, lost=self._lost, before=self._before, damage=damage)
        self._lost, self._before, self._damage, self._expected = 0, b"", None, None
        return record

    def _pass_over(self, data: bytes | bytearray, span: Span | None) -> None:
        """Bytes that belong to a damaged record, as far as is known."""
        if self._damage is not None and span is not None:
            self._damage.add(data, span)

    def _search(self, data: bytes, position: int, locate: Locate) -> int:
        """Where the next record starts. Ends the search, or sets `_wanted`."""
        kept = self._expected_place(data, position)
        if kept is None:
            kept = self._found_place(data, position)
        self._lose(kept - position)
        if self._damage is not None and kept > position:
            self._damage.add(data[position:kept], locate(position, kept))
        self._before = (self._before + data[max(position, kept - MAX_BEFORE) : kept])[-MAX_BEFORE:]
        self._searched += kept - position
        self.is_opaque = self._searched > MAX_SEARCH_BYTES
        return kept

    def _expected_place(self, data: bytes, position: int) -> int | None:
        """Where the next record begins by the header of the damaged one, as far as `data` goes; None: not known."""
        if self._expected is None or self._damage is None:
            return None
        place = position + self._expected - self._damage.length
        if place >= position and place + HEADER_LENGTH > len(data):
            return min(place, len(data))
        if place < position or not _HEADER.match(data, place):
            self._expected = None
            return None
        self._searching = False
        return place

    def _found_place(self, data: bytes, position: int) -> int:
        """The first header that another header follows."""
        end = len(data)
        kept = max(position, end - HEADER_LENGTH + 1)
        for found in _HEADER.finditer(data, position, end - 1):
            start = found.start()
            stop = start + HEADER_LENGTH + (data[start + 3] << 8 | data[start + 4])
            if stop == end or (stop + 4 <= end and _HEADER.match(data, stop)):
                self._searching = False
                kept = start
                break
            if stop + 4 > end:
                kept = start
                self._wanted = stop + 4 - start
                break
        return kept
