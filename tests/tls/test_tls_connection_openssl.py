"""What only the openssl program does: renegotiation, KeyUpdate, HelloRetryRequest, early data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from observing import ORDERS, byte_by_byte, cut_at, events_of, observe, whole
from openssl_commands import openssl_client, openssl_server, say
from recorded_tls import DOWN, UP, Flight, keylog_store, rsa_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.tls.session import TlsSession

LINES = (b"first line", b"second line", b"third line")


class Made(NamedTuple):
    flights: list[Flight]
    key_log: bytes


def talk(openssl: str, folder: Path, server: tuple[str, ...], client: tuple[str, ...], *said: object) -> Made:
    """s_client says lines to s_server, which says them backwards."""
    with openssl_server(openssl, folder, "-rev", *server) as (_, port):
        peer, relay = openssl_client(openssl, folder, port, *client)
        peer.wait_for(b"\n---\n")
        say(peer, *said)
        peer.close(politely=True)
        relay.close()
    return Made(relay.flights, (folder / "keys.log").read_bytes())


def said_by(conversation: Conversation) -> tuple[int, int]:
    return conversation.application_data[UP].length, conversation.application_data[DOWN].length


def session_of(conversation: Conversation) -> TlsSession:
    assert conversation.tls is not None
    return conversation.tls


LENGTH = sum(len(line) + 1 for line in LINES)


@pytest.fixture
def openssl(program: Callable[[str], str]) -> str:
    return program("openssl")


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256"])
def test_renegotiation_is_followed(openssl: str, tmp_path: Path, cipher: str) -> None:
    arguments = ("-tls1_2", "-cipher", cipher)
    made = talk(
        openssl,
        tmp_path,
        ("-client_renegotiation",),
        arguments,
        LINES[0],
        (b"R", b"RENEGOTIATING"),
        LINES[1],
        LINES[2],
    )
    for order in ORDERS:
        for cut in (whole, cut_at(4, 90)):
            conversation = observe(events_of(made.flights, cut, order), rsa_store())
            assert said_by(conversation) == (LENGTH, LENGTH)
            assert session_of(conversation).handshakes == 2
            assert session_of(conversation).verdict.code.value == "decrypted"


def test_key_updates_of_both_sides_are_followed(openssl: str, tmp_path: Path) -> None:
    made = talk(
        openssl,
        tmp_path,
        (),
        ("-tls1_3",),
        LINES[0],
        (b"K", b"KEYUPDATE"),
        LINES[1],
        (b"k", b"KEYUPDATE"),
        LINES[2],
    )
    for order in ORDERS:
        for cut in (whole, byte_by_byte):
            conversation = observe(events_of(made.flights, cut, order), keylog_store(made.key_log))
            assert said_by(conversation) == (LENGTH, LENGTH)
            names = [message.name for message in session_of(conversation).messages]
            assert names.count("key_update") == 3
            assert session_of(conversation).verdict.code.value == "decrypted"


def test_a_hello_retry_request_is_followed(openssl: str, tmp_path: Path) -> None:
    made = talk(openssl, tmp_path, ("-groups", "P-384"), ("-tls1_3", "-groups", "X25519:P-384"), *LINES)
    for order in ORDERS:
        for cut in (whole, byte_by_byte):
            conversation = observe(events_of(made.flights, cut, order), keylog_store(made.key_log))
            session = session_of(conversation)
            assert said_by(conversation) == (LENGTH, LENGTH)
            assert [message.name for message in session.messages].count("client_hello") == 2
            assert session.key_exchange_group == "secp384r1"
            assert session.verdict.code.value == "decrypted"


def early(openssl: str, folder: Path, *server: str) -> Made:
    """A TLS 1.3 session, and one that resumes it and sends data with its first flight."""
    (folder / "early").write_bytes(b"early words\n")
    with openssl_server(openssl, folder, "-tls1_3", "-early_data", *server) as (peer, port):
        first, relay = openssl_client(openssl, folder, port, "-tls1_3", "-sess_out", "session")
        first.wait_for(b"\n---\n")
        peer.write(b"hello\n")
        first.wait_for(b"hello\n")
        first.close(politely=True)
        relay.close()
        (folder / "keys.log").unlink()
        second, relay = openssl_client(openssl, folder, port, "-tls1_3", "-sess_in", "session", "-early_data", "early")
        second.wait_for(b"\n---\n")
        second.write(b"late words\n")
        peer.wait_for(b"late words\n")
        peer.write(b"the answer\n")
        second.wait_for(b"the answer\n")
        second.close(politely=True)
        relay.close()
    return Made(relay.flights, (folder / "keys.log").read_bytes())


def test_early_data_is_the_first_thing_said(openssl: str, tmp_path: Path) -> None:
    made = early(openssl, tmp_path)
    for order in ORDERS:
        for cut in (whole, byte_by_byte):
            conversation = observe(events_of(made.flights, cut, order), keylog_store(made.key_log))
            assert said_by(conversation) == (len(b"early words\nlate words\n"), len(b"the answer\n"))
            assert session_of(conversation).resumption == "psk"
            assert session_of(conversation).verdict.code.value == "decrypted"


def test_early_data_that_the_server_refuses_is_not_the_end(openssl: str, tmp_path: Path) -> None:
    """The server takes the session up, and skips what it will not read (RFC 8446 section 4.2.10)."""
    made = early(openssl, tmp_path, "-max_early_data", "16384", "-anti_replay")
    conversation = observe(events_of(made.flights), keylog_store(made.key_log))
    assert session_of(conversation).verdict.code.value == "decrypted"
