"""A Session Archive Zip (.saz), which Fiddler opens: three files a session in `raw`, and an index of them."""

from __future__ import annotations

import struct
import zipfile
from html import escape
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from tlsdecrypt.report.exchange_findings import ExchangeFindings
from tlsdecrypt.report.exchange_url import is_http
from tlsdecrypt.report.json_bytes import json_bytes
from tlsdecrypt.report.saz_session import saz_session
from tlsdecrypt.report.spool import Spool
from tlsdecrypt.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.writer import Manner

_CONTENT_TYPES = (
    b'<?xml version="1.0" encoding="utf-8" ?>\r\n'
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">\r\n'
    b'<Default Extension="htm" ContentType="text/html" />\r\n'
    b'<Default Extension="xml" ContentType="application/xml" />\r\n'
    b'<Default Extension="txt" ContentType="text/plain" />\r\n'
    b"</Types>"
)
_COLUMNS = ("#", "Result", "Protocol", "Host", "URL", "Body", "Content-Type", "Process", "Comments")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of zip archives; the same for all, so that equal runs give equal archives
_LENGTHS = struct.Struct("<III")


class SazWriter:
    """The HTTP exchanges of a run, in the order of time."""

    needs_content = True
    sink = None

    def __init__(self, manner: Manner) -> None:
        self._redactor = manner.redactor
        self._sessions = Spool()

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        for index, exchange in enumerate(conversation.exchanges):
            if not is_http(exchange):
                continue
            asked, answered, facts = saz_session(conversation, index, self._redactor)
            facts |= {"connection": conversation.id, "frames": _frames(exchange)}
            told = json_bytes(facts)
            head = _LENGTHS.pack(len(asked), len(answered), len(told))
            self._sessions.add(exchange.span.first_time_ns, head + asked + answered + told)

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        findings = ExchangeFindings(analysis)
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, "[Content_Types].xml", _CONTENT_TYPES)
            rows = Spool()
            for number, piece in enumerate(self._sessions.in_order(), 1):
                asked, answered, facts = _unpacked(piece)
                rules = findings.of_exchange(facts["connection"], facts["frames"])
                facts["flags"]["ui-comments"] += f"; {', '.join(rules)}" if rules else ""
                _add(archive, f"raw/{number}_c.txt", asked)
                _add(archive, f"raw/{number}_s.txt", answered)
                _add(archive, f"raw/{number}_m.xml", _metadata(number, facts))
                rows.add(number, _row(number, facts))
            with archive.open(_entry("_index.htm"), "w", force_zip64=True) as index:
                for part in _index(rows):
                    index.write(part)


def _frames(exchange: Any) -> list[int]:
    return [exchange.span.first_frame, exchange.span.last_frame]


def _unpacked(piece: bytes) -> tuple[bytes, bytes, dict[str, Any]]:
    asked, answered, _ = _LENGTHS.unpack_from(piece)
    start = _LENGTHS.size
    facts: dict[str, Any] = orjson.loads(piece[start + asked + answered :])
    return piece[start : start + asked], piece[start + asked : start + asked + answered], facts


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 0  # as Windows does, whatever this runs on
    return entry


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(_entry(name), data)


def _metadata(number: int, facts: dict[str, Any]) -> bytes:
    """`Session` with its timers and flags."""
    from lxml import etree  # noqa: PLC0415 - takes 20 ms to load

    session = etree.Element("Session", SID=str(number), BitFlags=f"{facts['bits']:x}")
    etree.SubElement(session, "SessionTimers", facts["timers"])
    etree.SubElement(session, "PipeInfo")
    flags = etree.SubElement(session, "SessionFlags")
    for name, value in facts["flags"].items():
        if value:
            etree.SubElement(flags, "SessionFlag", N=name, V=visible(value))
    document: bytes = etree.tostring(session, xml_declaration=True, encoding="utf-8", pretty_print=True)
    return document


def _row(number: int, facts: dict[str, Any]) -> bytes:
    """A row of the index."""
    host, _, path = facts["url"].partition("://")[2].partition("/")
    flags = facts["flags"]
    cells = [number, facts["status"], facts["protocol"], host, f"/{path}", facts["length"], facts["type"]]
    cells += [flags["x-processinfo"], flags["ui-comments"]]
    links = "&nbsp;".join(
        f"<a href='raw\\{number}_{kind}'>{kind[0].upper()}</a>" for kind in ("c.txt", "s.txt", "m.xml")
    )
    told = "".join(f"<td>{escape(visible(str(cell)))}</td>" for cell in cells)
    return f"<tr><td>{links}</td>{told}</tr>\r\n".encode("utf-8", "replace")


def _index(rows: Spool) -> Iterator[bytes]:
    heads = "".join(f"<th>{name}</th>" for name in ("&nbsp;", *_COLUMNS))
    yield b'<html><head><meta charset="utf-8"></head><body><table><thead><tr>'
    yield heads.encode() + b"</tr></thead><tbody>\r\n"
    yield from rows.in_order()
    yield b"</tbody></table></body></html>"
