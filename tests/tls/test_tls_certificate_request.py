"""What OpenSSL says of the client certificates that it takes, and of what both sides agreed on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL
from relayed_peers import DOWN, UP, observe
from tls_peers import make_certificate, private_key

import tlsdecrypt
from tlsdecrypt.tls.secrets import SecretStore

if TYPE_CHECKING:
    from relayed_peers import Flights

CAPTURES = Path(__file__).parents[2] / "captures"
VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]


def peers(folder: Path, version: int, keys: list[bytes]) -> tuple[SSL.Connection, SSL.Connection]:
    """A client without certificate, and a server that asks for one of the issuer that it names."""
    _, certificate_pem = make_certificate()
    client, server = SSL.Context(SSL.TLS_METHOD), SSL.Context(SSL.TLS_METHOD)
    for context in (client, server):
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
    client.set_keylog_callback(lambda _, line: keys.append(line))
    server.use_privatekey(private_key())
    server.use_certificate(load_pem_x509_certificate(certificate_pem))
    server.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    (folder / "issuer.pem").write_bytes(certificate_pem)
    server.load_client_ca(str(folder / "issuer.pem").encode())
    ends = SSL.Connection(client, None), SSL.Connection(server, None)
    ends[0].set_connect_state()
    ends[1].set_accept_state()
    return ends


def recorded(folder: Path, version: int, keys: list[bytes]) -> Flights:
    client, server = peers(folder, version, keys)
    flights: Flights = []
    for _ in range(6):
        for direction, source, sink in ((UP, client, server), (DOWN, server, client)):
            with contextlib.suppress(SSL.WantReadError):
                source.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                data = source.bio_read(1 << 16)
                sink.bio_write(data)
                flights.append((direction, data))
    return flights


@pytest.mark.parametrize("version", VERSIONS)
def test_the_issuers_whose_certificates_a_server_takes_are_named(tmp_path: Path, version: int) -> None:
    keys: list[bytes] = []
    flights = recorded(tmp_path, version, keys)
    store = SecretStore()
    store.add_keylog(b"\n".join(keys), "keys.log")
    session = observe(flights, store)[0]
    assert session.client_certificate_requested
    assert session.accepted_issuers == ("CN=peer.test",)
    assert session.secure_renegotiation is (None if version == SSL.TLS1_3_VERSION else True)


def test_a_request_that_cannot_be_read_is_still_one(tmp_path: Path) -> None:
    flights = recorded(tmp_path, SSL.TLS1_2_VERSION, [])
    name = load_pem_x509_certificate(make_certificate()[1]).subject.public_bytes()
    broken = [(way, data.replace(len(name).to_bytes(2, "big") + name, b"\xff\xff" + name)) for way, data in flights]
    session = observe(broken, SecretStore())[0]
    assert session.client_certificate_requested
    assert session.accepted_issuers == ()
    assert session.fault is not None
    assert "certificate_request" in session.fault.what


def test_the_group_that_a_server_asks_for_in_a_retry_is_told() -> None:
    """tshark: `tls.handshake.extensions_key_share_selected_group` of the HelloRetryRequest."""
    sessions = [each.tls for each in tlsdecrypt.analyze([CAPTURES / "openssl-tls13-retry.pcap"]).conversations]
    assert [each.retry_group for each in sessions if each is not None] == ["secp384r1"] * 3


def test_truncated_hmac_and_short_records_are_told() -> None:
    """Mbed TLS on both sides, which is the last to speak truncated_hmac."""
    store = tlsdecrypt.load_keys(pfx=[CAPTURES.parent / "keys" / "mail.pfx"], passwords=[""])
    sessions = [each.tls for each in tlsdecrypt.analyze([CAPTURES / "mbedtls-truncated.pcap"], store).conversations]
    told = [(each.truncated_hmac, each.encrypt_then_mac, each.max_fragment_length) for each in sessions if each]
    truncated = [(True, True, None), (True, False, None), (True, False, None), (True, False, 512)]
    assert told[:4] == truncated
    assert {each.verdict.code.value for each in sessions if each} == {"decrypted"}
