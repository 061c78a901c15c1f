"""Encrypted Client Hello: HPKE against RFC 9180, and an inner hello sealed as RFC 9849 says."""

from __future__ import annotations

import pickle
import ssl
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from recorded_tls import REQUEST, RESPONSE, Peers, recording
from relayed_peers import ORDERS, UP, Flights, observe

import tlsdecrypt
from tlsdecrypt.errors import KeyFileError
from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.tls import hidden_random
from tlsdecrypt.tls.connection import TlsConnection
from tlsdecrypt.tls.encrypted_hello import open_client_hello
from tlsdecrypt.tls.extensions import Extensions
from tlsdecrypt.tls.handshake import HELLO_RETRY_REQUEST_RANDOM, ClientHello, parse_client_hello
from tlsdecrypt.tls.hpke import HpkeSuite, hpke_keys, hpke_open, kem_shared_secret
from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.private_key import private_key
from tlsdecrypt.tls.protection import RecordProtection, make_protection_13
from tlsdecrypt.tls.secrets import MOST_TRIED, SecretStore

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.session import TlsSession

X25519_AES_128 = HpkeSuite(0x20, 1, 1)
SECRET = bytes.fromhex("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc")  # RFC 9180 appendix A.1.1
OUTER_RANDOM = b"the random of the outer hello..."
SPAN = Span(1, 1, 0, 0)
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


@pytest.mark.parametrize(
    ("kem", "private", "encapsulated", "shared"),
    [
        (
            0x20,
            X25519PrivateKey.from_private_bytes(
                bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
            ),
            "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
            SECRET.hex(),
        ),
        (
            0x10,
            ec.derive_private_key(0xF3CE7FDAE57E1A310D87F1EBBDE6F328BE0A99CDBCADF4D6589CF29DE4B8FFD2, ec.SECP256R1()),
            (
                "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
                "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4"
            ),
            "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8",
        ),
    ],
    ids=["X25519", "P-256"],
)
def test_the_shared_secret_of_a_private_key_is_that_of_rfc_9180(
    kem: int, private: Any, encapsulated: str, shared: str
) -> None:
    key = private_key(private, "ech.pem")
    found = kem_shared_secret(kem, key, bytes.fromhex(encapsulated))
    assert found is not None
    assert found.hex() == shared
    assert kem_shared_secret(0x41, key, bytes.fromhex(encapsulated)) is None
    assert kem_shared_secret(kem, key, b"no point") is None


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


@pytest.mark.parametrize("order", ORDERS)
def test_a_key_log_without_its_secret_is_tried_on_what_the_server_protects(order: str) -> None:
    """As Chromium and Go write it: under the random of the inner hello, and nothing that opens that."""
    flights, key_log, _ = sealed_session()
    peers = Peers(ssl.TLSVersion.TLSv1_3, None)
    others = peers.record().key_log
    peers.close()
    session, up, down, connection = observe(flights, store_of(others, key_log), order)
    assert (up, down) == (REQUEST, RESPONSE)
    assert (session.encrypted_client_hello, session.inner_server_name) == ("accepted", None)
    again, up, down, _ = observe(flights, store_of(b"".join(each.line for each in connection.key_log)), order)
    assert (up, down, again.verdict.code) == (REQUEST, RESPONSE, session.verdict.code)


@pytest.mark.parametrize("order", ORDERS)
def test_the_key_log_of_a_session_has_the_random_that_others_see_too(order: str) -> None:
    flights, key_log, inner = sealed_session()
    for log in (key_log, key_log + ECH_LINES):
        told = observe(flights, store_of(log), order)[3].key_log
        assert {each.client_random for each in told} == {inner.random, OUTER_RANDOM}
        session, up, _, again = observe(flights, store_of(b"".join(each.line for each in told)), order)
        assert (up, session.encrypted_client_hello) == (REQUEST, "accepted")
        assert again.key_log == told


