"""tshark as a second opinion on HTTP/2 between curl and nginx."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path

import tlsdecrypt

ROOT = Path(__file__).resolve().parents[2]
CAPTURE, KEY_LOG = ROOT / "captures" / "nginx-http2.pcap", ROOT / "keys" / "nginx-http2.keylog"
ASKED = ("http2.headers.method", "http2.headers.path", "http2.headers.authority", "http2.headers.status")


def _messages(tshark: str) -> list[list[str]]:
    """Method, target, host and status of each stream, in the order of connections and streams."""
    fields = [argument for each in ("tcp.stream", "http2.streamid", *ASKED) for argument in ("-e", each)]
    command = [tshark, "-r", str(CAPTURE), "-o", f"tls.keylog_file:{KEY_LOG}", "-Y", "http2.headers", "-T", "fields"]
    told = subprocess.run([*command, *fields], capture_output=True, check=True, text=True, timeout=60).stdout
    streams: dict[tuple[int, int], list[str]] = defaultdict(lambda: [""] * len(ASKED))
    for line in told.splitlines():
        connection, numbers, *values = line.split("\t")
        number = max(map(int, numbers.split(",")))  # a record of SETTINGS and HEADERS names stream 0 too
        known = streams[int(connection), number]
        streams[int(connection), number] = [new or old for new, old in zip(values, known, strict=True)]
    return [streams[key] for key in sorted(streams)]


def test_requests_and_answers_are_those_that_tshark_shows(tshark: str) -> None:
    analysis = tlsdecrypt.analyze([CAPTURE], keys=tlsdecrypt.load_keys(keylogs=[KEY_LOG]))
    exchanges = [each for told in analysis.conversations for each in told.exchanges]
    exchanges.sort(key=lambda each: each.request.span.first_time_ns)
    mine = [
        [each.request.method, each.request.target, each.request.host, str(each.response.status)] for each in exchanges
    ]
    assert mine == _messages(tshark)
    assert len(mine) == 14


def test_contents_are_those_that_nginx_served() -> None:
    keys = tlsdecrypt.load_keys(keylogs=[KEY_LOG])
    analysis = tlsdecrypt.analyze([CAPTURE], keys, tlsdecrypt.Options(keep_content=True))
    contents = {
        each.request.target: each.response.content
        for told in analysis.conversations
        for each in told.exchanges
        if each.request.method == "GET"
    }
    assert contents["/page3.txt"] == b"This is page 3.\n"
    assert contents["/long.txt"] == b"".join(b"line %d of a page in many frames\n" % number for number in range(1_500))
    [form] = [each for told in analysis.conversations for each in told.exchanges if each.passwords]
    assert form.passwords == ("Wint3r-Sp0rt",)
    assert form.annotations["http"]["service"] == "owa"
    assert all(not each.faults for told in analysis.conversations for each in told.exchanges)
