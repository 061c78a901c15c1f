"""The stub Exchange front end for phones, browsers and Outlook over MAPI: every question has an answer.

Usage: mobile_server.py CERTIFICATES PRIVATE_KEY.
"""

from __future__ import annotations

import socketserver
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab import mobile_answers as answers
from capture_lab.exchange_server import DNS_PORT, HTTPS_PORT, FrontEnd, Listener, Names, server_context

WAIT_SECONDS = 1.0  # until something happens in the mailbox
WBXML = ("Content-Type", "application/vnd.ms-sync.wbxml")
HTML = ("Content-Type", "text/html; charset=utf-8")
COOKIES = ("cadata=not-a-real-cookie; path=/; HttpOnly", "X-OWA-CANARY=not-a-real-canary; path=/")


class MobileFrontEnd(FrontEnd):
    """Bytes in, bytes out."""

    syncs = 0
    provisions = 0

    def do_OPTIONS(self) -> None:  # noqa: N802 - the name that http.server calls
        """What ActiveSync offers."""
        self._dispatch()

    def _dispatch(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        routes = {
            "/microsoft-server-activesync": lambda: self._activesync(query),
            "/mapi/emsmdb/": self._mapi,
            "/owa/": self._outlook,
            "/owa/auth/logon.aspx": lambda: self._answer(b"<html><form action='auth.owa'></form></html>", HTML),
            "/owa/auth.owa": self._sign_in,
            "/owa/logoff.owa": lambda: self._go("/owa/auth/logon.aspx?reason=1"),
            "/oab/6f4dd1f4/oab.xml": self._address_book,
            "/oab/6f4dd1f4/6f4dd1f4-data-42.lzx": self._address_book_file,
        }
        routes[path.lower()]()

    def _answer(self, body: bytes, *fields: tuple[str, str], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in (*fields, ("X-FEServer", "CAS01"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _go(self, location: str, *fields: tuple[str, str]) -> None:
        self._answer(b"", ("Location", location), *fields, status=HTTPStatus.FOUND)

    def _may_enter(self, *_: str) -> bool:
        if "Authorization" in self.headers:
            return True
        self._answer(b"", ("WWW-Authenticate", 'Basic realm="mail.contoso.com"'), status=HTTPStatus.UNAUTHORIZED)
        return False

    def _activesync(self, query: str) -> None:
        if not self._may_enter():
            return
        fields = (WBXML, ("MS-Server-ActiveSync", "15.1"))
        if self.command == "OPTIONS":
            offered = (("MS-ASProtocolVersions", answers.VERSIONS), ("MS-ASProtocolCommands", answers.COMMANDS))
            self._answer(b"", *offered)
        elif query == answers.PING_QUERY:
            time.sleep(WAIT_SECONDS)
            self._answer(answers.ping("1"), *fields)
        else:
            self._answer(self._command(parse_qs(query)["Cmd"][0]), *fields)

    def _command(self, name: str) -> bytes:
        front = MobileFrontEnd
        if name == "Ping":
            time.sleep(WAIT_SECONDS)
        if name == "Provision":
            front.provisions += 1
            return answers.provision(answers.POLICY_KEYS[min(front.provisions, len(answers.POLICY_KEYS)) - 1])
        if name == "Sync":
            front.syncs += 1
            return answers.sync(str(front.syncs), with_items=front.syncs == 2)  # noqa: PLR2004 - the first gives a key
        plain = {"FolderSync": answers.folder_sync, "Settings": answers.oof, "Ping": lambda: answers.ping("2")}
        return plain[name]() if name in plain else b""

    def _mapi(self) -> None:
        """Chunked: at once that it works on it, then the answer."""
        if not self._may_enter():
            return
        kind = self.headers["X-RequestType"]
        self.send_response(HTTPStatus.OK)
        given = {"Content-Type": "application/mapi-http", "X-RequestType": kind, "X-ResponseCode": "0"}
        given |= {"X-ServerApplication": "Exchange/15.01.2507.0000", "X-ExpirationInfo": "900000"}
        given |= {"Set-Cookie": "MapiContext=not-a-real-context; path=/mapi/emsmdb", "Transfer-Encoding": "chunked"}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        answer = b"DONE\r\nX-ElapsedTime: 31\r\n\r\n" + answers.MAPI[kind]
        for piece in (b"PROCESSING\r\n", answer, b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()

    def _outlook(self) -> None:
        if "cadata" in self.headers.get("Cookie", ""):
            self._answer(b"<html>Inbox</html>", HTML, ("X-OWA-Version", "15.1.2507.6"))
        else:
            self._go("/owa/auth/logon.aspx?replaceCurrent=1&url=https%3a%2f%2fmail.contoso.com%2fowa%2f")

    def _sign_in(self) -> None:
        self._go("/owa/", *(("Set-Cookie", each) for each in COOKIES))

    def _address_book(self) -> None:
        if self._may_enter():
            self._answer(answers.ADDRESS_BOOK.encode(), ("Content-Type", "text/xml; charset=utf-8"))

    def _address_book_file(self) -> None:
        if self._may_enter():
            self._answer(bytes(range(256)) * 2, ("Content-Type", "application/octet-stream"))


def main() -> None:
    """Serve until the process is ended."""
    Listener.daemon_threads = True
    secured = Listener(("::", HTTPS_PORT), MobileFrontEnd)
    secured.context = server_context(*sys.argv[1:3])
    names = socketserver.UDPServer(("198.51.100.53", DNS_PORT), Names)
    threading.Thread(target=names.serve_forever, daemon=True).start()
    secured.serve_forever()


if __name__ == "__main__":
    main()
