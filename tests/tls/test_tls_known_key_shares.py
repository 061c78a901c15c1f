"""Whoever knows one key share of a session opens it: traces of RFC 8448, and sessions of tlslite-ng and NSS."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
import rfc8448
from relayed_peers import ORDERS, observe
from spied_peers import ANSWERED, ASKED, CLIENT, SERVER, Spied, settings

from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.verdict import VerdictCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.tls.private_key import PrivateKey

TLS12, TLS13 = (3, 3), (3, 4)
CURVES = ["x25519", "x448", "secp256r1", "secp384r1", "secp521r1"]
TICKET_KEYS = [bytearray(b"k" * 32)]


def store_of(keys: Iterable[PrivateKey]) -> SecretStore:
    store = SecretStore()
    store.add_private_keys(keys)
    return store


@cache
def spied_12(key_exchange: str, curve: str, cipher: str) -> Spied:
    kinds = {"keyExchangeNames": [key_exchange], "eccCurves": [curve], "keyShares": []}
    return Spied(settings(TLS12, cipherNames=[cipher], **kinds), settings(TLS12, **kinds))


@cache
def spied_13(group: str, asked_first: str | None = None) -> Spied:
    """`asked_first` is the group of the client's first key share, which the server refuses."""
    is_finite_field = group.startswith("ffdhe")
    groups = {"eccCurves": ["secp256r1"] if is_finite_field else [group]}
    groups["dhGroups"] = [group] if is_finite_field else []
    client = settings(TLS13, **groups, keyShares=[asked_first or group])
    if asked_first:
        client.eccCurves = [asked_first, group]
    return Spied(client, settings(TLS13, **groups, keyShares=[group]))


