"""A proxy for HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS 5 (RFC 1928), told apart by the first byte."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading

HOST = "mail.contoso.com"
CONNECT_PORT, SOCKS_PORT = 3128, 1080
SOCKS_5 = b"\x05"
NO_LOGIN, GRANTED = bytes([5, 0]), bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])


def pump(source: socket.socket, target: socket.socket) -> None:
    """Carry one direction to its end."""
    while data := source.recv(1 << 16):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


class Proxy(socketserver.StreamRequestHandler):
    """One tunnel."""

    rbufsize = 0

    def handle(self) -> None:
        """Find out where to, and carry both directions."""
        first = self.rfile.read(1)
        host, port = self._take_socks() if first == SOCKS_5 else self._take_connect()
        with socket.create_connection((host, port)) as there:
            self.wfile.write(GRANTED if first == SOCKS_5 else b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=pump, args=(there, self.connection), daemon=True).start()
            pump(self.connection, there)

    def _take_socks(self) -> tuple[str, int]:
        """A greeting, and a request with a name."""
        self.rfile.read(self.rfile.read(1)[0])
        self.wfile.write(NO_LOGIN)
        self.rfile.read(4)  # version, CONNECT, reserved, a name follows
        name = self.rfile.read(self.rfile.read(1)[0])
        return name.decode(), struct.unpack(">H", self.rfile.read(2))[0]

    def _take_connect(self) -> tuple[str, int]:
        """A request line and fields."""
        target = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        host, _, port = target.rpartition(":")
        return host, int(port)


def main() -> None:
    """Serve on both ports until the process is ended."""
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    socks, connect = (socketserver.ThreadingTCPServer((HOST, port), Proxy) for port in (SOCKS_PORT, CONNECT_PORT))
    threading.Thread(target=socks.serve_forever, daemon=True).start()
    connect.serve_forever()


if __name__ == "__main__":
    main()
