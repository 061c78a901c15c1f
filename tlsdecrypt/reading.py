"""Reading: the frames of all captures of a run, and what captures hold besides: secrets, processes, accounts."""

from __future__ import annotations

from collections import Counter
from os import PathLike
from typing import TYPE_CHECKING

from tlsdecrypt.accounts import Accounts
from tlsdecrypt.capture.series import Series
from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsdecrypt.capture.inputs import Named
    from tlsdecrypt.capture.series import Stretch
    from tlsdecrypt.capture.source import Capture
    from tlsdecrypt.conversation import CaptureFacts, Conversation
    from tlsdecrypt.errors import CaptureError
    from tlsdecrypt.flow import Endpoint
    from tlsdecrypt.tls.secrets import SecretStore


class ReadFacts(Value, frozen=True):
    """What is known of the captures when all was read. `key_logs` are those found inside, with their names."""

    captures: tuple[CaptureFacts, ...] = ()
    errors: tuple[CaptureError, ...] = ()
    notes: tuple[str, ...] = ()


class Reading:
    """One pass over some captures: iterate over `stretches()`, and account for each."""

    def __init__(self, captures: Sequence[Named], keys: SecretStore) -> None:
        """Key logs that captures hold go to `keys`."""
        self.errors: list[CaptureError] = []
        self.notes: list[str] = []
        self.progress = (0, 0)  # bytes read of all captures, and of how many (0: not known, as for a pipe)
        self.key_logs: list[tuple[bytes, str]] = []  # that were found since these were taken away
        self._named = captures
        self._keys = keys
        self._captures: list[Capture] = []
        self._accounts = Accounts()
        self._taken: Counter[int] = Counter()  # secrets that were taken, by the first frame of their capture
        self._processes: dict[frozenset[Endpoint], str] = {}
        self._is_ended = False
        self._is_waiting_for_input = False

    def stretches(self) -> Iterator[Stretch]:
        """All frames, in the order of time."""
        series = Series(self._named)
        self.errors, self.notes, self._captures = series.errors, series.notes, series.captures
        is_live = any(_goes_on(each) for each in self._named)
        try:
            for stretch in self._until_the_end(series):
                if is_live:
                    self._keys.replenish()
                self._keys.is_growing = series.has_late_secrets or (is_live and self._keys.is_following)
                for capture in stretch.captures:
                    self._take_extras(capture)
                self.progress = series.position, series.size
                yield stretch
        finally:
            series.close()
        self._keys.replenish()
        self._keys.is_growing = False

    def end(self) -> None:
        """Let the captures end here. While a pipe is waited for, KeyboardInterrupt is raised, and caught here."""
        self._is_ended = True
        if self._is_waiting_for_input:
            raise KeyboardInterrupt

    def account_for(self, stretch: Stretch, others: Counter[str]) -> None:
        """Count the frames of a stretch, and those among them that hold no TCP, by a word."""
        self._accounts.take(stretch, others)

    def facts(self) -> ReadFacts:
        """What is known of the captures, as far as they were read."""
        return ReadFacts(tuple(self._accounts.facts(self._captures)), tuple(self.errors), tuple(self.notes))

    def with_process(self, conversation: Conversation) -> Conversation:
        """The conversation, and which program of the machine that captured it was one end of it."""
        if not self._processes:
            return conversation
        process = self._processes.get(frozenset((conversation.client, conversation.server)))
        return replace(conversation, process=process) if process else conversation

    def _until_the_end(self, series: Series) -> Iterator[Stretch]:
        stretches = iter(series)
        while not self._is_ended:
            try:
                self._is_waiting_for_input = True
                stretch = next(stretches, None)
            except KeyboardInterrupt:
                return
            finally:
                self._is_waiting_for_input = False
            if stretch is None:
                return
            yield stretch

    def _take_extras(self, capture: Capture) -> None:
        """What a capture holds besides its frames, as far as it was read."""
        number = capture.first_frame
        for process in capture.processes if number not in self._taken else ():
            self._processes[process.ends] = str(process)
        for secrets in capture.secrets[self._taken[number] :]:
            name = f"{capture.path} (Decryption Secrets Block)"
            self._keys.add_keylog(secrets, name)
            self.key_logs.append((secrets, name))
        self._taken[number] = len(capture.secrets)


def _goes_on(named: Named) -> bool:
    """Whether a capture may be made while it is read, as from an interface or a pipe: then key logs grow, too."""
    return named == "-" or not isinstance(named, str | PathLike)
