"""HMAC in two states says what the standard library's HMAC says."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.tls.keyed_hash import hmac_states


@pytest.mark.parametrize("hash_name", ["md5", "sha1", "sha256", "sha384"])
@given(st.binary(max_size=200), st.lists(st.binary(max_size=100), min_size=1, max_size=3))
def test_states_that_are_copied_give_the_hmac_of_each_message(
    hash_name: str, key: bytes, messages: list[bytes]
) -> None:
    states = hmac_states(hash_name, key)
    for message in messages:
        inner, outer = (state.copy() for state in states)
        inner.update(message)
        outer.update(inner.digest())
        assert outer.digest() == hmac.digest(key, message, hash_name)
