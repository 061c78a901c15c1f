"""The capture as it is, with the secrets of the chosen sessions in it: Wireshark opens these, and no others, by itself.

Secrets that the captures held themselves are left out, unless they opened a session that is chosen.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tlsdecrypt.recapture.container import Pcapng, decryption_secrets
from tlsdecrypt.recapture.originals import Originals, joined
from tlsdecrypt.report.program import PROGRAM
from tlsdecrypt.report.session_keys import SessionKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.writer import Manner

MAX_SECRETS = 1 << 20  # bytes of a key log in one block, about


class SecretsWriter:
    """Reads the captures once more when the analysis is there."""

    needs_content = False
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._keys = SessionKeys(manner)

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        self._keys.take(conversation)

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer. Secrets stand before all frames, so that a reader needs to read once."""
        container = Pcapng(PROGRAM)
        originals = Originals(container)
        stream.write(container.head())
        stream.writelines(map(decryption_secrets, _in_blocks(self._keys.lines(analysis))))
        for batch in self._manner.frames_of(analysis):
            _, frames = originals.frames(batch, np.arange(len(batch)))
            stream.write(originals.take_preface())
            stream.write(joined(chain.from_iterable(frames)))
        stream.write(container.foot())


def _in_blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    block = b""
    for each in lines:
        if block and len(block) + len(each) > MAX_SECRETS:
            yield block
            block = b""
        block += each
    if block:
        yield block
