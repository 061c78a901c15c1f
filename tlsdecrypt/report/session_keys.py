"""SessionKeys: what opened each session, kept until it is known which sessions are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.errors import InputError
from tlsdecrypt.report.quantities import counted
from tlsdecrypt.report.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.writer import Manner


class SessionKeys:
    """Lines of a key log by connection."""

    def __init__(self, manner: Manner) -> None:
        """Which sessions are meant, and where to note what is missing."""
        self._choice, self._notes = manner.choice, manner.notes
        self._lines = Spool()
        self._taken: set[int] = set()
        self._without_form: list[int] = []

    def take(self, conversation: Conversation) -> None:
        """A connection that is over."""
        tls = conversation.tls
        if tls is None or not conversation.is_decrypted:
            return
        if not tls.secrets:
            self._without_form.append(conversation.id)
            return
        head = f"# connection {conversation.id}, {tls.version}\n".encode()
        self._lines.add(conversation.id, head + b"".join(dict.fromkeys(each.line for each in tls.secrets)))
        self._taken.add(conversation.id)

    def lines(self, analysis: Analysis) -> Iterator[bytes]:
        """The lines of each session that is chosen, under a comment. InputError where none of these was opened."""
        chosen = self._choice.of(analysis)
        if chosen is not None and not chosen & (self._taken | set(self._without_form)):
            raise InputError("no session was opened on the connections that are chosen")
        self._note(analysis, chosen)
        for number, lines in self._lines.numbered():
            if chosen is None or number in chosen:
                yield lines

    def _note(self, analysis: Analysis, chosen: frozenset[int] | None) -> None:
        count = sum(chosen is None or each in chosen for each in self._without_form)
        if count:
            self._notes.append(f"{counted(count, 'opened session')} of SSL 2.0 cannot be told by a key log")
        if chosen is None and not self._taken:
            self._notes.append("no session was opened: there are no secrets to hand on")
        known = {each.id for each in analysis.conversations}
        closed = sorted((chosen or frozenset()) & known - self._taken - set(self._without_form))
        self._notes += [f"connection {each} was not opened: there are no secrets of it" for each in closed]
