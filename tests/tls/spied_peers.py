"""tlslite-ng with itself, its temporary keys betrayed: what an observer has who knows one side's key shares."""

from __future__ import annotations

import socket
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from relayed_peers import Relay
from tls_peers import make_certificate

from tlsdecrypt.tls.private_key import DhPrivateKey, PrivateKey, private_key

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, where Python still has it
    from tlslite import keyexchange
    from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
    from tlslite.constants import GroupName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from relayed_peers import Flights

CLIENT, SERVER = "client", "server"
ASKED, ANSWERED = b"what was asked", b"what was answered"
CURVES = {GroupName.secp256r1: ec.SECP256R1(), GroupName.secp384r1: ec.SECP384R1(), GroupName.secp521r1: ec.SECP521R1()}


def settings(version: tuple[int, int], **others: Any) -> Any:
    """HandshakeSettings of one version."""
    made = HandshakeSettings()
    made.minVersion = made.maxVersion = version
    for name, value in others.items():
        setattr(made, name, value)
    return made


def betrayed(kex: Any, private: Any) -> PrivateKey:
    """A temporary key of tlslite-ng as a file of `--key` would have it."""
    if isinstance(kex, keyexchange.FFDHKeyExchange):
        return private_key(DhPrivateKey(kex.prime, kex.generator, private), "share.pem")
    if kex.group == GroupName.x25519:
        return private_key(X25519PrivateKey.from_private_bytes(bytes(private)), "share.pem")
    if kex.group == GroupName.x448:
        return private_key(X448PrivateKey.from_private_bytes(bytes(private)), "share.pem")
    value = int.from_bytes(private.to_string(), "big")
    return private_key(ec.derive_private_key(value, CURVES[kex.group]), "share.pem")


@contextmanager
def served(listener: socket.socket, server: Any) -> Iterator[Any]:
    """The server's end of the connection that comes next, behind its handshake; it is closed in the end."""
    link, _ = listener.accept()
    with link:
        connection = TLSConnection(link)
        key_pem, certificate_pem = (part.decode() for part in make_certificate())
        chain = X509CertChain()
        chain.parsePemList(certificate_pem)
        key = parsePEMKey(key_pem, private=True)
        connection.handshakeServer(certChain=chain, privateKey=key, settings=server)
        yield connection
        connection.close()


@contextmanager
def _spied() -> Iterator[dict[str, list[PrivateKey]]]:
    """The temporary keys that each side makes meanwhile; the server runs in a thread of its name."""
    keys: dict[str, list[PrivateKey]] = {CLIENT: [], SERVER: []}
    with pytest.MonkeyPatch.context() as patch:
        for kind in (keyexchange.ECDHKeyExchange, keyexchange.FFDHKeyExchange):
            make = kind.get_random_private_key

            def spy(kex: Any, make: Any = make) -> Any:
                private = make(kex)
                side = SERVER if threading.current_thread().name == SERVER else CLIENT
                keys[side].append(betrayed(kex, private))
                return private

            patch.setattr(kind, "get_random_private_key", spy)
        yield keys


class Spied:
    """A session: what went over the wire, and the temporary keys by side. `session` is for resuming it."""

    def __init__(self, client: Any, server: Any, *, session: Any = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        relay = Relay(self._listener.getsockname()[1])
        thread = threading.Thread(target=self._serve, args=(server,), name=SERVER)
        with self._listener, _spied() as self.keys:
            thread.start()
            with socket.create_connection(("127.0.0.1", relay.port)) as link:
                connection = TLSConnection(link)
                connection.handshakeClientCert(settings=client, session=session)
                connection.write(ASKED)
                assert connection.read(min=len(ANSWERED), max=len(ANSWERED)) == ANSWERED
                connection.close()
            thread.join()
        self.session = connection.session
        self.flights: Flights = relay.close()

    def _serve(self, server: Any) -> None:
        with served(self._listener, server) as connection:
            assert connection.read(min=len(ASKED), max=len(ASKED)) == ASKED
            connection.write(ANSWERED)
