"""Session-ticket keys: files of servers, tickets of OpenSSL, and sessions that open by nothing else."""

from __future__ import annotations

import _ssl
import ctypes
import hmac
import ssl
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st
from recorded_tls import REQUEST, RESPONSE, Peers
from relayed_peers import ORDERS, Flights, observe

from tlsdecrypt.errors import KeyFileError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.session_ticket import is_ticket_key_file, parse_ticket_keys
from tlsdecrypt.tls.verdict import VerdictCode

if TYPE_CHECKING:
    from pathlib import Path

GET_TICKET_KEYS = 58  # SSL_CTRL_GET_TLSEXT_TICKET_KEYS of OpenSSL
OP_ALLOW_NO_DHE_KEX = 1 << 10  # SSL_OP_ALLOW_NO_DHE_KEX, which the ssl module does not name
MASTER, IV = b"master-secret-marker".ljust(48, b"!"), bytes(range(16))
NAME, FIRST, SECOND = b"name-of-this-key", b"1" * 16, b"2" * 16


def ticket_keys_of(context: ssl.SSLContext) -> bytes:
    """The ticket keys that OpenSSL made for a context: 80 bytes, which the ssl module does not tell."""
    control = ctypes.CDLL(_ssl.__file__).SSL_CTX_ctrl
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    behind_head = id(context) + object.__basicsize__
    keys = ctypes.create_string_buffer(80)
    assert control(ctypes.c_void_p.from_address(behind_head), GET_TICKET_KEYS, 80, keys) == 1
    return keys.raw


@cache
def sessions(version: str, *, is_psk_ke: bool = False) -> tuple[list[Flights], bytes]:
    """A session, one that resumes it by its ticket, and the ticket keys of the server."""
    peers = Peers(ssl.TLSVersion[version], "ECDHE+AESGCM")
    try:
        if is_psk_ke:
            for context in (peers.client, peers.server):
                context.options |= OP_ALLOW_NO_DHE_KEX
        parent = peers.record()
        if is_psk_ke:  # no curve in common: nothing is left but to go on without Diffie-Hellman
            peers.client.set_ecdh_curve("prime256v1")
            peers.server.set_ecdh_curve("secp384r1")
        child = peers.record(parent.session)
        return [parent.flights, child.flights], ticket_keys_of(peers.server)
    finally:
        peers.close()


def store_of(data: bytes, source: str = "ticket.key") -> SecretStore:
    store = SecretStore()
    store.add_ticket_keys(parse_ticket_keys(data, source))
    return store


def ticket(
    *, aes: bytes = FIRST, mac: bytes = SECOND, hash_name: str = "sha256", secret: bytes = MASTER, session: bytes = b""
) -> bytes:
    """A ticket as OpenSSL makes it (RFC 5077 section 4): key name, IV, AES-CBC of SSL_SESSION, HMAC of them all."""
    octets = (asn1.encode(asn1.OCTET_STRING, each) for each in (b"\xc0\x2f", b"", secret))
    numbers = (asn1.encode_integer(each) for each in (1, 0x0303))
    session = session or asn1.encode(asn1.SEQUENCE, *numbers, *octets, asn1.encode(0xA1, asn1.encode_integer(0)))
    count = 16 - len(session) % 16
    encryptor = Cipher(AES(aes), CBC(IV)).encryptor()
    begin = NAME + IV + encryptor.update(session + bytes((count,)) * count)
    return begin + hmac.digest(mac, begin, hash_name)


@pytest.mark.parametrize("order", ORDERS)
def test_a_session_with_forward_secrecy_opens_by_the_ticket_that_it_brings(order: str) -> None:
    (parent, _), keys = sessions("TLSv1_2")
    session, up, down, _ = observe(parent, store_of(keys), order)
    assert (up, down, session.verdict.code) == (REQUEST, RESPONSE, VerdictCode.DECRYPTED)
    assert session.key is not None
    assert (session.key.kind, session.key.source) == ("ticket key", "ticket.key")
    assert session.cipher_suite is not None
    assert session.cipher_suite.startswith("TLS_ECDHE_")


@pytest.mark.parametrize("order", ORDERS)
def test_a_session_opens_by_the_ticket_that_it_resumes_by(order: str) -> None:
    (_, child), keys = sessions("TLSv1_2")
    session, up, down, _ = observe(child, store_of(keys), order)
    assert (up, down, session.resumption) == (REQUEST, RESPONSE, "ticket")


@pytest.mark.parametrize("order", ORDERS)
def test_a_ticket_of_tls_1_3_holds_the_psk_of_the_session_that_it_resumes(order: str) -> None:
    (_, child), keys = sessions("TLSv1_3", is_psk_ke=True)
    session, up, down, _ = observe(child, store_of(keys), order)
    assert (up, down, session.resumption) == (REQUEST, RESPONSE, "psk")
    assert session.key is not None
    assert session.key.kind == "ticket key"


@pytest.mark.parametrize("order", ORDERS)
def test_with_diffie_hellman_beside_it_the_psk_of_a_ticket_is_not_enough(order: str) -> None:
    (_, child), keys = sessions("TLSv1_3")
    session, up, down, _ = observe(child, store_of(keys), order)
    assert (up, down, session.verdict.code) == (b"", b"", VerdictCode.FORWARD_SECRECY)
    assert "at hand (ticket.key)" in session.verdict.summary


