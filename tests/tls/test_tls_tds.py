"""TLS inside of TDS: the wrapper is taken off, and clear packets stay clear, however the bytes are cut."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing import ORDERS, Flight, Tcp, byte_by_byte, cut_at, events_of, gap, observe, whole
from recorded_tls import DOWN, UP, Peers, recording, rsa_store

from tlsdecrypt.flow import Span
from tlsdecrypt.tls.beginning import Piece
from tlsdecrypt.tls.tds import TdsUnwrapper

if TYPE_CHECKING:
    from observing import Cut

    from tlsdecrypt.conversation import Conversation

LOGIN = bytes.fromhex("10 01 0020 0000 01 00") + b"LOGIN7 with a password. "
LOGIN_ACK = bytes.fromhex("04 01 0010 0033 01 00") + b"LOGINACK"
BATCH = bytes.fromhex("01 01 0014 0000 01 00") + b"select 1\x16\x03\x03\x00"
ROWS = bytes.fromhex("04 01 000c 0033 01 00") + b"rows"
PRELOGIN = bytes.fromhex(
    "12 01 0020 0000 01 00"  # packet header
    "00 000b 0006  01 0011 0001  ff"  # VERSION, ENCRYPTION, end
    "11000fa00000 01"  # version; ENCRYPT_ON
    "000000000000"
)
PRELOGIN_ANSWER = bytes.fromhex("04 01 0020 0033 01 00") + PRELOGIN[8:]


def wrapped(data: bytes, size: int) -> bytes:
    """PRELOGIN packets around a part of the TLS handshake, none longer than `size`."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(
        bytes((0x12, part is parts[-1]))  # end of message
        + (8 + len(part)).to_bytes(2, "big")
        + bytes(4)
        + part
        for part in parts
    )


def dialogue(size: int = 4_088, *, only_login: bool = False) -> list[Flight]:
    """PRELOGIN, a TLS handshake in packets, and TLS without a wrapper; with `only_login` the rest is clear."""
    peers = Peers()
    try:
        flights = peers.record(messages=((UP, LOGIN), (DOWN, LOGIN_ACK)), says_goodbye=not only_login).flights
    finally:
        peers.close()
    handshake = [(direction, wrapped(data, size)) for direction, data in flights[:4]]
    behind = [(UP, BATCH), (DOWN, ROWS)] if only_login else []
    return [(UP, PRELOGIN), (DOWN, PRELOGIN_ANSWER), *handshake, *flights[4:], *behind]


def digests(conversation: Conversation) -> list[tuple[int, str | None]]:
    return [(each.length, each.sha256) for each in conversation.application_data]


EXPECTED = [(len(data), hashlib.sha256(data).hexdigest()) for data in (LOGIN, LOGIN_ACK)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [4_088, 100, 13])
@pytest.mark.parametrize("only_login", [False, True])
def test_the_handshake_is_unwrapped_and_the_rest_is_plain_tls(order: str, size: int, *, only_login: bool) -> None:
    flights = dialogue(size, only_login=only_login)
    for cut in (whole, cut_at(1, 7, 12)):
        conversation = observe(events_of(flights, cut, order), rsa_store())
        assert digests(conversation) == EXPECTED
        assert conversation.tls is not None
        assert conversation.tls.verdict.code.value == "decrypted"
        assert conversation.tls.started_by == "PRELOGIN (tds)"


def test_byte_by_byte_all_is_the_same() -> None:
    flights = dialogue()
    assert observe(events_of(flights, byte_by_byte), rsa_store()) == observe(events_of(flights), rsa_store())


def test_behind_a_hole_tls_stands_without_a_wrapper() -> None:
    flights = dialogue()
    events = list(events_of(flights))
    events.insert(7, gap(DOWN, None, 7))  # between the handshake and the answer to the login
    conversation = observe(events, rsa_store())
    assert digests(conversation)[UP] == EXPECTED[UP]
    assert digests(conversation)[DOWN] == EXPECTED[DOWN]
    assert conversation.tls is not None
    assert conversation.tls.verdict.code.value == "partly-decrypted"


def test_many_packets_in_one_piece_are_split_in_one_go() -> None:
    stream = PRELOGIN + wrapped(b"\x16\x03\x03\x00\x01x", 6) + b"\x17\x03\x03\x00\x02ab" * 5_000 + BATCH * 5_000
    assert tuple(map(len, split(stream, whole))) == (6 + 7 * 5_000, len(PRELOGIN) + len(BATCH) * 5_000)


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_hole_inside_of_a_record_ends_the_unwrapping(*, has_begun: bool) -> None:
    unwrapper = TdsUnwrapper()
    begin = b"\x17\x03\x03\x00\x20" if has_begun else LOGIN[:20]
    for data in (begin, None, b"\x12\x01\x00\x09 the end of what was lost", b"\x17\x03\x03\x00\x02ab"):
        if data is None:
            unwrapper.gap()
        else:
            found = unwrapper.feed(Piece(data, lambda _start, _end: Span(1, 1, 0, 0)))
            assert {is_tls for is_tls, _ in found} == {has_begun}
            assert b"".join(part.data for _, part in found) == data


def test_tds_without_encryption_is_no_tls() -> None:
    flights = [(UP, PRELOGIN), (DOWN, PRELOGIN_ANSWER), (UP, LOGIN), (DOWN, LOGIN_ACK), (UP, BATCH), (DOWN, ROWS)]
    assert observe(events_of(flights)).tls is None


def test_without_a_syn_prelogin_tells_who_the_client_is() -> None:
    flights = [(direction.other, data) for direction, data in dialogue()]
    conversation = observe(events_of(flights), rsa_store(), Tcp(has_syn=False))
    assert conversation.client == Tcp.server
    assert digests(conversation) == EXPECTED


def test_tds_8_is_tls_from_the_first_byte_on() -> None:
    conversation = observe(events_of(recording().flights), rsa_store())
    assert conversation.tls is not None
    assert conversation.tls.started_by is None


def split(data: bytes, cut: Cut) -> tuple[bytes, bytes]:
    """What is TLS, and what is not."""
    unwrapper, found = TdsUnwrapper(), (bytearray(), bytearray())
    for piece in cut(data):
        for is_tls, part in unwrapper.feed(Piece(piece, lambda _start, _end: Span(1, 1, 0, 0))):
            found[not is_tls].extend(part.data)
    return bytes(found[0]), bytes(found[1])


@given(
    st.lists(
        st.sampled_from([PRELOGIN, LOGIN, BATCH, wrapped(b"\x16\x03\x03\x00\x01x", 3), b"\x17\x03\x03\x00\x02ab"])
    ),
    st.binary(max_size=30),
)
def test_any_packets_in_any_pieces_are_split_alike(packets: list[bytes], rest: bytes) -> None:
    stream = b"".join(packets) + rest
    expected = split(stream, whole)
    assert split(stream, byte_by_byte) == expected
    assert sum(map(len, expected)) <= len(stream)
