"""The explanation as plain values: `explain` of the JSON document, which is there only when it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsdecrypt.explanation import Explanation, Opener
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.tls.certificates import CertificateFacts


def explain_document(explanation: Explanation, redactor: Redactor) -> dict[str, Any]:
    """`sessions` is `opened` and those of `would_open` and `no_secret_opens` together.

    It is the sum of `versions`, of `cipher_suites` and of `verdicts`, too. `secret` and `opened_by` are values of
    `Means`, `connections` ids of connections; a version that was not seen is `unknown`, a cipher suite null.
    """
    return {
        "sessions": explanation.sessions,
        "opened": len(explanation.opened),
        "versions": {version or "unknown": count for version, count in explanation.versions.items()},
        "cipher_suites": [
            {"cipher_suite": use.cipher_suite, "opened_by": use.means.value, "sessions": use.sessions}
            for use in explanation.suites
        ],
        "verdicts": {code: len(numbers) for code, numbers in explanation.verdicts.items()},
        "would_open": [_opener(each, redactor) for each in explanation.openers],
        "no_secret_opens": [
            {"verdict": each.code, "sessions": len(each.connections), "connections": list(each.connections)}
            for each in explanation.beyond
        ],
    }


def _opener(opener: Opener, redactor: Redactor) -> dict[str, Any]:
    return {
        "secret": opener.means.value,
        "sessions": len(opener.connections),
        "resumed": opener.resumed,
        "connections": list(opener.connections),
        "certificate": _certificate(opener.certificate, redactor) if opener.certificate else None,
        "server_name": redactor.text(opener.server_name) if opener.server_name else None,
        "servers": list(opener.servers),
        "clients": dict(opener.clients),
    }


def _certificate(facts: CertificateFacts, redactor: Redactor) -> dict[str, Any]:
    """What a person looks for in a certificate store; the rest stands with the connections."""
    return {
        "subject": redactor.text(facts.subject),
        "serial": facts.serial,
        "sha1_thumbprint": facts.sha1_thumbprint,
        "spki_sha256": facts.spki_sha256,
        "names": [redactor.text(name) for name in facts.names],
    }