def test_a_session_whose_server_began_in_a_hole_is_not_tried_for_ever() -> None:
    flights, key_log, _ = sealed_session()
    store = store_of(key_log)
    connection = TlsConnection(store)
    for direction, data in flights[:1]:
        connection.feed(direction, data, lambda _start, _end: SPAN)
    stream = b"".join(data for direction, data in flights if direction is not UP)
    hello_end = 5 + int.from_bytes(stream[3:5], "big") + 6  # and a ChangeCipherSpec
    lost = 5 + int.from_bytes(stream[hello_end + 3 : hello_end + 5], "big")
    connection.feed(Direction.SERVER_TO_CLIENT, stream[:hello_end], lambda _start, _end: SPAN)
    connection.gap(Direction.SERVER_TO_CLIENT, lost, SPAN)
    connection.feed(Direction.SERVER_TO_CLIENT, stream[hello_end + lost :], lambda _start, _end: SPAN)
    assert connection.held_bytes == 0


def test_hundreds_of_sessions_in_a_key_log_cost_a_hello_no_trial_each(monkeypatch: pytest.MonkeyPatch) -> None:
    flights, key_log, _ = sealed_session()
    line_of = "SERVER_HANDSHAKE_TRAFFIC_SECRET {:064x} {:064x}\n".format
    store = store_of("".join(line_of(number, number) for number in range(500)).encode(), key_log)
    tried: list[bytes] = []

    def trial(suite: CipherSuite, secret: bytes, *, version: int) -> RecordProtection | None:
        tried.append(secret)
        return make_protection_13(suite, secret, version=version)

    monkeypatch.setattr(hidden_random, "make_protection_13", trial)
    assert observe(flights, store)[1] == REQUEST
    assert 1 <= len(tried) < 10


@pytest.mark.parametrize("order", ORDERS)
def test_a_first_hello_that_is_damaged_before_a_retry_raises_nothing(order: str) -> None:
    flights, key_log, _ = sealed_session()
    whole = flights[0][1]
    damaged = bytearray(whole)
    damaged[-1:] = b""  # the last extension is longer than what is left
    damaged[3:5] = (len(damaged) - 5).to_bytes(2, "big")
    damaged[6:9] = (len(damaged) - 9).to_bytes(3, "big")
    retry = b"\x03\x03" + HELLO_RETRY_REQUEST_RANDOM + b"\0\x13\x01\0" + vector(2, extension(0x2B, b"\3\4"))
    answer = b"\x16\x03\x03" + vector(2, b"\2" + vector(3, retry))
    said = [(UP, bytes(damaged)), (Direction.SERVER_TO_CLIENT, answer), *flights]
    session = observe(said, store_of(key_log, ECH_LINES), order)[0]
    assert session.fault is not None


def test_without_any_secret_nobody_can_tell() -> None:
    flights, key_log, _ = sealed_session()
    for log in (b"", key_log.replace(b"SERVER_HANDSHAKE_TRAFFIC_SECRET", b"EXPORTER_SECRET")):
        session, up, _, _ = observe(flights, store_of(log))
        assert (up, session.encrypted_client_hello, session.inner_server_name) == (b"", "offered", None)


