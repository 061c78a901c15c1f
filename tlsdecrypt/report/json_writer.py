"""The JSON document and JSON Lines, written as a file is: connections in the order of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from tlsdecrypt.report.document import connection_bytes, document_around, summary_line
from tlsdecrypt.report.spool import Spool

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.writer import Manner


class JsonWriter:
    """The document of `document.py`."""

    needs_content = False
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._connections = Spool()

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        self._connections.add(conversation.id, connection_bytes(conversation, self._manner.redactor))

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        head, tail = document_around(analysis, self._manner.redactor, is_explained=self._manner.is_explained)
        stream.write(head)
        separator = b"\n"
        for connection in self._connections.in_order():
            stream.write(separator)
            stream.write(connection)
            separator = b",\n"
        stream.write(tail)


class JsonLinesWriter:
    """One connection a line, and the summary."""

    needs_content = False
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._connections = Spool()

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        self._connections.add(conversation.id, connection_bytes(conversation, self._manner.redactor) + b"\n")

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        stream.writelines(self._connections.in_order())
        stream.write(summary_line(analysis, self._manner.redactor, is_explained=self._manner.is_explained))
