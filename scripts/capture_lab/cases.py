"""The sample captures: where each comes from, what opens it, and what a tool should then say."""

from __future__ import annotations

from dataclasses import dataclass, replace

from capture_lab.keys import PASSWORD
from capture_lab.truth import Key

MAIL_KEY = Key("key", "keys/mail.key.pem")
MAIL = (Key("pfx", "keys/mail-password.pfx", PASSWORD),)
OPENSSL, TLSLITE = "openssl s_server and s_client", "tlslite-ng, both sides"
SMALL = "openssl-client-certificate.pcap"


@dataclass(frozen=True)
class Case:
    """One capture with one set of keys.

    `opened` and `closed` are the verdicts of the sessions that the keys open, or not; `ephemeral` that of closed ones
    with an ephemeral key exchange. `truth_from` names the whole recording that tells what was said, where `capture`
    itself lacks a part of it or has it in an order that tshark cannot follow; `truth_keys` are what tshark is given
    where it cannot use `keys`; `said` is what client and server say on each connection, where tshark does not see it
    all. `is_http`: the exchanges are those that the plaintext shows. `is_refused`: the key file gives no key.
    """

    capture: str
    origin: str
    keys: tuple[Key, ...] = MAIL
    opened: str = "decrypted"
    closed: str = "no-key"
    ephemeral: str = "forward-secrecy"
    truth_from: str | None = None
    truth_keys: tuple[Key, ...] = ()
    said: tuple[bytes, bytes] | None = None
    is_http: bool = True
    is_refused: bool = False


def key_log(name: str) -> tuple[Key, ...]:
    """The key log of the capture `name`, in keys/."""
    return (Key("keylog", f"keys/{name}.keylog"),)


FROM_BULK = "made from openssl-bulk.pcap"
FROM_SMALL = f"made from {SMALL}"
FROM_RESUMED = "made from openssl-resumed-by-id.pcap"
CASES = (
    Case("exchange.pcapng", "exchangelib, curl and openssl s_client against a stub Exchange front end (Python ssl)"),
    Case("exchange-healthy.pcap", "exchangelib and curl against the same stub on a good day: nothing goes wrong"),
    Case(
        "mobile-healthy.pcap",
        "pyactivesync and curl against a stub of Exchange for phones, browsers and MAPI: nothing goes wrong",
    ),
    Case("logins-healthy.pcap", "curl, requests-ntlm and pypsrp log in to a stub front end, AD FS and an OAuth server"),
    Case("openssl-tls10.pcap", f"{OPENSSL}: TLS 1.0, AES-CBC with SHA-1"),
    Case("openssl-tls11.pcap", f"{OPENSSL}: TLS 1.1, AES-CBC with SHA-1"),
    Case("openssl-tls12.pcapng", f"{OPENSSL}: TLS 1.2, AES-CBC with SHA-1 and SHA-256, AES-GCM"),
    Case("openssl-no-etm.pcap", f"{OPENSSL}: AES-CBC without encrypt_then_mac, TLS 1.0 to 1.2"),
    Case(SMALL, f"{OPENSSL}: a client certificate"),
    Case("openssl-bulk.pcap", f"{OPENSSL}: 120 kB in records of 4 kB"),
    Case("openssl-renegotiation.pcap", "openssl s_client against Python ssl: a second handshake between two requests"),
    Case("openssl-resumed-by-id.pcap", f"{OPENSSL}: the second connection resumes by session id"),
    Case("openssl-resumed-by-ticket.pcap", f"{OPENSSL}: the second connection resumes by ticket"),
    Case(
        "openssl-child-first.pcap",
        f"{FROM_RESUMED}: the resumed connection stands before its parent",
        truth_from="openssl-resumed-by-id.pcap",
    ),
    Case("openssl-child-only.pcap", f"{FROM_RESUMED}: the resumed connection alone", closed="resumed-parent-missing"),
    Case("tlslite-ssl30.pcap", f"{TLSLITE}: SSL 3.0 with RC4, 3DES and AES"),
    Case("tlslite-tls10.pcap", f"{TLSLITE}: TLS 1.0 with RC4 and 3DES"),
    Case("tlslite-tls12-rc4-3des.pcap", f"{TLSLITE}: TLS 1.2 with RC4 and 3DES"),
    Case("tlslite-ssl2-hello.pcap", f"{TLSLITE}: a ClientHello in the format of SSL 2.0, then SSL 3.0 and TLS 1.0"),
    Case("forward-secret-tls12.pcap", f"{OPENSSL}: ECDHE and DHE", key_log("forward-secret-tls12")),
    Case("forward-secret-tls13.pcap", f"{OPENSSL}: TLS 1.3", key_log("forward-secret-tls13")),
    Case("forward-secret-tls13-secrets.pcapng", "forward-secret-tls13.pcap with its key log inside, by editcap", ()),
    Case(
        "damaged.pcap",
        f"{FROM_BULK}: five segments lost, every tenth frame twice, frames out of order",
        opened="partly-decrypted",
        truth_from="openssl-bulk.pcap",
    ),
    Case("cut.pcap", f"{FROM_BULK}: ends within a frame", truth_from="openssl-bulk.pcap"),
    Case("middle.pcap", f"{FROM_BULK}: begins after the handshake", closed="handshake-missing"),
    Case("one-way.pcap", f"{FROM_SMALL}: the server's frames alone", closed="handshake-missing"),
    Case("vlan.pcap", f"{FROM_SMALL}: 802.1Q tags"),
    Case("nanosecond-big-endian.pcap", f"{FROM_SMALL}: the other byte order, nanoseconds"),
    Case("gzip.pcap.gz", f"{FROM_SMALL}: compressed"),
    Case("linux-cooked.pcap", f"{OPENSSL}, recorded by tcpdump -i any: Linux cooked frames"),
)
_SMALL_CASE = next(case for case in CASES if case.capture == SMALL)
OTHER_KEYS = (
    *(
        replace(_SMALL_CASE, keys=(key,))
        for key in (
            Key("pfx", "keys/mail-legacy.pfx", PASSWORD),
            Key("pfx", "keys/mail.pfx", ""),
            MAIL_KEY,
            Key("key", "keys/mail.key.der"),
            Key("key", "keys/mail.key.encrypted.pem", PASSWORD),
            Key("key", "keys/mail.key.pkcs1.pem"),
            Key("key", "keys/mail.key.pkcs1.der"),
            Key("pfx", "keys/other.pfx", PASSWORD),
        )
    ),
    replace(_SMALL_CASE, keys=(Key("pfx", "keys/ec.pfx", PASSWORD),)),
    replace(_SMALL_CASE, keys=(Key("pfx", "keys/mail-certificate-only.pfx", PASSWORD),), is_refused=True),
    replace(_SMALL_CASE, keys=(Key("pfx", "keys/mail-password.pfx", "not the password"),), is_refused=True),
    Case("forward-secret-tls12.pcap", "", MAIL),
    Case("forward-secret-tls13.pcap", "", MAIL),
    Case("forward-secret-tls12.pcap", "", key_log("forward-secret-tls13"), ephemeral="no-secret"),
)
