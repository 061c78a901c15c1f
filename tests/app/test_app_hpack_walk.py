"""HPACK by the examples of RFC 7541 appendix C, and with a table that was lost."""

from __future__ import annotations

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import hpack_walk
from tlsdecrypt.app.hpack_walk import HpackWalk
from tlsdecrypt.errors import ParseError

GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]
GET_AGAIN = [*GET, ("cache-control", "no-cache")]
GET_CUSTOM = [
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
]
MOVED = [
    (":status", "302"),
    ("cache-control", "private"),
    ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
    ("location", "https://www.example.com"),
]
OTHER = [(":status", "307"), *MOVED[1:]]
DONE = [
    (":status", "200"),
    ("cache-control", "private"),
    ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
    ("location", "https://www.example.com"),
    ("content-encoding", "gzip"),
    ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
]

EXAMPLES = {
    "C.2.1": [("400a637573746f6d2d6b65790d637573746f6d2d686561646572", [("custom-key", "custom-header")])],
    "C.2.2": [("040c2f73616d706c652f70617468", [(":path", "/sample/path")])],
    "C.2.3": [("100870617373776f726406736563726574", [("password", "secret")])],
    "C.2.4": [("82", [(":method", "GET")])],
    "C.3": [
        ("828684410f7777772e6578616d706c652e636f6d", GET),
        ("828684be58086e6f2d6361636865", [*GET_AGAIN]),
        ("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", GET_CUSTOM),
    ],
    "C.4": [
        ("828684418cf1e3c2e5f23a6ba0ab90f4ff", GET),
        ("828684be5886a8eb10649cbf", GET_AGAIN),
        ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", GET_CUSTOM),
    ],
    "C.6": [
        (
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            MOVED,
        ),
        ("4883640effc1c0bf", OTHER),
        (
            (
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960"
                "d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
            ),
            DONE,
        ),
    ],
}


def told(walk: HpackWalk, block: bytes) -> list[tuple[str | None, str]]:
    return [(each.name, each.value.decode("latin-1")) for each in walk.walk(block)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_standard_are_read(example: str) -> None:
    walk = HpackWalk()
    if example == "C.6":  # its table holds 256 bytes, which its blocks do not say
        walk.walk(bytes.fromhex("3fe101"))
    for block, fields in EXAMPLES[example]:
        assert told(walk, bytes.fromhex(block)) == fields


def test_behind_a_loss_what_came_since_is_known_and_the_rest_has_no_name() -> None:
    encoder, walk = Encoder(), HpackWalk()
    encoder.encode([("x-before", "1"), ("x-also", "2")])
    walk.lose()
    assert told(walk, encoder.encode([("x-new", "3"), ("x-before", "1"), (":method", "GET")])) == [
        ("x-new", "3"),
        (None, ""),
        (":method", "GET"),
    ]
    assert told(walk, encoder.encode([("x-new", "3"), ("x-also", "2"), ("x-also", "4")])) == [
        ("x-new", "3"),
        (None, ""),
        (None, "4"),  # the name is in the table, the value stands there
    ]


@given(st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("1234")), max_size=5)), st.data())
def test_behind_a_loss_nothing_is_told_that_was_not_said(
    blocks: list[list[tuple[str, str]]], choice: st.DataObject
) -> None:
    encoder, walk = Encoder(), HpackWalk()
    for fields in blocks:
        block = encoder.encode(fields)
        if choice.draw(st.booleans()):
            walk.lose()
            continue
        for (name, value), (said, what) in zip(fields, told(walk, block), strict=True):
            assert said in (name, None)
            assert what == value or said is None


def test_more_fields_than_are_told_still_fill_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpack_walk, "MAX_FIELDS", 2)
    encoder, walk = Encoder(), HpackWalk()
    fields = [("x-a", "1"), ("x-b", "2"), ("x-c", "3")]
    assert told(walk, encoder.encode(fields)) == fields[:2]
    assert told(walk, encoder.encode(fields[2:])) == fields[2:]


def test_short_references_to_long_names_are_told_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpack_walk, "MAX_TOLD", 1_000)
    walk = HpackWalk()
    walk.walk(Encoder().encode([("x" * 600, "1")]))
    assert len(walk.walk(b"\xbe" * 4_000)) == 2  # the newest entry, again and again


@pytest.mark.parametrize("block", [bytes.fromhex(block) for each in EXAMPLES.values() for block, _ in each[:1]])
def test_a_block_that_is_cut_is_refused_or_read_up_to_there(block: bytes) -> None:
    whole = told(HpackWalk(), block)
    for length in range(len(block)):
        try:
            cut = told(HpackWalk(), block[:length])
        except ParseError:
            continue
        assert cut == whole[: len(cut)]
