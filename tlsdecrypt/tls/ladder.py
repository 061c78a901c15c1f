"""Ladder: the traffic keys of one direction of TLS 1.3, stage after stage (RFC 8446 section 7.1)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.key_schedule import labels_of, next_traffic_secret
from tlsdecrypt.tls.protection import make_protection_13
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.damage import DamagedRecord, Piece
    from tlsdecrypt.tls.protection import RecordProtection
    from tlsdecrypt.tls.secrets import FoundSecret
    from tlsdecrypt.tls.session import KeySource
    from tlsdecrypt.wire import Buffer

MAX_MISSED_KEY_UPDATES = 4  # that a hole may have swallowed


class Stage(IntEnum):
    """Which secret protects a direction now."""

    EARLY = 0
    HANDSHAKE = 1
    APPLICATION = 2


_LABELS = {  # RFC 9850 section 2.2
    Direction.CLIENT_TO_SERVER: {
        Stage.EARLY: "CLIENT_EARLY_TRAFFIC_SECRET",
        Stage.HANDSHAKE: "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        Stage.APPLICATION: "CLIENT_TRAFFIC_SECRET_0",
    },
    Direction.SERVER_TO_CLIENT: {
        Stage.HANDSHAKE: "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        Stage.APPLICATION: "SERVER_TRAFFIC_SECRET_0",
    },
}


class _Step(NamedTuple):
    """A secret that may be the one of a stage, and what opens records with it."""

    found: FoundSecret
    protection: RecordProtection


class Ladder:
    """Opens the records of one direction, whatever stage they are of: a RecordProtection made of several.

    A record that the stage in force does not open is tried with the later ones: a key log may lack a secret, and a
    hole may swallow the message that ends a stage. Of a stage several secrets may be known, until a record proves one.
    `origin` is where the last one that was proved came from, `refused` that of one that opened nothing.
    """

    def __init__(
        self,
        direction: Direction,
        suite: CipherSuite,
        version: int,
        find: Callable[[str], Iterable[FoundSecret]],
    ) -> None:
        """`find` looks secrets up by the label that a key log has for them, and may be asked again and again."""
        self.origin: KeySource | None = None
        self.refused: KeySource | None = None
        self._labels = _LABELS[direction]
        self._suite = suite
        self._version = version
        self._find = find
        self._tried: dict[Stage, list[_Step]] = {}
        self._proved: dict[Stage, _Step] = {}
        self.secrets: dict[str, bytes] = {}  # that were proved, by their labels
        self._in_force: RecordProtection | None = None  # of the stage, once it was proved
        self.stage = min(self._labels)

    @property
    def sequence_number(self) -> int:
        """Of the next record, in the stage in force."""
        return self._in_force.sequence_number if self._in_force else 0

    @property
    def overhead(self) -> int | None:
        """That of the stage in force."""
        return self._in_force.overhead if self._in_force else None

    @property
    def lacks_secrets(self) -> bool:
        """Whether the last secret is not known: those before it are known no later."""
        return not any(self._steps(Stage.APPLICATION))

    @property
    def is_proved(self) -> bool:
        """Whether the last secret is known for sure."""
        return Stage.APPLICATION in self._proved

    def advance(self, stage: Stage) -> None:
        """A message ended the stages before `stage`."""
        if stage > self.stage:
            self._enter(stage)

    def update(self) -> None:
        """KeyUpdate: the next generation of the application traffic secret (RFC 8446 section 7.2)."""
        step = self._proved.get(Stage.APPLICATION)
        if step is not None:
            secret = next_traffic_secret(self._suite, step.found.secret, labels_of(self._version))
            for renewed in self._make_steps([replace(step.found, secret=secret)]):
                self._prove(Stage.APPLICATION, renewed)

    def open(self, content_type: int, version: int, fragment: Buffer) -> tuple[int, bytes] | None:
        """The inner content type and the plaintext."""
        if self._in_force is not None:
            opened = self._in_force.open(content_type, version, fragment)
            if opened is not None:
                return opened
        for stage, step in self._others():
            opened = step.protection.open(content_type, version, fragment)
            if opened is not None:
                self._prove(stage, step)
                return opened
        return None

    def recover(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None, *, before: bytes = b""
    ) -> tuple[int, bytes] | None:
        """As `open`, behind a hole of `lost` bytes, which may have swallowed a KeyUpdate too."""
        del before  # of use to CBC only
        if self._in_force is not None:
            opened = self._in_force.recover(content_type, version, fragment, lost)
            if opened is not None:
                return opened
        for stage, step in self._others():
            opened = step.protection.recover(content_type, version, fragment, lost)
            if opened is not None:
                self._prove(stage, step)
                return opened
        return self._recover_after_update(content_type, version, fragment, lost)

    @property
    def in_force(self) -> RecordProtection | None:
        """What opened the last record."""
        return self._in_force

    def glimpse(self, record: DamagedRecord) -> list[Piece]:
        """See RecordProtection: with the keys in force."""
        return self._in_force.glimpse(record) if self._in_force else []

    def _recover_after_update(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None
    ) -> tuple[int, bytes] | None:
        before = self._proved.get(Stage.APPLICATION)
        if before is None or self.stage is not Stage.APPLICATION:
            return None
        for _ in range(MAX_MISSED_KEY_UPDATES):
            self.update()
            opened = self._proved[Stage.APPLICATION].protection.recover(content_type, version, fragment, lost)
            if opened is not None:
                return opened
        self._prove(Stage.APPLICATION, before)
        return None

    def _others(self) -> Iterator[tuple[Stage, _Step]]:
        """What may open a record that the keys in force do not open."""
        for stage in self._labels:
            if stage < self.stage or (stage is self.stage and self._in_force is not None):
                continue
            for step in self._steps(stage):
                yield stage, step
                if not self._proved:
                    self.refused = step.found.origin

    def _steps(self, stage: Stage) -> list[_Step]:
        """The secrets of a stage that are known by now: one, once it was proved."""
        if stage in self._proved:
            return [self._proved[stage]]
        steps = self._tried.setdefault(stage, [])
        known = {step.found.secret for step in steps}
        steps += self._make_steps(each for each in self._find(self._labels[stage]) if each.secret not in known)
        return steps

    def _make_steps(self, secrets: Iterable[FoundSecret]) -> Iterator[_Step]:
        """None at all where the suite is not supported."""
        for found in secrets:
            protection = make_protection_13(self._suite, found.secret, version=self._version)
            if protection is not None:
                yield _Step(found, protection)

    def _prove(self, stage: Stage, step: _Step) -> None:
        """A record was opened with this secret: the others of its stage are wrong."""
        self.origin = step.found.origin
        self._proved[stage] = step
        self.secrets.setdefault(self._labels[stage], step.found.secret)  # later ones follow from it (KeyUpdate)
        self._tried.pop(stage, None)
        self._enter(stage)

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        step = self._proved.get(stage)
        self._in_force = step.protection if step else None
