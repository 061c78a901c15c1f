"""What a thread decrypts early is what would have been decrypted when asked."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tlsdecrypt.flow import Direction
from tlsdecrypt.net.events import StreamData, StreamEvent
from tlsdecrypt.rsa_ahead import MOST_IN_VAIN, WINDOW, RsaAhead, encrypted_at_start
from tlsdecrypt.tls.private_key import PrivateKey
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.value import field

_RSA = rsa.generate_private_key(65537, 1024)
_OTHER = rsa.generate_private_key(65537, 1024)
SECRET = b"\x03\x03" + bytes(range(46))


class Said(NamedTuple):
    events: list[StreamEvent]


class Counted(PrivateKey, frozen=True):
    """Counts what it decrypts, by whichever thread."""

    asked: list[bytes] = field(default_factory=list)

    def decrypt_pre_master_secret(self, encrypted: bytes) -> bytes | None:
        self.asked.append(encrypted)
        return super().decrypt_pre_master_secret(encrypted)


def _encrypted(secret: bytes = SECRET) -> bytes:
    return _RSA.public_key().encrypt(secret, padding.PKCS1v15())


def _record(encrypted: bytes) -> bytes:
    body = len(encrypted).to_bytes(2, "big") + encrypted
    message = b"\x10" + len(body).to_bytes(3, "big") + body  # client_key_exchange
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


def _said(data: bytes, direction: Direction = Direction.CLIENT_TO_SERVER) -> Said:
    return Said([StreamData(direction, 0, data, (0,), (1,), (0,))])


def _store(*keys: rsa.RSAPrivateKey) -> tuple[SecretStore, Counted]:
    store = SecretStore()
    made = [Counted("server.pfx", "RSA 1024 bits", f"{index:064x}", key=key) for index, key in enumerate(keys)]
    store.add_private_keys(made)
    return store, made[0]


def test_what_passes_by_is_decrypted_once_and_passes_in_order() -> None:
    store, key = _store(_RSA)
    ahead = RsaAhead(store)
    secrets = [SECRET[:-1] + bytes([index]) for index in range(WINDOW + 20)]
    sent = [_encrypted(secret) for secret in secrets]
    said = [_said(_record(each) + b"\x14\x03\x03\0\x01\x01") for each in sent]
    assert list(ahead.before(iter(said))) == said
    assert [store.decrypt_rsa(key, each) for each in sent] == secrets
    assert key.asked == sent
    ahead.close()


def test_each_passes_as_soon_as_enough_others_were_glanced_at() -> None:
    store, _ = _store(_RSA)
    ahead = RsaAhead(store)
    taken = []
    behind = ahead.before(taken.append(each) or each for each in (_said(b"") for _ in range(3 * WINDOW)))  # type: ignore[func-returns-value]
    next(behind)
    assert len(taken) == WINDOW + 1
    ahead.close()


def test_what_did_not_pass_by_is_decrypted_when_asked() -> None:
    store, key = _store(_RSA)
    ahead = RsaAhead(store)
    list(ahead.before(iter([_said(_record(_encrypted()), Direction.SERVER_TO_CLIENT)])))
    assert store.decrypt_rsa(key, _encrypted()) == SECRET
    ahead.close()


def test_of_two_keys_of_one_length_none_is_guessed() -> None:
    store, key = _store(_RSA, _OTHER)
    ahead = RsaAhead(store)
    sent = _encrypted()
    list(ahead.before(iter([_said(_record(sent))])))
    assert key.asked == []
    assert store.decrypt_rsa(key, sent) == SECRET
    ahead.close()


def test_what_nobody_asks_for_has_a_bound() -> None:
    store, key = _store(_RSA)
    ahead = RsaAhead(store)
    said = [_said(_record(index.to_bytes(128, "big"))) for index in range(1, 3 * (WINDOW + MOST_IN_VAIN))]
    list(ahead.before(iter(said)))
    assert store.decrypt_rsa(key, _encrypted()) == SECRET
    ahead.close()
    assert len(key.asked) <= MOST_IN_VAIN + WINDOW + 1


def test_a_store_decrypts_as_before_when_all_is_over() -> None:
    store, key = _store(_RSA)
    ahead = RsaAhead(store)
    list(ahead.before(iter([_said(_record(_encrypted()))])))
    ahead.close()
    assert store.decrypt_rsa is PrivateKey.decrypt_pre_master_secret
    assert store.decrypt_rsa(key, _encrypted()) == SECRET


def test_a_fault_is_raised_to_who_asks() -> None:
    class Faulty(PrivateKey, frozen=True):
        def decrypt_pre_master_secret(self, encrypted: bytes) -> bytes | None:
            raise RuntimeError(len(encrypted))

    store, key = SecretStore(), Faulty("server.pfx", "RSA 1024 bits", "00", key=_RSA)
    store.add_private_keys([key])
    ahead = RsaAhead(store)
    sent = [_encrypted(), _encrypted()]
    list(ahead.before(_said(_record(each)) for each in sent))
    for each in sent:
        with pytest.raises(RuntimeError):
            store.decrypt_rsa(key, each)
    ahead.close()


@pytest.mark.parametrize("end", range(len(_record(bytes(128)))))
def test_a_message_that_is_not_whole_is_none(end: int) -> None:
    assert encrypted_at_start(_record(bytes(range(128)))[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x17" + _record(bytes(128))[1:],  # application data
        _record(bytes(128))[:5] + b"\x01" + _record(bytes(128))[6:],  # a ClientHello
        b"\x16\x03\x03\0\x04\x10\0\0\0",  # without content
        b"\x16\x03\x03\0\x20" + _record(bytes(128))[5:],  # the message reaches beyond its record
    ],
)
def test_other_messages_are_none(data: bytes) -> None:
    assert encrypted_at_start(data) is None


def test_the_message_of_ssl_3_has_no_length_before_the_secret() -> None:
    message = b"\x10\0\0\x80" + bytes(range(128))
    assert encrypted_at_start(b"\x16\x03\0\0\x84" + message) == bytes(range(128))
