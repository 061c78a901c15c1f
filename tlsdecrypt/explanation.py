"""explain(): what a capture holds of TLS, and which secret would open how many more sessions of it.

Of each session that stayed closed, and that a secret can open, the least is named that would do: the private key of
the certificate where that is enough, else a pre-shared key, else a key log. So each session is counted once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import Enum
from typing import TYPE_CHECKING

from tlsdecrypt.tls.ciphersuites import cipher_suite_named
from tlsdecrypt.tls.verdict import VerdictCode
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.tls.certificates import CertificateFacts
    from tlsdecrypt.tls.session import TlsSession

# Verdicts of sessions that are closed for want of a secret. The others lack frames, or hold nothing to open.
_WANT_OF_SECRET = {
    VerdictCode.NO_KEY,
    VerdictCode.FORWARD_SECRECY,
    VerdictCode.NO_SECRET,
    VerdictCode.WRONG_KEY,
    VerdictCode.RESUMED_PARENT_MISSING,
}
_STATIC_KEY = ("RSA", "DH_RSA", "DH_DSS", "ECDH_RSA", "ECDH_ECDSA")  # of the certificate, agreed on with nothing else


class Means(Enum):
    """What opens a session, by the way in which its keys were agreed on. A key log opens any of them."""

    PRIVATE_KEY = "private-key"
    PRE_SHARED_KEY = "pre-shared-key"
    PRIVATE_AND_PRE_SHARED_KEY = "private-key-and-pre-shared-key"
    KEY_LOG = "key-log"
    NOTHING_NEEDED = "nothing-needed"
    UNKNOWN = "unknown"


_WITH_CERTIFICATE = {Means.PRIVATE_KEY, Means.PRIVATE_AND_PRE_SHARED_KEY}


class SuiteUse(Value, frozen=True):
    """A cipher suite (None: none was seen), what opens it, and how many sessions have it."""

    cipher_suite: str | None
    means: Means
    sessions: int


class Opener(Value, frozen=True):
    """A secret that was not given, and the connections that it would open.

    `certificate` is that of the private key, None where it was not captured or none is asked for; the secret is then
    one of the `servers` (`address:port`), `server_name` what clients call it. `clients` holds the number of these
    connections by client address: a key log of a client opens its own. `resumed` counts connections that resume others.
    """

    means: Means
    certificate: CertificateFacts | None
    server_name: str | None
    servers: tuple[str, ...]
    clients: dict[str, int]
    connections: tuple[int, ...]
    resumed: int


class Beyond(Value, frozen=True):
    """Connections of one verdict that no secret opens; `summary` is that of the first."""

    code: str
    summary: str
    connections: tuple[int, ...]


class Explanation(Value, frozen=True):
    """The pre-flight view. Each list has its largest group first.

    `sessions` is the sum of `opened` (wholly or partly) and of the connections of `openers` and `beyond`, and also of
    `versions`, of `suites`, and of the connections of `verdicts`.
    """

    sessions: int
    opened: tuple[int, ...]
    versions: dict[str | None, int]
    suites: tuple[SuiteUse, ...]
    verdicts: dict[str, tuple[int, ...]]
    openers: tuple[Opener, ...]
    beyond: tuple[Beyond, ...]


def explain(analysis: Analysis) -> Explanation:
    """What was seen, and what would open more of it."""
    pairs = [(each, each.tls) for each in analysis.conversations if each.tls is not None]
    verdicts: dict[str, list[int]] = defaultdict(list)
    for conversation, tls in pairs:
        verdicts[tls.verdict.code.value].append(conversation.id)
    return Explanation(
        sessions=len(pairs),
        opened=tuple(conversation.id for conversation, _ in pairs if conversation.is_decrypted),
        versions=dict(Counter(tls.version for _, tls in pairs).most_common()),
        suites=_suite_uses(tls for _, tls in pairs),
        verdicts={code: tuple(numbers) for code, numbers in sorted(verdicts.items(), key=lambda item: -len(item[1]))},
        openers=_openers(analysis),
        beyond=_beyond(analysis.tls_conversations),
    )


def means_of(tls: TlsSession) -> Means:
    """What opens a session with this full handshake."""
    suite = cipher_suite_named(tls.cipher_suite) if tls.cipher_suite else None
    if suite is None:
        return Means.UNKNOWN
    exchange, has_agreed_group = suite.key_exchange, tls.key_exchange_group is not None
    if suite.cipher == "NULL":
        return Means.NOTHING_NEEDED
    if exchange == "PSK" or (exchange == "TLS13" and tls.resumption == "psk" and not has_agreed_group):
        return Means.PRE_SHARED_KEY
    if exchange == "RSA_PSK":
        return Means.PRIVATE_AND_PRE_SHARED_KEY
    is_temporary = suite.uses_rsa_key_exchange and has_agreed_group  # an export suite, RFC 2246 section 7.4.3
    is_static = exchange.removesuffix("1024").removesuffix("_EXPORT").removesuffix("_FIPS") in _STATIC_KEY
    return Means.PRIVATE_KEY if is_static and not is_temporary else Means.KEY_LOG


def _suite_uses(sessions: Iterable[TlsSession]) -> tuple[SuiteUse, ...]:
    counts = Counter((tls.cipher_suite, means_of(tls)) for tls in sessions)
    return tuple(SuiteUse(name, means, count) for (name, means), count in counts.most_common())


class _Parents:
    """Knows of each session that resumes another one which full handshake its keys come from."""

    def __init__(self, sessions: Iterable[TlsSession]) -> None:
        self._by_session_id: dict[str, TlsSession] = {}
        self._by_ticket: dict[str, TlsSession] = {}
        for tls in sessions:
            if tls.session_id and not tls.resumed:
                self._by_session_id.setdefault(tls.session_id, tls)
            if tls.issued_ticket:
                self._by_ticket.setdefault(tls.issued_ticket, tls)

    def full_handshake(self, tls: TlsSession) -> TlsSession | None:
        """The session itself if it resumes none, None where the other one is not known.

        A session that resumes by ticket may be given another ticket: the way back is walked, at most once around.
        """
        seen: set[str] = set()
        step: TlsSession | None = tls
        while step is not None and step.resumption == "ticket":
            ticket = step.resumed_ticket or ""
            step = None if ticket in seen else self._by_ticket.get(ticket)
            seen.add(ticket)
        if step is not None and step.resumption == "session_id":
            return self._by_session_id.get(step.session_id or "")
        return step


def _openers(analysis: Analysis) -> tuple[Opener, ...]:
    conversations = analysis.tls_conversations
    parents = _Parents(each.tls for each in conversations if each.tls)
    given = {key.spki_sha256 for key in analysis.keys if key.spki_sha256}
    groups: dict[tuple[Means, str], list[Conversation]] = defaultdict(list)
    certificates: dict[tuple[Means, str], CertificateFacts | None] = {}
    for conversation in conversations:
        tls = conversation.tls
        if tls is None or tls.verdict.code not in _WANT_OF_SECRET:
            continue
        means, certificate = _least(tls, parents.full_handshake(tls), given)
        group = (means, _key_name(certificate) if certificate else tls.server_name or str(conversation.server))
        groups[group].append(conversation)
        certificates.setdefault(group, certificate)
    ranked = sorted(groups.items(), key=lambda item: -len(item[1]))
    return tuple(_opener(group[0], certificates[group], members) for group, members in ranked)


def _least(tls: TlsSession, full: TlsSession | None, given: set[str]) -> tuple[Means, CertificateFacts | None]:
    """The least that opens a closed session whose full handshake is `full`; `given` are hashes of private keys.

    A key that was given and opened nothing would not do so the next time.
    """
    code = tls.verdict.code
    is_orphan = full is tls and code is VerdictCode.RESUMED_PARENT_MISSING  # of TLS 1.3: its parent's keys are hidden
    if full is None or is_orphan or code is VerdictCode.WRONG_KEY:
        return Means.KEY_LOG, None
    means = means_of(full)
    certificate = full.server_certificates[0] if full.server_certificates else None
    is_given = certificate is not None and certificate.spki_sha256 in given
    if means is Means.PRIVATE_AND_PRE_SHARED_KEY and (is_given or code is VerdictCode.NO_KEY):
        means = Means.PRE_SHARED_KEY if is_given else Means.PRIVATE_KEY  # the other half is at hand
    if means is Means.PRE_SHARED_KEY:
        return means, None
    if means in _WITH_CERTIFICATE and not is_given:
        return means, certificate
    return Means.KEY_LOG, None


def _key_name(certificate: CertificateFacts) -> str:
    """Certificates that were renewed with the same key count as one."""
    return certificate.spki_sha256 or certificate.sha1_thumbprint


def _opener(means: Means, certificate: CertificateFacts | None, members: list[Conversation]) -> Opener:
    sessions = [each.tls for each in members if each.tls]
    return Opener(
        means=means,
        certificate=certificate,
        server_name=None if certificate else sessions[0].server_name,
        servers=tuple(dict.fromkeys(str(each.server) for each in members)),
        clients=dict(Counter(each.client.address for each in members).most_common()),
        connections=tuple(each.id for each in members),
        resumed=sum(tls.resumption in {"ticket", "session_id"} for tls in sessions),
    )


def _beyond(conversations: Iterable[Conversation]) -> tuple[Beyond, ...]:
    groups: dict[str, list[int]] = defaultdict(list)
    summaries: dict[str, str] = {}
    for conversation in conversations:
        tls = conversation.tls
        if tls is None or conversation.is_decrypted or tls.verdict.code in _WANT_OF_SECRET:
            continue
        groups[tls.verdict.code.value].append(conversation.id)
        summaries.setdefault(tls.verdict.code.value, tls.verdict.summary)
    ranked = sorted(groups.items(), key=lambda item: -len(item[1]))
    return tuple(Beyond(code, summaries[code], tuple(numbers)) for code, numbers in ranked)
