"""A stub Exchange front end: EWS and Autodiscover over HTTPS on 443, a redirect on 80, and the names in a DNS on 53.

Usage: exchange_server.py CERTIFICATES PRIVATE_KEY. RSA key exchange comes first, as on servers of its time; a client
that offers none of it gets ECDHE, and a client that speaks TLS 1.3 gets that.
"""

from __future__ import annotations

import gzip
import re
import socket
import socketserver
import ssl
import sys
import threading
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab import exchange_answers as answers

CIPHERS = "kRSA+AESGCM:kRSA+SHA256:kRSA+SHA1:ECDHE+AESGCM:@SECLEVEL=0"
ADDRESSES = {
    "mail.contoso.com.": "198.51.100.25",
    "autodiscover.contoso.com.": "198.51.100.25",
    "mail6.contoso.com.": "2001:db8:25::25",
}
REALM = "mail.contoso.com"
OP_ALLOW_CLIENT_RENEGOTIATION = 1 << 8  # of OpenSSL 3; the ssl module has no name for it
ITEMS = 40
ADDRESS_LIST = b"<OAB><OAL id='6f4dd1f4' dn='/' name='\\Default Global Address List'/></OAB>\r\n" * 40


class FrontEnd(BaseHTTPRequestHandler):
    """One connection of a client: requests in, canned answers out."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # fields and content in one record, as http.sys sends them
    requests = 0
    finds_of_calendar = 0

    def version_string(self) -> str:
        """The Server field of IIS on Windows Server 2016."""
        return "Microsoft-IIS/10.0"

    def log_message(self, *_: Any) -> None:
        """Nothing is logged: the capture tells it all."""

    def do_GET(self) -> None:
        """Answer, whatever the method."""
        self._dispatch()

    do_POST = do_HEAD = do_GET  # noqa: N815 - the names that http.server calls

    def _dispatch(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = self.path.lower().partition("?")[0]
        routes = {
            "/autodiscover/autodiscover.xml": self._pox,
            "/autodiscover/autodiscover.svc": self._autodiscover,
            "/ews/exchange.asmx": self._ews,
            "/ews/exchange.asmx/wssecurity": self._free_busy,
            "/oab/6f4dd1f4/oab.xml": self._address_list,
            "/owa/": self._outlook_web_app,
        }
        if not isinstance(self.connection, ssl.SSLSocket):
            self._redirect()
        else:
            routes.get(path, self._not_found)()

    def _send(self, status: HTTPStatus, content: str, *fields: tuple[str, str]) -> None:
        """An answer with Exchange's own fields; gzip where the client takes it."""
        body = content.encode()
        self.send_response(status)
        FrontEnd.requests += 1
        self.send_header("request-id", str(uuid.UUID(int=(0xC0 << 120) + FrontEnd.requests)))
        self.send_header("X-FEServer", "CAS01")
        self.send_header("X-DiagInfo", "MBX01")
        for name, value in fields or (("Content-Type", "text/xml; charset=utf-8"),):
            self.send_header(name, value)
        if body and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _may_enter(self, *schemes: str) -> bool:
        """Whether the request has a login; otherwise it is answered with a challenge: `schemes`, and Basic."""
        if "Authorization" in self.headers:
            return True
        challenges = [("WWW-Authenticate", each) for each in (*schemes, f'Basic realm="{REALM}"')]
        self._send(HTTPStatus.UNAUTHORIZED, "", *challenges)
        return False

    def _redirect(self) -> None:
        self._send(HTTPStatus.FOUND, "", ("Location", f"https://mail.contoso.com{self.path}"))

    def _not_found(self) -> None:
        self._send(HTTPStatus.NOT_FOUND, "<h1>404 - File or directory not found.</h1>", ("Content-Type", "text/html"))

    def _pox(self) -> None:
        if not self._may_enter():
            return
        asked = re.search(r"<EMailAddress>([^<]*)<", self.content)
        address = asked[1] if asked else ""
        if address.startswith("avery@"):
            self._send(HTTPStatus.OK, answers.pox_settings(address))
        else:
            self._send(HTTPStatus.OK, answers.pox_redirect() if address.startswith("blake@") else answers.pox_error())

    def _autodiscover(self) -> None:
        if self._may_enter():
            asked = re.search(r"Mailbox>([^<]*)<", self.content)
            self._send(HTTPStatus.OK, answers.get_user_settings(asked[1] if asked else ""))

    def _ews(self) -> None:
        if not self._may_enter("Negotiate", "NTLM"):
            return
        operation = re.search(r"Body>\s*<(?:\w+:)?(\w+)", self.content)
        status, content = self._ews_answer(operation[1] if operation else "")
        self._send(status, content)

    def _ews_answer(self, operation: str) -> tuple[HTTPStatus, str]:
        folder = re.search(r'DistinguishedFolderId Id="(\w+)"', self.content)
        if operation == "GetFolder":
            return HTTPStatus.OK, answers.get_folder(folder[1] if folder else "inbox")
        if operation == "FindItem":
            return self._find_item()
        plain = {
            "CreateItem": answers.create_item_denied,
            "GetServerTimeZones": answers.get_server_time_zones,
            "GetUserAvailabilityRequest": answers.get_user_availability,
        }
        return HTTPStatus.OK, plain[operation]()

    def _find_item(self) -> tuple[HTTPStatus, str]:
        """The first look into the calendar is throttled, all others are answered."""
        if "calendar" in self.content:
            FrontEnd.finds_of_calendar += 1
            if FrontEnd.finds_of_calendar == 1:
                return HTTPStatus.INTERNAL_SERVER_ERROR, answers.server_busy()
            return HTTPStatus.OK, answers.find_item(2)
        return HTTPStatus.OK, answers.find_item(ITEMS)

    def _free_busy(self) -> None:
        self._send(HTTPStatus.OK, answers.get_user_availability())

    def _address_list(self) -> None:
        """Chunked, with a trailer."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Trailer", "X-OAB-Complete")
        self.end_headers()
        for start in range(0, len(ADDRESS_LIST), 1000):
            chunk = ADDRESS_LIST[start : start + 1000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\nX-OAB-Complete: true\r\n\r\n")

    def _outlook_web_app(self) -> None:
        """A page that ends with the connection."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"<html><title>Outlook</title>" + b"<p>Sign in</p>" * 100 + b"</html>")
        self.close_connection = True


