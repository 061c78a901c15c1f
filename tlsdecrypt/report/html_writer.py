"""The HTML report: one file that needs nothing else, for those who did not run the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from tlsdecrypt.flow import Span
from tlsdecrypt.report.exchange_findings import ExchangeFindings
from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.html_page import page
from tlsdecrypt.report.html_stories import MAX_STORIES, story_views
from tlsdecrypt.report.html_verdict import closed_views, finding_views, period, verdict_view
from tlsdecrypt.report.html_view import connection_view, row_view
from tlsdecrypt.report.html_waterfall import MAX_LANES, waterfall
from tlsdecrypt.report.json_bytes import json_bytes
from tlsdecrypt.report.masking import manifest_lines
from tlsdecrypt.report.program import version
from tlsdecrypt.report.quantities import clock_time, duration
from tlsdecrypt.report.spool import Spool
from tlsdecrypt.report.text_summary import input_lines
from tlsdecrypt.report.text_surroundings import surroundings_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.writer import Manner

MAX_ROWS = 5_000  # connections that are told, those of findings first: browsers take seconds for more
MAX_EXCHANGES = 10_000
MAX_FINDINGS = 500
MAX_TEXT = 48 << 20  # characters of contents in the whole report


class HtmlWriter:
    """The page of `html/page.html`."""

    needs_content = True
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._redactor = manner.redactor
        self._rows = Spool()
        self._connections = Spool()
        self._exchanges = [0, 0]  # all, and those that failed
        self._count = 0

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        connection = connection_view(conversation, self._redactor)  # its fields teach secrets that targets may hold
        row = row_view(conversation, connection, self._redactor)
        self._connections.add(conversation.id, json_bytes(connection))
        self._rows.add(conversation.id, json_bytes(row))
        self._exchanges[0] += row["count"]
        self._exchanges[1] += row["failed"]
        self._count += 1

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        frames, found = FrameNames(analysis.captures), ExchangeFindings(analysis)
        chosen = self._chosen(analysis)
        rows = list(self._chosen_rows(chosen, found))
        stories = analysis.stories
        findings = finding_views(analysis, self._redactor, frames)
        values = {
            "version": version(),
            "period": period(analysis),
            "verdict": verdict_view(analysis, findings, (self._exchanges[0], self._exchanges[1])),
            "findings": findings[:MAX_FINDINGS],
            "stories": story_views(stories[:MAX_STORIES], self._redactor, frames),
            "rows": rows,
            "codes": sorted({row["verdict"] for row in rows}),
            "picture": waterfall(rows),
            "left_out": {
                "rows": self._count - len(rows),
                "lanes": max(len(rows) - MAX_LANES, 0),
                "findings": max(len(findings) - MAX_FINDINGS, 0),
                "stories": max(len(stories) - MAX_STORIES, 0),
            },
            "closed": closed_views(analysis, self._redactor),
            "connections": self._chosen_connections(chosen, found, frames),
            "beside": _beside(analysis, frames),
            "inputs": ["  ".join(text for text, _ in each.parts) for each in input_lines(analysis) if each.level],
            "masking": _masking(self._redactor),
        }
        stream.writelines(page(values))

    def _chosen(self, analysis: Analysis) -> set[int] | None:
        """Which connections are told where there are too many: those that findings name, then the first."""
        if self._count <= MAX_ROWS:
            return None
        named = [number for finding in analysis.findings for number in finding.connections]
        every = [*named, *(each.id for each in analysis.conversations)]
        return set(list(dict.fromkeys(every))[:MAX_ROWS])

    def _chosen_rows(self, chosen: set[int] | None, found: ExchangeFindings) -> Iterator[dict[str, Any]]:
        for piece in self._rows.in_order():
            row = orjson.loads(piece)
            if chosen is None or row["id"] in chosen:
                row["start"] = clock_time(row["start_ns"])
                row["took"] = duration(row["end_ns"] - row["start_ns"])
                row["rules"] = found.of_connection(row["id"])
                yield row

    def _chosen_connections(
        self, chosen: set[int] | None, found: ExchangeFindings, frames: FrameNames
    ) -> Iterator[dict[str, Any]]:
        """One after the other, bounded by the exchanges and by the text of contents that were told before."""
        exchanges, text = MAX_EXCHANGES, MAX_TEXT
        for piece in self._connections.in_order():
            connection = orjson.loads(piece)
            if chosen is not None and connection["id"] not in chosen:
                continue
            number, said = connection["id"], connection["exchanges"]
            connection["exchanges"] = said[:exchanges]
            connection["more"] += max(len(said) - exchanges, 0)
            exchanges = max(exchanges - len(said), 0)
            for exchange in connection["exchanges"]:
                text -= _trim(exchange, text)
                exchange["rules"] = found.of_exchange(number, exchange["frames"])
                exchange["frames"] = _named(exchange["frames"], frames)
            connection["rules"] = found.of_connection(number)
            connection["dissected"] = connection["dissected"][:exchanges]
            exchanges -= len(connection["dissected"])
            for message in connection["dissected"]:
                message["frames"] = _named(message["frames"], frames)
            connection["frames"] = _named(connection["frames"], frames)
            connection["notes"] = [(what, _named(where, frames)) for what, where in connection["notes"]]
            yield connection


def _beside(analysis: Analysis, frames: FrameNames) -> list[tuple[str, list[tuple[str, str]]]]:
    """What was seen beside TCP, by its kind: the name of the frame, and what was in it."""
    kinds: list[tuple[str, list[tuple[str, str]]]] = []
    for each in surroundings_lines(analysis, frames):
        texts = [text for text, _ in each.parts]
        if each.level == 1:
            kinds.append((texts[0], []))
        elif each.level > 1:
            kinds[-1][1].append((texts[0], "  ".join(texts[1:])))
    return kinds


def _trim(exchange: dict[str, Any], room: int) -> int:
    """The length of the contents of an exchange; what does not fit is left out, and the report says so."""
    used = 0
    for side in exchange["sides"]:
        length = len(side["text"] or "")
        if length > room - used:
            side["text"], side["note"] = None, "left out: this page would be too large; a HAR or --objects holds it"
        else:
            used += length
    return used


def _named(pair: list[int] | None, frames: FrameNames) -> str:
    return frames.range(Span(pair[0], pair[1], 0, 0)) if pair else ""


def _masking(redactor: Redactor) -> str:
    if redactor.show_secrets:
        return "Nothing is masked: this report holds passwords and tokens as they were sent. Do not hand it on."
    told = ["; ".join(text for text, _ in each.parts) for each in manifest_lines(redactor) if each.level]
    return f"Masked: {'; '.join(told)}." if told else "Nothing had to be masked."
