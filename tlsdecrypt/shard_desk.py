"""Desk: where the parent keeps what one share has sent, until it is time to tell it."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from tlsdecrypt.net.connection import Phase
from tlsdecrypt.shard_worker import Asked, Begun, Closed, Told
from tlsdecrypt.value import force_setattr

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.following import Ended
    from tlsdecrypt.shard_worker import Answer, Done, Message
    from tlsdecrypt.tls.secrets import News

DYING_S = 2.0  # how long a process may take to end, once its pipe is closed
MOST_NEWS = 1 << 17  # that are kept for the case that a share has to be done again: as many as a store remembers


class Desk:
    """One share: a process behind a pipe or, where that died, a generator in this process.

    `begun` is the batch that was read last, `is_read` says that there are no more. By batch: `started` (first frames of
    connections), `told`, `news`. `turns` are the news of the turns in which all shares ask one another at the end,
    `closed` what ended then.
    """

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self.link: Connection | None = None
        self.process: BaseProcess | None = None
        self.begun = -1
        self.is_read = False
        self.started: dict[int, list[int]] = {}
        self.told: dict[int, Told] = {}
        self.news: dict[int, list[News]] = {}
        self.turns: list[list[News]] = []
        self.closed: deque[Closed] = deque()
        self.done: Done | None = None
        self.answered = -1  # the batch up to which the share knows what others learned
        self.answered_turns = 0
        self._again: Generator[Message, Answer, None] | None = None
        self._message: Message | None = None  # of that generator: it goes on when this is answered
        self._asked = 0
        self._told_before = -1
        self._late: list[Ended] = []
        self._numbers: dict[
            int, int
        ] = {}  # of connections that were not told yet: the share's own, and that of the run
        self._enrolled = 0
        self._news_count = 0

    @property
    def is_again(self) -> bool:
        """Whether the share is done once more, here."""
        return self._again is not None

    @property
    def question(self) -> Message | None:
        """What a share that is done here waits to have answered."""
        return self._message

    def enrol(self, number: int) -> None:
        """The next connection of the share has this number in the run."""
        self._enrolled += 1
        self._numbers[self._enrolled] = number

    def take_next(self) -> None:
        """What the process sends. Raises EOFError or OSError where it is dead."""
        if self.link is not None:
            self.take(self.link.recv())

    def take(self, message: Message) -> None:
        """What the share sends. What came already, before its process died, does not count again."""
        if isinstance(message, Begun):
            if message.number > self.begun:
                self.begun = message.number
                self.started[message.number] = message.started
                self._keep_news(message)
        elif isinstance(message, Told):
            if message.number > self._told_before:
                self.told[message.number] = message._replace(ended=self._take_late() + message.ended)
            else:
                self._late += message.ended
        elif isinstance(message, Asked):
            self.is_read = True
            self._asked += 1
            if self._asked > len(self.turns):
                self.turns.append(message.news)
        elif isinstance(message, Closed):
            self.closed.append(message._replace(ended=self._take_late() + message.ended))
        else:
            self.done = message

    def take_told(self, number: int) -> Told | None:
        """What the share tells of a batch, once."""
        self._told_before = number
        return self.told.pop(number, None)

    def collect(self, ended: Iterable[Ended]) -> Iterator[tuple[tuple[Phase, int], Conversation]]:
        """What was not told yet, each with its number in the run, and its place as one process would have it."""
        for (phase, order), conversation in ended:
            number = self._numbers.pop(conversation.id, None)
            if number is not None:
                place = order
                if phase is not Phase.FRAMES:
                    place = number if order == conversation.id else self._numbers.get(order, 0)
                force_setattr(conversation, "id", number)  # it was made for this desk, and is told only now
                yield (phase, place), conversation

    def begin_again(self, again: Generator[Message, Answer, None]) -> None:
        """The process is gone: from now on this generator does its work, from the start."""
        self._again = again
        self._asked = 0
        self.answered, self.answered_turns = -1, 0
        self.closed.clear()
        self._message = next(again)
        self.take(self._message)

    def go_on(self, answer: Answer) -> None:
        """Answer the question of a share that is done here."""
        if self._again is not None:
            try:
                self._message = self._again.send(answer)
                self.take(self._message)
            except StopIteration:
                self._message = None

    def leave(self) -> None:
        """The work is done: let the process end."""
        if self.process is not None and self.process.pid is not None:
            self.process.join()

    def bury(self) -> int | None:
        """The pipe is closed: the exit status of the process, None where it never began."""
        if self.process is not None and self.process.pid is not None:
            self.process.join(DYING_S)
        self.dismiss()
        return self.process.exitcode if self.process is not None and self.process.pid is not None else None

    def dismiss(self) -> None:
        """End the process, whatever it does."""
        if self.link is not None:
            self.link.close()
            self.link = None
        if self._again is not None:
            self._again.close()
        if self.process is not None and self.process.pid is not None:
            self.process.terminate()
            self.process.join()

    def send(self, message: object) -> None:
        """To the process: if it is gone, that is noticed elsewhere."""
        if self.link is not None:
            with suppress(OSError):
                self.link.send(message)

    def _keep_news(self, begun: Begun) -> None:
        self.news[begun.number] = begun.news
        self._news_count += len(begun.news)
        while self._news_count > MOST_NEWS and len(self.news) > 1:
            self._news_count -= len(self.news.pop(next(iter(self.news))))

    def _take_late(self) -> list[Ended]:
        late, self._late = self._late, []
        return late
