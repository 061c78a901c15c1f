"""WBXML: against libwbxml and tshark for each tag of each code page, and against what lies about its lengths."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app import wbxml
from tlsdecrypt.app.activesync_pages import CODE_PAGES, TAGS
from tlsdecrypt.app.wbxml import MAX_DEPTH, MAX_TEXT, MAX_TOKENS, Element, parse_wbxml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = bytes.fromhex(
    "03"  # version 1.3
    "01"  # public identifier: unknown
    "6a"  # UTF-8
    "00"  # no string table
)
PING = HEAD + bytes.fromhex(
    "000d"  # SWITCH_PAGE 13
    "45"  # <Ping>
    "48 03 343830 00 01"  # <HeartbeatInterval>480</>
    "49 4a"  # <Folders> <Folder>
    "4b 03 35 00 01"  # <Id>5</>
    "4c 03 456d61696c 00 01"  # <Class>Email</>
    "01 01 01"
)
LETTERS = {0: {0x05: "A", 0x06: "B"}}

# Tags that libwbxml 0.11 still calls as version 2.5 did, or does not know: a prefix or a word apart, or another name.
OLD_WORDS = re.compile(r"_|Recurrence(?=_)|Address|Organizer(?=_)|Attendee(?=_)|Exception(?=_)|Tele|Forwardee(?=[NE])")
OTHERWISE = {
    ("Email", "Status"): "FlagStatus",
    ("Email", "Att0id"): "AttOId",
    ("Provision", "RequireStorageCardEncryption"): "DeviceEncryptionEnabled",
    ("Settings", "RightsManagementInformation"): "ihsManagementInformation",
    ("RightsManagement", "Owner"): "RMOwner",
    ("RightsManagement", "RemoveRightsManagementProtection"): "RemoveRightsManagementDistribution",
}
UNKNOWN_THERE = {
    ("Email", "ReplyTo"), ("MeetingResponse", "ProposedStartTime"), ("MeetingResponse", "ProposedEndTime"),
    ("Provision", "AccountOnlyRemoteWipe"), ("Search", "Stores"), ("Search", "SubstringOp"), ("ComposeMail", "Type"),
    *(("Calendar", TAGS[4][token]) for token in range(0x2B, 0x33)),
}  # fmt: skip

NAMESPACES = tuple(CODE_PAGES)


def tree(element: Element) -> tuple[str, str, list[object]]:
    return element.name, element.text, [tree(each) for each in element.children]


def test_a_ping_reads_as_the_document_says() -> None:
    root, faults = parse_wbxml(PING, TAGS)
    assert faults == []
    assert root is not None
    assert tree(root) == (
        "Ping",
        "",
        [
            ("HeartbeatInterval", "480", []),
            ("Folders", "", [("Folder", "", [("Id", "5", []), ("Class", "Email", [])])]),
        ],
    )
    assert root.text_at("Folders", "Folder", "Class") == "Email"
    assert [each.text for each in root.all("Folders", "Folder", "Id")] == ["5"]


def test_there_are_all_pages_of_the_document() -> None:
    assert len(NAMESPACES) == 26
    assert (NAMESPACES[0], NAMESPACES[14], NAMESPACES[17], NAMESPACES[25]) == (
        "AirSync",
        "Provision",
        "AirSyncBase",
        "Find",
    )
    assert TAGS[25][0x22] == "Picture"
    assert TAGS[14][0x3B] == "AccountOnlyRemoteWipe"
    assert TAGS[24][0x18] == "RemoveRightsManagementProtection"


@pytest.mark.parametrize("page", range(25))  # libwbxml 0.11 does not know page 25
def test_every_tag_is_what_libwbxml_calls_it(page: int, program: Callable[[str], str], tmp_path: Path) -> None:
    wbxml2xml = program("wbxml2xml")
    namespace = NAMESPACES[page]
    tags = {token: tag for token, tag in TAGS[page].items() if (namespace, tag) not in UNKNOWN_THERE}
    switch = bytes([0, page]) if page else b""
    document = HEAD + b"\x45" + switch + b"".join(bytes([token | 0x40, 3, 0x78, 0, 1]) for token in tags) + b"\x01"
    (tmp_path / "all.wbxml").write_bytes(document)
    command = [wbxml2xml, "-l", "ACTIVESYNC", "-o", "-", str(tmp_path / "all.wbxml")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    theirs = re.findall(r"<(\w+)(?: xmlns=\"[^\"]*\")?>[^<>]*</\1>", shown)
    ours, faults = parse_wbxml(document, TAGS)
    assert ours is not None
    assert faults == []
    assert [each.text for each in ours.children] == ["x"] * len(tags)
    expected = [OTHERWISE.get((namespace, each.name), each.name) for each in ours.children]
    assert [_plain(each) for each in theirs] == [_plain(each) for each in expected]


def _plain(name: str) -> str:
    return OLD_WORDS.sub("", name).lower().removeprefix("attendee").removeprefix("organizer").removeprefix("exception")


def test_page_25_is_what_the_document_says() -> None:
    """[MS-ASWBXML] section 2.1.2.1.26, where tokens leave holes."""
    named = {0x05: "Find", 0x0E: "DeepTraversal", 0x11: "Response", 0x19: "GalSearchCriterion", 0x20: "MaxPictures"}
    assert {token: TAGS[25][token] for token in named} == named
    assert not {0x0F, 0x10, 0x1A, 0x1F} & TAGS[25].keys()


def test_a_cut_at_every_length_keeps_what_stands_before_it() -> None:
    for length in range(len(PING)):
        root, faults = parse_wbxml(PING[:length], TAGS)
        assert faults
        assert root is None or root.name == "Ping"


@given(st.binary(max_size=200))
def test_any_bytes_give_a_tree_or_faults(data: bytes) -> None:
    for document in (data, HEAD + data):
        root, faults = parse_wbxml(document, TAGS)
        assert root is not None or faults or not document


def test_strings_of_the_table_entities_and_opaque_data_are_text() -> None:
    document = bytes.fromhex(
        "03 01 6a"
        "05 6f6e6500 00"  # string table: "one", ""
        "45"  # <A>
        "83 00"  # STR_T 0
        "02 8e78"  # ENTITY 0x778
        "c3 02 4142"  # OPAQUE
        "44 00"  # LITERAL_C "one"
        "01 01"
    )
    root, faults = parse_wbxml(document, LETTERS)
    assert faults == []
    assert root is not None
    assert (root.text, root.length) == ("one\u0778AB", 7)
    assert [each.name for each in root.children] == ["one"]


@pytest.mark.parametrize(
    ("tail", "fault"),
    [
        ("45 c3 8fffffff7f", "opaque data"),  # 4 GB are promised
        ("45 c3 ffffffffffff", "an integer of more than 5 bytes"),
        ("45 83 05", "outside of the string table"),
        ("45 03 4142", "a string without an end"),
        ("45 01 01", ""),
        ("01", "an element ends that did not begin"),
        ("45 46 01", "ends before its root element does"),
    ],
)
def test_lengths_and_ends_that_lie_are_named(tail: str, fault: str) -> None:
    root, faults = parse_wbxml(HEAD + bytes.fromhex(tail), LETTERS)
    assert "; ".join(faults).count(fault)
    assert bool(faults) is bool(fault)
    assert root is not None or tail == "01"


def test_a_string_table_of_gigabytes_is_refused() -> None:
    assert "a string table of" in parse_wbxml(bytes.fromhex("03016a 8fffffff7f"), LETTERS)[1][0]


def test_depth_is_bounded_and_what_follows_is_read() -> None:
    document = HEAD + b"\x45" * 100_000 + b"\x01" * 99_999 + bytes.fromhex("46 03 7800 01 01")
    root, faults = parse_wbxml(document, LETTERS)
    assert root is not None
    assert faults == [f"elements deeper than {MAX_DEPTH} are not read"] or "tokens" in faults[-1]
    depth, element = 1, root
    while element.children and element.children[0].name == "A":
        element = element.children[0]
        depth += 1
    assert depth <= MAX_DEPTH + 1


def test_what_follows_a_place_that_is_too_deep_is_read() -> None:
    document = HEAD + b"\x45" * 100 + b"\x01" * 99 + bytes.fromhex("46 03 7800 01 01")
    root, faults = parse_wbxml(document, LETTERS)
    assert root is not None
    assert faults == [f"elements deeper than {MAX_DEPTH} are not read"]
    assert root.text_at("B") == "x"


def test_tokens_are_bounded() -> None:
    root, faults = parse_wbxml(HEAD + b"\x45" + b"\x06" * (MAX_TOKENS + 10), LETTERS)
    assert root is not None
    assert "tokens: the rest is not read" in faults[0]


def test_long_text_is_cut_and_counted() -> None:
    root, _ = parse_wbxml(HEAD + b"\x45\x03" + "\u20ac".encode() * 5_000 + b"\x00\x01", LETTERS)
    assert root is not None
    assert root.text == "\u20ac" * MAX_TEXT
    assert root.length == 15_000


def test_attributes_are_stepped_over() -> None:
    document = HEAD + bytes.fromhex("c5 05 03 7600 85 c3 02 0102 83 00 01 03 6f6b00 01")
    root, faults = parse_wbxml(document, LETTERS)
    assert faults == []
    assert root is not None
    assert root.text == "ok"


def test_no_code_page_makes_a_loop() -> None:
    """Switches of pages without end are tokens as others are."""
    _, faults = parse_wbxml(HEAD + b"\x45" + b"\x00\x07" * 150_000, LETTERS)
    assert faults == ["the WBXML ends before its root element does"] or wbxml.MAX_TOKENS < 150_001
