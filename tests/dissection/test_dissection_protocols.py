"""Which dissector is asked: by first bytes as standards write them, else by port."""

from __future__ import annotations

import ldap_dialogue
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.dissection.protocols import DISSECTORS, choose_dissector

ODD_PORT = 49_876
BEGINNINGS = {
    "ldap": ldap_dialogue.simple_bind(),
    "mqtt": bytes.fromhex("101000044d5154540402003c000474657374"),
    "amqp": b"AMQP\x00\x00\x09\x01",
    "xmpp": b"<?xml version='1.0'?><stream:stream to='contoso.com' xmlns='jabber:client'>",
    "pgsql": bytes.fromhex("0000001900030000") + b"user\x00alex\x00\x00",
    "tpkt": bytes.fromhex("0300001302e000000000000100080003000000"),
    "tds": bytes.fromhex("1201002f0000010000001a000601"),
}
GREETING = b"\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00"


@pytest.mark.parametrize("name", BEGINNINGS)
def test_first_bytes_of_a_client_tell_a_protocol_on_any_port(name: str) -> None:
    chosen = choose_dissector(ODD_PORT, BEGINNINGS[name], b"")
    assert chosen is not None
    assert chosen.name == name


def test_the_greeting_of_a_server_tells_mysql() -> None:
    chosen = choose_dissector(ODD_PORT, b"", GREETING)
    assert chosen is not None
    assert chosen.name == "mysql"


@pytest.mark.parametrize(
    ("port", "name"), [(636, "ldap"), (3269, "ldap"), (990, "ftp"), (3389, "tpkt"), (1433, "tds"), (8883, "mqtt")]
)
def test_ports_of_tls_mean_the_protocol_inside(port: int, name: str) -> None:
    chosen = choose_dissector(port, b"\x00", b"")
    assert chosen is not None
    assert chosen.name == name


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01", b"0", b"0\x80", b"AMQ"])
def test_what_tells_nothing_on_a_port_of_nobody_is_left_to_wireshark(said: bytes) -> None:
    assert choose_dissector(ODD_PORT, said, said) is None


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 65535))
def test_any_bytes_are_answered_with_a_dissector_or_none(client: bytes, server: bytes, port: int) -> None:
    assert choose_dissector(port, client, server) in {None, *DISSECTORS}
