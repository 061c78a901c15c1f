"""Shards: one run over captures by several processes, put together as if one had done it.

Each process reads the captures itself and follows the connections of its share, so no frame goes from one to another.
What they send is put in the order in which one process would have told it: connections get their numbers by their first
frames, batch by batch. What a session reveals is told to all, so that a session which resumes it opens, whichever share
it is of.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import sys
import threading
from contextlib import suppress
from heapq import merge
from multiprocessing.connection import Connection, wait
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from tlsdecrypt.net.share import Share
from tlsdecrypt.net.surroundings import Surroundings
from tlsdecrypt.reading import ReadFacts
from tlsdecrypt.shard_desk import Desk
from tlsdecrypt.shard_worker import FOREVER, LEAD, Answer, Asked, Begun, Others, Stop, Task, Turn, serve, work
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tlsdecrypt.capture.inputs import Named
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.net.connection import Phase
    from tlsdecrypt.tls.secrets import News, SecretStore

LEAST_BYTES = 48 << 20  # of captures in all: below, starting processes takes longer than they save
MOST_JOBS = 64
START_METHOD = "fork" if sys.platform == "linux" else "spawn"  # elsewhere system libraries do not survive a fork


def jobs_for(captures: Sequence[Named], jobs: int | None) -> int:
    """How many processes share the work: `jobs`, None for what is best. Only files can be read several times."""
    paths = [Path(each) for each in captures if isinstance(each, str | os.PathLike)]
    if len(paths) < len(captures) or not all(path.is_file() or path.is_dir() for path in paths):
        return 1
    if jobs is None:
        jobs = _cores() if sum(map(_size, paths)) >= LEAST_BYTES else 1
    return min(jobs, MOST_JOBS)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(each.stat().st_size for each in files if each.is_file())


class Shards:
    """A run over some captures by `jobs` processes: iterate over `conversations()` to its end.

    `facts` are those of the captures, `surroundings` what was seen beside TCP. `notes` name processes that died, whose
    share was then done here.
    """

    def __init__(
        self,
        captures: Sequence[str],
        keys: SecretStore,
        jobs: int,
        *,
        keep_content: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """`keys` has what was learned, when all is over, and the key logs of the captures."""
        self.facts = ReadFacts()
        self.surroundings = Surroundings()
        self.notes: list[str] = []
        self._keys = keys
        self._progress = progress
        shares = [Share(index, jobs) for index in range(jobs)]
        self._tasks = [Task(tuple(captures), keys, share, keep_content, gc.get_threshold()) for share in shares]
        self._desks = [Desk() for _ in self._tasks]
        self._round = 0  # the batch that is told next
        self._numbered = 0
        self._stop = FOREVER
        self._is_ended = False

    def end(self) -> None:
        """Let the captures end here: for signal handlers. The processes hear of it with the next batch."""
        self._is_ended = True

    def conversations(self) -> Iterator[Conversation]:
        """Each connection when it ended, in the order in which one process would tell them."""
        try:
            self._start()
            yield from self._told_by_batch()
            yield from self._told_at_the_end(has_waited=False)
            yield from self._told_at_the_end(has_waited=True)
            while any(desk.done is None for desk in self._desks):
                self._receive()
            self._conclude()
        finally:
            for desk in self._desks:
                desk.dismiss()

    def _start(self) -> None:
        is_alone = threading.active_count() == 1
        method = START_METHOD if is_alone or START_METHOD != "fork" else "spawn"  # a fork takes no thread with it
        context = multiprocessing.get_context(method)
        strangers: list[Connection] = []
        for desk, task in zip(self._desks, self._tasks, strict=True):
            ours, theirs = context.Pipe()
            strangers.append(ours)
            inherited = strangers if method == "fork" else []
            process = context.Process(target=serve, args=(theirs, inherited, task), daemon=True)  # type: ignore[attr-defined]
            desk.link, desk.process = ours, process
            with suppress(OSError):  # no more processes: found out when nothing comes
                process.start()
            theirs.close()

    def _told_by_batch(self) -> Iterator[Conversation]:
        while True:
            while not all(self._round in desk.told or desk.is_read for desk in self._desks):
                self._receive()
            if not any(self._round in desk.told for desk in self._desks):
                return
            yield from self._tell_batch()
            self._round += 1

    def _tell_batch(self) -> Iterator[Conversation]:
        """Number what began in this batch by its first frames, and tell what ended."""
        started = [(frame, desk) for desk in self._desks for frame in desk.started.pop(self._round, ())]
        for _, desk in sorted(started, key=itemgetter(0)):
            self._numbered += 1
            desk.enrol(self._numbered)
        told = [(desk, desk.take_told(self._round)) for desk in self._desks]
        ended = [each for desk, batch in told if batch for each in desk.collect(batch.ended)]
        yield from (conversation for _, conversation in sorted(ended, key=itemgetter(0)))
        first = told[0][1]
        if self._progress is not None and first is not None:
            self._progress(*first.progress)

    def _told_at_the_end(self, *, has_waited: bool) -> Iterator[Conversation]:
        streams = (self._closed(desk, has_waited=has_waited) for desk in self._desks)
        yield from (conversation for _, conversation in merge(*streams, key=itemgetter(0)))

    def _closed(self, desk: Desk, *, has_waited: bool) -> Iterator[tuple[tuple[Phase, int], Conversation]]:
        while True:
            while not desk.closed and desk.done is None:
                self._receive()
            if not desk.closed or desk.closed[0].has_waited > has_waited:
                return
            yield from desk.collect(desk.closed.popleft().ended)

    def _receive(self) -> None:
        """Take what comes next, from whichever share, and tell the others what they wait for."""
        if self._is_ended and self._stop == FOREVER:
            # No process is further ahead of another than LEAD, so all can end at the same batch.
            self._stop = max(desk.begun for desk in self._desks) + LEAD + 1
            for desk in self._desks:
                desk.send(Stop(self._stop))
        is_busy = any(self._go_on(desk) for desk in self._desks if desk.question is not None)
        links = {id(desk.link): desk for desk in self._desks if desk.link is not None and desk.done is None}
        ready = wait([each.link for each in links.values() if each.link], 0 if is_busy else None) if links else []
        for desk in [links[id(link)] for link in ready]:
            try:
                desk.take_next()
            except (EOFError, OSError):
                self._do_again(desk)
        for desk in self._desks:
            if desk.link is not None:
                self._inform(desk)

    def _inform(self, desk: Desk) -> None:
        """Tell a process what all others have learned, as far as all of them have read."""
        others = self._others(desk)
        read = max((each.begun for each in others), default=FOREVER)
        known = min((FOREVER if each.is_read else each.begun for each in others), default=FOREVER)
        for number in range(desk.answered + 1, min(known, read) + 1):
            desk.send(Others(number, self._news(others, number)))
        if known == FOREVER and desk.answered < FOREVER:
            desk.send(Others(FOREVER, []))
        desk.answered = max(desk.answered, known if known == FOREVER else min(known, read))
        while all(len(each.turns) > desk.answered_turns for each in self._desks):
            desk.send(self._turn(desk))
            desk.answered_turns += 1

    def _go_on(self, desk: Desk) -> bool:
        """Let a share that is done here go on, if what it needs is known."""
        question, others, news = desk.question, self._others(desk), []
        answer = Answer(stop=self._stop)
        if isinstance(question, Begun):
            if not all(each.is_read or each.begun >= question.number for each in others):
                return False
            for number in range(desk.answered + 1, question.number + 1):
                news += self._news(others, number)
            desk.answered = question.number
            answer = Answer(news, stop=self._stop)
        elif isinstance(question, Asked):
            if not all(len(each.turns) > desk.answered_turns for each in others):
                return False
            turn = self._turn(desk)
            desk.answered_turns += 1
            answer = Answer(turn.news, turn.is_quiet)
        desk.go_on(answer)
        return True

    def _others(self, desk: Desk) -> list[Desk]:
        return [each for each in self._desks if each is not desk]

    @staticmethod
    def _news(others: list[Desk], number: int) -> list[News]:
        return [news for each in others for news in each.news.get(number, ())]

    def _turn(self, desk: Desk) -> Turn:
        number = desk.answered_turns
        news = [each for other in self._others(desk) for each in other.turns[number]]
        return Turn(news, not any(each.turns[number] for each in self._desks))

    def _do_again(self, desk: Desk) -> None:
        """A process died: its share is done here."""
        code = desk.bury()
        index = self._desks.index(desk)
        how = f"was ended by signal {-code}" if code is not None and code < 0 else "ended early"
        self.notes.append(
            f"process {index + 1} of {len(self._desks)} {how}; its share of the connections was done again by the first"
        )
        keys = pickle.loads(pickle.dumps(self._keys))  # noqa: S301 - made here
        desk.begin_again(work(replace(self._tasks[index], keys=keys)))

    def _conclude(self) -> None:
        """What one process would have left behind: facts of the captures, and a store that has grown."""
        self.surroundings = Surroundings.joined(desk.done.surroundings for desk in self._desks if desk.done)
        first = self._desks[0].done
        if first is not None:
            self.facts = first.facts
            for text, source in first.key_logs:
                self._keys.add_keylog(text, source)
        for desk in self._desks:
            for news in (*desk.news.values(), *desk.turns):
                self._keys.adopt(news)
            desk.leave()
