"""Encrypted Client Hello: HPKE against RFC 9180, and an inner hello sealed as RFC 9849 says."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from recorded_tls import REQUEST, RESPONSE, recording
from relayed_peers import ORDERS, UP, Flights, observe

from tlsdecrypt.tls.encrypted_hello import open_client_hello
from tlsdecrypt.tls.extensions import Extensions
from tlsdecrypt.tls.handshake import ClientHello, parse_client_hello
from tlsdecrypt.tls.hpke import HpkeSuite, hpke_keys, hpke_open
from tlsdecrypt.tls.secrets import SecretStore

X25519_AES_128 = HpkeSuite(0x20, 1, 1)
SECRET = bytes.fromhex("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc")  # RFC 9180 appendix A.1.1
OUTER_RANDOM = b"the random of the outer hello..."
KEY_SHARE, SERVER_NAME, ECH, OUTER_EXTENSIONS = 0x33, 0, 0xFE0D, 0xFD00


def vector(length_size: int, content: bytes) -> bytes:
    return len(content).to_bytes(length_size, "big") + content


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, content)


CONFIG = b"\xfe\x0d" + vector(
    2, b"\x07\x00\x20" + vector(2, bytes(32)) + vector(2, b"\0\1\0\1") + b"\x20\x06public\0\0"
)


def body_of(random: bytes, hello: ClientHello, session_id: bytes, extensions: bytes) -> bytes:
    suites = b"".join(suite.to_bytes(2, "big") for suite in hello.cipher_suites)
    start = b"\x03\x03" + random + vector(1, session_id) + vector(2, suites) + b"\x01\0"
    return start + vector(2, extensions)


def sealed_session() -> tuple[Flights, bytes, ClientHello]:
    """A session of TLS 1.3 whose true hello is sealed into another one; its key log; the true hello."""
    each = recording("TLSv1_3", None)
    stream = each.stream(UP)
    end = 5 + int.from_bytes(stream[3:5], "big")
    inner = parse_client_hello(stream[9:end])
    shared = extension(KEY_SHARE, inner.extensions[KEY_SHARE])
    own = b"".join(extension(kind, data) for kind, data in inner.extensions.entries if kind != KEY_SHARE)
    encoded = body_of(inner.random, inner, b"", own + extension(OUTER_EXTENSIONS, vector(1, b"\0\x33"))) + bytes(30)

    def outer(payload: bytes) -> bytes:
        ech = b"\0" + b"\0\1\0\1" + b"\x07" + vector(2, bytes(32)) + vector(2, payload)
        name = extension(SERVER_NAME, vector(2, b"\0" + vector(2, b"public.example")))
        return body_of(OUTER_RANDOM, inner, inner.session_id, name + shared + extension(ECH, ech))

    keys = hpke_keys(X25519_AES_128, SECRET, b"tls ech\0" + CONFIG)
    assert keys is not None
    payload = AESGCM(keys[0]).encrypt(keys[1], encoded, outer(bytes(len(encoded) + 16)))
    message = b"\x01" + vector(3, outer(payload))
    flights: Flights = [(UP, b"\x16\x03\x01" + vector(2, message)), (UP, stream[end:])]
    return flights + [flight for flight in each.flights if flight[0] is not UP], each.key_log, inner


def store_of(*logs: bytes) -> SecretStore:
    store = SecretStore()
    for log in logs:
        store.add_keylog(log, "keys.log")
    return store


def line(label: str, secret: bytes) -> bytes:
    return f"{label} {OUTER_RANDOM.hex()} {secret.hex()}\n".encode()


ECH_LINES = line("ECH_SECRET", SECRET) + line("ECH_CONFIG", CONFIG)


def test_keys_and_first_message_are_those_of_rfc_9180() -> None:
    keys = hpke_keys(X25519_AES_128, SECRET, bytes.fromhex("4f6465206f6e2061204772656369616e2055726e"))
    assert keys is not None
    assert [each.hex() for each in keys] == ["4531685d41d65f03dc48f6b8302c05b0", "56d890e5accaaf011cff4b7d"]


def test_unknown_algorithms_and_short_messages_give_nothing() -> None:
    assert hpke_keys(HpkeSuite(0x20, 9, 1), SECRET, b"") is None
    assert hpke_keys(HpkeSuite(0x20, 1, 9), SECRET, b"") is None
    for kdf, aead, length in ((2, 2, 32), (3, 3, 32)):
        suite = HpkeSuite(0x10, kdf, aead)
        keys = hpke_keys(suite, SECRET, b"")
        assert keys is not None
        assert len(keys[0]) == length
        assert hpke_open(suite, keys, b"short", b"") is None
        assert hpke_open(suite, keys, bytes(40), b"") is None


@pytest.mark.parametrize("order", ORDERS)
def test_an_accepted_hello_is_opened_and_its_session_with_it(order: str) -> None:
    flights, key_log, _ = sealed_session()
    session, up, down, _ = observe(flights, store_of(key_log, ECH_LINES), order)
    assert (up, down) == (REQUEST, RESPONSE)
    assert (session.server_name, session.inner_server_name) == ("public.example", "mail.contoso.com")
    assert session.encrypted_client_hello == "accepted"


def test_the_inner_hello_is_whole() -> None:
    flights, _, inner = sealed_session()
    body = flights[0][1][9:]
    opened = open_client_hello(parse_client_hello(body), body, SECRET, CONFIG)
    assert opened is not None
    assert (opened.random, opened.session_id, opened.key_shares) == (inner.random, inner.session_id, inner.key_shares)
    assert dict(opened.extensions) == dict(inner.extensions)


def test_without_its_secret_nobody_can_tell() -> None:
    flights, key_log, _ = sealed_session()
    session, up, _, _ = observe(flights, store_of(key_log))
    assert (up, session.encrypted_client_hello, session.inner_server_name) == (b"", "offered", None)


def test_a_session_with_the_secrets_of_the_outer_hello_was_not_accepted() -> None:
    flights, key_log, inner = sealed_session()
    of_outer = key_log.replace(inner.random.hex().encode(), OUTER_RANDOM.hex().encode())
    for logs in ([of_outer], [of_outer, ECH_LINES]):
        session, up, _, _ = observe(flights, store_of(*logs))
        assert (up, session.encrypted_client_hello) == (REQUEST, "not accepted")


def test_a_hello_without_it_has_none() -> None:
    each = recording("TLSv1_3", None)
    assert observe(each.flights, store_of(each.key_log, ECH_LINES))[0].encrypted_client_hello is None


@pytest.mark.parametrize(
    ("secret", "config"), [(bytes(32), CONFIG), (SECRET, CONFIG[:-1]), (SECRET, b""), (SECRET, b"\xfe")]
)
def test_a_secret_or_config_that_does_not_fit_opens_nothing(secret: bytes, config: bytes) -> None:
    body = sealed_session()[0][0][1][9:]
    assert open_client_hello(parse_client_hello(body), body, secret, config) is None


@given(st.binary(max_size=80))
def test_whatever_the_extension_holds_nothing_is_raised(content: bytes) -> None:
    outer = ClientHello(0x0303, OUTER_RANDOM, b"", (), (0,), Extensions(((ECH, content),)))
    assert open_client_hello(outer, content, SECRET, CONFIG) is None


def opened(encoded: bytes) -> ClientHello | None:
    """What comes out where `encoded` was sealed."""
    keys = hpke_keys(X25519_AES_128, SECRET, b"tls ech\0" + CONFIG)
    assert keys is not None
    payload = AESGCM(keys[0]).encrypt(keys[1], encoded, bytes(len(encoded) + 16))
    content = b"\0" + b"\0\1\0\1" + b"\x07" + vector(2, b"") + vector(2, payload)
    outer = ClientHello(0x0303, OUTER_RANDOM, b"", (), (0,), Extensions(((ECH, content),)))
    return open_client_hello(outer, payload, SECRET, CONFIG)


@given(st.binary(max_size=80))
def test_whatever_was_sealed_nothing_is_raised(encoded: bytes) -> None:
    opened(encoded)


def test_an_inner_hello_that_wants_what_the_outer_one_lacks_is_none() -> None:
    hello = ClientHello(0x0303, OUTER_RANDOM, b"", (0x1301,), (0,), Extensions())
    assert opened(body_of(OUTER_RANDOM, hello, b"", b"")) is not None
    assert opened(body_of(OUTER_RANDOM, hello, b"", extension(OUTER_EXTENSIONS, vector(1, b"\0\x33")))) is None
