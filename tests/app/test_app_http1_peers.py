"""Messages of real peers: Python's own HTTP client and server, and curl, recorded on their sockets."""

from __future__ import annotations

import http.client
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
from http_feeding import CLIENT, SERVER, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from http_feeding import Piece


class Recorder:
    """A socket whose sent bytes are written down."""

    def __init__(self, inner: socket.socket, direction: Any, pieces: list[Piece]) -> None:
        self._inner = inner
        self._direction = direction
        self._pieces = pieces

    def sendall(self, data: bytes) -> None:
        self._pieces.append((self._direction, bytes(data)))
        self._inner.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self) -> None:
        content = self._read() or b"nothing"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command != "HEAD":
            half = len(content) // 2
            for part in (content[:half], content[half:]):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_HEAD = _answer  # noqa: N815  the names that the base class looks for

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def recorded() -> Iterator[tuple[http.client.HTTPConnection, list[Piece], threading.Thread]]:
    """A client that speaks to a server over a pair of sockets, what both send, and the server's thread."""
    pieces: list[Piece] = []
    near, far = socket.socketpair()
    client = http.client.HTTPConnection("mail.contoso.com")
    client.sock = Recorder(near, CLIENT, pieces)  # type: ignore[assignment]
    server: Any = Recorder(far, SERVER, pieces)
    thread = threading.Thread(target=Handler, args=(server, ("192.0.2.1", 1), None))
    thread.start()
    yield client, pieces, thread
    thread.join()
    near.close()
    far.close()


def test_pythons_client_and_server_are_understood(
    recorded: tuple[http.client.HTTPConnection, list[Piece], threading.Thread],
) -> None:
    client, pieces, _ = recorded
    client.request("GET", "/one")
    client.getresponse().read()
    client.request("POST", "/two", body=iter([b"piece one, ", b"piece two"]), encode_chunked=True,
                   headers={"Expect": "100-continue", "Transfer-Encoding": "chunked"})  # fmt: skip
    client.getresponse().read()
    client.request("HEAD", "/three")
    client.getresponse().read()
    client.sock.shutdown(socket.SHUT_WR)
    one, two, three = run(pieces, keep_content=True)
    assert (one.request.target, one.response.content) == ("/one", b"nothing")
    assert (two.request.content, two.response.content) == (b"piece one, piece two",) * 2
    assert two.response.interim == (100,)
    assert (three.request.method, three.response.content_length) == ("HEAD", 0)
    assert one.request.host == "mail.contoso.com"
    assert not any(each.faults for each in (one, two, three))


def test_curl_is_understood(program: Callable[[str], str]) -> None:
    curl = program("curl")
    pieces: list[Piece] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/EWS/Exchange.asmx"
        command = [curl, "-s", "--noproxy", "*", "-u", "avery:secret", "--data-binary", "<a/>",
                   "-H", "Content-Type: text/xml", url]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            connection, _ = listener.accept()
            connection.settimeout(10)
            with connection:
                while not pieces or not pieces[-1][1].endswith(b"<a/>"):  # type: ignore[union-attr]
                    pieces.append((CLIENT, connection.recv(65536)))
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                pieces.append((SERVER, answer))
                connection.sendall(answer)
            assert process.wait(10) == 0
    [exchange] = run(pieces)
    assert (exchange.request.method, exchange.request.content_length) == ("POST", 4)
    assert exchange.annotations["http"]["user"] == "avery"
    assert exchange.annotations["http"]["service"] == "ews"
    assert exchange.request.field("user-agent").startswith("curl/")
