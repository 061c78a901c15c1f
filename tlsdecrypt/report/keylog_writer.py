"""The key log (RFC 9850): the secrets of each opened session that is chosen, and never the key that opened them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from tlsdecrypt.report.session_keys import SessionKeys

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.writer import Manner

_HEAD = b"# Secrets of TLS sessions (RFC 9850), by tlsdecrypt: they open these sessions, and no others.\n"


class KeyLogWriter:
    """Sessions in the order of their connections, each under a comment."""

    needs_content = False
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._keys = SessionKeys(manner)

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        self._keys.take(conversation)

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        stream.write(_HEAD)
        stream.writelines(self._keys.lines(analysis))
