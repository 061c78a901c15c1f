"""DCE/RPC PDUs, by hand after C706 chapter 12; big-endian and little-endian."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.dcerpc_pdu import (
    Bind,
    BindAck,
    BindNak,
    Fault,
    PduType,
    Request,
    Response,
    Syntax,
    next_pdu_header,
    parse_pdu,
)
from tlsdecrypt.errors import ParseError

ISYSTEMACTIVATOR = UUID("000001a0-0000-0000-c000-000000000046")
NDR = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")

BIND = bytes.fromhex(
    "05000b03 10000000 4800 0000 02000000"  # version 5.0, bind, both fragment flags; little-endian; 72 bytes; call 2
    "d016 d016 00000000"  # sizes of fragments 5840, group 0
    "01 000000"  # one context
    "0100 01 00"  # context 1, one transfer syntax
    "a0010000 0000 0000 c000 000000000046 00000000"  # ISystemActivator 0.0
    "045d888a eb1c c911 9fe8 08002b104860 02000000"  # NDR 2.0
)
BIND_ACK = bytes.fromhex(
    "05000c03 10000000 3c00 0000 02000000"  # bind_ack, 60 bytes
    "d016 d016 34120000"  # group 0x1234
    "0400 31333500 0000"  # secondary address "135", two bytes of alignment
    "01 000000"  # one result
    "0000 0000 045d888a eb1c c911 9fe8 08002b104860 02000000"  # acceptance
)
FAULT = bytes.fromhex("05000323 10000000 2000 0000 0700000020000000 0100 00 00 05000000 00000000")
BIND_NAK = bytes.fromhex("05000d03 10000000 1500 0000 020000000800 01 05 00")
REQUEST_BIG_ENDIAN = bytes.fromhex(
    "05000083 00000000 002c 0000 00000009"  # big-endian, with an object
    "00000004 0001 0004 000001a0 0000 0000 c000 000000000046 deadbeef"
)
SEALED = bytes.fromhex(
    "05000003 10000000 2c00 0400 03000000"  # request with 4 bytes of auth_value
    "08000000 0000 0300 aabbccdd eeff 0000"  # opnum 3, 6 bytes of stub, 2 of padding
    "0a 06 02 00 01000000 5ea1ed00"  # NTLM, privacy, 2 bytes of padding, context 1
)
PDUS = {
    "bind": BIND,
    "bind_ack": BIND_ACK,
    "fault": FAULT,
    "bind_nak": BIND_NAK,
    "request": REQUEST_BIG_ENDIAN,
    "sealed": SEALED,
}


def test_a_bind_names_the_interfaces_that_are_asked_for() -> None:
    pdu = parse_pdu(BIND)
    assert (pdu.header.type, pdu.header.length, pdu.header.call_id, pdu.header.is_last) == (PduType.BIND, 72, 2, True)
    assert isinstance(pdu.body, Bind)
    (context,) = pdu.body.contexts
    assert (context.id, context.interface) == (1, Syntax(ISYSTEMACTIVATOR, 0, 0))
    assert context.transfer_syntaxes == (Syntax(NDR, 2, 0),)


def test_a_bind_ack_says_what_became_of_each_context() -> None:
    body = parse_pdu(BIND_ACK).body
    assert isinstance(body, BindAck)
    assert (body.secondary_address, body.association_group) == ("135", 0x1234)
    assert [(each.result, each.reason, each.transfer_syntax.uuid) for each in body.results] == [(0, 0, NDR)]


def test_a_fault_has_a_status() -> None:
    assert parse_pdu(FAULT).body == Fault(1, 5)


def test_a_bind_nak_has_a_reason() -> None:
    assert parse_pdu(BIND_NAK).body == BindNak(8)


def test_integers_and_uuids_follow_the_data_representation() -> None:
    body = parse_pdu(REQUEST_BIG_ENDIAN).body
    assert body == Request(1, 4, ISYSTEMACTIVATOR, bytes.fromhex("deadbeef"))


def test_the_security_trailer_and_its_padding_are_no_stub_data() -> None:
    pdu = parse_pdu(SEALED)
    assert pdu.body == Request(0, 3, None, bytes.fromhex("aabbccddeeff"))
    assert pdu.auth is not None
    assert (pdu.auth.type, pdu.auth.level, pdu.auth.token) == (10, 6, bytes.fromhex("5ea1ed00"))
    assert "5ea1" not in repr(pdu)


def test_stub_data_stay_out_of_messages() -> None:
    response = struct.pack("<BBBBIHHI", 5, 0, 2, 3, 0x10, 28, 0, 1) + struct.pack("<IHBB", 4, 0, 0, 0) + b"SECR"
    body = parse_pdu(response).body
    assert body == Response(0, b"SECR")
    assert "SECR" not in repr(body)


@pytest.mark.parametrize("data", PDUS.values(), ids=PDUS.keys())
def test_a_cut_pdu_is_a_parse_error_at_every_length(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(ParseError):
            parse_pdu(data[:length])
        shorter = data[:8] + length.to_bytes(2, "little" if data[4] else "big") + data[10:length]
        try:
            pdu = parse_pdu(shorter)
        except ParseError:
            continue
        assert pdu.header.length == length


def test_a_header_needs_sixteen_bytes() -> None:
    assert next_pdu_header(BIND[:15]) is None
    header = next_pdu_header(b"xx" + BIND, 2)
    assert header is not None
    assert header.length == 72


@pytest.mark.parametrize("change", [(0, 4), (1, 2), (2, 21), (4, 0x20), (8, 15), (10, 49)])
def test_what_is_no_pdu_is_refused(change: tuple[int, int]) -> None:
    at, value = change
    broken = bytearray(BIND)
    broken[at] = value
    with pytest.raises(ParseError):
        next_pdu_header(broken)


@given(st.binary(max_size=200), st.sampled_from(sorted(PDUS)))
def test_any_bytes_give_a_pdu_or_a_parse_error(data: bytes, name: str) -> None:
    for candidate in (data, PDUS[name][:16] + data, PDUS[name][:24] + data):
        try:
            pdu = parse_pdu(candidate)
        except ParseError:
            continue
        assert pdu.header.length <= len(candidate)