HTTP_PORT, HTTPS_PORT, DNS_PORT = 80, 443, 53


class Listener(ThreadingHTTPServer):
    """IPv4 and IPv6 on one port; with `context`, TLS, whose handshake runs in the connection's own thread."""

    address_family = socket.AF_INET6
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then serve; a client that leaves in between is no fault of the server."""
        try:
            if self.context:
                with self.context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
                    secured.unwrap()
            else:
                super().finish_request(request, client_address)
        except (OSError, ValueError):
            request.close()


class Names(socketserver.BaseRequestHandler):
    """Address queries for the laboratory's names; all else does not exist."""

    def handle(self) -> None:
        """One query over UDP."""
        data, reply_socket = self.request
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        question = query.question[0]
        address = ADDRESSES.get(question.name.to_text().lower())
        kind = dns.rdatatype.AAAA if address and ":" in address else dns.rdatatype.A
        if address is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == kind:
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, address))
        reply_socket.sendto(reply.to_wire(), self.client_address)


def server_context(certificates: str, private_key: str) -> ssl.SSLContext:
    """TLS 1.2 and 1.3, RSA key exchange preferred."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF  # clients that just leave get no decode_error alert
    context.options |= OP_ALLOW_CLIENT_RENEGOTIATION
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates, private_key)
    return context


def serve(front_end: type[FrontEnd]) -> None:
    """HTTP, HTTPS and DNS until the process is ended, with the certificates and the key of the command line."""
    Listener.daemon_threads = True
    secured, plain = Listener(("::", HTTPS_PORT), front_end), Listener(("::", HTTP_PORT), front_end)
    secured.context = server_context(*sys.argv[1:3])
    names = socketserver.UDPServer(("198.51.100.53", DNS_PORT), Names)
    for server in (plain, names):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    secured.serve_forever()


if __name__ == "__main__":
    serve(FrontEnd)
