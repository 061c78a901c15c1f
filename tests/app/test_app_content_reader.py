"""Content that is read as it comes: what a reader is given, and that a promised length is not waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from http_feeding import CLIENT, SERVER, run, run_in_every_cut

from tlsdecrypt.app import annotators, http1, http_exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"POST /stream HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"


class Collecting:
    """Remembers what it was given."""

    def __init__(self, *, is_endless: bool) -> None:
        self.is_endless = is_endless
        self.seen: list[bytes | int] = []

    def feed(self, data: bytes) -> None:
        self.seen.append(data)

    def gap(self, length: int) -> None:
        self.seen.append(length)

    def facts(self) -> dict[str, Any]:
        return {"content": b"".join(each for each in self.seen if isinstance(each, bytes)).decode(), "seen": self.seen}


@pytest.fixture(params=[True, False])
def is_endless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    monkeypatch.setattr(http1, "classify", lambda _method, _target: "stream")
    monkeypatch.setattr(
        http_exchange,
        "content_reader_of",
        lambda _service, _type, status: _reader(request.param, is_request=status is None),
    )
    yield request.param
    annotators.annotators_of.cache_clear()


def _reader(is_endless: bool, *, is_request: bool) -> Collecting | None:  # noqa: FBT001  the parameter of the fixture
    return Collecting(is_endless=is_endless) if is_request else None


def test_content_that_goes_on_is_read_although_its_end_never_comes(is_endless: bool) -> None:  # noqa: FBT001
    [exchange] = run([(CLIENT, HEAD + b"begin"), (CLIENT, b"middle"), (CLIENT, 7), (CLIENT, b"end")])
    assert exchange.request.observed["seen"] == [b"begin", b"middle", 7, b"end"]
    assert exchange.request.content is None
    assert any("the content ends after" in fault for fault in exchange.faults) is not is_endless


def test_a_reader_of_chunks_gets_content_without_framing_in_any_cut(is_endless: bool) -> None:  # noqa: FBT001
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = run([(CLIENT, head + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"), (SERVER, b"HTTP/1.1 204 No\r\n\r\n")])
    assert whole[0].request.observed["content"] == "abcdefg"
    cut = run([(CLIENT, head + b"3\r\nab"), (CLIENT, b"c\r\n4\r\ndefg\r\n")])
    assert cut[0].request.observed["content"] == "abcdefg"
    assert any("before its last chunk" in fault for fault in cut[0].faults) is not is_endless


def test_without_a_reader_nothing_is_observed() -> None:
    [exchange] = run_in_every_cut([(CLIENT, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")])
    assert exchange.request.observed is None
