from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import handshake
from tlsdecrypt.tls.extensions import Extensions
from tlsdecrypt.tls.registry import NamedGroup, ProtocolVersion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# RFC 8448 section 3, without the 4-byte headers of the messages.
CLIENT_HELLO = bytes.fromhex(
    "0303"  # legacy_version
    "cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7"  # random
    "00"  # session_id
    "0006 1301 1303 1302"  # cipher_suites
    "01 00"  # compression_methods
    "0091"  # extensions
    "0000 000b 0009 00 0006 736572766572"  # server_name: server
    "ff01 0001 00"  # renegotiation_info
    "000a 0014 0012 001d 0017 0018 0019 0100 0101 0102 0103 0104"  # supported_groups
    "0023 0000"  # session_ticket
    "0033 0026 0024 001d 0020 99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c"  # key_share
    "002b 0003 02 0304"  # supported_versions
    "000d 0020 001e 0403 0503 0603 0203 0804 0805 0806 0401 0501 0601 0201 0402 0502 0602 0202"
    "002d 0002 01 01"  # psk_key_exchange_modes
    "001c 0002 4001"  # record_size_limit
)
SERVER_HELLO = bytes.fromhex(
    "0303"  # legacy_version
    "a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e26928"  # random
    "00"  # session_id
    "1301"  # cipher_suite
    "00"  # compression_method
    "002e"  # extensions
    "0033 0024 001d 0020 c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f"  # key_share
    "002b 0002 0304"  # supported_versions
)
ENCRYPTED_EXTENSIONS = bytes.fromhex(
    "0022"
    "000a 0014 0012 001d 0017 0018 0019 0100 0101 0102 0103 0104"  # supported_groups
    "001c 0002 4001"  # record_size_limit
    "0000 0000"  # server_name
)
SSLV2_CLIENT_HELLO = bytes.fromhex(
    "802e"  # record header: 46 bytes follow
    "01"  # CLIENT-HELLO
    "0301"  # version: TLS 1.0
    "0015 0000 0010"  # lengths: cipher specs, session id, challenge
    "00002f 000035 00000a 000005 000004 010080 0000ff"  # TLS suites, SSL_CK_RC4_128_WITH_MD5, SCSV
    "000102030405060708090a0b0c0d0e0f"  # challenge
)
CERTIFICATE = bytes.fromhex("00000b 000003 aabbcc 000002 ddee")
CERTIFICATE_13 = bytes.fromhex("01 7f 00000f 000003 aabbcc 0000 000002 ddee 0000")
NEW_SESSION_TICKET_13 = bytes.fromhex(
    "00001c20"  # lifetime: 7200 s
    "aabbccdd"  # age_add
    "02 0001"  # nonce
    "0004 deadbeef"  # ticket
    "0008 002a 0004 00000400"  # early_data: max_early_data_size
)
CERTIFICATE_REQUEST = bytes.fromhex("02 0140 0004 0403 0804 0006 0004 30020500")

PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "client_hello": (handshake.parse_client_hello, CLIENT_HELLO),
    "server_hello": (handshake.parse_server_hello, SERVER_HELLO),
    "sslv2": (handshake.parse_sslv2_client_hello, SSLV2_CLIENT_HELLO),
    "encrypted_extensions": (handshake.parse_encrypted_extensions, ENCRYPTED_EXTENSIONS),
    "certificate": (handshake.parse_certificate, CERTIFICATE),
    "certificate_13": (handshake.parse_certificate_13, CERTIFICATE_13),
    "raw_public_key": (handshake.parse_raw_public_key, bytes.fromhex("000003 aabbcc")),
    "new_session_ticket": (handshake.parse_new_session_ticket, bytes.fromhex("00000e10 0003 010203")),
    "new_session_ticket_13": (handshake.parse_new_session_ticket_13, NEW_SESSION_TICKET_13),
    "certificate_request": (lambda body: handshake.parse_certificate_request(body, 0x0303), CERTIFICATE_REQUEST),
    "certificate_request_13": (handshake.parse_certificate_request_13, bytes.fromhex("00 0008 000d 0004 0002 0804")),
    "draft_retry": (handshake.parse_draft_hello_retry_request, bytes.fromhex("7f14 1301 0006 0028 0002 0017")),
}
# Before extensions existed a hello ended where they begin: a cut there is a whole hello.
WHOLE_WHEN_CUT = {
    "client_hello": [45],
    "server_hello": [38],
    "encrypted_extensions": [0],
    "new_session_ticket_13": [17],
    "certificate_request_13": [1],
    "draft_retry": [4],
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_cut_at_every_length_is_a_parse_error(name: str) -> None:
    parse, body = PARSERS[name]
    parse(body)
    whole = []
    for length in range(len(body)):
        try:
            parse(body[:length])
        except ParseError:
            continue
        whole.append(length)
    assert whole == WHOLE_WHEN_CUT.get(name, [])


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_changed_bytes_give_a_value_or_a_parse_error(name: str, data: st.DataObject) -> None:
    parse, body = PARSERS[name]
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        value = parse(bytes(changed))
    except ParseError:
        return
    for attribute in dir(value):
        getattr(value, attribute)  # the properties of hellos never raise
    assert type(value) is type(parse(body))
    assert repr(value) == repr(parse(bytes(changed)))


@pytest.mark.parametrize("name", PARSERS)
@given(body=st.binary(max_size=120))
def test_random_bytes_give_a_value_or_a_parse_error(name: str, body: bytes) -> None:
    parse, known = PARSERS[name]
    try:
        value = parse(body)
    except ParseError:
        return
    assert type(value) is type(parse(known))


def test_the_client_hello_of_rfc_8448_is_read() -> None:
    hello = handshake.parse_client_hello(CLIENT_HELLO)
    assert hello.legacy_version == ProtocolVersion.TLSv1_2
    assert hello.random == CLIENT_HELLO[2:34]
    assert (hello.session_id, hello.cipher_suites, hello.compression_methods) == (b"", (0x1301, 0x1303, 0x1302), (0,))
    assert hello.server_name == "server"
    assert hello.supported_versions == (ProtocolVersion.TLSv1_3,)
    assert [(share.group, len(share.key_exchange)) for share in hello.key_shares] == [(NamedGroup.x25519, 32)]
    assert (hello.session_ticket, hello.alpn) == (b"", ())
    assert hello.extensions.record_size_limit == 0x4001
    assert hello.extensions.renegotiation_info == b""
    assert hello.extensions.supported_groups[:2] == (NamedGroup.x25519, NamedGroup.secp256r1)
    assert hello.extensions.signature_algorithms[0] == 0x0403
    assert not hello.extensions.has_extended_master_secret


def test_hellos_of_one_client_share_what_stands_behind_the_session_id() -> None:
    first = handshake.parse_client_hello(CLIENT_HELLO)
    other = handshake.parse_client_hello(CLIENT_HELLO[:2] + bytes(32) + bytes.fromhex("02 abcd") + CLIENT_HELLO[35:])
    assert (other.random, other.session_id) == (bytes(32), b"\xab\xcd")
    assert other.extensions is first.extensions
    assert other.server_name == "server"


def test_a_fault_behind_the_session_id_is_told_by_its_place_in_the_message() -> None:
    with pytest.raises(ParseError) as caught:
        handshake.parse_client_hello(CLIENT_HELLO[:39])
    assert caught.value.offset == 37
    assert caught.value.what == "cipher suites: 6 bytes wanted, 2 left"


def test_the_server_hello_of_rfc_8448_is_read() -> None:
    hello = handshake.parse_server_hello(SERVER_HELLO)
    assert (hello.version, hello.legacy_version, hello.cipher_suite) == (0x0304, 0x0303, 0x1301)
    assert hello.key_share is not None
    assert handshake.group_name(hello.key_share.group) == "x25519"
    assert hello.key_share.key_exchange == SERVER_HELLO[48:80]
    assert (hello.selected_psk, hello.alpn, hello.is_hello_retry_request) == (None, None, False)


def test_a_hello_retry_request_is_told_by_its_random() -> None:
    body = bytes.fromhex(
        "0303 cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c 00 1301 00"
        "000c 002b 0002 0304 0033 0002 0018"  # the server wants secp384r1
    )
    hello = handshake.parse_server_hello(body)
    assert hello.is_hello_retry_request
    assert hello.version == 0x0304
    assert (hello.key_share, hello.extensions.retry_group) == (None, NamedGroup.secp384r1)


def test_a_server_hello_of_draft_18_has_no_session_id() -> None:
    body = bytes.fromhex("7f12" + "11" * 32 + "1301 0028 0028 0024 001d 0020" + "22" * 32)
    hello = handshake.parse_server_hello(body)
    assert (hello.version, hello.session_id, hello.cipher_suite) == (0x7F12, b"", 0x1301)
    assert hello.key_share == (NamedGroup.x25519, b"\x22" * 32)


def test_a_server_hello_of_draft_28_has_the_final_form() -> None:
    body = SERVER_HELLO[:-2] + bytes.fromhex("7f1c")
    assert handshake.parse_server_hello(body).version == 0x7F1C


@pytest.mark.parametrize(("version", "suite"), [("7f12", 0), ("7f14", 0x1301)])
def test_a_hello_retry_request_of_a_draft_names_the_group(version: str, suite: int) -> None:
    body = bytes.fromhex(version + ("1301" if suite else "") + "0006 0028 0002 0017")
    hello = handshake.parse_draft_hello_retry_request(body)
    assert hello.is_hello_retry_request
    assert (hello.cipher_suite, hello.extensions.retry_group) == (suite, NamedGroup.secp256r1)


@pytest.mark.parametrize("record", [SSLV2_CLIENT_HELLO, SSLV2_CLIENT_HELLO[2:]])
def test_a_client_hello_in_ssl_2_format_is_read(record: bytes) -> None:
    hello = handshake.parse_sslv2_client_hello(record)
    assert hello.is_sslv2_format
    assert hello.legacy_version == 0x0301
    assert hello.random == bytes(16) + bytes(range(16))  # RFC 5246 appendix E.2: right-aligned
    assert hello.cipher_suites == (0x2F, 0x35, 0x0A, 0x05, 0x04, 0x010080, 0xFF)
    assert (hello.session_id, hello.server_name) == (b"", None)


def test_other_ssl_2_messages_are_no_hello() -> None:
    with pytest.raises(ParseError, match="no ClientHello"):
        handshake.parse_sslv2_client_hello(b"\x80\x0b\x04" + bytes(10))


def test_a_hello_without_extensions_is_whole() -> None:
    hello = handshake.parse_server_hello(SERVER_HELLO[:38])
    assert (hello.version, len(hello.extensions)) == (0x0303, 0)


def test_malformed_extensions_count_as_absent_in_a_hello() -> None:
    broken = CLIENT_HELLO.replace(bytes.fromhex("0009 00 0006"), bytes.fromhex("0009 00 0007"))
    hello = handshake.parse_client_hello(broken)
    assert hello.server_name is None
    assert hello.supported_versions == (0x0304,)


def test_certificates_come_in_the_order_sent() -> None:
    assert handshake.parse_certificate(CERTIFICATE) == (b"\xaa\xbb\xcc", b"\xdd\xee")
    assert handshake.parse_certificate_13(CERTIFICATE_13) == (b"\x7f", (b"\xaa\xbb\xcc", b"\xdd\xee"))
    assert handshake.parse_certificate(bytes(3)) == ()


def test_a_message_of_endless_certificates_is_bounded() -> None:
    body = (5000 * 4).to_bytes(3, "big") + b"\0\0\1\xaa" * 5000
    assert len(handshake.parse_certificate(body)) == handshake.MOST_CERTIFICATES


def test_tickets_are_read() -> None:
    assert handshake.parse_new_session_ticket(bytes.fromhex("00000e10 0003 010203")) == (3600, b"\1\2\3")
    ticket = handshake.parse_new_session_ticket_13(NEW_SESSION_TICKET_13)
    assert (ticket.lifetime, ticket.age_add, ticket.nonce) == (7200, 0xAABBCCDD, b"\0\1")
    assert ticket.ticket == b"\xde\xad\xbe\xef"
    assert ticket.extensions.has_early_data
    assert "deadbeef" not in repr(ticket)
    assert repr(ticket.ticket) not in repr(ticket)


def test_a_certificate_request_is_read_in_each_version() -> None:
    request = handshake.parse_certificate_request(CERTIFICATE_REQUEST, ProtocolVersion.TLSv1_2)
    assert request.certificate_types == (1, 64)
    assert request.signature_algorithms == (0x0403, 0x0804)
    assert request.authorities == (bytes.fromhex("30020500"),)
    old = handshake.parse_certificate_request(bytes.fromhex("01 01 0000"), ProtocolVersion.TLSv1_1)
    assert (old.certificate_types, old.signature_algorithms, old.authorities) == ((1,), (), ())
    new = handshake.parse_certificate_request_13(
        bytes.fromhex("00 0014 000d 0004 0002 0804 002f 0008 0006 0004 30020500")
    )
    assert (new.signature_algorithms, new.authorities) == ((0x0804,), (bytes.fromhex("30020500"),))


def test_encrypted_extensions_are_read() -> None:
    extensions = handshake.parse_encrypted_extensions(ENCRYPTED_EXTENSIONS)
    assert list(extensions) == [10, 28, 0]
    assert extensions.server_name is None


def hellos(key_files: Path, version: ssl.TLSVersion) -> tuple[bytes, bytes]:
    """Bodies of ClientHello and ServerHello as OpenSSL writes them."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    for context in (client, server):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
    server.load_cert_chain(key_files / "rsa.crt", key_files / "rsa.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    bodies = []
    for end, out in (
        (client.wrap_bio(to_client, to_server, server_hostname="mail.example.com"), to_server),
        (server.wrap_bio(to_server, to_client, server_side=True), to_client),
    ):
        with pytest.raises(ssl.SSLWantReadError):
            end.do_handshake()
        written = out.read()
        out.write(written)
        length = int.from_bytes(written[6:9], "big")
        bodies.append(written[9 : 9 + length])
    return bodies[0], bodies[1]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_hellos_of_openssl_are_read(key_files: Path, version: ssl.TLSVersion) -> None:
    client, server = hellos(key_files, version)
    hello, answer = handshake.parse_client_hello(client), handshake.parse_server_hello(server)
    assert hello.server_name == "mail.example.com"
    assert hello.alpn == ("h2", "http/1.1")
    assert answer.version == version
    assert answer.cipher_suite in hello.cipher_suites
    assert hello.extensions.has_extended_master_secret
    assert hello.extensions.has_encrypt_then_mac
    if version == ssl.TLSVersion.TLSv1_3:
        assert answer.key_share is not None
        assert answer.session_id == hello.session_id
        assert answer.key_share.group in [share.group for share in hello.key_shares]
    else:
        assert answer.alpn == "h2"
        assert answer.extensions.has_extended_master_secret


def test_extensions_of_a_hello_keep_unknown_and_grease_values() -> None:
    entries = ((0x0A0A, b"x"), (0, b""), (0x1234, b"y"), (0x0A0A, b"z"))
    extensions = Extensions(entries)
    assert extensions.entries == entries
    assert dict(extensions) == {0x0A0A: b"x", 0: b"", 0x1234: b"y"}
    assert len(extensions) == 3
    assert extensions == Extensions(entries)
    assert hash(extensions) == hash(Extensions(entries))
    assert repr(extensions) == "Extensions(GREASE_0x0A0A, SERVER_NAME, UNKNOWN_0x1234, GREASE_0x0A0A)"