def test_other_ticket_keys_open_nothing_and_are_not_called_wrong() -> None:
    (parent, child), _ = sessions("TLSv1_2")
    store = store_of(bytes(80))
    assert observe(parent, store)[0].verdict.code is VerdictCode.FORWARD_SECRECY
    assert observe(child, store)[0].verdict.code is VerdictCode.RESUMED_PARENT_MISSING


def test_a_ticket_that_the_server_declines_is_not_that_of_the_session() -> None:
    peers, other = (Peers(ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM") for _ in range(2))
    try:
        parent, keys = peers.record(), ticket_keys_of(peers.server)
        peers.server = other.server
        session = observe(peers.record(parent.session).flights, store_of(keys))[0]
    finally:
        peers.close()
        other.close()
    assert (session.resumed, session.verdict.code) == (False, VerdictCode.FORWARD_SECRECY)


def test_nginx_apache_and_haproxy_order_their_secrets_differently_and_the_hmac_tells() -> None:
    for secrets in (FIRST + SECOND, SECOND + FIRST):
        (key,) = parse_ticket_keys(NAME + secrets, "key")
        assert key.open(ticket()) == MASTER
        assert key.open(ticket(hash_name="sha1")) == MASTER
    (key,) = parse_ticket_keys(NAME + SECOND * 2 + FIRST * 2, "key")
    assert key.open(ticket(aes=FIRST * 2, mac=SECOND * 2)) == MASTER


def test_each_line_of_base64_is_a_key() -> None:
    lines = b"\r\n".join(b64encode(bytes((number,)) * 16 + FIRST + SECOND) for number in range(3)) + b"\n"
    keys = parse_ticket_keys(lines, "haproxy.keys")
    assert [key.name[0] for key in keys] == [0, 1, 2]
    store = store_of(lines + b64encode(NAME + FIRST * 2 + SECOND * 2) + b"\n" + b64encode(NAME + FIRST + SECOND))
    found = store.secret_in_ticket(ticket())
    assert found is not None
    assert (found.secret, found.origin.source) == (MASTER, "ticket.key")
    assert [facts.notes for facts in store.sources] == [("5 keys",)]


def test_a_key_that_is_given_twice_counts_once() -> None:
    store = store_of(NAME + FIRST + SECOND)
    generation = store.generation
    store.add_ticket_keys(parse_ticket_keys(NAME + FIRST + SECOND, "ticket.key"))
    assert store.generation == generation > 0
    assert store.has_ticket_keys


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 47, b"x" * 49, b"-----BEGIN PRIVATE KEY-----\n", b64encode(b"x" * 47), b64encode(b"x" * 48) + b"\n?"],
)
def test_a_wrong_file_is_one_sentence(data: bytes) -> None:
    with pytest.raises(KeyFileError, match=r"^a\.key: holds no session-ticket key: ") as caught:
        parse_ticket_keys(data, "a.key")
    assert "\n" not in str(caught.value)
    assert not is_ticket_key_file(data)


def test_a_private_key_of_the_same_length_is_no_ticket_key(key_files: Path) -> None:
    private = bytes.fromhex("302e020100300506032b656e04220420") + bytes(32)  # X25519 in PKCS #8
    assert len(private) == 48
    with pytest.raises(KeyFileError):
        parse_ticket_keys(private, "x25519.der")
    assert not is_ticket_key_file(private)
    pem = (key_files / "rsa.pem").read_bytes().splitlines()[1:-1]
    assert not is_ticket_key_file(b"\n".join(line for line in pem if len(line) == 64))


def test_random_bytes_and_base64_are_told_from_text() -> None:
    assert is_ticket_key_file(bytes(range(200, 248)))
    assert is_ticket_key_file(b64encode(bytes(80)) + b"\n")
    assert not is_ticket_key_file(b"a note of forty-eight characters, not one more.."[:48])


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        NAME,
        ticket()[:-1],
        ticket()[:-1] + b"?",
        b"another-key-name" + ticket()[16:],
        ticket(session=b"\x30\x03\x02\x01\x01"),
        ticket(session=b"no DER at all"),
        ticket(secret=b""),
        ticket(secret=bytes(65)),
    ],
)
def test_a_ticket_that_is_damaged_or_of_another_kind_gives_nothing(bad: bytes) -> None:
    (key,) = parse_ticket_keys(NAME + FIRST + SECOND, "key")
    assert key.open(bad) is None
    assert store_of(NAME + FIRST + SECOND).secret_in_ticket(bad) is None


@given(st.binary(max_size=200))
def test_whatever_a_ticket_holds_nothing_is_raised(data: bytes) -> None:
    (key,) = parse_ticket_keys(NAME + FIRST + SECOND, "key")
    begin = NAME + data
    assert key.open(begin + hmac.digest(SECOND, begin, "sha256")) is None


def test_a_ticket_key_does_not_show_its_secrets() -> None:
    (key,) = parse_ticket_keys(NAME + FIRST + SECOND, "key")
    assert "1111" not in repr(key)
    assert "name-of" not in repr(key)
