"""What one of several processes does: it reads the whole capture, and follows its share of the connections.

`work` is a generator of messages, which whoever drives it answers: a process does (`serve`), and so does the parent
for the share of a process that died.
"""

from __future__ import annotations

import gc
import pickle
import signal
from collections import Counter
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tlsdecrypt.following import Ended, Following
from tlsdecrypt.reading import ReadFacts, Reading
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from tlsdecrypt.net.share import Share
    from tlsdecrypt.net.surroundings import Surroundings
    from tlsdecrypt.tls.secrets import News, SecretStore

LEAD = 8  # batches that one process may be ahead of the slowest
CHUNK = 500  # conversations in one message
FOREVER = 1 << 62  # as the number of a batch: all of them


class Task(Value, frozen=True):
    """One share of the work. `gc_threshold` is that of the process that gives it."""

    captures: tuple[str, ...]
    keys: Hidden[SecretStore]
    share: Share
    keep_content: bool = False
    gc_threshold: tuple[int, int, int] = (700, 10, 10)


class Begun(NamedTuple):
    """A batch was read: which connections began in it (see ConnectionTable), and what was learned.

    `is_in_need`: nothing is told of it until all others have read that batch too, and have told what they learned.
    """

    number: int
    started: list[int]
    news: list[News]
    is_in_need: bool


class Told(NamedTuple):
    """What ended in a batch, in order, and how many bytes were read, of how many."""

    number: int
    ended: list[Ended]
    progress: tuple[int, int]


class Asked(NamedTuple):
    """All was read, and what others learned in the end is wanted."""

    news: list[News]


class Closed(NamedTuple):
    """Connections that the end of the captures ended, or that waited until then (`has_waited`)."""

    ended: list[Ended]
    has_waited: bool


class Done(NamedTuple):
    """The last word. The first share tells of the captures and of the key logs in them."""

    surroundings: Surroundings
    facts: ReadFacts = ReadFacts()
    key_logs: Sequence[tuple[bytes, str]] = ()


class Others(NamedTuple):
    """For a process: what all others learned in a batch."""

    number: int
    news: list[News]


class Turn(NamedTuple):
    """For a process that asked: what all others had to tell. `is_quiet`: nobody had anything, nor will have."""

    news: list[News]
    is_quiet: bool


class Stop(NamedTuple):
    """For a process: read up to this batch and no further."""

    number: int


class Answer(NamedTuple):
    """What the generator is sent after a message."""

    news: Iterable[News] = ()
    is_quiet: bool = False
    stop: int = FOREVER


Message: TypeAlias = Begun | Told | Asked | Closed | Done


def work(task: Task) -> Generator[Message, Answer, None]:
    """Follow a share of the connections."""
    keys, is_first = task.keys, task.share.index == 0
    keys.is_shared = True
    reading = Reading(task.captures, keys)
    following = Following(keys, keep_content=task.keep_content, share=task.share)
    for number, stretch in enumerate(reading.stretches()):
        others = Counter(following.other_frames)
        following.feed(stretch.batch)
        if is_first:
            reading.account_for(stretch, following.other_frames - others)
        answer = yield Begun(number, following.take_started(), keys.take_news(), following.is_in_need)
        keys.adopt(answer.news)
        yield Told(number, _with_processes(reading, following.settle()), reading.progress)
        if number >= answer.stop:
            reading.end()
    answer = yield Asked(keys.take_news())
    keys.adopt(answer.news)
    following.settle()
    for chunk in _chunks(reading, following.finish()):
        yield Closed(chunk, has_waited=False)
    is_quiet = False
    while not is_quiet:
        following.retry()
        answer = yield Asked(keys.take_news())
        keys.adopt(answer.news)
        is_quiet = answer.is_quiet
    for chunk in _chunks(reading, following.finish_waiting()):
        yield Closed(chunk, has_waited=True)
    surroundings = following.surroundings
    yield Done(surroundings, reading.facts(), reading.key_logs) if is_first else Done(surroundings)


def _with_processes(reading: Reading, ended: Iterable[Ended]) -> list[Ended]:
    return [Ended(place, reading.with_process(conversation)) for place, conversation in ended]


def _chunks(reading: Reading, ended: Iterator[Ended]) -> Iterator[list[Ended]]:
    while chunk := _with_processes(reading, islice(ended, CHUNK)):
        yield chunk


class _Inbox:
    """What the parent sends, taken in by a thread: so neither of the two ever waits for the other to listen."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._queue: SimpleQueue[Others | Turn | Stop | None] = SimpleQueue()
        self._others: list[Others] = []
        self._known = -1  # the batch up to which all others have told what they learned
        self._turn: Turn | None = None
        self._stop = FOREVER
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                self._queue.put(self._link.recv())
        except (EOFError, OSError):
            self._queue.put(None)

    def answer(self, message: Message) -> Answer:
        """What is sent to the generator; EOFError where the parent is gone."""
        if isinstance(message, Begun):
            return self._answer_begun(message)
        if not isinstance(message, Asked):
            return Answer()
        while self._turn is None:
            self._take()
        turn, self._turn = self._turn, None
        news = [each for others in self._others for each in others.news]
        self._others.clear()
        return Answer([*news, *turn.news], is_quiet=turn.is_quiet)

    def _answer_begun(self, begun: Begun) -> Answer:
        needed = begun.number if begun.is_in_need else begun.number - LEAD
        while not self._queue.empty() or self._known < needed:
            self._take()
        due = [each for each in self._others if each.number <= begun.number]
        self._others = self._others[len(due) :]
        return Answer([each for others in due for each in others.news], stop=self._stop)

    def _take(self) -> None:
        received = self._queue.get()
        if received is None:
            raise EOFError
        if isinstance(received, Others):
            self._others.append(received)
            self._known = received.number
        elif isinstance(received, Turn):
            self._turn = received
        else:
            self._stop = received.number


def serve(link: Connection, strangers: list[Connection], task: Task) -> None:
    """The life of a process. `strangers` are ends of pipes that it inherited and has no business with.

    Ctrl-C is for the parent to answer. Whatever goes wrong here, the parent notices that the pipe is closed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(*task.gc_threshold)
    gc.freeze()
    for each in strangers:
        each.close()
    inbox, worker = _Inbox(link), work(task)
    try:
        message = next(worker)
        while True:
            link.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
            message = worker.send(inbox.answer(message))
    except (StopIteration, EOFError, BrokenPipeError):
        link.close()
