"""The sample captures of GnuTLS, NSS, nginx, TLS 1.3 by OpenSSL, and TLS that begins later."""

from __future__ import annotations

from capture_lab.cases import CASES, MAIL, OPENSSL, OTHER_KEYS, TLSLITE, Case, key_log
from capture_lab.gnutls_story import POST_HANDSHAKE_SAID
from capture_lab.go_story import GO_SAID
from capture_lab.keys import PSK, PSK_IDENTITY
from capture_lab.mbedtls_story import MBEDTLS_SAID
from capture_lab.truth import Key

GNUTLS, NSS = "gnutls-serv and gnutls-cli", "NSS's selfserv and tstclnt"
NGINX = "nginx and openssl s_client"
PSKS = (Key("psk", value=f"{PSK_IDENTITY}:{PSK}"),)
WRONG_PSK = (Key("psk", value=f"{PSK_IDENTITY}:{PSK[::-1]}"),)


def _ticket_key(name: str) -> tuple[Key, ...]:
    return (Key("ticket-key", f"keys/{name}.key"),)


PEER_CASES = (
    Case("gnutls-rsa.pcap", f"{GNUTLS}: AES-CCM, Camellia in GCM and CBC, small records"),
    Case("gnutls-no-ems.pcap", f"{GNUTLS}: without extended_master_secret"),
    Case(
        "gnutls-raw-public-key.pcap",
        f"{GNUTLS}: a raw public key in place of certificates",
        truth_keys=key_log("gnutls-raw-public-key"),
    ),
    Case(
        "gnutls-forward-secret.pcap",
        f"{GNUTLS}: DHE and ECDHE with AES-CCM, Camellia and ChaCha20, and anonymous",
        key_log("gnutls-forward-secret"),
    ),
    Case("gnutls-psk.pcap", f"{GNUTLS}: a pre-shared key", PSKS),
    Case(
        "gnutls-rsa-psk.pcap",
        f"{GNUTLS}: a pre-shared key and RSA",
        (*MAIL, *PSKS),
        truth_keys=key_log("gnutls-rsa-psk"),
    ),
    Case(
        "gnutls-ephemeral-psk.pcap",
        "gnutls-serv and openssl s_client: a pre-shared key and DHE or ECDHE",
        key_log("gnutls-ephemeral-psk"),
    ),
    Case("gnutls-srp.pcap", f"{GNUTLS}: a password, by SRP", key_log("gnutls-srp")),
    Case("gnutls-renegotiation.pcap", f"{GNUTLS}: a second handshake on the connection", is_http=False),
    Case(
        "gnutls-tls13.pcap",
        f"{GNUTLS}: TLS 1.3 with AES-CCM, small records, a raw public key",
        key_log("gnutls-tls13"),
    ),
    Case(
        "gnutls-tls13-psk.pcap",
        f"{GNUTLS}: TLS 1.3, a pre-shared key alone",
        PSKS,
        truth_keys=key_log("gnutls-tls13-psk"),
    ),
    Case(
        "gnutls-tls13-dhe-psk.pcap",
        f"{GNUTLS}: TLS 1.3, a pre-shared key and ECDHE",
        key_log("gnutls-tls13-dhe-psk"),
    ),
    Case(
        "gnutls-early-data.pcap", f"{GNUTLS}: TLS 1.3 resumed, with 0-RTT", key_log("gnutls-early-data"), is_http=False
    ),
    Case("gnutls-rekey.pcap", f"{GNUTLS}: TLS 1.3, KeyUpdate of both sides", key_log("gnutls-rekey"), is_http=False),
    Case(
        "gnutls-post-handshake.pcap",
        f"{GNUTLS}: TLS 1.3, a certificate asked for later (tshark 4.0 loses the client behind it)",
        key_log("gnutls-post-handshake"),
        said=POST_HANDSHAKE_SAID,
        is_http=False,
    ),
    Case(
        "tlslite-tls13-compressed.pcap",
        f"{TLSLITE}: TLS 1.3, certificates compressed with zlib, Brotli and Zstandard",
        key_log("tlslite-tls13-compressed"),
    ),
    Case("nss-tls12-rsa.pcap", f"{NSS}: TLS 1.2 with AES-GCM, AES-CBC and 3DES"),
    Case(
        "nss-client-tls13.pcap", "openssl s_server and NSS's tstclnt: TLS 1.3, one resumed", key_log("nss-client-tls13")
    ),
    Case(
        "nss-server-tls13.pcap",
        "NSS's selfserv and openssl s_client: TLS 1.3, one resumed",
        key_log("nss-server-tls13"),
    ),
    Case("nss-encrypted-hello.pcap", "openssl s_server and NSS's tstclnt: Encrypted Client Hello, GREASE and refused"),
    Case(
        "mbedtls-truncated.pcap",
        "Mbed TLS, both sides: truncated_hmac, with and without encrypt_then_mac, records of 512 bytes",
        said=MBEDTLS_SAID,
    ),
    Case(
        "go-encrypted-hello.pcap",
        "Go, both sides: Encrypted Client Hello accepted, resumed, and after a HelloRetryRequest",
        key_log("go-encrypted-hello"),
        said=GO_SAID,
    ),
    Case("openssl-tls13-psk.pcap", f"{OPENSSL}: TLS 1.3, a pre-shared key and ECDHE", key_log("openssl-tls13-psk")),
    Case("openssl-tls13-retry.pcap", f"{OPENSSL}: HelloRetryRequest, one resumed", key_log("openssl-tls13-retry")),
    Case(
        "openssl-tls13-key-update.pcap",
        "openssl s_client against Python ssl: KeyUpdate of both sides between two requests",
        key_log("openssl-tls13-key-update"),
    ),
    Case(
        "openssl-tls13-hybrid.pcap",
        "OpenSSL 4 through pyOpenSSL, both sides: X25519MLKEM768",
        key_log("openssl-tls13-hybrid"),
    ),
    *(
        Case(
            f"{name}.pcap",
            f"{NGINX}: ECDHE, resumed by ticket, and the tickets' key of {length} bytes",
            _ticket_key(name),
            truth_keys=key_log(name),
        )
        for length in (48, 80)
        for name in (f"nginx-ticket-key-{length}",)
    ),
    Case("nginx-early-data.pcap", f"{NGINX}: TLS 1.3 resumed, the request in 0-RTT", key_log("nginx-early-data")),
    Case("nginx-proxy-protocol.pcap", "nginx and curl: the PROXY protocol in front of TLS"),
    Case(
        "nginx-http2.pcap",
        "nginx and curl: HTTP/2, one request after another and several at once",
        key_log("nginx-http2"),
        is_http=False,
    ),
    Case(
        "starttls.pcap",
        "openssl s_client against a stub: STARTTLS of SMTP, IMAP, POP3, FTP, LDAP, PostgreSQL, MySQL and XMPP",
        is_http=False,
    ),
    Case(
        "mail.pcap",
        "swaks and curl against Postfix and Dovecot, smtplib against a stub Exchange server: a good day of mail",
        is_http=False,
    ),
    Case("relayed.pcap", "curl through a proxy, by HTTP CONNECT and by SOCKS 5", is_http=False),
)
PEER_OTHER_KEYS = (
    Case("gnutls-psk.pcap", "", MAIL, ephemeral="no-secret"),
    Case("gnutls-psk.pcap", "", WRONG_PSK, ephemeral="wrong-key", truth_keys=MAIL),
    Case("nginx-ticket-key-48.pcap", "", key_log("nginx-ticket-key-48")),
    Case("nginx-ticket-key-80.pcap", "", key_log("nginx-ticket-key-80")),
)
ALL_CASES = (*CASES, *PEER_CASES)
ALL_OTHER_KEYS = (*OTHER_KEYS, *PEER_OTHER_KEYS)
