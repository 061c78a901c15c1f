"""Logins of PostgreSQL, MQTT and XMPP: what proves them is overwritten where it stands, and nothing else."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S
from rewriting import by_tshark
from test_recapture_masking import MARKER, TOKEN, assert_hidden, decrypted

from tlsdecrypt.recapture.mqtt_logins import without_mqtt_password
from tlsdecrypt.recapture.postgres_logins import proofs
from tlsdecrypt.redact.in_place import stars

if TYPE_CHECKING:
    from pathlib import Path

    from packets import Say

PLAIN = base64.b64encode(f"\0kim\0{MARKER}".encode()).decode()


def message(kind: bytes, body: bytes) -> bytes:
    """A message of PostgreSQL: type, length, body."""
    return kind + struct.pack(">I", len(body) + 4) + body


STARTUP = message(b"", struct.pack(">I", 196608) + b"user\0kim\0database\0sales\0\0")
READY = message(b"R", struct.pack(">I", 0)) + message(b"Z", b"I")
QUERY = message(b"Q", b"select 1\0")
POSTGRES = {
    "password": [
        C(STARTUP),
        S(message(b"R", struct.pack(">I", 3))),
        C(message(b"p", MARKER.encode() + b"\0")),
        S(READY),
    ],
    "password at once": [C(STARTUP + message(b"p", MARKER.encode() + b"\0") + QUERY), S(READY)],
    "scram": [
        C(STARTUP),
        S(message(b"R", struct.pack(">I", 10) + b"SCRAM-SHA-256\0\0")),
        C(message(b"p", b"SCRAM-SHA-256\0" + struct.pack(">I", len(TOKEN)) + TOKEN.encode())),
        S(message(b"R", struct.pack(">I", 11) + b"r=abc,s=QUJD,i=4096")),
        C(message(b"p", f"c=biws,r=abc,p={TOKEN}".encode())),
        S(READY),
    ],
}


def field(text: bytes) -> bytes:
    """A string of MQTT, or binary data."""
    return struct.pack(">H", len(text)) + text


def connect(version: int, *, password: bytes = MARKER.encode(), will: bool = False, properties: bytes = b"") -> bytes:
    name = field(b"MQIsdp" if version == 3 else b"MQTT")
    of_version_5 = bytes([len(properties)]) + properties if version == 5 else b""
    of_will = (b"\0" if version == 5 else b"") + field(b"gone") + field(b"bye") if will else b""
    flags = 0xC2 | (0x04 if will else 0)
    body = name + bytes([version, flags, 0, 60]) + of_version_5 + field(b"device-1") + of_will
    body += field(b"kim") + field(password)
    return b"\x10" + bytes([len(body)]) + body


ACCEPTED = bytes.fromhex("20020000")
MQTT = {
    "3.1": connect(3),
    "3.1.1": connect(4),
    "3.1.1 with a will": connect(4, will=True),
    "5": connect(5, will=True, properties=bytes.fromhex("1100000010") + b"\x26" + field(b"a") + field(b"b")),
    "5, authentication data": connect(
        5, password=b"x", properties=b"\x15" + field(b"K") + b"\x16" + field(TOKEN.encode())
    ),
}
SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
STREAM = "<?xml version='1.0'?><stream:stream to='contoso.com' xmlns='jabber:client' xmlns:stream='s'>"
XMPP = {
    "plain": f"<auth {SASL} mechanism='PLAIN'>{PLAIN}</auth>",
    "response": f"<auth {SASL} mechanism='X'/><response {SASL}>{PLAIN}</response>",
    "second version": f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{PLAIN}"
    "</initial-response></authenticate>",
    "without sasl": "<iq type='set'><query xmlns='jabber:iq:auth'><username>kim</username><password>"
    f"{MARKER.replace('&', '&amp;')}</password></query></iq>",
}


def hidden(said: list[Say], tmp_path: Path, *, is_tls: bool) -> bytes:
    text = decrypted(said, tmp_path, is_tls=is_tls).read_bytes()
    assert_hidden(text)
    assert PLAIN.encode() not in text
    assert b"kim" in text
    return text


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("login", POSTGRES)
def test_a_login_of_postgresql_is_overwritten(login: str, tmp_path: Path, *, is_tls: bool) -> None:
    text = hidden([*POSTGRES[login], C(QUERY)], tmp_path, is_tls=is_tls)
    assert QUERY in text
    assert b"*" * (len(MARKER) if login != "scram" else len(TOKEN)) in text


def test_tshark_reads_a_login_of_postgresql_that_was_overwritten(tmp_path: Path) -> None:
    path = decrypted([*POSTGRES["password"], C(QUERY)], tmp_path)
    rows = by_tshark(path, "-d", "tcp.port==443,pgsql", "-Y", "pgsql.password", "-T", "fields", "-e", "pgsql.password")
    assert rows == [["*" * len(MARKER)]]


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("version", MQTT)
def test_a_login_of_mqtt_is_overwritten(version: str, tmp_path: Path, *, is_tls: bool) -> None:
    text = hidden([C(MQTT[version]), S(ACCEPTED)], tmp_path, is_tls=is_tls)
    assert b"device-1" in text


def test_tshark_reads_a_login_of_mqtt_that_was_overwritten(tmp_path: Path) -> None:
    path = decrypted([C(MQTT["5"]), S(ACCEPTED)], tmp_path)
    rows = by_tshark(
        path,
        "-d",
        "tcp.port==443,mqtt",
        "-Y",
        "mqtt.passwd",
        "-T",
        "fields",
        "-e",
        "mqtt.passwd",
        "-e",
        "mqtt.username",
    )
    assert rows == [["*" * len(MARKER), "kim"]]


@pytest.mark.parametrize("version", MQTT)
def test_a_login_of_mqtt_that_was_cut_is_overwritten_as_far_as_it_goes(version: str) -> None:
    whole = without_mqtt_password(MQTT[version])
    for end in range(len(whole)):
        assert without_mqtt_password(MQTT[version][:end]) == whole[:end]


@given(st.binary(max_size=80))
def test_anything_behind_the_head_of_mqtt_is_read_without_a_fault(data: bytes) -> None:
    begun = b"\x10\x10\x00\x04MQTT\x05"
    masked = without_mqtt_password(begun + data)
    assert len(masked) == len(begun) + len(data)
    assert all(new in (old, stars(bytes([old]))[0]) for new, old in zip(masked, begun + data, strict=True))


@given(st.binary(max_size=80))
def test_anything_behind_a_start_of_postgresql_is_read_without_a_fault(data: bytes) -> None:
    found = list(proofs(STARTUP + data))
    assert all(len(STARTUP) < start <= end <= len(STARTUP) + len(data) for start, end in found)


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("login", XMPP)
def test_a_login_of_xmpp_is_overwritten(login: str, tmp_path: Path, *, is_tls: bool) -> None:
    said = [
        C(STREAM),
        S(STREAM),
        C(XMPP[login]),
        C("<presence from='kim'/>"),
        S("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"),
    ]
    text = hidden(said, tmp_path, is_tls=is_tls)
    assert b"to='contoso.com'" in text
