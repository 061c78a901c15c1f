"""Every sample capture, decrypted: what reads it without keys says the same as what read the original with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rewriting import BROKEN, by_tshark, rewritten
from sample_cases import CASES, ROOT, keys_of, name_of

from tlsdecrypt import analyze

if TYPE_CHECKING:
    from tlsdecrypt import Analysis, Conversation

TSHARK_READS = (
    "exchange.pcapng", "linux-cooked.pcap", "vlan.pcap", "starttls.pcap", "forward-secret-tls13.pcap", "damaged.pcap",
    "nanosecond-big-endian.pcap", "openssl-renegotiation.pcap", "one-way.pcap", "middle.pcap",
)  # fmt: skip
OPENED = [each for each in CASES if not each["refused"] and each["keys"]]
REQUEST = ("-e", "ip.src", "-e", "tcp.srcport", "-e", "http.request.method", "-e", "http.request.uri")


def both(case: dict[str, Any], tmp_path: Path) -> tuple[Analysis, Analysis]:
    """What the original says with the keys, and the decrypted capture without any."""
    original = ROOT / case["capture"]
    path = tmp_path / "decrypted.pcapng"
    path.write_bytes(rewritten([original], keys_of(case), show_secrets=True))
    return analyze([str(original)], keys_of(case)), analyze([str(path)])


def said(conversation: Conversation) -> list[Any]:
    """Requests and answers, without their frames."""
    return [
        [
            each and [getattr(each, name, None) for name in ("method", "target", "status", "fields", "content_length")]
            for each in (exchange.request, exchange.response)
        ]
        for exchange in conversation.exchanges
        if exchange.protocol.startswith("http")
    ]


def by_ends(analysis: Analysis) -> dict[tuple[object, object], list[Conversation]]:
    found: dict[tuple[object, object], list[Conversation]] = {}
    for each in analysis.conversations:
        found.setdefault((each.client, each.server), []).append(each)
    return found


@pytest.mark.parametrize("case", OPENED, ids=name_of)
def test_what_was_said_is_read_again_without_any_key(case: dict[str, Any], tmp_path: Path) -> None:
    original, decrypted = both(case, tmp_path)
    again = by_ends(decrypted)
    opened = [each for each in original.conversations if each.is_decrypted and each.tls]
    for each in opened:
        (same,) = again[each.client, each.server]
        length = sum(digest.length for digest in each.application_data)
        assert same.tls is None or not length
        heard = sum(stream.length for stream in same.streams)
        assert heard == length if each.tls and not each.tls.started_by else heard >= length
        assert [same.has_syn, *(stream.conflicting for stream in same.streams)] == [each.has_syn, 0, 0]
        is_tunnelled = each.tls and each.tls.started_by  # what was clear all along hides what follows
        if not is_tunnelled and not any(exchange.faults for exchange in each.exchanges):
            assert said(same) == said(each)


@pytest.mark.parametrize("case", OPENED, ids=name_of)
def test_frames_keep_their_times_and_order(case: dict[str, Any], tmp_path: Path) -> None:
    original, decrypted = both(case, tmp_path)
    (before,), (after,) = original.captures, decrypted.captures
    assert before.start_ns is not None
    assert after.start_ns is not None
    assert before.start_ns <= after.start_ns
    assert (after.end_ns or 0) <= (before.end_ns or 0)
    assert dict(after.other_frames) == {
        kind: count for kind, count in before.other_frames.items() if kind in after.other_frames or count
    }


@pytest.mark.parametrize("case", {each["capture"]: each for each in OPENED}.values(), ids=name_of)
def test_tshark_finds_no_fault_in_any_of_them(case: dict[str, Any], tmp_path: Path, tshark: str) -> None:
    assert tshark
    path = tmp_path / "decrypted.pcapng"
    path.write_bytes(rewritten([ROOT / case["capture"]], keys_of(case)))
    assert by_tshark(path, "-Y", BROKEN) == []
    assert by_tshark(path, "-c", "1") != []


@pytest.mark.parametrize("name", TSHARK_READS)
def test_tshark_finds_no_fault_and_the_requests_that_it_decrypts_itself(name: str, tmp_path: Path) -> None:
    case = next(each for each in OPENED if Path(each["capture"]).name == name)
    path = tmp_path / "decrypted.pcapng"
    path.write_bytes(rewritten([ROOT / case["capture"]], keys_of(case)))
    assert by_tshark(path, "-Y", BROKEN) == []
    expected = [
        (each.client.address, str(each.client.port), exchange.request.method)
        for each in analyze([str(ROOT / case["capture"])], keys_of(case)).conversations
        for exchange in each.exchanges
        if exchange.protocol.startswith("http") and exchange.request and exchange.request.method
    ]
    rows = by_tshark(path, "-Y", "http.request and not ipv6", "-T", "fields", *REQUEST)
    found = [(source, port, method) for source, port, method, _ in rows]
    assert sorted(found) == sorted(each for each in expected if ":" not in each[0])
