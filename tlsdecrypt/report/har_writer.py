"""A HAR 1.2 document (http://www.softwareishard.com/blog/har-12-spec/): entries in the order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import orjson

from tlsdecrypt.report.exchange_findings import ExchangeFindings
from tlsdecrypt.report.exchange_url import is_http
from tlsdecrypt.report.har_entry import har_entry, wanted_lookup, with_lookup
from tlsdecrypt.report.har_lookups import Lookups, Wanted
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
        """See Writer. Before each entry stands what finds its place at the end: findings, and lookups."""
        for index, exchange in enumerate(conversation.exchanges):
            if not is_http(exchange):
                continue
            entry = har_entry(conversation, index, self._redactor)
            asked_ns = exchange.span.first_time_ns
            later = [conversation.id, entry["_frames"], asked_ns, wanted_lookup(conversation, index)]
            self._entries.add(asked_ns, json_bytes(later) + b"\n" + json_bytes(entry))

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        log = {"version": HAR_VERSION, "creator": {"name": PROGRAM, "version": version()}, "pages": []}
        stream.write(b'{"log":' + json_bytes(log)[:-1] + b',"entries":[')
        findings, lookups = ExchangeFindings(analysis), Lookups(analysis)
        separator = b"\n"
        for piece in self._entries.in_order():
            later, _, entry = piece.partition(b"\n")
            connection, frames, asked_ns, wanted = orjson.loads(later)
            took_ns = lookups.take(Wanted(*wanted)) if wanted else None
            if took_ns is not None:
                entry = json_bytes(with_lookup(orjson.loads(entry), asked_ns, took_ns))
            rules = json_bytes(findings.of_exchange(connection, frames))
            stream.write(separator + entry[:-1] + b',"_findings":' + rules + b"}")
            separator = b",\n"
        stream.write(b"\n]}}\n")
