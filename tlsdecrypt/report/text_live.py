"""The text report of traffic that goes on: exchanges as they are complete, connections as they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.report.lines import line
from tlsdecrypt.report.text_connection import connection_lines, note_lines, opening_lines, verdict_lines
from tlsdecrypt.report.text_exchange import exchange_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.report.lines import Line
    from tlsdecrypt.report.text_view import TextView


class LiveText:
    """Tells of each connection what was not told before."""

    def __init__(self, view: TextView) -> None:
        self.view = view
        self._told: dict[int, tuple[int, str | None]] = {}  # exchanges, and the verdict, of connections that go on
        self._latest: int | None = None  # the connection that the last lines were about, unless a gap follows them

    def news(self, conversation: Conversation) -> Iterator[Line]:
        """A connection that goes on: the exchanges that are complete."""
        number, view = conversation.id, self.view
        if number != self._latest:
            yield from self.gap()
        if number not in self._told:
            yield from opening_lines(conversation, view)
        elif number != self._latest:
            yield line((f"Connection {number}", "heading"), "goes on")
        count, _ = self._told.get(number, (0, None))
        for exchange in conversation.exchanges[count:]:
            yield from exchange_lines(exchange, conversation.span.first_time_ns, view, conversation.unverified)
        self._told[number] = len(conversation.exchanges), _verdict(conversation)
        self._latest = number

    def end(self, conversation: Conversation) -> Iterator[Line]:
        """A connection that is over: all of it, or what was not told while it went on."""
        if conversation.id in self._told:
            yield from self._rest(conversation)
            return
        yield from self.gap()
        yield from connection_lines(conversation, self.view)

    def gap(self) -> Iterator[Line]:
        """An empty line, where the last line is none."""
        if self._latest is not None:
            yield line()
        self._latest = None

    def _rest(self, conversation: Conversation) -> Iterator[Line]:
        count, verdict = self._told.pop(conversation.id)
        new = conversation.exchanges[count:]
        is_other = conversation.tls is not None and _verdict(conversation) != verdict
        if not new and not is_other and not conversation.notes:
            return
        if conversation.id != self._latest:
            yield from self.gap()
            yield line((f"Connection {conversation.id}", "heading"), "ends")
        if conversation.tls is not None and is_other:
            yield from verdict_lines(conversation.tls, self.view)
        for exchange in new:
            yield from exchange_lines(exchange, conversation.span.first_time_ns, self.view, conversation.unverified)
        yield from note_lines(conversation, self.view)
        yield line()
        self._latest = None


def _verdict(conversation: Conversation) -> str | None:
    return conversation.tls.verdict.code.value if conversation.tls else None
