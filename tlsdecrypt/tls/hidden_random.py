"""The client random that an Encrypted Client Hello hides, found by trial in a key log (RFC 9849, RFC 9850).

A key log names a session by the random of the hello that the server went on with: the inner one, which no observer
sees. Firefox logs what opens it; Chromium and Go do not. So each session of the key log is tried on the first record
that the server protects: its tag proves one, and no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.tls.protection import make_protection_13

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.record import Record
    from tlsdecrypt.tls.secrets import SecretStore

TRIED_LABEL = "SERVER_HANDSHAKE_TRAFFIC_SECRET"  # of the server's first record


def find_hidden_random(store: SecretStore, suite: CipherSuite, version: int, record: Record) -> bytes | None:
    """The random whose secret opens `record`, the first that the server protects; None for none."""
    for client_random, secret in store.keylog_sessions(TRIED_LABEL):
        protection = make_protection_13(suite, secret, version=version)
        if protection is not None and protection.open(record.content_type, record.version, record.fragment) is not None:
            return client_random
    return None
