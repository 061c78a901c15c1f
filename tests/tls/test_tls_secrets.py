from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls import secrets
from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.session import KeySource

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tlsdecrypt.tls.private_key import PrivateKey

RANDOM = bytes(range(32))
MASTER = b"secret-marker".ljust(48, b"!")
ORIGIN = KeySource("private key", "mail.pfx", "00" * 32)
LINE = b"CLIENT_RANDOM " + RANDOM.hex().encode() + b" " + MASTER.hex().encode() + b"\n"


def keys_of(path: Path) -> list[PrivateKey]:
    return parse_key_file(path.read_bytes(), path.name, lambda: None)


def test_a_key_is_found_by_its_public_key_and_counts_once(key_files: Path) -> None:
    store = SecretStore()
    (key,) = keys_of(key_files / "rsa.pem")
    store.add_private_keys([key])
    generation = store.generation
    store.add_private_keys(keys_of(key_files / "rsa-pkcs8.pem"))
    assert store.generation == generation > 0
    assert store.private_keys == store.rsa_keys == [key]
    assert store.key_for_spki(key.spki_sha256) is key
    assert store.key_for_spki("00" * 32) is None


def test_an_ec_key_is_found_by_its_key_share(key_files: Path) -> None:
    store = SecretStore()
    (key,) = keys_of(key_files / "ec.pem")
    store.add_private_keys([key])
    assert store.key_for_public(key.public) is key
    assert store.rsa_keys == []


def test_a_key_log_grows_the_store_and_is_found_again() -> None:
    store = SecretStore()
    assert store.add_keylog(b"junk\n", "a.log") == ("a.log", 0, 1)
    assert store.generation == 0
    assert store.add_keylog([LINE[:20], LINE[20:]], "a.log") == ("a.log", 1, 0)
    assert store.generation == 1
    assert store.keylog_secret("CLIENT_RANDOM", RANDOM) == (MASTER, "a.log")
    (facts,) = store.sources
    assert (facts.source, facts.kind) == ("a.log", "key log")
    assert facts.notes == ("1 secret", "1 line is no key log and not read")


def test_all_secrets_that_were_logged_for_a_session_are_found_the_last_one_first() -> None:
    store, other = SecretStore(), LINE.replace(MASTER.hex().encode(), b"5a" * 48)
    store.add_keylog(LINE + other, "a.log")
    store.add_keylog(LINE, "b.log")
    found = store.keylog_secrets("CLIENT_RANDOM", RANDOM)
    assert [(each.secret, each.origin.source) for each in found] == [(MASTER, "b.log"), (b"\x5a" * 48, "a.log")]
    assert store.keylog_secrets("CLIENT_RANDOM", bytes(32)) == []
    assert "secret-marker" not in repr(found)


def test_rsa_lines_reach_the_store() -> None:
    store = SecretStore()
    store.add_keylog(f"RSA 0102030405060708 {MASTER.hex()}\nRSA Session-ID:aa Master-Key:{MASTER.hex()}".encode(), "x")
    assert store.keylog_rsa(bytes(range(1, 9))) == (MASTER, "x")
    assert store.keylog_session(b"\xaa") == (MASTER, "x")


def test_what_was_learned_is_found_by_session_id_and_by_ticket() -> None:
    store = SecretStore()
    store.learn(MASTER, ORIGIN, session_id=b"id", ticket=b"t" * 200)
    for found in (store.learned(session_id=b"id"), store.learned(ticket=b"t" * 200)):
        assert found is not None
        assert (found.master_secret, found.origin) == (MASTER, ORIGIN)
    assert store.learned(ticket=b"other", session_id=b"id") is not None
    assert store.learned(session_id=b"other") is None
    assert store.learned() is None


def test_nothing_is_learned_for_an_empty_name() -> None:
    store = SecretStore()
    store.learn(MASTER, ORIGIN, session_id=b"", ticket=b"")
    assert store.generation == 0
    assert store.learned(session_id=b"", ticket=b"") is None


def test_learning_the_same_again_changes_nothing() -> None:
    store = SecretStore()
    store.learn(MASTER, ORIGIN, session_id=b"id")
    generation = store.generation
    store.learn(MASTER, ORIGIN, session_id=b"id")
    assert store.generation == generation
    store.learn(b"\1" * 48, ORIGIN, session_id=b"id")
    assert store.generation == generation + 1


def test_the_oldest_session_leaves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "MOST_LEARNED", 2)
    store = SecretStore()
    for name in (b"1", b"2", b"1", b"3"):
        store.learn(MASTER, ORIGIN, session_id=name)
    assert [store.learned(session_id=name) is not None for name in (b"1", b"2", b"3")] == [True, False, True]


def test_a_psk_for_its_identity_comes_before_one_for_any() -> None:
    store = SecretStore()
    assert not store.has_psks
    store.add_psk(None, b"any", "--psk")
    store.add_psk(b"me", b"mine", "--psk")
    store.add_psk(b"you", b"yours", "--psk")
    assert [each.key for each in store.psks_for(b"me")] == [b"mine", b"any"]
    assert [each.key for each in store.psks_for(None)] == [b"any"]
    assert store.has_psks


def test_no_secret_is_in_any_representation(key_files: Path) -> None:
    store = SecretStore()
    store.add_keylog(LINE, "a.log")
    store.add_psk(b"me", MASTER, "--psk")
    store.add_private_keys(keys_of(key_files / "rsa.pem"))
    store.learn(MASTER, ORIGIN, session_id=b"id")
    shown = repr([store, store.sources, store.psks_for(b"me"), store.learned(session_id=b"id"), store.private_keys])
    assert "marker" not in shown
    assert MASTER.hex() not in shown
    assert repr(store) == "SecretStore(1 private keys, 1 key log secrets, 1 PSKs)"
