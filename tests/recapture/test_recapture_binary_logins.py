"""Passwords of LDAP binds, of SOCKS 5 and of Redis do not stand in captures that are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_runs import run
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S, Scene

from tlsdecrypt.recapture.binary_logins import without_binds

if TYPE_CHECKING:
    from pathlib import Path

MARKER = b"Tr0ub4dor-bind-7"
NAME = b"cn=svc,dc=contoso"
ANSWER = bytes.fromhex("300c02010161070a010004000400")


def _element(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def _bind(authentication: bytes) -> bytes:
    request = _element(0x60, b"\x02\x01\x03" + _element(4, NAME) + authentication)
    return _element(0x30, b"\x02\x01\x01" + request)


SIMPLE = _bind(_element(0x80, MARKER))
SASL = _bind(_element(0xA3, _element(4, b"PLAIN") + _element(4, b"\0svc\0" + MARKER)))
SEARCH = bytes.fromhex("3025020102632004000a01000a0100020100020100010100870b6f626a656374436c6173733000")
SOCKS = b"\x05\x02\x00\x02" + b"\x01\x05alice" + bytes([len(MARKER)]) + MARKER


@pytest.mark.parametrize("request_", [SIMPLE, SASL], ids=["simple", "sasl"])
def test_a_bind_loses_its_password_and_keeps_all_else(request_: bytes) -> None:
    masked = without_binds(SEARCH + request_ + SEARCH)
    assert MARKER not in masked
    assert len(masked) == 2 * len(SEARCH) + len(request_)
    assert masked.startswith(SEARCH + request_[: request_.index(NAME) + len(NAME)])
    assert masked.endswith(SEARCH)


def test_a_bind_in_lengths_of_many_bytes_loses_its_password() -> None:
    long_form = b"\x60\x84\0\0\0\x30\x02\x01\x03\x04\x84\0\0\0\x04name\x80\x84\0\0\0\x10" + MARKER
    assert without_binds(long_form) == long_form.replace(MARKER, b"*" * len(MARKER))


def test_a_bind_cut_anywhere_shows_no_part_of_its_password() -> None:
    for end in range(len(SIMPLE)):
        assert MARKER[:4] not in without_binds(SIMPLE[:end])


@given(st.binary(max_size=200))
def test_bytes_that_only_begin_like_a_bind_keep_their_length(data: bytes) -> None:
    for lead in (b"", SIMPLE[:5] + b"\x02\x01\x03\x04"):
        assert len(without_binds(lead + data)) == len(lead + data)


@pytest.mark.parametrize("suffix", [".pcapng", ".pcap"])
@pytest.mark.parametrize(
    ("port", "said"), [(389, [SIMPLE]), (389, [SASL]), (1080, [SOCKS]), (1080, [SOCKS, b"GET / HTTP/1.1\r\n\r\n"])]
)
def test_a_written_capture_holds_no_password_of_a_login(
    port: int, said: list[bytes], suffix: str, tmp_path: Path
) -> None:
    scene = Scene()
    scene.dialogue([C(b"".join(said)), S(ANSWER)], port=port)
    source, written = tmp_path / "in.pcap", tmp_path / f"out{suffix}"
    source.write_bytes(scene.pcap())
    assert MARKER in source.read_bytes()
    assert run(source, "-o", written).exit_code == 0
    assert ANSWER in written.read_bytes()
    assert MARKER not in written.read_bytes()


@pytest.mark.parametrize(
    "said",
    [
        b"AUTH %b\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$16\r\n%b\r\n",
        b"*3\r\n$4\r\nauth\r\n$3\r\nsvc\r\n$16\r\n%b\r\n",
    ],
    ids=["inline", "array", "with a user"],
)
def test_a_login_of_redis_is_overwritten(said: bytes, tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue([C(said % MARKER), S(b"+OK\r\n"), C(b"PING\r\n"), S(b"+PONG\r\n")], port=6379)
    source, written = tmp_path / "in.pcap", tmp_path / "out.pcap"
    source.write_bytes(scene.pcap())
    assert run(source, "-o", written).exit_code == 0
    assert MARKER not in written.read_bytes()
    assert said[:4] in written.read_bytes()
    assert b"PING" in written.read_bytes()


@pytest.mark.parametrize("mechanism", [b"LOGIN", b"XOAUTH2", b"scram-sha-256", b"TLS"])
def test_the_mechanism_of_a_login_stays(mechanism: bytes, tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue([C(b"AUTH %b\r\n" % mechanism), S(b"+OK\r\n"), C(b"AUTH x-%b\r\n" % MARKER)], port=6379)
    source, written = tmp_path / "in.pcap", tmp_path / "out.pcap"
    source.write_bytes(scene.pcap())
    run(source, "-o", written)
    assert b"AUTH %b\r\n" % mechanism in written.read_bytes()
    assert MARKER not in written.read_bytes()
