"""A stub of an ActiveSync server: what pyactivesync asks, as its HTTP messages, and an answer for each command.

The answers are written with the client's own WBXML writer, after [MS-ASCMD].
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pyactivesync._wbxml import WBXMLWriter, wtag

from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.http import HttpRequest, HttpResponse
from tlsdecrypt.flow import Span

if TYPE_CHECKING:
    from collections.abc import Callable

SPAN = Span(1, 1, 0, 0)
WBXML = "application/vnd.ms-sync.wbxml"

Tag = tuple[Any, ...]


def document(page: str, name: str, *children: Tag) -> bytes:
    """A document: `("Page", "Tag", "text")` or `("Page", "Tag", child, child ...)`."""
    return WBXMLWriter().tag(page, name, children=[_builder(each) for each in children]).render()


def _builder(tag: Tag) -> Callable[[WBXMLWriter], None]:
    page, name, *rest = tag
    if rest and isinstance(rest[0], tuple):
        return wtag(page, name, children=[_builder(each) for each in rest])
    return wtag(page, name, text=rest[0] if rest else None)


class Stub:
    """Answers each command with the document given for it, or with the next of several; keeps the annotations."""

    def __init__(self, answers: dict[str, list[bytes]]) -> None:
        self.answers = answers
        self.annotations: list[dict[str, Any]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                request = HttpRequest(
                    "POST", self.path, "HTTP/1.1", tuple(self.headers.items()), SPAN, len(content), content
                )
                waiting = stub.answers[_command(self.path)]
                answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self.send_response(200)
                self.send_header("Content-Type", WBXML)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                fields = (("Content-Type", WBXML), ("MS-Server-ActiveSync", "15.2"))
                response = HttpResponse(200, "OK", "HTTP/1.1", fields, SPAN, len(answer), answer)
                stub.annotations.append(annotate_http(request, response)["activesync"])

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        """Host and port."""
        self._thread.start()
        return f"127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _command(path: str) -> str:
    return path.partition("Cmd=")[2].partition("&")[0]
