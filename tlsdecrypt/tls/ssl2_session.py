"""What a session of SSL 2.0 is made of, and where one may come from: a private key, or an earlier session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.tls.certificates import certificate_facts
from tlsdecrypt.tls.ciphersuites import CipherSuite, cipher_suite
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.tls.private_key import PrivateKey
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.ssl2_messages import Ssl2ClientHello, Ssl2MasterKey, Ssl2ServerHello

_SESSION_PREFIX: Final = b"SSLv2:"  # keeps these session ids apart from those of later versions
_CIPHER_KIND_LENGTH: Final = 3


class Ssl2Session(NamedTuple):
    """Cipher, master key and KEY-ARG, which a resumed session takes over; `origin` is what gave them."""

    cipher_kind: int
    master_key: bytes
    key_arg: bytes
    origin: KeySource

    @property
    def suite(self) -> CipherSuite:
        """The cipher as a suite."""
        return cipher_suite(self.cipher_kind)

    def __repr__(self) -> str:
        """Never the secret."""
        return f"Ssl2Session({self.suite.name}, {self.origin!r})"


def remember(store: SecretStore, session_id: bytes, session: Ssl2Session) -> None:
    """Keep a session for those that resume it: cipher and KEY-ARG stand before the master key."""
    kind = session.cipher_kind.to_bytes(_CIPHER_KIND_LENGTH, "big")
    packed = kind + bytes((len(session.key_arg),)) + session.key_arg + session.master_key
    store.learn(packed, session.origin, session_id=_SESSION_PREFIX + session_id)


def resumed_session(store: SecretStore, session_id: bytes) -> Ssl2Session | None:
    """The session that is resumed, if it was opened before."""
    learned = store.learned(session_id=_SESSION_PREFIX + session_id)
    if learned is None:
        return None
    packed, start = learned.master_secret, _CIPHER_KIND_LENGTH + 1
    stop = start + packed[_CIPHER_KIND_LENGTH]
    kind = int.from_bytes(packed[:_CIPHER_KIND_LENGTH], "big")
    origin = KeySource("resumption", learned.origin.source, learned.origin.spki_sha256)
    return Ssl2Session(kind, packed[stop:], packed[start:stop], origin)


def matching_keys_ssl2(certificate: bytes, store: SecretStore) -> list[PrivateKey]:
    """The private keys that fit the server's certificate; all RSA keys where it cannot be read."""
    spki_sha256 = certificate_facts(certificate).spki_sha256
    if not spki_sha256:
        return store.rsa_keys
    key = store.key_for_spki(spki_sha256)
    return [key] if key is not None else []


def candidate_sessions(
    store: SecretStore, client: Ssl2ClientHello, server: Ssl2ServerHello, sent: Ssl2MasterKey | None
) -> Iterator[Ssl2Session]:
    """What the store gives for a handshake; each is still to be proved by a MAC."""
    if server.is_session_hit:
        session = resumed_session(store, client.session_id)
        if session is not None:
            yield session
    elif sent is not None:
        length = cipher_suite(sent.cipher_kind).key_length
        for key in matching_keys_ssl2(server.certificate, store):
            secret = key.decrypt_pre_master_secret(sent.encrypted_key)
            if secret is not None and len(sent.clear_key) + len(secret) == length:
                origin = KeySource("private key", key.source, key.spki_sha256)
                yield Ssl2Session(sent.cipher_kind, sent.clear_key + secret, sent.key_arg, origin)
