"""One direction of a TLS connection: handshake messages across fragments, whatever length they claim."""

from __future__ import annotations

import pytest

from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.tls.side import MAX_HANDSHAKE_LENGTH, Side

SPAN = Span(1, 1, 0, 0)
FINISHED = bytes.fromhex("1400000c") + b"verify_data."


def message(length: int) -> bytes:
    """A Certificate message of zeros, which would read as empty messages themselves."""
    return b"\x0b" + length.to_bytes(3, "big") + bytes(length)


def heard(data: bytes, cut: int) -> list[bytes]:
    side = Side(Direction.SERVER_TO_CLIENT, has_start=True)
    fragments = [data[at : at + cut] for at in range(0, len(data), cut)]
    return [whole for fragment in fragments for whole, _ in side.messages(fragment, SPAN)]


@pytest.mark.parametrize("cut", [3, 1_000, 16_384])
@pytest.mark.parametrize("beyond", [-3, 300_000, 1_000_000])
def test_what_stands_behind_a_message_of_any_length_is_heard(beyond: int, cut: int) -> None:
    length = MAX_HANDSHAKE_LENGTH + beyond - 4
    expected = [FINISHED, FINISHED] if beyond > 0 else [FINISHED, message(length), FINISHED]
    assert heard(FINISHED + message(length) + FINISHED, cut) == expected


def test_after_a_hole_nothing_is_passed_over() -> None:
    side = Side(Direction.SERVER_TO_CLIENT, has_start=True)
    assert list(side.messages(message(MAX_HANDSHAKE_LENGTH)[:100], SPAN)) == []
    side.drop_handshake()
    assert [whole for whole, _ in side.messages(FINISHED, SPAN)] == [FINISHED]
