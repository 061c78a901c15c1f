"""MAPI over HTTP: framing, Connect, Execute, ROPs that fail, and what is damaged or lies."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapi_messages import (
    CONNECT_REQUEST,
    CONNECT_RESPONSE,
    USER_DN,
    annotate,
    done,
    execute_request,
    execute_response,
    rop_buffer,
)

from tlsdecrypt.app.mapi_compression import MAX_EXPANDED, expand, payloads
from tlsdecrypt.app.mapi_framing import split_body
from tlsdecrypt.app.mapi_rop_buffer import parse_requests, parse_results
from tlsdecrypt.app.mapi_rops import ROPS
from tlsdecrypt.errors import ParseError

SET_PROPERTIES = bytes.fromhex("0a 00 00 0200 0000")  # no values
SUBMIT = bytes.fromhex("32 00 00 00")
RELEASE = bytes.fromhex("01 00 00")
TRANSPORT_SEND = bytes.fromhex("4a 00 00")
SET_OK = bytes.fromhex("0a 00 00000000 0000")
DENIED = bytes.fromhex("32 00 dc040000")

# [MS-XCA] section 3.1: what the algorithm makes of two strings.
ALPHABET = bytes.fromhex("3f000000") + b"abcdefghijklmnopqrstuvwxyz"
REPEATED = bytes.fromhex("ffffff1f 616263 1700 0f ff 2601")


def test_a_connect_is_told_in_one_line() -> None:
    facts = annotate(
        "Connect",
        CONNECT_REQUEST,
        done(CONNECT_RESPONSE, pending=2),
        answer_fields=(
            ("Set-Cookie", "MapiContext=Tr0ub4dor-marker; path=/mapi/emsmdb"),
            ("X-ExpirationInfo", "900000"),
        ),
        fields=(("Authorization", "Basic YXZlcnk6VHIwdWI0ZG9y"),),
    )
    assert facts == {
        "endpoint": "emsmdb",
        "mailbox_id": "7d1a6f2e-0b7c-4c1e-9a52-3f2a1f5b8d10@contoso.com",
        "request_type": "Connect",
        "request_id": "{C715155F-2BE8-44E0-BD34-2960067874C8}:1",
        "client_application": "Outlook/15.0.4420.1017",
        "user_dn": USER_DN,
        "code_page": 1252,
        "server_application": "Exchange/15.00.0847.4040",
        "response_code": 0,
        "expiration_ms": 900_000,
        "elapsed_ms": 31,
        "opens_context": True,
        "response_code_name": "Success",
        "meaning": "done",
        "pending_count": 2,
        "status_code": 0,
        "dn_prefix": "/o=First Organization/cn=Recipients/cn=",
        "summary": "MAPI/HTTP Connect to 4f1d-avery as avery -> success",
    }


def test_a_code_behind_the_meta_tags_counts() -> None:
    facts = annotate("Execute", None, done(b"gone", "X-ResponseCode: 10"), code="0")
    assert (facts["response_code"], facts["response_code_name"]) == (10, "Context Not Found")
    assert facts["late_response_code"] is True
    assert facts["error_code"] == "Context Not Found"
    assert facts["diagnostic"] == "gone"


def test_an_error_in_front_comes_with_its_text() -> None:
    page = b"<html><style>p {color: red}</style><body><h1>Not&nbsp;found</h1>\r\n<p>No context</body></html>"
    facts = annotate("Execute", None, page, code="10", content_type=("Content-Type", "text/html"))
    assert facts["diagnostic"] == "Not found No context"
    assert facts["summary"] == (
        "MAPI/HTTP Execute -> code 10 Context Not Found: the server does not have the session any more, "
        '"Not found No context"'
    )


@pytest.mark.parametrize(
    ("error", "name"),
    [(0x3EB, "UnknownUser"), (0x478, "WrongServer"), (0x80070005, "AccessDenied"), (0x999, "0x00000999")],
)
def test_an_error_in_the_body_of_connect_is_named(error: int, name: str) -> None:
    facts = annotate("Connect", None, done(struct.pack("<II", 0, error)))
    assert (facts["error"], facts["error_name"], facts["error_code"]) == (f"0x{error:08X}", name, name)
    assert name in facts["summary"]


def test_an_answer_without_meta_tags_is_read_too() -> None:
    facts = annotate("Connect", None, struct.pack("<II", 0, 0x3EB))
    assert facts["error_name"] == "UnknownUser"


def test_an_answer_that_ends_too_early_says_so() -> None:
    facts = annotate("NotificationWait", None, b"PROCESSING\r\nPENDING\r\nPENDING\r\n")
    assert facts["is_done"] is False
    assert facts["pending_count"] == 2
    assert facts["summary"].endswith("the answer was not complete")


@pytest.mark.parametrize("flags", [0x04, 0x06])
def test_a_denied_submission_is_found_behind_other_rops(flags: int) -> None:
    sender = b"\x1f\x00\x02\x5d" + "boss@contoso.com".encode("utf-16-le") + b"\0\0"
    properties = struct.pack("<H", 2 + len(sender)) + b"\x01\x00" + sender
    asked = rop_buffer(b"\x0a\x00\x00" + properties + SUBMIT + RELEASE, flags)
    answered = rop_buffer(SET_OK + DENIED, flags)
    facts = annotate("Execute", execute_request(asked), done(execute_response(answered)))
    assert facts["rops"] == ["SetProperties", "SubmitMessage", "Release"]
    assert facts["has_all_rops"] is True
    assert facts["sender"] == "boss@contoso.com"
    assert facts["failed_rops"] == [
        {
            "rop": "SubmitMessage",
            "value": "0x000004DC",
            "name": "SendAsDenied",
            "meaning": "the account may not send as this sender",
        }
    ]
    assert facts.get("is_obfuscated") is (True if flags & 2 else None)
    assert "SubmitMessage failed with 0x000004DC SendAsDenied" in facts["summary"]


def test_a_rop_that_failed_has_no_results_behind_its_value() -> None:
    rops = bytes.fromhex("0a 00 05000780") + bytes.fromhex("1d 00 05000780 01") + DENIED
    found = parse_results(struct.pack("<H", 2 + len(rops)) + rops)
    assert [(each.name, each.return_value) for each in found.results] == [
        ("SetProperties", 0x80070005),
        ("DeleteFolder", 0x80070005),
        ("SubmitMessage", 0x4DC),
    ]
    assert found.is_complete
    assert not found.is_denial_sought


def test_a_denied_submission_is_found_behind_what_cannot_be_walked() -> None:
    query_rows = bytes.fromhex("15 00 00000000 02 0100") + b"\x00some row"
    results = parse_results(struct.pack("<H", 2 + len(query_rows + DENIED)) + query_rows + DENIED)
    assert [each.name for each in results.results] == ["QueryRows", "SubmitMessage"]
    assert results.is_denial_sought
    assert not results.is_complete


def test_a_failure_of_every_healthy_session_is_no_error() -> None:
    answered = rop_buffer(bytes.fromhex("2b 00 0f010480"))
    facts = annotate("Execute", None, done(execute_response(answered)))
    assert facts["failed_rops"][0]["name"] == "NotFound"
    assert "error_code" not in facts


def test_a_list_of_rops_is_walked_by_their_layouts() -> None:
    rops = (
        bytes.fromhex("fe 00 00  01 04000000 00000000 0300 612f00")  # Logon
        + bytes.fromhex("02 00 00  01 0100000000000001 00")  # OpenFolder
        + bytes.fromhex("07 00 00  0000 0100 0200 1f000110 1f000210")  # GetPropertiesSpecific
        + bytes.fromhex("26 00 00  0100000000000001 49504d00")  # SetReceiveFolder
        + bytes.fromhex("76 00 00  03000000 010203")  # UploadStateStreamContinue
        + TRANSPORT_SEND
    )
    found = parse_requests(struct.pack("<H", len(rops) + 2) + rops + b"\xff\xff\xff\xff")
    assert [ROPS[each].name for each in found.rop_ids] == [
        "Logon",
        "OpenFolder",
        "GetPropertiesSpecific",
        "SetReceiveFolder",
        "SynchronizationUploadStateStreamContinue",
        "TransportSend",
    ]
    assert found.is_complete


def test_a_rop_of_unknown_layout_ends_the_list() -> None:
    rops = bytes.fromhex("40 00 00 00 00 00") + SUBMIT
    found = parse_requests(struct.pack("<H", len(rops) + 2) + rops)
    assert found == ((0x40,), False)


def test_compressed_payloads_are_expanded() -> None:
    assert expand(ALPHABET) == b"abcdefghijklmnopqrstuvwxyz"
    assert expand(REPEATED) == b"abc" * 100


def test_a_compressed_and_obfuscated_buffer_is_read() -> None:
    plain = struct.pack("<H", 2 + len(SUBMIT)) + SUBMIT + b"\xff\xff\xff\xff"
    packed = bytes(byte ^ 0xA5 for byte in compress(plain))
    buffer = struct.pack("<HHHH", 0, 0x07, len(packed), len(plain)) + packed
    facts = annotate("Execute", execute_request(buffer), None)
    assert facts["rops"] == ["SubmitMessage"]
    assert facts["is_compressed"] is True
    assert facts["is_obfuscated"] is True


def compress(data: bytes) -> bytes:
    """Plain LZ77 ([MS-XCA] section 2.3) by the simplest search."""
    output, flags_at, flags, count = bytearray(4), 0, 0, 0
    position, half = 0, None
    while position < len(data):
        offset, length = _longest(data, position)
        flags = flags << 1 | (length >= 3)
        if length < 3:
            output.append(data[position])
            position += 1
        else:
            half = _put_match(output, offset, length - 3, half)
            position += length
        count += 1
        if count == 32:
            output[flags_at : flags_at + 4] = flags.to_bytes(4, "little")
            flags_at, flags, count = len(output), 0, 0
            output += bytes(4)
    flags = flags << (32 - count) | (1 << (32 - count)) - 1
    output[flags_at : flags_at + 4] = (flags & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(output)


def _longest(data: bytes, position: int) -> tuple[int, int]:
    best = (0, 0)
    for start in range(max(0, position - 8192), position):
        length = 0
        while position + length < len(data) and data[start + length] == data[position + length]:
            length += 1
        best = max(best, (length, position - start))
    return best[1], best[0]


def _put_match(output: bytearray, offset: int, length: int, half: int | None) -> int | None:
    output += ((offset - 1) << 3 | min(length, 7)).to_bytes(2, "little")
    if length < 7:
        return half
    nibble = min(length - 7, 15)
    if half is None:
        half = len(output)
        output.append(nibble)
    else:
        output[half] |= nibble << 4
        half = None
    if nibble == 15:
        output += bytes([length - 22]) if length < 22 + 255 else b"\xff" + length.to_bytes(2, "little")
    return half


@given(st.lists(st.sampled_from([b"a", b"bc", b"Outlook", b"\0" * 40, b"xyz" * 120])).map(b"".join))
def test_what_was_compressed_comes_back(data: bytes) -> None:
    assert expand(compress(data)) == data


def test_a_small_buffer_that_claims_gigabytes_is_refused() -> None:
    pair = "0700 ff ff ffff  0700 ff ffff"  # two matches of 65,538 bytes that share a byte of their lengths
    with pytest.raises(ParseError, match="grows beyond"):
        expand(bytes.fromhex("ffffff7f 61" + pair * 10))
    with pytest.raises(ParseError, match="before the start"):
        expand(bytes.fromhex("ffffff7f 61 1000"))
    assert MAX_EXPANDED < 1_000_000


@given(st.binary(max_size=200))
def test_what_any_bytes_expand_to_is_made_of_them_and_bounded(data: bytes) -> None:
    try:
        expanded = expand(data)
    except ParseError:
        return
    assert set(expanded) <= set(data)
    assert len(expanded) <= MAX_EXPANDED


@given(st.lists(st.tuples(st.sampled_from([0, 2]), st.binary(max_size=40)), max_size=4), st.binary(max_size=60))
def test_payloads_are_those_that_were_chained_and_any_bytes_behind_add_none_that_is_longer(
    chained: list[tuple[int, bytes]], behind: bytes
) -> None:
    data = b"".join(struct.pack("<HHHH", 0, flags, len(body), len(body)) + body for flags, body in chained) + behind
    found = []
    with contextlib.suppress(ParseError):
        found.extend(payloads(data))
    assert sum(8 + len(each.data) for each in found if not each.is_compressed) <= len(data)
    expected = [bytes(byte ^ 0xA5 for byte in body) if flags else body for flags, body in chained]
    assert [each.data for each in found[: len(chained)]] == expected


@given(st.integers(0, 70), st.binary(max_size=60))
def test_any_bytes_hold_no_more_rops_than_fit_in_them(size: int, rest: bytes) -> None:
    data = size.to_bytes(2, "little") + rest
    try:
        asked, answered = parse_requests(data), parse_results(data)
    except ParseError:
        assert not 2 <= size <= len(data)
        return
    assert 3 * len(asked.rop_ids) <= len(data)
    assert 6 * len(answered.results) <= len(data)
    assert set(asked.rop_ids) | {each.rop_id for each in answered.results} <= set(data)


@pytest.mark.parametrize("request_type", ["Connect", "Execute", "NotificationWait", "GetMailboxUrl", "Bind", ""])
def test_a_cut_at_every_length_gives_facts_or_faults(request_type: str) -> None:
    buffer = rop_buffer(SET_PROPERTIES + SUBMIT)
    asked = CONNECT_REQUEST if request_type == "Connect" else execute_request(buffer)
    answered = done(CONNECT_RESPONSE if request_type == "Connect" else execute_response(rop_buffer(SET_OK + DENIED)))
    for length in range(len(answered)):
        facts = annotate(request_type, asked[:length], answered[:length])
        assert facts["summary"].startswith("MAPI/HTTP")


@given(st.binary(max_size=100))
def test_nothing_that_a_peer_sends_stops_it(content: bytes) -> None:
    for request_type in ("Connect", "Execute", "NotificationWait"):
        for body in (content, done(content), done(bytes(8) + content)):
            assert annotate(request_type, content, body)["summary"]


def test_framing_is_bounded() -> None:
    assert split_body(b"PENDING\r\n" * 200_000 + b"DONE\r\n\r\n") is not None
    assert split_body(b"<html>") is None
    framed = split_body(b"PROCESSING\r\nDONE\r\n" + b"X-A: b\r\n" * 100 + b"\r\n")
    assert framed is not None
    assert len(framed.headers) == 1


def test_the_address_book_is_told_apart() -> None:
    facts = annotate("Bind", bytes(45), done(bytes(24)), target="/mapi/nspi/?MailboxId=a@contoso.com")
    assert facts["summary"] == "MAPI/HTTP address book Bind -> success"


def test_a_url_of_the_mailbox_is_given() -> None:
    body = bytes(8) + "https://mail.contoso.com/mapi/emsmdb/\0".encode("utf-16-le") + bytes(4)
    assert annotate("GetMailboxUrl", None, done(body))["url"] == "https://mail.contoso.com/mapi/emsmdb/"
