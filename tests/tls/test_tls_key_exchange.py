from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.key_exchange import (
    group_name,
    parse_client_key_exchange,
    parse_encrypted_pre_master_secret,
    parse_server_key_exchange,
    parse_server_key_exchange_group,
)
from tlsdecrypt.tls.registry import ProtocolVersion

KEY_EXCHANGES = ["RSA", "RSA_EXPORT", "DHE_RSA", "DH_anon", "ECDHE_ECDSA", "ECDH_anon", "PSK", "ECDHE_PSK", "SRP_SHA"]
SIGNATURE = "0804 0002 beef"
DH_PARAMS = "0100" + "ff" * 256 + "0001 02" + "0002 0305"
POINT = "03 001d 20" + "55" * 32


@pytest.mark.parametrize(
    ("key_exchange", "body", "group"),
    [
        ("ECDHE_RSA", POINT + SIGNATURE, "x25519"),
        ("ECDHE_ECDSA", "03 0017 02 0405" + SIGNATURE, "secp256r1"),
        ("ECDH_anon", "03 fe01 01 04", "UNKNOWN_0xFE01"),
        ("ECDHE_PSK", "0002 6869" + POINT, "x25519"),
        ("ECDHE_RSA", "01 00", "explicit curve"),
        ("DHE_RSA", DH_PARAMS + SIGNATURE, "ffdhe 2048 bits"),
        ("DHE_DSS_EXPORT", "0040" + "80" * 64 + "0001 02 0001 04", "ffdhe 512 bits"),
        ("DH_anon", DH_PARAMS, "ffdhe 2048 bits"),
        ("DHE_PSK", "0000" + DH_PARAMS, "ffdhe 2048 bits"),
        ("RSA_EXPORT", "0040" + "80" * 64 + "0003 010001" + SIGNATURE, "RSA 512 bits"),
        ("SRP_SHA", "0080" + "90" * 128 + "0001 02 01 aa 0001 bb", "SRP 1024 bits"),
        ("PSK", "0004 68696e74", None),
        ("RSA_PSK", "0004 68696e74", None),
    ],
)
def test_the_group_of_a_server_key_exchange_is_named(key_exchange: str, body: str, group: str | None) -> None:
    assert parse_server_key_exchange_group(bytes.fromhex(body), key_exchange) == group


def test_the_temporary_key_is_as_a_key_share_has_it() -> None:
    exchange = parse_server_key_exchange(bytes.fromhex(POINT), "ECDHE_RSA")
    assert (exchange.named_group, exchange.public) == (29, b"\x55" * 32)
    exchange = parse_server_key_exchange(bytes.fromhex(DH_PARAMS), "DHE_RSA")
    assert exchange.public == bytes(254) + b"\3\5"
    exchange = parse_server_key_exchange(bytes.fromhex("0004 68696e74"), "PSK")
    assert exchange.psk_identity_hint == b"hint"


def test_a_curve_type_of_no_known_value_is_refused() -> None:
    with pytest.raises(ParseError, match="curve type"):
        parse_server_key_exchange(bytes.fromhex("09 0017"), "ECDHE_RSA")


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("version", [ProtocolVersion.SSLv3, ProtocolVersion.TLSv1_0, ProtocolVersion.TLSv1_2])
def test_an_encrypted_pre_master_secret_comes_with_and_without_its_length(size: int, version: int) -> None:
    encrypted = bytes([0x17]) * size
    assert parse_encrypted_pre_master_secret(size.to_bytes(2, "big") + encrypted, version) == encrypted
    assert parse_encrypted_pre_master_secret(encrypted, version) == encrypted


def test_a_bare_secret_that_begins_like_a_length_is_not_cut_in_ssl_3() -> None:
    encrypted = bytes.fromhex("007e") + bytes(126)
    assert parse_encrypted_pre_master_secret(encrypted, ProtocolVersion.SSLv3) == encrypted


def test_a_client_key_exchange_without_content_is_refused() -> None:
    with pytest.raises(ParseError):
        parse_encrypted_pre_master_secret(b"", ProtocolVersion.TLSv1_2)


def test_what_the_client_adds_depends_on_the_key_exchange() -> None:
    def parse(key_exchange: str, body: str) -> tuple[bytes | None, bytes | None, bytes | None]:
        exchange = parse_client_key_exchange(bytes.fromhex(body), key_exchange, ProtocolVersion.TLSv1_2)
        return exchange.encrypted_pre_master_secret, exchange.public, exchange.psk_identity

    assert parse("RSA", "0002 abcd") == (b"\xab\xcd", None, None)
    assert parse("RSA_PSK", "0002 6869 0002 abcd") == (b"\xab\xcd", None, b"hi")
    assert parse("ECDHE_RSA", "02 abcd") == (None, b"\xab\xcd", None)
    assert parse("DHE_RSA", "0002 abcd") == (None, b"\xab\xcd", None)
    assert parse("ECDHE_PSK", "0002 6869 02 abcd") == (None, b"\xab\xcd", b"hi")
    assert parse("PSK", "0002 6869") == (None, None, b"hi")
    assert parse("DH_RSA", "") == (None, None, None)


@pytest.mark.parametrize("key_exchange", KEY_EXCHANGES)
@given(body=st.lists(st.binary(max_size=20).map(lambda each: len(each).to_bytes(2, "big") + each)).map(b"".join))
def test_what_is_read_of_random_bytes_stands_in_them(key_exchange: str, body: bytes) -> None:
    with contextlib.suppress(ParseError):
        server = parse_server_key_exchange(body, key_exchange)
        assert server.public.lstrip(b"\0") in body
        assert (server.psk_identity_hint or b"") in body
        assert (server.psk_identity_hint is not None) == key_exchange.endswith("PSK")
    with contextlib.suppress(ParseError):
        client = parse_client_key_exchange(body, key_exchange, ProtocolVersion.TLSv1_2)
        parts = client.psk_identity, client.public, client.encrypted_pre_master_secret
        assert all(part in body for part in parts if part is not None)
        assert sum(len(part or b"") for part in parts) <= len(body)


@pytest.mark.parametrize(
    ("key_exchange", "body"),
    [
        ("ECDHE_RSA", POINT),
        ("DHE_RSA", DH_PARAMS),
        ("RSA_EXPORT", "0004 80808080 0003 010001"),
        ("ECDHE_PSK", "0002 6869" + POINT),
    ],
)
def test_a_cut_server_key_exchange_is_a_parse_error(key_exchange: str, body: str) -> None:
    data = bytes.fromhex(body)
    for length in range(len(data)):
        with pytest.raises(ParseError):
            parse_server_key_exchange(data[:length], key_exchange)


def test_groups_have_their_registered_names() -> None:
    assert group_name(4588) == "X25519MLKEM768"
    assert group_name(0x1A1A) == "GREASE_0x1A1A"
