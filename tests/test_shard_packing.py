"""What goes from one process to another comes out as it went in."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from enum import IntEnum

import pytest
from sample_cases import ROOT

from tlsdecrypt.net.share import Share
from tlsdecrypt.pipeline import Pipeline
from tlsdecrypt.shard_packing import packed
from tlsdecrypt.tls.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


@dataclass(frozen=True, slots=True)
class One:
    value: object


@dataclass(slots=True)
class Made:
    """With a field that `__init__` does not take."""

    value: int
    more: list[int] = field(default_factory=list, init=False)


class Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value", [Nothing(), One(None), One((1, 2)), Share(1, 2), (Number.ONE, {"a": One(Number.ONE)})]
)
def test_values_come_out_as_they_went_in(value: object) -> None:
    assert pickle.loads(packed(value)) == value


def test_what_init_does_not_take_is_kept() -> None:
    made = Made(1)
    made.more.append(2)
    assert pickle.loads(packed(made)) == made


def test_conversations_come_out_as_they_went_in_and_smaller_than_python_packs_them() -> None:
    path = str(ROOT / "captures" / "exchange.pcapng")
    conversations = list(Pipeline([path], SecretStore()).conversations())
    data = packed(conversations)
    assert pickle.loads(data) == conversations
    assert len(data) < len(pickle.dumps(conversations, pickle.HIGHEST_PROTOCOL))
