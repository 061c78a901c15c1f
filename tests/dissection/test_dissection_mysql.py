"""The login of MySQL inside TLS is told as one: bytes by its Connection Phase, truth from tshark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.dissection.clear_frames import ClearCapture, Said
from tlsdecrypt.dissection.mysql_login import counted_anew
from tlsdecrypt.dissection.wireshark import dissect
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from pathlib import Path

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
CAPABILITIES = bytes.fromhex("8da20300")  # CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION and others


def packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


GREETING = packet(
    0,
    b"\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xf7\x21\x02\x00\xff\x81\x15" + bytes(10) + b"abcdefghijkl\x00",
)
LOGIN = packet(2, CAPABILITIES + b"\x00\x00\x00\x01\x21" + bytes(23) + b"alex\x00\x14" + b"P" * 20)
SPOKEN = [Said(DOWN, GREETING, 1, 1), Said(UP, LOGIN, 2, 2)]


def infos(path: Path, tshark: str, said: list[Said]) -> list[str]:
    with path.open("wb") as stream:
        ClearCapture(stream).add(1, 3306, said)
    told = dissect(tshark, path, {"tcp.port==3306": "mysql"})
    assert told.failure is None
    return [told.frames[number].summary for number in sorted(told.frames)]


def test_a_login_that_is_counted_anew_is_known_for_one(tmp_path: Path, tshark: str) -> None:
    assert "Login Request user=alex" in infos(tmp_path / "anew.pcap", tshark, counted_anew(SPOKEN))[1]
    assert "Login Request" not in infos(tmp_path / "as_it_was.pcap", tshark, SPOKEN)[1]


def test_what_is_no_login_after_tls_stays_as_it_is() -> None:
    for said in ([], SPOKEN[:1], [Said(UP, packet(1, b"x"), 1, 1)], [Said(UP, b"", 1, 1, missing=5), SPOKEN[1]]):
        assert counted_anew(said) == said
