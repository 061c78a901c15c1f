"""The first bytes of a connection tell what begins, and who is the client."""

from __future__ import annotations

import pytest
from carrier_dialogues import CARRIERS
from recorded_tls import DOWN, UP, recording
from ssl2_peers import Ssl2Peers, clear_record

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.first_bytes import Beginning, Start, recognise
from tlsdecrypt.tls.proxy_header import next_proxy_header

TLS_ANSWER, SSL2_ANSWER = bytes.fromhex("16 0301 004a 02 0000"), clear_record(Ssl2Peers().server_hello(is_hit=False))
OLD_HELLO = clear_record(Ssl2Peers().client_hello(version=b"\x03\x01"))
SSL2_HELLO = clear_record(Ssl2Peers().client_hello())


def tell(up: bytes, down: bytes = b"", *, is_last: bool = False) -> Start | None:
    return recognise((up, down), is_last=is_last)


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        (recording().flights[0][1], b"", Start(Beginning.TLS, UP)),
        (b"", recording().flights[0][1], Start(Beginning.TLS, DOWN)),
        (b"", TLS_ANSWER, Start(Beginning.TLS, UP)),
        (TLS_ANSWER, b"", Start(Beginning.TLS, DOWN)),
        (bytes.fromhex("15 0301 0002 02 28 00"), b"", Start(Beginning.TLS)),
        (bytes.fromhex("17 0303 0020 000000"), b"", Start(Beginning.TLS_IN_THE_MIDDLE)),
        (b"", SSL2_ANSWER, Start(Beginning.SSL2, UP)),
        (b"GET / HTTP/1.1\r\n", b"", Start(Beginning.CLEAR, UP)),
        (b"", b"GET / HTTP/1.1\r\n", Start(Beginning.CLEAR, DOWN)),
        (b"", b"220 mail ESMTP\r\n", Start(Beginning.CLEAR, UP)),
        (b"+OK ready\r\n", b"", Start(Beginning.CLEAR, DOWN)),
        (b"anything else", b"", Start(Beginning.CLEAR)),
    ],
)
def test_what_begins(up: bytes, down: bytes, expected: Start) -> None:
    assert tell(up, down) == expected


def test_too_few_bytes_tell_nothing_unless_nothing_comes() -> None:
    assert tell(b"\x16\x03\x01") is None
    assert tell(b"\x16\x03\x01", is_last=True) == Start(Beginning.CLEAR)
    assert tell(b"", is_last=True) is None


@pytest.mark.parametrize(
    ("behind", "answer", "beginning"),
    [
        (b"", TLS_ANSWER, Beginning.TLS),
        (b"", bytes.fromhex("15 0300 0002 02 28"), Beginning.TLS),
        (b"", SSL2_ANSWER, Beginning.SSL2),
        (b"", clear_record(b"\0\0\1"), Beginning.SSL2),
        (bytes.fromhex("16 03 01"), b"", Beginning.TLS),
        (bytes.fromhex("80 92 02"), b"", Beginning.SSL2),
        (bytes.fromhex("00 28 07"), b"", Beginning.SSL2),
    ],
)
def test_a_hello_in_the_format_of_ssl_2_begins_what_follows_it(
    behind: bytes, answer: bytes, beginning: Beginning
) -> None:
    assert tell(OLD_HELLO) is None
    assert tell(OLD_HELLO + behind, answer) == Start(beginning, UP)
    assert tell(OLD_HELLO + behind[:2], answer[:4]) is None


def test_a_hello_in_the_format_of_ssl_2_that_nothing_follows_goes_by_its_version() -> None:
    assert tell(OLD_HELLO, is_last=True) == Start(Beginning.TLS, UP)
    assert tell(SSL2_HELLO, is_last=True) == Start(Beginning.SSL2, UP)


@pytest.mark.parametrize("name", ["proxy v1", "proxy v2"])
@pytest.mark.parametrize("direction", list(Direction))
def test_a_header_of_the_proxy_protocol_is_looked_through(name: str, direction: Direction) -> None:
    header = CARRIERS[name][1][0][1]
    whole = header + recording().flights[0][1]
    for length in range(1, len(header) + 8):
        first = [b"", b""]
        first[direction] = whole[:length]
        assert recognise((first[0], first[1]), is_last=False) is None
    first[direction] = whole[: len(header) + 8]
    assert recognise((first[0], first[1]), is_last=False) == Start(Beginning.TLS, direction)


@pytest.mark.parametrize(
    ("data", "client"),
    [
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        (b"PROXY TCP6 2001:db8::7 2001:db8::8 1234 443\r\n", "[2001:db8::7]:1234"),
        (b"PROXY TCP4 not.an.address 192.0.2.2 1 2\r\n", None),
        (b"\r\n\r\n\x00\r\nQUIT\n" + bytes.fromhex("20 00 0000"), None),  # LOCAL: a check of the balancer's own
        (
            b"\r\n\r\n\x00\r\nQUIT\n" + bytes.fromhex("21 21 0024 20010db8") + bytes(11) + b"\7" + bytes(16)
            + bytes.fromhex("04d2 01bb"),
            "[2001:db8::7]:1234",
        ),
    ],
)  # fmt: skip
def test_headers_of_the_proxy_protocol(data: bytes, client: str | None) -> None:
    header = next_proxy_header(data + b"what follows")
    assert header is not None
    assert header.length == len(data)
    assert (str(header.client) if header.client else None) == client
    for length in range(1, len(data)):
        part = next_proxy_header(data[:length])
        assert part is not None
        assert part.length > length


@pytest.mark.parametrize(
    "data", [b"", b"POST / HTTP/1.1\r\n", b"PROXY it is\r\n", b"PROXY " + bytes(200), b"\r\n\r\nGET"]
)
def test_anything_else_is_no_header(data: bytes) -> None:
    assert next_proxy_header(data) is None
