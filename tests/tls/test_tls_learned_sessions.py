"""What one session teaches opens others; and what is wrong or missing in a key log closes nothing else."""

from __future__ import annotations

import re
import ssl
from functools import cache

import pytest
import rfc8448
from recorded_tls import REQUEST, RESPONSE, Peers, Recording, keylog_store, recording, rsa_store
from relayed_peers import DOWN, ORDERS, UP, observe

from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.verdict import VerdictCode

LABELS_13 = {
    UP: ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"),
    DOWN: ("SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"),
}


@cache
def family(*, has_tickets: bool) -> list[Recording]:
    """A session with forward secrecy, and two that resume it, by ticket or by session id."""
    peers = Peers(ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM")
    try:
        if not has_tickets:
            peers.server.options |= ssl.OP_NO_TICKET
        parent = peers.record()
        return [parent, peers.record(parent.session), peers.record(parent.session)]
    finally:
        peers.close()


def client_random(each: Recording) -> bytes:
    return each.stream(UP)[11:43]


def spoiled(key_log: bytes) -> bytes:
    """The same lines with other secrets."""
    return re.sub(rb"[0-9a-f]+$", lambda found: b"5a" * (len(found[0]) // 2), key_log, flags=re.MULTILINE)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("has_tickets", [True, False], ids=["ticket", "session_id"])
def test_a_key_log_of_the_parent_opens_those_that_resume_it(order: str, *, has_tickets: bool) -> None:
    parent, *children = family(has_tickets=has_tickets)
    store = keylog_store(parent.key_log)
    assert observe(parent.flights, store, order)[1:3] == (REQUEST, RESPONSE)
    for child in children:
        assert store.keylog_secret("CLIENT_RANDOM", client_random(child)) is None
        session, up, down, _ = observe(child.flights, store, order)
        assert (up, down) == (REQUEST, RESPONSE)
        assert session.resumption == ("ticket" if has_tickets else "session_id")
        assert session.key is not None
        assert (session.key.kind, session.key.source) == ("resumption", "keys.log")


@pytest.mark.parametrize("has_tickets", [True, False], ids=["ticket", "session_id"])
def test_a_session_waits_for_a_parent_that_comes_later(*, has_tickets: bool) -> None:
    parent, child, _ = family(has_tickets=has_tickets)
    store = keylog_store(parent.key_log)
    later = observe(child.flights, store, before_the_end=lambda: observe(parent.flights, store))
    assert later[1:3] == (REQUEST, RESPONSE)


@pytest.mark.parametrize("has_tickets", [True, False], ids=["ticket", "session_id"])
def test_a_session_that_was_resumed_opens_its_siblings(*, has_tickets: bool) -> None:
    _, first, second = family(has_tickets=has_tickets)
    store = keylog_store(first.key_log)
    assert observe(second.flights, store)[0].verdict.code is VerdictCode.RESUMED_PARENT_MISSING
    *_, connection = observe(first.flights, store)
    hello = connection.dialogue.negotiations[0].client_hello
    assert hello is not None
    assert has_tickets == (store.learned(ticket=hello.session_ticket or b"") is not None)
    assert observe(second.flights, store)[1:3] == (REQUEST, RESPONSE)


@pytest.mark.parametrize("order", ORDERS)
def test_a_line_with_a_session_id_opens_the_session_and_those_that_resume_it(order: str) -> None:
    parent, child, _ = family(has_tickets=False)
    session_id = observe(parent.flights, SecretStore())[0].session_id
    secret = parent.key_log.split()[-1].decode()
    store = keylog_store(f"RSA Session-ID:{session_id} Master-Key:{secret}\n".encode())
    for each in (child, parent):
        assert observe(each.flights, store, order)[1:3] == (REQUEST, RESPONSE)


@pytest.mark.parametrize("order", ORDERS)
def test_a_wrong_line_of_a_key_log_does_not_keep_the_right_private_key_from_opening(order: str) -> None:
    each, store = recording(), rsa_store()
    store.add_keylog(spoiled(each.key_log), "keys.log")
    session, up, down, _ = observe(each.flights, store, order)
    assert (up, down, session.verdict.code) == (REQUEST, RESPONSE, VerdictCode.DECRYPTED)
    assert session.key is not None
    assert session.key.kind == "private key"


@pytest.mark.parametrize("order", ORDERS)
def test_a_wrong_line_of_a_key_log_does_not_keep_a_known_key_share_from_opening(order: str) -> None:
    store = SecretStore()
    store.add_private_keys([rfc8448.SERVER_KEY])
    labels = [label for direction in (UP, DOWN) for label in LABELS_13[direction]]
    random = rfc8448.FULL[0][1][11:43].hex()
    store.add_keylog("".join(f"{label} {random} {'5a' * 32}\n" for label in labels).encode(), "keys.log")
    session, up, down, _ = observe(rfc8448.FULL, store, order)
    assert (up, down, session.verdict.code) == (rfc8448.SAID, rfc8448.SAID, VerdictCode.DECRYPTED)
    assert session.key is not None
    assert session.key.source == "server.pem"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("order", ORDERS)
def test_of_several_lines_for_a_session_the_right_one_opens_it(version: str, order: str) -> None:
    each = recording(version, None)
    for logs in ([each.key_log, spoiled(each.key_log)], [spoiled(each.key_log), each.key_log]):
        store = SecretStore()
        for name, text in zip(("one.log", "two.log"), logs, strict=True):
            store.add_keylog(text, name)
        session, up, down, _ = observe(each.flights, store, order)
        assert (up, down, session.verdict.code) == (REQUEST, RESPONSE, VerdictCode.DECRYPTED)
        assert session.key is not None
        assert session.key.source == ("one.log" if logs[0] == each.key_log else "two.log")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_wrong_key_log_alone_is_called_wrong(version: str) -> None:
    each = recording(version, None)
    session, up, down, _ = observe(each.flights, keylog_store(spoiled(each.key_log)))
    assert (up, down, session.verdict.code) == (b"", b"", VerdictCode.WRONG_KEY)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("direction", [UP, DOWN])
def test_half_a_key_log_opens_its_half(direction: int, order: str) -> None:
    each = recording("TLSv1_3", None)
    lines = [
        line for line in each.key_log.splitlines(keepends=True) if line.split()[0].decode() in LABELS_13[direction]
    ]
    session, up, down, _ = observe(each.flights, keylog_store(b"".join(lines)), order)
    assert (up, down) == ((REQUEST, b"") if direction is UP else (b"", RESPONSE))
    assert session.verdict.code is VerdictCode.PARTLY_DECRYPTED
    assert f"no secret of the {direction.other.sender}'s direction" in session.verdict.summary


@pytest.mark.parametrize("kind", ["HANDSHAKE_TRAFFIC", "TRAFFIC_SECRET_0"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_secrets_of_one_stage_open_that_stage(kind: str, order: str) -> None:
    each = recording("TLSv1_3", None)
    lines = [line for line in each.key_log.splitlines(keepends=True) if kind.encode() in line]
    assert len(lines) == 2
    session, up, down, _ = observe(each.flights, keylog_store(b"".join(lines)), order)
    assert (up, down) == ((REQUEST, RESPONSE) if kind == "TRAFFIC_SECRET_0" else (b"", b""))
    assert session.verdict.code is VerdictCode.PARTLY_DECRYPTED