@pytest.mark.parametrize("key", [rfc8448.CLIENT_KEY, rfc8448.SERVER_KEY], ids=["client", "server"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_simple_handshake_of_rfc_8448_opens_with_either_key(order: str, key: PrivateKey) -> None:
    session, up, down, connection = observe(rfc8448.FULL, store_of([key]), order)
    assert (up, down) == (rfc8448.SAID, rfc8448.SAID)
    assert session.verdict.code is VerdictCode.DECRYPTED
    assert session.key is not None
    assert (session.key.kind, session.key.spki_sha256) == ("private key", key.spki_sha256)
    assert [facts.subject for facts in session.server_certificates] == ["CN=rsa"]
    assert connection.sides[0].records_undecrypted == connection.sides[1].records_undecrypted == 0


@pytest.mark.parametrize("order", ORDERS)
def test_the_ticket_of_rfc_8448_teaches_its_psk(order: str) -> None:
    store = store_of([rfc8448.SERVER_KEY])
    observe(rfc8448.FULL, store, order)
    ticket = rfc8448.RESUMED[0][1].split(bytes.fromhex("00b800b2"))[1][:178]
    learned = store.learned(ticket=ticket)
    assert learned is not None
    assert learned.master_secret == rfc8448.PSK


@pytest.mark.parametrize("key", [rfc8448.RESUMED_CLIENT_KEY, rfc8448.RESUMED_SERVER_KEY], ids=["client", "server"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_resumed_handshake_of_rfc_8448_opens_with_its_parent_and_either_key(order: str, key: PrivateKey) -> None:
    store = store_of([rfc8448.SERVER_KEY, key])
    observe(rfc8448.FULL, store)
    session, up, down, _ = observe(rfc8448.RESUMED, store, order)
    assert (up, down) == (rfc8448.EARLY_DATA + rfc8448.SAID, rfc8448.SAID)
    assert (session.verdict.code, session.resumption) == (VerdictCode.DECRYPTED, "psk")


@pytest.mark.parametrize("order", ORDERS)
def test_a_psk_alone_opens_early_data_and_the_verdict_says_so(order: str) -> None:
    store = SecretStore()
    store.add_psk(None, rfc8448.PSK, "--psk")
    session, up, down, _ = observe(rfc8448.RESUMED, store, order)
    assert (up, down) == (rfc8448.EARLY_DATA, b"")
    assert session.verdict.code is VerdictCode.PARTLY_DECRYPTED
    assert "early data alone" in session.verdict.summary


@pytest.mark.parametrize("order", ["as sent", "server first"])
def test_a_parent_that_comes_later_opens_what_waited(order: str) -> None:
    store = store_of([rfc8448.SERVER_KEY, rfc8448.RESUMED_SERVER_KEY])
    _, up, down, _ = observe(rfc8448.RESUMED, store, order, before_the_end=lambda: observe(rfc8448.FULL, store))
    assert (up, down) == (rfc8448.EARLY_DATA + rfc8448.SAID, rfc8448.SAID)


def test_a_key_share_of_another_session_opens_nothing() -> None:
    session, up, down, _ = observe(rfc8448.FULL, store_of([rfc8448.RESUMED_SERVER_KEY]))
    assert (up, down) == (b"", b"")
    assert session.verdict.code is VerdictCode.FORWARD_SECRECY


@pytest.mark.parametrize("side", [CLIENT, SERVER])
@pytest.mark.parametrize("curve", CURVES)
def test_ecdhe_of_tls_1_2_opens_with_a_known_key_share(curve: str, side: str) -> None:
    spied = spied_12("ecdhe_rsa", curve, "aes128gcm")
    for order in ORDERS:
        session, up, down, _ = observe(spied.flights, store_of(spied.keys[side]), order)
        assert (up, down, session.verdict.code) == (ASKED, ANSWERED, VerdictCode.DECRYPTED)
        assert session.cipher_suite == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


@pytest.mark.parametrize("side", [CLIENT, SERVER])
@pytest.mark.parametrize("order", ORDERS)
def test_dhe_of_tls_1_2_opens_with_a_known_key_share(order: str, side: str) -> None:
    spied = spied_12("dhe_rsa", "secp256r1", "aes128")
    session, up, down, _ = observe(spied.flights, store_of(spied.keys[side]), order)
    assert (up, down) == (ASKED, ANSWERED)
    assert session.cipher_suite == "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"


@pytest.mark.parametrize("side", [CLIENT, SERVER])
@pytest.mark.parametrize("group", [*CURVES, "ffdhe2048"])
def test_tls_1_3_opens_with_a_known_key_share(group: str, side: str) -> None:
    spied = spied_13(group)
    session, up, down, _ = observe(spied.flights, store_of(spied.keys[side]))
    assert (up, down) == (ASKED, ANSWERED)
    assert (session.version, session.key_exchange_group) == ("TLSv1.3", group)


@pytest.mark.parametrize("side", [CLIENT, SERVER])
@pytest.mark.parametrize("order", ORDERS)
def test_a_hello_retry_request_is_part_of_the_transcript(order: str, side: str) -> None:
    spied = spied_13("x25519", asked_first="secp256r1")
    assert sum(data.count(rfc8448.RETRY_RANDOM) for _, data in spied.flights) == 1
    session, up, down, _ = observe(spied.flights, store_of(spied.keys[side]), order)
    assert (up, down, session.verdict.code) == (ASKED, ANSWERED, VerdictCode.DECRYPTED)


@pytest.mark.parametrize("mode", ["psk_ke", "psk_dhe_ke"])
@pytest.mark.parametrize("order", ORDERS)
def test_what_a_session_teaches_opens_those_that_resume_it(order: str, mode: str) -> None:
    parent, child = resumed_sessions(mode)
    store = store_of(parent.keys[SERVER])
    observe(parent.flights, store)
    without_share = observe(child.flights, store, order)
    assert without_share[0].resumption == "psk"
    if mode == "psk_ke":
        assert without_share[1:3] == (ASKED, ANSWERED)
        assert without_share[0].key is not None
        assert without_share[0].key.kind == "resumption"
        return
    assert without_share[0].verdict.code is VerdictCode.FORWARD_SECRECY
    assert "a pre-shared key is at hand (share.pem)" in without_share[0].verdict.summary
    store.add_private_keys(child.keys[SERVER])
    assert observe(child.flights, store, order)[1:3] == (ASKED, ANSWERED)


def test_without_its_parent_a_psk_session_says_what_is_missing() -> None:
    _, child = resumed_sessions("psk_ke")
    session = observe(child.flights, SecretStore())[0]
    assert session.verdict.code is VerdictCode.RESUMED_PARENT_MISSING


@cache
def resumed_sessions(mode: str) -> tuple[Spied, Spied]:
    """A session with tickets, and one that resumes it."""
    server = settings(TLS13, ticketKeys=TICKET_KEYS, psk_modes=[mode])
    parent = Spied(settings(TLS13, psk_modes=[mode]), server)
    return parent, Spied(settings(TLS13, psk_modes=[mode]), server, session=parent.session)
