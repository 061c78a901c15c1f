"""Connections that wait for another one's secret: their memory is bounded, and looking after them costs little."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tlsdecrypt import following
from tlsdecrypt.capture.series import Series
from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.keyring import load_keys
from tlsdecrypt.observer import Observer
from tlsdecrypt.pipeline import Pipeline
from tlsdecrypt.tls.record import Record
from tlsdecrypt.tls.side import MAX_HELD_BYTES, RECORD_OVERHEAD, Side

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_what_waits_is_not_counted_again_for_each_connection_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(Observer, "is_waiting", property(lambda _: True))
    monkeypatch.setattr(Observer, "held_bytes", property(lambda self: asked.append(id(self)) or 1))
    captures = [str(each) for each in (ROOT / "captures").glob("openssl-*.pcap")]
    conversations = list(Pipeline(captures, load_keys()).conversations())
    assert len(asked) == len(conversations) > 20


def test_beyond_the_bound_the_oldest_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Observer, "is_waiting", property(lambda _: True))
    monkeypatch.setattr(Observer, "held_bytes", property(lambda _: 10))
    monkeypatch.setattr(following, "MAX_WAITING_BYTES", 35)
    run = following.Following(load_keys())
    for stretch in Series([str(ROOT / "captures" / "exchange.pcapng")]):
        run.feed(stretch.batch)
        assert run.settle() == []
    ended = chain(run.finish(), run.finish_waiting())
    given = [(each.conversation.id, len(run._waiting)) for each in ended]
    assert len(given) == 16
    assert max(waiting for _, waiting in given) == 3
    assert sorted(number for number, _ in given[-3:]) != [1, 2, 3]


def test_empty_records_that_wait_count_too() -> None:
    side = Side(Direction.CLIENT_TO_SERVER, has_start=True)
    empty = Record(23, 0x0303, b"", Span(1, 1, 0, 0), 0)
    side.hold(empty)
    assert side.held_bytes == RECORD_OVERHEAD
    side.release()
    assert side.held_bytes == 0
    for _ in range(MAX_HELD_BYTES // RECORD_OVERHEAD + 1):
        side.hold(empty)
    assert side.is_hopeless
