"""Values are frozen, compared by their fields, and show nothing that is hidden."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from tlsdecrypt.flow import Endpoint
from tlsdecrypt.value import Value, once, replace

if TYPE_CHECKING:
    from tlsdecrypt.value import Hidden


class Secret(Value, frozen=True):
    name: str
    key: Hidden[bytes]


class NamedSecret(Secret, frozen=True):
    origin: str = ""
    parts: Hidden[tuple[bytes, ...]] = ()


def test_a_repr_shows_what_is_not_hidden() -> None:
    assert repr(Secret("tls", b"k3y")) == "Secret(name='tls')"
    assert repr(NamedSecret("tls", b"k3y", "file", (b"k3y",))) == "NamedSecret(name='tls', origin='file')"


def test_a_value_cannot_be_changed_and_its_copy_can_differ() -> None:
    secret = Secret("tls", b"k3y")
    with pytest.raises(AttributeError):
        secret.name = "ssl"  # type: ignore[misc]
    assert replace(secret, name="ssl") == Secret("ssl", b"k3y") != secret


def test_a_value_goes_to_another_process_and_back() -> None:
    secret = NamedSecret("tls", b"k3y", "file", (b"a", b"b"))
    assert pickle.loads(pickle.dumps(secret, pickle.HIGHEST_PROTOCOL)) == secret


def test_of_equal_values_one_is_kept() -> None:
    first, second = (once(Endpoint("192.0.2.99", 443)) for _ in range(2))
    assert first is second
    assert once(Endpoint("192.0.2.99", 444)) is not first
