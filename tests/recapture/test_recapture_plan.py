"""Plans become bytes in their order."""

from __future__ import annotations

from tlsdecrypt.recapture.container import Pcapng
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.recapture.plan import Plan, rendered

KEPT = Plan(b"<", [(3, b"a"), (7, b"b"), (9, b"c")], [], [])


def test_kept_frames_stand_before_what_follows_their_row() -> None:
    spool = PlaintextSpool(is_masked=False)
    assert rendered(KEPT, spool, Pcapng("x")) == b"<abc"
    assert rendered(Plan(b"", [], [], []), spool, Pcapng("x")) == b""
