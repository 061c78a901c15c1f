"""The explanation as lines: what there is of TLS, and what would open more of it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tlsdecrypt.conversation import OPENED
from tlsdecrypt.explanation import Means
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import counted, which_connections

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tlsdecrypt.explanation import Explanation, Opener
    from tlsdecrypt.report.lines import Line, Part
    from tlsdecrypt.report.text_view import TextView
    from tlsdecrypt.tls.certificates import CertificateFacts

MAX_GROUPS = 20  # suites, or secrets, that are told one by one: the largest
MAX_NAMES = 8  # names of a certificate, servers, clients in one line

_OPENED_BY = {
    Means.PRIVATE_KEY: "the private key of the server's certificate opens it",
    Means.PRE_SHARED_KEY: "the pre-shared key opens it",
    Means.PRIVATE_AND_PRE_SHARED_KEY: "the private key and the pre-shared key together open it",
    Means.KEY_LOG: "no certificate's key opens it; a key log does",
    Means.NOTHING_NEEDED: "it does not encrypt",
    Means.UNKNOWN: "what would open it is not known",
}
_WANTED = {
    Means.PRIVATE_KEY: "private key (--pfx or --key)",
    Means.PRE_SHARED_KEY: "pre-shared key (--psk)",
    Means.PRIVATE_AND_PRE_SHARED_KEY: "private key (--pfx or --key) and pre-shared key (--psk)",
    Means.KEY_LOG: "key log (--keylog)",
}


def explain_lines(explanation: Explanation, view: TextView) -> Iterator[Line]:
    """Versions, suites, verdicts, and the secrets that are wanted, the most useful first."""
    if not explanation.sessions:
        return
    yield line(("TLS versions", "heading"))
    for version, count in explanation.versions.items():
        yield line(f"{count:,} x", version or "unknown", level=1)
    yield from _suite_lines(explanation)
    yield line(("Verdicts", "heading"))
    for code, numbers in explanation.verdicts.items():
        yield line(f"{len(numbers):,} x", (code, "good" if code in OPENED else "bad"), _which(numbers), level=1)
    yield from _opener_lines(explanation, view)
    yield from _beyond_lines(explanation, view)


def _suite_lines(explanation: Explanation) -> Iterator[Line]:
    yield line(("Cipher suites", "heading"))
    for use in explanation.suites[:MAX_GROUPS]:
        meaning: Part | None = (_OPENED_BY[use.means], "faint") if use.cipher_suite else None
        yield line(f"{use.sessions:,} x", use.cipher_suite or "none agreed on, or not seen", meaning, level=1)
    yield from _rest([use.sessions for use in explanation.suites], "cipher suite")


def _opener_lines(explanation: Explanation, view: TextView) -> Iterator[Line]:
    """Each secret, how many sessions it would open, and by what it is found."""
    openers = explanation.openers
    if openers:
        yield line(("What would open more", "heading"))
    for opener in openers[:MAX_GROUPS]:
        count = f"{len(opener.connections):,} x"
        yield line(count, (_WANTED[opener.means], "caution"), _whose(opener, view), _which(opener.connections), level=1)
        if opener.certificate:
            yield from _certificate_lines(opener.certificate, view)
        else:
            yield line((_where(opener), "faint"), level=2)
        if opener.resumed:
            yield line((f"{opener.resumed:,} of them resumed", "faint"), level=2)
    yield from _rest([len(opener.connections) for opener in openers], "secret")


def _whose(opener: Opener, view: TextView) -> str:
    if opener.certificate is not None:
        return f"of {view.value(opener.certificate.subject or opener.certificate.fault or 'a certificate')}"
    return f"for {view.value(opener.server_name or opener.servers[0])}"


def _certificate_lines(facts: CertificateFacts, view: TextView) -> Iterator[Line]:
    """By what a person finds a certificate: Windows shows serial numbers and SHA-1 thumbprints."""
    yield line((f"serial {facts.serial or 'unknown'}, SHA-1 thumbprint {facts.sha1_thumbprint}", "faint"), level=2)
    yield line((f"SPKI SHA-256 {facts.spki_sha256 or 'unknown'}", "faint"), level=2)
    if facts.names:
        yield line((f"names {view.value(_list(facts.names))}", "faint"), level=2)


def _where(opener: Opener) -> str:
    """On whose side to look for it; a key log of a client opens what that client said."""
    servers = f"the server {_list(opener.servers)}"
    clients = f"its clients {_list([f'{address} ({count:,})' for address, count in opener.clients.items()])}"
    return f"recorded by {servers}, or by {clients}" if opener.means is Means.KEY_LOG else f"of {servers}"


def _beyond_lines(explanation: Explanation, view: TextView) -> Iterator[Line]:
    if explanation.beyond:
        yield line(("What no secret opens", "heading"))
    for each in explanation.beyond:
        summary = f"as in connection {each.connections[0]}: {view.value(each.summary)}"
        yield line(f"{len(each.connections):,} x", (each.code, "bad"), summary, level=1)


def _which(numbers: Collection[int]) -> str:
    return f"({which_connections(numbers)})"


def _list(names: Sequence[str] | dict[str, int]) -> str:
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(islice(names, MAX_NAMES)) + more


def _rest(counts: Sequence[int], noun: str) -> Iterator[Line]:
    """What is not told one by one."""
    rest = counts[MAX_GROUPS:]
    if rest:
        told = f"{counted(sum(rest), 'session')} of {counted(len(rest), f'more {noun}')}"
        yield line((told, "faint"), level=1)
