"""Why a session is open or closed: the closed list of verdicts, each with one sentence and one remedy."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from tlsdecrypt.tls.certificates import CertificateFacts


class VerdictCode(Enum):
    """The closed list."""

    DECRYPTED = "decrypted"
    PARTLY_DECRYPTED = "partly-decrypted"
    NO_KEY = "no-key"
    FORWARD_SECRECY = "forward-secrecy"
    NO_SECRET = "no-secret"  # noqa: S105 - the name of a verdict
    WRONG_KEY = "wrong-key"
    RESUMED_PARENT_MISSING = "resumed-parent-missing"
    HANDSHAKE_MISSING = "handshake-missing"
    HANDSHAKE_FAILED = "handshake-failed"
    TRUNCATED = "truncated"
    UNSUPPORTED_SUITE = "unsupported-suite"
    MALFORMED = "malformed"


class Verdict(Value, frozen=True):
    """One sentence why, and one what would open the session (None where nothing is to be done)."""

    code: VerdictCode
    summary: str
    remedy: str | None = None


_KEYLOG = (
    "record a key log while the connections are made (SSLKEYLOGFILE in the environment of the client or of the server)"
    " and give it with --keylog"
)
_RSA_SUITE = (
    "or, for a test, let the server offer nothing newer than TLS 1.2 and only RSA key exchange"
    " (such as TLS_RSA_WITH_AES_128_GCM_SHA256)"
)
_HIDDEN_RANDOM = (
    "the hello is encrypted, and the key log may name the session by a random that nobody sees:"
    " in key logs of up to 10,000 sessions each is tried; cut a longer one to the time of the capture"
)
_BEGIN_ANEW = "restart the client or its application pool to force new connections"
_RECORD_EARLIER = "start the capture before the client connects"


def describe_certificate(certificate: CertificateFacts) -> str:
    """What names a certificate to a person who looks for its key: subject, serial, thumbprint, public key."""
    return (
        f"{certificate.subject or 'no subject'} (serial {certificate.serial or 'unknown'}, SHA-1 thumbprint"
        f" {certificate.sha1_thumbprint}, SPKI SHA-256 {certificate.spki_sha256 or 'unknown'})"
    )


def decrypted(source: str) -> Verdict:
    """All of it was opened, with a secret from `source`."""
    return Verdict(VerdictCode.DECRYPTED, f"decrypted with {source}")


def partly_decrypted(source: str, records: int, reason: str) -> Verdict:
    """Opened with a secret from `source`, but for so many `records` (0: all that are whole); `reason` says why."""
    count = f"{records} record{'' if records == 1 else 's'} could not be opened" if records else "not all of it"
    return Verdict(
        VerdictCode.PARTLY_DECRYPTED,
        f"decrypted with {source}, but {count}: {reason}",
        "capture without loss and with the whole of each frame, and give the secrets of both directions",
    )


def no_key(
    certificate: CertificateFacts | None, *, has_keys: bool = False, namesake: CertificateFacts | None = None
) -> Verdict:
    """RSA key exchange, and no private key of the server's certificate (None: it was not seen).

    `namesake` is a certificate whose key was given, and that names the same host.
    """
    given = "none of the given private keys is that of" if has_keys else "no private key was given for"
    if certificate is None:
        return Verdict(
            VerdictCode.NO_KEY,
            f"{given} this server, and its certificate was not captured",
            "give the private key of the server's certificate with --pfx or --key, or a key log with --keylog",
        )
    return Verdict(
        VerdictCode.NO_KEY,
        f"{given} the server's certificate {certificate.subject or certificate.sha1_thumbprint}"
        f"{_renewed(certificate, namesake) if namesake else ''}",
        f"export this certificate with its private key and give it with --pfx: {describe_certificate(certificate)}",
    )


def _renewed(shown: CertificateFacts, given: CertificateFacts) -> str:
    """That one of the given certificates names the same host: which is the later one."""
    is_later = shown.not_before > given.not_before
    told = f" (valid {given.not_before[:10]} to {given.not_after[:10]}, the server's from {shown.not_before[:10]})"
    how = "it was renewed, with a new key" if is_later else "the given one is of another time"
    return f"; a given certificate names the same host, and is not this one{told}: {how}"


def forward_secrecy(suite_name: str, *, has_key: bool, psk_source: str | None = None) -> Verdict:
    """An ephemeral key exchange, and secrets that do not help.

    `has_key`: the server's private key was given, and fits, but only signs. `psk_source`: the pre-shared key is known,
    and is one half only of what the keys come from.
    """
    known = "; the given private key fits the server's certificate, but only signs here" if has_key else ""
    if psk_source is not None:
        known += f"; a pre-shared key is at hand ({psk_source}), but the Diffie-Hellman exchange adds a secret"
    return Verdict(
        VerdictCode.FORWARD_SECRECY,
        f"{suite_name} has forward secrecy: no PFX or private key of the server can open it{known}",
        f"{_KEYLOG}; {_RSA_SUITE}",
    )


def temporary_key(suite_name: str, key: str) -> Verdict:
    """An export suite with a temporary RSA key (`RSA 512 bits`) in the ServerKeyExchange, which was not given."""
    return Verdict(
        VerdictCode.FORWARD_SECRECY,
        f"{suite_name} was used with a temporary key ({key}) of the server: that of its certificate only signs here",
        f"give the temporary key with --key, or a key log with --keylog, or {_RSA_SUITE.removeprefix('or, ')}",
    )


def no_secret(
    client_random: bytes = b"", *, certificate: CertificateFacts | None = None, is_hello_encrypted: bool = False
) -> Verdict:
    """A key log was given, and this session is not in it; the private key of the `certificate` would do as well.

    `is_hello_encrypted`: the key log may name the session by a random that nobody sees.
    """
    hidden = f" ({_HIDDEN_RANDOM})" if is_hello_encrypted else ""
    or_key = f", or with --pfx the private key of {describe_certificate(certificate)}" if certificate else ""
    name = f" (client random {client_random.hex()})" if client_random else ""
    return Verdict(
        VerdictCode.NO_SECRET,
        f"the key log holds no secret of this session{name}",
        "give the key log of the client or server that made this connection, recorded at the time of the capture"
        f"{hidden}{or_key}",
    )


def no_pre_shared_key(identity: bytes | None) -> Verdict:
    """A key exchange with a pre-shared key that was not given."""
    name = "" if identity is None else f" of identity {identity.decode('utf-8', 'backslashreplace')!r}"
    return Verdict(
        VerdictCode.NO_SECRET,
        f"the session depends on a pre-shared key{name}, which was not given",
        "give it with --psk IDENTITY:HEX, or a key log with --keylog",
    )


def wrong_key(source: str) -> Verdict:
    """A secret that seemed to fit opens nothing: no record could be authenticated with it."""
    return Verdict(
        VerdictCode.WRONG_KEY,
        f"the secret from {source} does not open this session: no record authenticates with it",
        "give the key that the server had when the capture was made, or the key log of this very connection",
    )


def resumed_parent_missing(resumption: str) -> Verdict:
    """Resumed (`session id`, `ticket` ...), and the session with the full handshake is not known."""
    return Verdict(
        VerdictCode.RESUMED_PARENT_MISSING,
        f"resumed by {resumption}, and the connection with the full handshake is not in the capture or stayed closed",
        f"{_RECORD_EARLIER} for the first time ({_BEGIN_ANEW}), give that capture as well, or a key log with --keylog",
    )


def handshake_missing(only_sender: str | None = None) -> Verdict:
    """The capture began in the middle; or it holds only what one side, `only_sender` (client, server), sent."""
    if only_sender is not None:
        return Verdict(
            VerdictCode.HANDSHAKE_MISSING,
            f"only what the {only_sender} sent was captured, and the keys depend on what both sides say",
            "capture both directions (mirror both directions of the port, or capture on the server itself)",
        )
    return Verdict(
        VerdictCode.HANDSHAKE_MISSING,
        "the capture began after the handshake, or lost a part of it",
        f"{_RECORD_EARLIER} ({_BEGIN_ANEW})",
    )


def handshake_failed(alert: str | None = None, sender: str | None = None) -> Verdict:
    """The peers did not agree; `alert` is what the `sender` (client, server) said."""
    said = (
        f": {sender or 'one side'} sent the alert {alert}" if alert else ": the connection ended before it was complete"
    )
    return Verdict(VerdictCode.HANDSHAKE_FAILED, f"the handshake failed{said}")


def truncated(reason: str = "the capture ends during the handshake") -> Verdict:
    """The capture does not hold what is needed."""
    return Verdict(
        VerdictCode.TRUNCATED, reason, "capture the whole connection, and the whole of each frame (no snap length)"
    )


def unsupported_suite(suite_name: str) -> Verdict:
    """A secret may be there, but the record protection cannot be computed."""
    return Verdict(
        VerdictCode.UNSUPPORTED_SUITE,
        f"{suite_name} cannot be decrypted by this program",
        "let the server choose another cipher suite for a test",
    )


def malformed(what: str) -> Verdict:
    """The bytes are not TLS, or not all of them."""
    return Verdict(VerdictCode.MALFORMED, f"not readable as TLS: {what}")
