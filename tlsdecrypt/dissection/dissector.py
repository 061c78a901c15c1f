"""Dissecting: between a run and whoever tells it, has Wireshark's dissectors say what no decoder here understood.

Connections that no decoder understood wait until they are many, or until the run is over: tshark takes longer to start
than to read what many of them said. Secrets are overwritten before it reads, as in decrypted captures.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.conversation import DissectedMessage, Note
from tlsdecrypt.dissection.clear_frames import ClearCapture, Said
from tlsdecrypt.dissection.mysql_login import counted_anew
from tlsdecrypt.dissection.protocols import DISSECTORS, LOOKED_AT, choose_dissector
from tlsdecrypt.dissection.wireshark import dissect
from tlsdecrypt.flow import Direction
from tlsdecrypt.plaintext import Outlets, PlaintextFork
from tlsdecrypt.recapture.masking import mask_streams
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.report.quantities import counted
from tlsdecrypt.report.tellers import light
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.dissection.wireshark import DissectedFrame
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.tellers import Telling

MAX_WAITING = 500  # connections that wait for tshark
MAX_WAITING_BYTES = 8 << 20  # that they said, of what tshark is given
MAX_BYTES = 256 << 10  # of one connection that tshark is given
MAX_PIECES = 4_000  # of one connection that tshark is given
MAX_MESSAGES = 200  # of one connection that are told

_DECODE_AS = {f"tcp.port=={each.port}": each.name for each in DISSECTORS}
_GREETS_IN_CLEAR = "mysql"  # its dissector understands nothing without the greeting, which stands before TLS


class _Batch(NamedTuple):
    """What tshark says of some connections by their ids, or why it says nothing."""

    frames: dict[int, list[DissectedMessage]]
    cut: frozenset[int]  # of these not all was given to tshark
    failure: str | None = None


class Dissecting:
    """Takes the place of a `Telling`, and hands all on to it; `notes` take what went wrong with tshark, once."""

    def __init__(self, telling: Telling, tshark: str, redactor: Redactor, notes: list[str]) -> None:
        self._telling, self._tshark = telling, tshark
        self._redactor, self._notes = redactor, notes
        self._spool = PlaintextSpool(is_masked=True)
        self._waiting: list[Conversation] = []
        self._waiting_bytes = 0
        self.news = telling.news

    def outlets(self) -> Outlets:
        """See Telling."""
        outlets = self._telling.outlets()
        return Outlets(outlets.contents, PlaintextFork([self._spool, *filter(None, [outlets.sink])]))

    def take(self, conversation: Conversation) -> Conversation:
        """See Telling. What no decoder understood waits for tshark."""
        streams = self._spool.streams(conversation.id)
        if streams is None or not is_unknown(conversation):
            return self._telling.take(conversation)
        if not self._redactor.show_secrets:
            mask_streams(conversation, *streams, self._redactor)
        self._waiting.append(conversation)
        self._waiting_bytes += min(MAX_BYTES, sum(each.end for each in streams))
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
            self._tell_waiting()
        return light(conversation)

    def finish(self, analysis: Analysis) -> None:
        """See Telling."""
        self._tell_waiting()
        self._telling.finish(analysis)

    def _tell_waiting(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not waiting:
            return
        batch = self._dissected(waiting)
        note = f"not dissected: {batch.failure}"
        if batch.failure is not None and note not in self._notes:
            self._notes.append(note)
        for conversation in waiting:
            self._telling.take(_with_messages(conversation, batch))

    def _dissected(self, waiting: Sequence[Conversation]) -> _Batch:
        with TemporaryDirectory(prefix="tlsdecrypt-") as folder:  # of mode 700
            path = Path(folder) / "clear.pcap"
            with open(path, "xb", opener=_opened_for_one) as stream:
                capture = ClearCapture(stream)
                cut = self._write(capture, waiting)
            dissection = dissect(self._tshark, path, _DECODE_AS)
        return _Batch(_messages(dissection.frames, capture), cut, dissection.failure)

    def _write(self, capture: ClearCapture, waiting: Sequence[Conversation]) -> frozenset[int]:
        """All that is given to tshark; the ids of connections of which that is not all."""
        cut = set()
        rows = _rows_by_connection(self._spool, [each.id for each in waiting])
        for conversation in waiting:
            pieces = _Pieces(self._spool, rows.get(conversation.id, []))
            clear, covered = pieces.clear_and_decrypted()
            said = covered if conversation.is_decrypted else clear
            greeting = [each for each in clear if each.direction is Direction.SERVER_TO_CLIENT]
            dissector = choose_dissector(
                conversation.server.port,
                _first(said, Direction.CLIENT_TO_SERVER),
                _first(greeting or said, Direction.SERVER_TO_CLIENT),
            )
            if dissector is not None and dissector.name == _GREETS_IN_CLEAR and conversation.is_decrypted:
                said = [*greeting, *counted_anew(said)]
            port = dissector.port if dissector is not None else conversation.server.port
            capture.add(conversation.id, port, said)
            if pieces.is_cut:
                cut.add(conversation.id)
        return frozenset(cut)


def is_unknown(conversation: Conversation) -> bool:
    """Whether something was said that could be read, and no decoder understood it."""
    if conversation.application_protocol is not None or conversation.exchanges:
        return False
    if conversation.tls is not None and not conversation.is_decrypted:
        return False
    return conversation.is_decrypted or any(each.length for each in conversation.streams)


class _Pieces:
    """What was said on one connection, as much of it as tshark is given."""

    def __init__(self, spool: PlaintextSpool, rows: Sequence[_Row]) -> None:
        self._spool, self._rows = spool, rows
        self.is_cut = False

    def clear_and_decrypted(self) -> tuple[list[Said], list[Said]]:
        """Both in the order in which they became readable."""
        sides: tuple[list[Said], list[Said]] = ([], [])
        left = MAX_BYTES
        for row in self._rows[:MAX_PIECES]:
            hole = row.length if row.offset < 0 else 0
            data = b"" if hole else self._spool.read(row.offset, min(row.length, left))
            left -= len(data)
            sides[row.is_decrypted].append(
                Said(Direction(row.direction), data, row.first_frame, row.last_frame, missing=hole)
            )
            if len(data) < row.length - hole:
                self.is_cut = True
                break
        self.is_cut |= len(self._rows) > MAX_PIECES
        return sides


class _Row(NamedTuple):
    """One row of `Pieces`, without its connection."""

    direction: int
    is_decrypted: int
    offset: int
    length: int
    first_frame: int
    last_frame: int


def _rows_by_connection(spool: PlaintextSpool, connections: Sequence[int]) -> dict[int, list[_Row]]:
    pieces = spool.pieces()
    found = np.flatnonzero(np.isin(pieces.connection, np.array(connections, np.int64)))
    rows: dict[int, list[_Row]] = defaultdict(list)
    columns = (column[found].tolist() for column in pieces)
    for connection, *row in zip(*columns, strict=True):
        if len(rows[connection]) <= MAX_PIECES:
            rows[connection].append(_Row(*row))
    return rows


def _first(said: Sequence[Said], direction: Direction) -> bytes:
    """What one side said first, as far as it tells a protocol."""
    first = b""
    for each in said:
        if each.direction is direction:
            first += each.data[:LOOKED_AT]
        if len(first) >= LOOKED_AT or (each.missing and each.direction is direction):
            break
    return first


def _messages(frames: dict[int, DissectedFrame], capture: ClearCapture) -> dict[int, list[DissectedMessage]]:
    messages: dict[int, list[DissectedMessage]] = defaultdict(list)
    for number in sorted(frames):
        origin, told = capture.origin(number), frames[number]
        if origin is None:
            continue
        layers, values, notes = tuple(told.layers), tuple(told.fields), tuple(told.expert)
        message = DissectedMessage(origin.span, told.protocol, told.summary, layers, values, notes)
        messages[origin.connection].append(message)
    return messages


def _with_messages(conversation: Conversation, batch: _Batch) -> Conversation:
    messages = batch.frames.get(conversation.id, [])
    notes = list(conversation.notes)
    if len(messages) > MAX_MESSAGES:
        notes.append(Note(f"{counted(len(messages) - MAX_MESSAGES, 'more message')} dissected and not told"))
    if conversation.id in batch.cut:
        notes.append(Note("only the beginning of this connection was dissected"))
    return replace(conversation, dissection=tuple(messages[:MAX_MESSAGES]), notes=tuple(notes))


def _opened_for_one(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
