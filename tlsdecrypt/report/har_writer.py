"""A HAR 1.2 document (http://www.softwareishard.com/blog/har-12-spec/): entries in the order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import orjson

from tlsdecrypt.report.exchange_findings import ExchangeFindings
from tlsdecrypt.report.exchange_url import is_http
from tlsdecrypt.report.har_entry import har_entry
from tlsdecrypt.report.json_bytes import json_bytes
from tlsdecrypt.report.program import PROGRAM, version
from tlsdecrypt.report.spool import Spool

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.writer import Manner

HAR_VERSION = "1.2"


class HarWriter:
    """The HTTP exchanges of a run."""

    needs_content = True
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._redactor = manner.redactor
        self._entries = Spool()

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        for index, exchange in enumerate(conversation.exchanges):
            if not is_http(exchange):
                continue
            entry = json_bytes(har_entry(conversation, index, self._redactor))
            self._entries.add(exchange.span.first_time_ns, entry)

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        log = {"version": HAR_VERSION, "creator": {"name": PROGRAM, "version": version()}, "pages": []}
        stream.write(b'{"log":' + json_bytes(log)[:-1] + b',"entries":[')
        findings = ExchangeFindings(analysis)
        separator = b"\n"
        for entry in self._entries.in_order():
            stream.write(separator + entry[:-1] + b',"_findings":' + _rules(entry, findings) + b"}")
            separator = b",\n"
        stream.write(b"\n]}}\n")


def _rules(entry: bytes, findings: ExchangeFindings) -> bytes:
    if not findings:
        return b"[]"
    told = orjson.loads(entry)
    return json_bytes(findings.of_exchange(told["_connection"], told["_frames"]))
