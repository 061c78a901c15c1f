"""Ladder: the traffic keys of one direction of TLS 1.3, stage after stage (RFC 8446 section 7.1)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.key_schedule import labels_of, next_traffic_secret
from tlsdecrypt.tls.protection import make_protection_13

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.protection import RecordProtection
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


class Ladder:
    """Opens the records of one direction, whatever stage they are of: a RecordProtection made of several.

    A record that the stage in force does not open is tried with the later ones: a key log may lack a secret, and a
    hole may swallow the message that ends a stage.
    """

    overhead: int | None = None

    def __init__(
        self,
        direction: Direction,
        suite: CipherSuite,
        version: int,
        secret_of: Callable[[str], bytes | None],
    ) -> None:
        """`secret_of` looks a secret up by its label in a key log, and may be asked again and again."""
        self._labels = _LABELS[direction]
        self._suite = suite
        self._version = version
        self._secret_of = secret_of
        self._opened: dict[Stage, tuple[bytes, RecordProtection]] = {}
        self.stage = min(self._labels)

    @property
    def sequence_number(self) -> int:
        """Of the next record, in the stage in force."""
        protection = self._protection(self.stage)
        return protection.sequence_number if protection else 0

    @property
    def lacks_secrets(self) -> bool:
        """Whether no secret of this stage or a later one is known."""
        return all(self._protection(stage) is None for stage in self._stages())

    def advance(self, stage: Stage) -> None:
        """A message ended the stages before `stage`."""
        self.stage = max(stage, self.stage)

    def update(self) -> None:
        """KeyUpdate: the next generation of the application traffic secret (RFC 8446 section 7.2)."""
        entry = self._opened.get(Stage.APPLICATION)
        if entry is not None:
            secret = next_traffic_secret(self._suite, entry[0], labels_of(self._version))
            self._open_stage(Stage.APPLICATION, secret)

    def open(self, content_type: int, version: int, fragment: Buffer) -> tuple[int, bytes] | None:
        """The inner content type and the plaintext."""
        for stage in self._stages():
            protection = self._protection(stage)
            opened = protection.open(content_type, version, fragment) if protection else None
            if opened is not None:
                self.stage = stage
                return opened
        return None

    def recover(self, content_type: int, version: int, fragment: Buffer, lost: int | None) -> tuple[int, bytes] | None:
        """As `open`, behind a hole of `lost` bytes, which may have swallowed a KeyUpdate too."""
        for stage in self._stages():
            protection = self._protection(stage)
            opened = protection.recover(content_type, version, fragment, lost) if protection else None
            if opened is not None:
                self.stage = stage
                return opened
        return self._recover_after_update(content_type, version, fragment, lost)

    def _recover_after_update(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None
    ) -> tuple[int, bytes] | None:
        before = self._opened.get(Stage.APPLICATION)
        if before is None or self.stage is not Stage.APPLICATION:
            return None
        for _ in range(MAX_MISSED_KEY_UPDATES):
            self.update()
            opened = self._opened[Stage.APPLICATION][1].recover(content_type, version, fragment, lost)
            if opened is not None:
                return opened
        self._opened[Stage.APPLICATION] = before
        return None

    def _stages(self) -> list[Stage]:
        return [stage for stage in self._labels if stage >= self.stage]

    def _protection(self, stage: Stage) -> RecordProtection | None:
        entry = self._opened.get(stage)
        if entry is not None:
            return entry[1]
        secret = self._secret_of(self._labels[stage])
        return self._open_stage(stage, secret) if secret is not None else None

    def _open_stage(self, stage: Stage, secret: bytes) -> RecordProtection | None:
        protection = make_protection_13(self._suite, secret, version=self._version)
        if protection is not None:
            self._opened[stage] = (secret, protection)
        return protection
