"""RPC over HTTP: channels are read as they come, in any cut and behind holes; RTS PDUs, binds, faults and refusals."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from http_feeding import CLIENT, SERVER, run
from hypothesis import given
from hypothesis import strategies as st
from rpc_http_messages import (
    BIND,
    BIND_NAK,
    CONN_A1,
    CONN_A3,
    CONN_B1,
    CONN_C2,
    FLOW_CONTROL,
    OPENED,
    PING,
    REFUSED,
    VIRTUAL,
    fault,
    in_head,
    out_head,
    request,
    response,
)

from tlsdecrypt.app.rpc_http_channel import ChannelReader
from tlsdecrypt.app.rpc_http_operations import operation_name
from tlsdecrypt.app.rpc_http_rts import parse_rts
from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IN = CONN_B1 + BIND + request(10) + PING + request(11, b"x" * 5_000) + request(11) + FLOW_CONTROL


def read(*pieces: bytes | int) -> dict[str, Any]:
    reader = ChannelReader()
    for each in pieces:
        if isinstance(each, int):
            reader.gap(each)
        else:
            reader.feed(each)
    return reader.facts()


def annotations(*pieces: Any) -> dict[str, Any]:
    [exchange] = run(list(pieces))
    found: dict[str, Any] = exchange.annotations["rpc_http"]
    return found


def test_an_in_channel_is_told_before_its_gigabyte_came() -> None:
    [exchange] = run([(CLIENT, in_head() + IN)])
    facts = exchange.annotations["rpc_http"]
    assert facts["summary"] == (
        "Outlook Anywhere IN channel to EXMBX01.contoso.local:6001 (store) -> "
        "open, bound to EMSMDB, 7 PDUs of the client"
    )
    assert facts["client"] == {
        "rts": ["CONN/B1"],
        "virtual_connection": facts["client"]["virtual_connection"],
        "client_keepalive_ms": 300_000,
        "channel_lifetime": 0x40000000,
        "auth_type": "NTLM",
        "auth_level": "privacy",
        "interfaces": ["EMSMDB"],
        "pings": 1,
        "bytes": len(IN),
        "pdus": 7,
        "kinds": {"rts": 3, "bind": 1, "request": 3},
        "operations": {"EMSMDB/EcDoConnectEx": 1, "EMSMDB/EcDoRpcExt2": 2},
    }
    assert (facts["session"], facts["min_connection_timeout_s"]) == ("6e8a0b7c-1111-2222-3333-444455556666", 240)
    assert exchange.faults == ()
    assert "Tr0ub4dor" not in repr(facts)
    assert VIRTUAL.hex() not in repr(facts)


def test_both_channels_name_the_same_virtual_connection() -> None:
    inward = annotations((CLIENT, in_head() + CONN_B1))
    outward = annotations((CLIENT, out_head() + CONN_A1), (SERVER, OPENED + CONN_A3 + CONN_C2 + response()))
    assert outward["client"]["virtual_connection"] == inward["client"]["virtual_connection"]
    assert outward["server"]["rts"] == ["CONN/A3", "CONN/C2"]
    assert outward["server"]["connection_timeout_ms"] == 120_000
    assert outward["is_open"] is True
    assert outward["summary"].endswith("-> open, 1 PDUs of the client, 3 PDUs of the server")


def test_a_fault_and_a_refused_bind_are_told() -> None:
    facts = annotations((CLIENT, out_head() + CONN_A1), (SERVER, OPENED + CONN_A3 + fault(5) + BIND_NAK))
    assert facts["server"]["faults"] == [{"status": "0x00000005", "meaning": "access denied"}]
    assert facts["server"]["refused"] == ["the authentication type is not known"]
    assert facts["error_code"] == "RPC fault 0x00000005"


def test_a_proxy_that_cannot_reach_the_server_says_which_error() -> None:
    facts = annotations((CLIENT, out_head() + CONN_A1), (SERVER, REFUSED))
    assert (facts["rpc_error"], facts["rpc_error_meaning"]) == ("6ba", "the server behind is not available")
    assert "is_open" not in facts
    assert facts["summary"].endswith("-> RPC error 6ba: the server behind is not available, 1 PDUs of the client")


def test_a_leg_of_authentication_is_no_channel() -> None:
    challenge = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"
    facts = annotations((CLIENT, out_head(length=0)), (SERVER, challenge))
    assert "is_channel" not in facts
    assert facts["summary"].endswith("-> HTTP 401")


def test_an_echo_opens_no_channel() -> None:
    echo = in_head().replace(b"1073741824", b"4") + bytes.fromhex("f8e81808")
    facts = annotations((CLIENT, echo), (SERVER, OPENED))
    assert (facts["is_echo"], "is_channel" in facts) == (True, False)
    assert "is_echo" not in annotations((CLIENT, out_head() + CONN_A1), (SERVER, OPENED))


def test_every_cut_reads_the_same() -> None:
    whole = read(IN)
    assert read(*(IN[at : at + 1] for at in range(len(IN)))) == whole
    for at in range(1, len(IN), 7):
        assert read(IN[:at], IN[at:]) == whole


def test_a_chunked_channel_is_read_too() -> None:
    opened = b"HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = CONN_A3 + CONN_C2
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    facts = annotations((CLIENT, out_head() + CONN_A1), (SERVER, opened + chunk))
    assert facts["server"]["rts"] == ["CONN/A3", "CONN/C2"]


@pytest.mark.parametrize(
    ("interface", "opnum", "name"),
    [
        ("NSPI", 0, "NSPI/NspiBind"),
        ("NSPI", 16, "NSPI/NspiQueryColumns"),
        ("NSPI", 20, "NSPI/NspiResolveNamesW"),
        ("RFRI", 1, "RFRI/RfrGetFQDNFromServerDN"),
        ("AsyncEMSMDB", 0, "AsyncEMSMDB/EcDoAsyncWaitEx"),
        ("EMSMDB", 99, "EMSMDB/99"),
        ("context 7", 3, "context 7/3"),
    ],
)
def test_operations_have_the_names_of_their_documents(interface: str, opnum: int, name: str) -> None:
    assert operation_name(interface, opnum) == name


def test_a_hole_in_arguments_is_stepped_over() -> None:
    call = request(11, b"x" * 5_000)
    facts = read(CONN_B1 + BIND + call[:1_000], 3_000, call[4_000:] + request(4))
    assert facts["operations"] == {"EMSMDB/EcDoRpcExt2": 1, "EMSMDB/EcRRegisterPushNotification": 1}
    assert facts["lost"] == 3_000


def test_behind_a_hole_reading_goes_on_with_the_next_pdu() -> None:
    facts = read(CONN_B1[:30], 500, b"garbage" + request(4) + request(5)[:10], request(5)[10:])
    assert facts["kinds"] == {"request": 2}


PIECES = st.sampled_from([CONN_B1, BIND, request(4), request(11, b"x" * 90), fault(5), b"garbage", b"\x05\0" * 9])


@given(st.lists(PIECES | st.integers(1, 60), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_a_hole_costs_the_same_however_the_rest_is_cut(pieces: list[bytes | int], places: list[int]) -> None:
    joined: list[bytes | int] = [CONN_B1]
    for each in (*pieces, 7, BIND + request(4)):
        if isinstance(each, bytes) and isinstance(joined[-1], bytes):
            joined[-1] += each
        else:
            joined.append(each)
    cut: list[bytes | int] = []
    for piece in joined:
        if isinstance(piece, int):
            cut.append(piece)
        else:
            ends = sorted({0, len(piece), *(each % len(piece) for each in places)})
            cut += [piece[start:end] for start, end in pairwise(ends)]
    assert read(*cut) == read(*joined)


def test_what_is_no_pdu_ends_the_reading() -> None:
    facts = read(CONN_B1 + b"HTTP/1.1 200 OK\r\n" * 3, request(4))
    assert facts["damage"] == "no DCE/RPC PDU"
    assert facts["kinds"] == {"rts": 1}


def test_a_channel_of_gigabytes_stays_small() -> None:
    reader = ChannelReader()
    big = request(11, b"x" * 60_000)
    for _ in range(2_000):
        reader.feed(big)
    assert reader.facts()["bytes"] == 2_000 * len(big)
    assert len(reader._buffer) == 0


@given(st.binary(max_size=200), st.integers(0, 100))
def test_nothing_that_a_peer_sends_stops_it(data: bytes, hole: int) -> None:
    found = read(data, hole, CONN_A1[:30] + data, PING + data)
    assert json.loads(json.dumps(found)) == found


@given(st.binary(max_size=80))
def test_rts_pdus_are_read_or_refused(data: bytes) -> None:
    try:
        found = parse_rts(CONN_A1[:18] + data)
    except ParseError:
        return
    assert all(cookie in CONN_A1[:18] + data for cookie in found.cookies)


@pytest.mark.parametrize("whole", [CONN_A1, CONN_B1, CONN_A3, CONN_C2, FLOW_CONTROL])
def test_a_cut_rts_pdu_is_refused_at_every_length(whole: bytes) -> None:
    for length in range(len(whole)):
        with pytest.raises(ParseError):
            parse_rts(whole[:length])
    assert "Cookie" not in parse_rts(whole).name


@pytest.mark.parametrize(
    "whole", [CONN_A1, CONN_B1, CONN_A3, CONN_C2, FLOW_CONTROL], ids=["A1", "B1", "A3", "C2", "ack"]
)
def test_rts_pdus_are_what_tshark_says(whole: bytes, program: Callable[[str], str], tmp_path: Path) -> None:
    dump, capture = tmp_path / "dump.txt", tmp_path / "dump.pcap"
    dump.write_text("\n".join(f"{at:06x} {whole[at : at + 16].hex(' ')}" for at in range(0, len(whole), 16)) + "\n")
    to_pcap = [program("text2pcap"), "-q", "-T", "135,50000", str(dump), str(capture)]
    subprocess.run(to_pcap, check=True, capture_output=True)
    command = [program("tshark"), "-r", str(capture), "-V", "-O", "dcerpc"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Malformed" not in shown
    rts = parse_rts(whole)
    theirs = [each.lower() for each in re.findall(r"RTS Command: (\w+)", shown)]
    assert [each.lower() for each in rts.commands] == theirs
    if "+" not in rts.name:
        assert rts.name in shown
