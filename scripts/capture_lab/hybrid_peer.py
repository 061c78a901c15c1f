"""OpenSSL 4 as server or client, through pyOpenSSL: its hello offers X25519MLKEM768 first.

Usage: hybrid_peer.py server CERTIFICATES PRIVATE_KEY
       hybrid_peer.py client CA KEY_LOG PATH
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from OpenSSL import SSL

HOST, PORT = "mail.contoso.com", 443
CONTENT = b"what a browser of 2025 would show\r\n" * 40
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(CONTENT)


def serve(certificates: str, private_key: str) -> None:
    """One connection after the other, one answer on each, until the process is ended."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(certificates)
    context.use_privatekey_file(private_key)
    listener = socket.create_server((HOST, PORT))
    while True:
        accepted, _ = listener.accept()
        connection = SSL.Connection(context, accepted)
        connection.set_accept_state()
        connection.recv(1 << 14)
        connection.sendall(HEAD + CONTENT)
        connection.shutdown()
        accepted.close()


def ask(ca: str, key_log: str, path: str) -> bytes:
    """One request; everything that came back. The secrets are appended to `key_log`."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(ca)
    context.set_verify(SSL.VERIFY_PEER)
    lines: list[bytes] = []
    context.set_keylog_callback(lambda _, line: lines.append(line + b"\n"))
    connection = SSL.Connection(context, socket.create_connection((HOST, PORT)))
    connection.set_tlsext_host_name(HOST.encode())
    connection.set_connect_state()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    answer = b""
    try:
        while True:
            answer += connection.recv(1 << 14)
    except SSL.ZeroReturnError:
        connection.shutdown()
    with Path(key_log).open("ab") as file:
        file.writelines(lines)
    return answer


def main() -> None:
    """Play the role that was asked for."""
    role, *arguments = sys.argv[1:]
    if role == "server":
        serve(*arguments)
    elif not ask(*arguments).endswith(CONTENT):
        sys.exit("the answer is not what was sent")


if __name__ == "__main__":
    main()