def test_a_long_key_log_is_not_tried() -> None:
    flights, key_log, _ = sealed_session()
    line_of = "SERVER_HANDSHAKE_TRAFFIC_SECRET {:064x} {:064x}\n".format
    many = "".join(line_of(number, number) for number in range(MOST_TRIED)).encode()
    closed, up, _, _ = observe(flights, store_of(many, key_log))
    assert up == b""
    assert closed.verdict.remedy is not None
    assert f"key logs of up to {MOST_TRIED:,} sessions" in closed.verdict.remedy
    assert observe(flights, store_of(many[: len(many) // 2], key_log))[1] == REQUEST


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
def test_bytes_that_were_sealed_are_a_hello_that_begins_so_or_none(encoded: bytes) -> None:
    hello = opened(encoded)
    assert hello is None or hello.random == encoded[2:34]


@given(st.binary(min_size=32, max_size=32), st.lists(st.integers(0, 0xFFFF), max_size=4), st.integers(0, 40))
def test_a_hello_that_was_sealed_comes_out_as_it_was(random: bytes, suites: list[int], padding: int) -> None:
    sealed = ClientHello(0x0303, random, b"", tuple(suites), (0,), Extensions())
    assert opened(body_of(random, sealed, b"", b"") + bytes(padding)) == sealed


def test_an_inner_hello_that_wants_what_the_outer_one_lacks_is_none() -> None:
    hello = ClientHello(0x0303, OUTER_RANDOM, b"", (0x1301,), (0,), Extensions())
    assert opened(body_of(OUTER_RANDOM, hello, b"", b"")) is not None
    assert opened(body_of(OUTER_RANDOM, hello, b"", extension(OUTER_EXTENSIONS, vector(1, b"\0\x33")))) is None


CAPTURE = Path(__file__).parents[2] / "captures" / "go-encrypted-hello.pcap"
KEYS = Path(__file__).parents[2] / "keys"
INNER, PUBLIC = "mail.contoso.com", "public.contoso.com"


def go_sessions(*, keys: tuple[str, ...] = (), keylogs: tuple[str, ...] = ()) -> list[TlsSession]:
    store = tlsdecrypt.load_keys(keys=[KEYS / each for each in keys], keylogs=[KEYS / each for each in keylogs])
    return [each.tls for each in tlsdecrypt.analyze([CAPTURE], store).conversations if each.tls is not None]


def test_what_go_hides_is_named_with_the_key_of_its_server() -> None:
    """Go on both sides: accepted, resumed, and after a HelloRetryRequest."""
    sessions = go_sessions(keys=("ech.pem",))
    assert {each.server_name for each in sessions} == {PUBLIC}
    assert [each.inner_server_name for each in sessions] == [INNER] * 3
    assert {each.verdict.code.value for each in sessions} == {"forward-secrecy"}


def test_sessions_of_go_open_with_its_key_log_alone() -> None:
    sessions = go_sessions(keylogs=("go-encrypted-hello.keylog",))
    assert [each.encrypted_client_hello for each in sessions] == ["accepted"] * 3
    assert {each.verdict.code.value for each in sessions} == {"decrypted"}


def test_with_both_everything_is_known() -> None:
    sessions = go_sessions(keys=("ech.pem",), keylogs=("go-encrypted-hello.keylog",))
    assert [each.inner_server_name for each in sessions] == [INNER] * 3
    assert [each.encrypted_client_hello for each in sessions] == ["accepted"] * 3


def pem(label: str, content: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{b64encode(content).decode()}\n-----END {label}-----\n".encode()


def test_only_configurations_of_this_key_are_kept_with_it() -> None:
    key = X25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    own, other = (CONFIG.replace(bytes(32), each, 1) for each in (public, bytes(range(32))))
    unknown = b"\xfe\x0a" + vector(2, b"an old draft")
    file = pem("PRIVATE KEY", key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    (found,) = parse_key_file(file + pem("ECHCONFIG", vector(2, other + unknown + own)), "ech.pem", lambda: None)
    assert found.ech_configs == (own,)
    assert pickle.loads(pickle.dumps(found)).ech_configs == (own,)
    assert public.hex() not in repr(found)


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        (pem("ECHCONFIG", vector(2, CONFIG)), "no private key"),
        (pem("ECHCONFIG", vector(2, CONFIG)[:-3]), "ECHConfigList is cut off"),
    ],
)
def test_a_file_that_cannot_help_says_so(file: bytes, complaint: str) -> None:
    with pytest.raises(KeyFileError, match=f"ech.pem: .*{complaint}"):
        parse_key_file(file, "ech.pem", lambda: None)
