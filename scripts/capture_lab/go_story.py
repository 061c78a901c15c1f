"""go-encrypted-hello: Go's TLS on both sides, Encrypted Client Hello accepted (go_peer/main.go; needs Go 1.24)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.keys import ECH_KEY
from capture_lab.network import run

if TYPE_CHECKING:
    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

SOURCE = Path(__file__).parent / "go_peer"
HTTPS = 443
REQUEST = "GET /hidden.txt HTTP/1.0\r\nHost: mail.contoso.com\r\n\r\n"
ANSWER = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nnobody's name"
GO_SAID = (REQUEST.encode(), ANSWER.encode())


def record_go(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """Three connections: the first one, one that resumes it, and one with a HelloRetryRequest."""
    path, program = scratch / "go-encrypted-hello.pcap", scratch / "go_peer"
    run(["go", "build", "-C", str(SOURCE), "-o", str(program), "."], env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"})
    said = ["-ech", str(key.ca.with_name(ECH_KEY)), "-request", REQUEST, "-answer", ANSWER]
    server = [str(program), "serve", "-certificates", str(key.certificates), "-key", str(key.private_key), *said]
    client = [str(program), "ask", "-certificates", str(key.ca), "-keylog", str(path.with_suffix(".keylog")), *said]
    with lab.serving(server, HTTPS), lab.recording(path):
        lab.client.run(client)
    return [path]
