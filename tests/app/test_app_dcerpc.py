"""DCE/RPC over TCP as exchanges; PDUs by hand after C706 chapter 12."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import dcerpc
from tlsdecrypt.app.dcerpc import NO_ANSWER, DcerpcDecoder
from tlsdecrypt.app.decoder import choose_decoder
from tlsdecrypt.flow import Direction, Span

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange

CLIENT, SERVER = Direction
ACTIVATOR = UUID("000001a0-0000-0000-c000-000000000046")
METABASE = UUID("70b51430-b6ca-11d0-b9b9-00a0c922e750")
NDR = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<I", 2)
REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, BIND_NAK = 0, 2, 3, 11, 12, 13
WHOLE = 3  # first and last fragment


def pdu(kind: int, body: bytes, call: int = 1, *, flags: int = WHOLE, auth: bytes = b"") -> bytes:
    trailer = struct.pack("<BBBBI", 10, 6, 0, 0, 0) + auth if auth else b""
    length = 16 + len(body) + len(trailer)
    return struct.pack("<BBBBIHHI", 5, 0, kind, flags, 0x10, length, len(auth), call) + body + trailer


def bind(*interfaces: UUID, call: int = 1) -> bytes:
    contexts = b"".join(
        struct.pack("<HBB", number, 1, 0) + each.bytes_le + struct.pack("<I", 0) + NDR
        for number, each in enumerate(interfaces)
    )
    return pdu(BIND, struct.pack("<HHIB3x", 5840, 5840, 0, len(interfaces)) + contexts, call, auth=b"NTLMSSP\0")


def bind_ack(*results: tuple[int, int], call: int = 1) -> bytes:
    body = struct.pack("<HHIH4s2xB3x", 5840, 5840, 7, 4, b"135\0", len(results))
    return pdu(BIND_ACK, body + b"".join(struct.pack("<HH", *each) + NDR for each in results), call)


def request(opnum: int, stub: bytes = b"stub", call: int = 2, *, context: int = 0, flags: int = WHOLE) -> bytes:
    return pdu(REQUEST, struct.pack("<IHH", len(stub), context, opnum) + stub, call, flags=flags)


def response(stub: bytes = b"result", call: int = 2) -> bytes:
    return pdu(RESPONSE, struct.pack("<IHBB", len(stub), 0, 0, 0) + stub, call)


def fault(status: int, call: int = 2) -> bytes:
    return pdu(FAULT, struct.pack("<IHBBII", 0, 0, 0, 0, status, 0), call)


def spans(frame: int) -> Span:
    return Span(frame, frame, frame, frame)


def heard(*said: tuple[Direction, bytes], size: int | None = None) -> list[Exchange]:
    decoder, exchanges = DcerpcDecoder(), []
    for frame, (direction, data) in enumerate(said, 1):
        step = size or max(len(data), 1)
        for at in range(0, len(data), step):
            exchanges += decoder.feed(direction, data[at : at + step], spans(frame))
    return exchanges + decoder.finish()


DENIED = (
    (CLIENT, bind(ACTIVATOR, METABASE)),
    (SERVER, bind_ack((0, 0), (0, 0))),
    (CLIENT, request(4, context=1)),
    (SERVER, fault(5)),
)


def test_a_fault_names_interface_operation_and_status() -> None:
    bound, failed = heard(*DENIED)
    assert bound.annotations["dcerpc"] == {
        "interface": "IRemoteSCMActivator",
        "interfaces": ["IRemoteSCMActivator", "IMSAdminBaseW"],
        "uuid": str(ACTIVATOR),
        "auth_type": "NTLM",
        "auth_level": "privacy",
        "result": "accepted",
    }
    assert failed.annotations["dcerpc"] == {
        "interface": "IMSAdminBaseW",
        "uuid": str(METABASE),
        "opnum": 4,
        "result": "fault",
        "status": "0x00000005",
        "meaning": "access denied",
    }
    assert (failed.request.line, failed.response.code) == ("IMSAdminBaseW operation 4", 5)
    assert (failed.request.span.first_frame, failed.response.span.first_frame) == (3, 4)


@pytest.mark.parametrize("size", [1, 7, 16])
def test_what_is_said_does_not_depend_on_how_it_is_cut(size: int) -> None:
    assert heard(*DENIED, size=size) == heard(*DENIED)


def test_a_call_in_fragments_is_one_exchange() -> None:
    parts = request(3, b"one", flags=1), request(3, b"two", flags=2)
    said = (CLIENT, bind(ACTIVATOR)), (SERVER, bind_ack((0, 0))), (CLIENT, b"".join(parts)), (SERVER, response())
    _, call = heard(*said)
    assert (call.request.stub_length, call.response.stub_length) == (6, 6)
    assert call.annotations["dcerpc"]["result"] == "done"


def test_a_refused_bind_says_why() -> None:
    (nak,) = heard((CLIENT, bind(ACTIVATOR)), (SERVER, pdu(BIND_NAK, struct.pack("<HBBB", 8, 1, 5, 0))))
    assert nak.annotations["dcerpc"]["meaning"] == "the authentication type is not known"
    (ack,) = heard((CLIENT, bind(ACTIVATOR)), (SERVER, bind_ack((2, 1))))
    assert ack.annotations["dcerpc"]["meaning"] == "rejected by the provider: the interface is not supported"
    assert ack.annotations["dcerpc"]["result"] == "rejected"


def test_a_call_without_an_answer_comes_out_at_the_end() -> None:
    (_, call) = heard(*DENIED[:3])
    assert (call.response, call.faults) == (None, (NO_ANSWER,))


def test_after_a_hole_it_goes_on_with_the_next_pdu() -> None:
    decoder = DcerpcDecoder()
    decoder.feed(CLIENT, bind(ACTIVATOR), spans(1))
    decoder.feed(SERVER, bind_ack((0, 0))[:20], spans(2))
    decoder.gap(SERVER, 40, spans(3))
    decoder.feed(CLIENT, request(4), spans(4))
    assert decoder.feed(SERVER, b"the rest of something", spans(5)) == []
    (failed,) = decoder.feed(SERVER, fault(5), spans(6))
    assert failed.response.code == 5


def test_a_hole_inside_of_a_call_costs_that_call_alone() -> None:
    decoder = DcerpcDecoder()
    inner, outer = fault(9, call=7), response(fault(9, call=7) * 3, call=3)
    decoder.feed(CLIENT, bind(ACTIVATOR) + request(4, call=3) + request(4, call=4), spans(1))
    decoder.feed(SERVER, bind_ack((0, 0)) + outer[:20], spans(2))
    decoder.gap(SERVER, 5, spans(3))
    (failed,) = decoder.feed(SERVER, outer[25:] + fault(5, call=4), spans(4))
    assert (failed.response.code, len(inner)) == (5, 32)


def test_a_pdu_whose_body_is_broken_costs_itself_alone() -> None:
    broken = pdu(BIND_ACK, b"\0" * 9)
    *_, failed = heard(*DENIED[:3], (SERVER, b"no PDU" + broken + fault(5)))
    assert failed.response.code == 5


GAP_MAX = 60
Event = tuple[Direction, bytes | int | None]  # what is said, or a hole of so many bytes (None: nobody knows)
PARTS = st.one_of(
    st.sampled_from(
        [
            bind(ACTIVATOR, METABASE),
            bind_ack((0, 0), (0, 0)),
            request(4, context=1),
            request(3, b"one", flags=1),
            response(),
            response(fault(9)),
            fault(5),
            pdu(BIND_ACK, b"\0" * 9),
            pdu(BIND, struct.pack("<HHIB3x", 5840, 5840, 0, 200)),
            fault(5)[:-3],
        ]
    ),
    st.binary(max_size=40),
)
SAYINGS = st.tuples(st.sampled_from(list(Direction)), st.lists(PARTS, max_size=4).map(b"".join))
HOLES = st.tuples(st.sampled_from(list(Direction)), st.none() | st.integers(1, GAP_MAX))


def told(events: list[Event], cuts: list[list[int]]) -> list[Exchange]:
    decoder, exchanges = DcerpcDecoder(), []
    for frame, ((direction, what), places) in enumerate(zip(events, cuts, strict=True), 1):
        if not isinstance(what, bytes):
            exchanges += decoder.gap(direction, what, spans(frame))
            continue
        ends = sorted({0, len(what), *(each % (len(what) + 1) for each in places)})
        for start, end in pairwise(ends):
            exchanges += decoder.feed(direction, what[start:end], spans(frame))
    return exchanges + decoder.finish()


@given(st.lists(st.one_of(SAYINGS, SAYINGS, HOLES), max_size=8), st.data())
def test_holes_and_damage_cost_the_same_however_the_rest_is_cut(events: list[Event], data: st.DataObject) -> None:
    events = [*DENIED, *events, *DENIED]
    cuts = [data.draw(st.lists(st.integers(0, 500), max_size=5)) for _ in events]
    assert told(events, cuts) == told(events, [[]] * len(events))


def test_calls_that_are_never_answered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dcerpc, "OUTSTANDING_MAX", 3)
    decoder = DcerpcDecoder()
    out = [decoder.feed(CLIENT, request(1, call=call), spans(call)) for call in range(5)]
    assert [len(each) for each in out] == [0, 0, 0, 1, 1]
    assert len(decoder.finish()) == 3


def test_of_very_many_calls_only_those_that_fail_are_told_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dcerpc, "CALLS_MAX", 2)
    said = [(CLIENT, request(1)), (SERVER, response())] * 5 + [(CLIENT, request(1)), (SERVER, fault(5))]
    assert [each.annotations["dcerpc"]["result"] for each in heard(*said)] == ["done", "done", "fault"]


@pytest.mark.parametrize("first", [bind(ACTIVATOR), bind_ack((0, 0)), request(1), fault(5)])
@pytest.mark.parametrize("port", [135, 49_154, 443])
def test_the_first_bytes_choose_this_decoder_on_any_port(first: bytes, port: int) -> None:
    assert isinstance(choose_decoder(None, first, port), DcerpcDecoder)


@pytest.mark.parametrize(
    "first", [b"\x05\x01\x00" + bytes(21), b"\x05\x00\x0b\x03\x11" + bytes(20), b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_only_begins_alike_is_something_else(first: bytes) -> None:
    assert not isinstance(choose_decoder(None, first, 135), DcerpcDecoder)


@given(st.lists(st.tuples(st.sampled_from(list(Direction)), st.binary(max_size=80)), max_size=6))
def test_no_bytes_stop_the_decoder(said: list[tuple[Direction, bytes]]) -> None:
    for dialogue in ((*DENIED[:2], *said, *DENIED[2:]), [(way, DENIED[0][1][:16] + data) for way, data in said]):
        for each in heard(*dialogue):
            assert each.annotations.keys() == {"dcerpc"}
            assert each.request is not None or each.response is not None
