"""What TLS 1.3 does after its handshake: a server that asks for the client's certificate later."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest
from observing import ORDERS, byte_by_byte, events_of, observe, whole
from recorded_tls import DOWN, UP, Flight, key_and_certificate, keylog_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKED = b"GET /certificate HTTP/1.1\r\nHost: mail.contoso.com\r\n\r\n"
ANSWERED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peers:
    """OpenSSL with itself in TLS 1.3; the client proves who it is whenever it is asked."""

    def __init__(self, folder: Path) -> None:
        client, server = self._context(folder, ssl.PROTOCOL_TLS_CLIENT), self._context(folder, ssl.PROTOCOL_TLS_SERVER)
        client.check_hostname = False
        client.verify_mode, server.verify_mode = ssl.CERT_NONE, ssl.CERT_OPTIONAL
        client.keylog_filename = str(folder / "keys.log")
        self._up, self._down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._to_client, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self._to_client, self._up)
        self.server = server.wrap_bio(self._to_server, self._down, server_side=True)
        self.flights: list[Flight] = []

    @staticmethod
    def _context(folder: Path, protocol: int) -> ssl.SSLContext:
        (folder / "both.pem").write_bytes(key_and_certificate())
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(folder / "both.pem")
        context.load_verify_locations(folder / "both.pem")
        context.post_handshake_auth = True
        return context

    def carry(self) -> None:
        """What both have to send, to the other."""
        for direction, source, target in ((UP, self._up, self._to_server), (DOWN, self._down, self._to_client)):
            if data := source.read():
                self.flights.append((direction, data))
                target.write(data)

    def shake_hands(self) -> None:
        for peer in (self.client, self.server, self.client, self.server):
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.do_handshake()
            self.carry()

    def say(self, sender: ssl.SSLObject, receiver: ssl.SSLObject, data: bytes) -> None:
        sender.write(data)
        self.carry()
        assert receiver.read() == data
        self.carry()


@pytest.mark.parametrize("cut", [whole, byte_by_byte])
@pytest.mark.parametrize("order", ORDERS)
def test_a_certificate_that_is_asked_for_later_is_seen(
    tmp_path: Path, cut: Callable[[bytes], list[bytes]], order: str
) -> None:
    peers = Peers(tmp_path)
    peers.shake_hands()
    peers.say(peers.client, peers.server, ASKED)
    peers.server.verify_client_post_handshake()
    peers.say(peers.server, peers.client, ANSWERED)  # the request for the certificate goes before it
    peers.say(peers.client, peers.server, ASKED)
    peers.say(peers.server, peers.client, ANSWERED)
    assert peers.server.getpeercert()
    conversation = observe(events_of(peers.flights, cut, order), keylog_store((tmp_path / "keys.log").read_bytes()))
    assert [each.length for each in conversation.application_data] == [2 * len(ASKED), 2 * len(ANSWERED)]
    tls = conversation.tls
    assert tls is not None
    assert tls.verdict.code.value == "decrypted"
    assert [each.subject for each in tls.client_certificates] == ["CN=mail.contoso.com"]
    assert [each.name for each in tls.messages].count("certificate_request") == 1
