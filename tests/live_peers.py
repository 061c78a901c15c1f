"""A server that speaks HTTP over TLS with RSA key exchange, which the sample PFX opens, and a program that watches."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
KEY_OPTIONS = ("--pfx", str(ROOT / "keys" / "mail.pfx"), "--password-file", str(ROOT / "keys" / "mail.password"))
PATIENCE_S = 30
_CIPHERS = "AES128-GCM-SHA256:@SECLEVEL=0"  # RSA key exchange


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = b"seen: " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def https_server() -> Iterator[int]:
    """Its port on 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ROOT / "keys" / "mail.crt.pem", ROOT / "keys" / "mail.key.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client_context() -> ssl.SSLContext:
    """A client that trusts anybody, and offers what the PFX opens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    return context


@contextmanager
def running(*arguments: str, output: Path, **extra: object) -> Iterator[subprocess.Popen[bytes]]:
    """tlsdecrypt with these arguments; `output` gets what it prints."""
    command = [sys.executable, "-m", "tlsdecrypt", *arguments]
    with output.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.PIPE, **extra)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(is_so: Callable[[], bool]) -> None:
    """Until something is so; the test fails where it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def require_root() -> None:
    """Capturing needs it; without it the test is skipped, or fails in continuous integration."""
    if getattr(os, "geteuid", lambda: 1)() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("capturing needs root, and in continuous integration it has to be there", pytrace=False)
        pytest.skip("capturing needs root")
