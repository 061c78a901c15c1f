"""Each sample capture shows what it was recorded for: peers like to agree on something simpler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sample_cases import CASES, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.tls.session import TlsSession


def group(name: str) -> Callable[[TlsSession], bool]:
    return lambda tls: tls.key_exchange_group == name


def message(name: str, sender: str) -> Callable[[TlsSession], bool]:
    return lambda tls: any((each.name, each.direction.sender) == (name, sender) for each in tls.messages)


def messages(name: str, count: int) -> Callable[[TlsSession], bool]:
    return lambda tls: [each.name for each in tls.messages].count(name) == count


def resumed_by(what: str) -> Callable[[TlsSession], bool]:
    return lambda tls: tls.resumption == what


def started_by(what: str) -> Callable[[TlsSession], bool]:
    return lambda tls: tls.started_by == what


def has_raw_public_key(tls: TlsSession) -> bool:
    return any("raw public key" in (each.fault or "") for each in tls.server_certificates)


FEATURES: dict[str, list[Callable[[TlsSession], bool]]] = {
    "exchange.pcapng": [resumed_by("session_id")],
    "openssl-resumed-by-id.pcap": [resumed_by("session_id")],
    "openssl-resumed-by-ticket.pcap": [resumed_by("ticket")],
    "openssl-no-etm.pcap": [lambda tls: not tls.encrypt_then_mac],
    "openssl-tls12.pcapng": [lambda tls: tls.encrypt_then_mac, lambda tls: tls.extended_master_secret],
    "gnutls-no-ems.pcap": [lambda tls: not tls.extended_master_secret],
    "openssl-client-certificate.pcap": [lambda tls: bool(tls.client_certificates)],
    "openssl-renegotiation.pcap": [lambda tls: tls.handshakes == 2],
    "openssl-tls13-psk.pcap": [resumed_by("psk")],
    "openssl-tls13-retry.pcap": [messages("client_hello", 2), resumed_by("psk")],
    "openssl-tls13-key-update.pcap": [message("key_update", "client"), message("key_update", "server")],
    "openssl-tls13-hybrid.pcap": [group("X25519MLKEM768")],
    "gnutls-rsa.pcap": [lambda tls: tls.encrypt_then_mac, lambda tls: not tls.encrypt_then_mac],
    "gnutls-raw-public-key.pcap": [has_raw_public_key],
    "gnutls-renegotiation.pcap": [lambda tls: tls.handshakes == 2],
    "gnutls-tls13.pcap": [group("x448"), group("ffdhe2048"), group("secp521r1"), has_raw_public_key],
    "gnutls-tls13-psk.pcap": [lambda tls: tls.resumption == "psk" and tls.key_exchange_group is None],
    "gnutls-tls13-dhe-psk.pcap": [lambda tls: tls.resumption == "psk" and tls.key_exchange_group is not None],
    "gnutls-early-data.pcap": [message("end_of_early_data", "client")],
    "gnutls-rekey.pcap": [messages("key_update", 3), message("key_update", "server")],
    "gnutls-post-handshake.pcap": [messages("certificate_request", 2)],
    "tlslite-tls13-compressed.pcap": [message("compressed_certificate", "server")],
    "nss-client-tls13.pcap": [group("secp384r1"), resumed_by("psk")],
    "nss-server-tls13.pcap": [resumed_by("psk")],
    "nss-encrypted-hello.pcap": [lambda tls: tls.encrypted_client_hello is not None],
    "nginx-ticket-key-48.pcap": [resumed_by("ticket"), lambda tls: tls.resumption is None],
    "nginx-ticket-key-80.pcap": [resumed_by("ticket"), lambda tls: tls.resumption is None],
    "nginx-early-data.pcap": [message("end_of_early_data", "client")],
    "nginx-proxy-protocol.pcap": [started_by("PROXY protocol v1")],
    "starttls.pcap": [
        *map(started_by, ("STARTTLS (smtp)", "STARTTLS (imap)", "STLS (pop3)", "AUTH TLS (ftp)", "StartTLS (ldap)")),
        *map(started_by, ("SSLRequest (postgresql)", "SSLRequest (mysql)", "STARTTLS (xmpp)")),
    ],
    "relayed.pcap": [started_by("CONNECT (http)"), started_by("CONNECT (socks5)")],
}


@pytest.mark.parametrize("name", FEATURES)
def test_a_capture_shows_what_it_was_recorded_for(name: str) -> None:
    case = next(case for case in CASES if case["capture"] == f"captures/{name}")
    sessions = [each.tls for each in run(case).conversations if each.tls]
    for number, feature in enumerate(FEATURES[name]):
        assert any(map(feature, sessions)), f"feature {number} is in none of the sessions"
