"""SecretStore: every secret that was given or learned, and how each is found."""

from __future__ import annotations

from collections import Counter, OrderedDict
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.tls.hidden_random import TRIED_LABEL, HiddenRandoms
from tlsdecrypt.tls.keylog import KeyLog, KeyLogFacts
from tlsdecrypt.tls.private_key import PrivateKey
from tlsdecrypt.tls.session import KeySource
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.tls.session_ticket import TicketKey

TICKET_KEY_NAME_LENGTH: Final = 16  # what a ticket begins with
MOST_TRIED: Final = 10_000  # sessions of the key logs, for those whose client random is hidden: 0.2 s for each suite
MOST_LINES_TRIED: Final = 8 * MOST_TRIED  # of the key logs: each session has five of them or more
MOST_LEARNED: Final = 1 << 16  # sessions by session id, and as many by ticket: about 40 MB; the oldest leave first


class FoundSecret(Value, frozen=True):
    """A secret of any kind that may be the one of a session, and where it came from. Still to be proved."""

    secret: Hidden[bytes]
    origin: KeySource


class Learned(Value, frozen=True):
    """A master_secret (TLS 1.3: the PSK) that a decrypted session left behind, and what had opened that session."""

    master_secret: Hidden[bytes]
    origin: KeySource


class PreSharedKey(Value, frozen=True):
    """A key that was given with `--psk`; without identity it is tried for any."""

    identity: bytes | None
    key: Hidden[bytes]
    source: str


class News(NamedTuple):
    """Something learned, for those that share what they learn. `name` is a session id, or stands for a ticket."""

    is_ticket: bool
    name: bytes
    learned: Learned

    def __repr__(self) -> str:
        """Never the secret."""
        return "News()"


class SecretFacts(NamedTuple):
    """What was given, for the report: never a secret."""

    source: str
    kind: str
    subject: str | None = None
    spki_sha256: str | None = None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class SecretStore:
    """Private keys, key logs, pre-shared keys, and master secrets learned on the way.

    `generation` grows with each secret that is new: whoever waits for one tries again when it has changed.
    `is_growing` is set by who feeds the store while more secrets may come. `is_shared` says that other processes read
    the same capture, each with a store of its own, and tell one another what they learn: `take_news` and `adopt`.
    `notes` say what was skipped when files were loaded. `decrypt_rsa` is how a ClientKeyExchange is decrypted: whoever
    begins such work earlier puts another function there.
    """

    def __init__(self) -> None:
        """Empty."""
        self.private_keys: list[PrivateKey] = []
        self.rsa_keys: list[PrivateKey] = []
        self.ech_keys: list[PrivateKey] = []  # that hellos may be encrypted to
        self.notes: list[str] = []
        self.generation = 0
        self.is_growing = False  # True while a capture is read that may yet reveal a key log
        self.is_shared = False
        self.decrypt_rsa: Callable[[PrivateKey, bytes], bytes | None] = PrivateKey.decrypt_pre_master_secret
        self._news: list[News] = []
        self._tried: tuple[int, list[tuple[bytes, bytes]]] = (0, [])  # of how many secrets, the sessions to be tried
        self._by_spki: dict[str, PrivateKey] = {}
        self._by_public: dict[bytes, PrivateKey] = {}
        self._keylog = KeyLog()
        self._keylog_facts: dict[str, KeyLogFacts] = {}
        self._psks: list[PreSharedKey] = []
        self._ticket_keys: dict[bytes, list[TicketKey]] = {}
        self._by_session_id: OrderedDict[bytes, Learned] = OrderedDict()
        self._by_ticket: OrderedDict[bytes, Learned] = OrderedDict()
        self._followed: list[tuple[str, Callable[[], bytes]]] = []  # key logs that may grow
        self.hidden_randoms = HiddenRandoms(self._sessions_to_try)

    def __repr__(self) -> str:
        """Counts only: no secret reaches a log or a traceback."""
        counts = f"{len(self.private_keys)} private keys, {self.keylog_size} key log secrets, {len(self._psks)} PSKs"
        return f"SecretStore({counts})"

    @property
    def has_private_keys(self) -> bool:
        """Whether a private key was given."""
        return bool(self.private_keys)

    @property
    def has_keylog(self) -> bool:
        """Whether a key log was given, or found in a capture."""
        return bool(self._keylog_facts)

    @property
    def has_psks(self) -> bool:
        """Whether a pre-shared key was given."""
        return bool(self._psks)

    @property
    def has_ticket_keys(self) -> bool:
        """Whether a session-ticket key was given."""
        return bool(self._ticket_keys)

    @property
    def can_open_parents(self) -> bool:
        """Whether a secret was given that may tell the PSK of a session in TLS 1.3: no key log can."""
        return self.has_private_keys or self.has_psks or self.has_ticket_keys

    @property
    def sources(self) -> list[SecretFacts]:
        """All that was given, in the order private keys, key logs, pre-shared keys, session-ticket keys."""
        keys = [_key_facts(each) for each in self.private_keys]
        logs = [SecretFacts(each.source, "key log", notes=_keylog_notes(each)) for each in self._keylog_facts.values()]
        psks = [SecretFacts(each.source, "pre-shared key", _identity(each)) for each in self._psks]
        return keys + logs + psks + self._ticket_key_facts()

    def add_private_keys(self, keys: Iterable[PrivateKey]) -> None:
        """Take private keys; one that is there already stays as it is, but for what clients encrypt to it with."""
        for key in keys:
            if key.ech_configs and key not in self.ech_keys:
                self.ech_keys.append(key)
                self.generation += 1
            if key.spki_sha256 in self._by_spki:
                continue
            self._by_spki[key.spki_sha256] = key
            self.private_keys.append(key)
            if key.is_rsa:
                self.rsa_keys.append(key)
            if key.public:
                self._by_public[key.public] = self._by_public[_compressed(key.public)] = key
            self.generation += 1

    def key_for_spki(self, spki_sha256: str) -> PrivateKey | None:
        """The private key of a certificate, by the hex SHA-256 of its SubjectPublicKeyInfo."""
        return self._by_spki.get(spki_sha256)

    def key_for_public(self, public: bytes) -> PrivateKey | None:
        """The EC, X25519, X448 or DH private key of a public key as a key share has it (DH: as long as the prime).

        The point of a curve may be compressed.
        """
        return self._by_public.get(public)

    def add_keylog(self, text: bytes | Iterable[bytes], source: str) -> KeyLogFacts:
        """Take a key log, whole or in pieces (RFC 9850), and say what was in it."""
        reader = self._keylog.reader(source)
        for piece in [text] if isinstance(text, bytes) else text:
            reader.feed(piece)
        facts = reader.finish()
        before = self._keylog_facts.get(source, KeyLogFacts(source, 0, 0))
        total = KeyLogFacts(source, before.secrets + facts.secrets, before.junk + facts.junk)
        self._keylog_facts[source] = total
        self.generation += bool(facts.secrets)
        return facts

    def follow(self, source: str, news: Callable[[], bytes]) -> None:
        """A key log that may still grow: `news()` gives the lines that are new."""
        self._followed.append((source, news))

    @property
    def is_following(self) -> bool:
        """Whether a key log may still grow."""
        return bool(self._followed)

    def replenish(self) -> None:
        """Take what was appended to key logs since they were read."""
        for source, news in self._followed:
            lines = news()
            if lines:
                self.add_keylog(lines, source)

    def keylog_secret(self, label: str, client_random: bytes) -> tuple[bytes, str] | None:
        """A secret and its source, by label (upper case, `PMS_CLIENT_RANDOM` too) and client random."""
        return self._keylog.secret(label, client_random)

    def keylog_secrets(self, label: str, client_random: bytes) -> list[FoundSecret]:
        """Each secret that was logged under this label and client random, the last one first."""
        logged = self._keylog.secrets(label, client_random)
        return [FoundSecret(secret, KeySource("key log", source)) for secret, source in logged]

    @property
    def keylog_size(self) -> int:
        """How many secrets key logs have brought: grows with each."""
        return sum(each.secrets for each in self._keylog_facts.values())

    def keylog_rsa(self, encrypted_prefix: bytes) -> tuple[bytes, str] | None:
        """A pre_master_secret and its source, by the first 8 bytes of its encrypted form (`RSA` lines)."""
        return self._keylog.rsa_pre_master_secret(encrypted_prefix)

    def keylog_session(self, session_id: bytes) -> tuple[bytes, str] | None:
        """A master_secret and its source, by session id (`RSA Session-ID:... Master-Key:...` lines)."""
        return self._keylog.session_master_secret(session_id)

    def add_psk(self, identity: bytes | None, key: bytes, source: str) -> None:
        """Take a pre-shared key; `identity` None: it is tried for any."""
        self._psks.append(PreSharedKey(identity, key, source))
        self.generation += 1

    def psks_for(self, identity: bytes | None) -> list[PreSharedKey]:
        """The pre-shared keys to be tried for an identity: those given for it before those given for any."""
        exact = [each for each in self._psks if each.identity is not None and each.identity == identity]
        return exact + [each for each in self._psks if each.identity is None]

    def add_ticket_keys(self, keys: Iterable[TicketKey]) -> None:
        """Take session-ticket keys; one that is there already counts once."""
        for key in keys:
            same_name = self._ticket_keys.setdefault(key.name, [])
            if key not in same_name:
                same_name.append(key)
                self.generation += 1

    def secret_in_ticket(self, ticket: bytes) -> FoundSecret | None:
        """The master_secret (TLS 1.3: the PSK) in a ticket that a given key opens; its MAC proves both."""
        for key in self._ticket_keys.get(ticket[:TICKET_KEY_NAME_LENGTH], ()):
            secret = key.open(ticket)
            if secret is not None:
                return FoundSecret(secret, KeySource("ticket key", key.source))
        return None

    def learn(self, master_secret: bytes, origin: KeySource, *, session_id: bytes = b"", ticket: bytes = b"") -> None:
        """Keep what a decrypted session left behind, for those that resume it by session id or ticket."""
        learned = Learned(master_secret, origin)
        if session_id:
            self._remember(self._by_session_id, session_id, learned)
        if ticket:
            self._remember(self._by_ticket, _digest(ticket), learned)

    def learned(self, *, session_id: bytes = b"", ticket: bytes = b"") -> Learned | None:
        """What was learned for a ticket, else for a session id."""
        by_ticket = self._by_ticket.get(_digest(ticket)) if ticket else None
        return by_ticket or self._by_session_id.get(session_id)

    def take_news(self) -> list[News]:
        """What was learned since this was asked last, where the store is shared."""
        news, self._news = self._news, []
        return news

    def adopt(self, news: Iterable[News]) -> None:
        """Take what others learned."""
        for each in news:
            self._keep(self._by_ticket if each.is_ticket else self._by_session_id, each.name, each.learned)

    def _sessions_to_try(self) -> list[tuple[bytes, bytes]]:
        """Client random and secret of the sessions of the key logs; none at all where they are many."""
        size = self.keylog_size
        if self._tried[0] != size:
            found = islice(self._keylog.sessions(TRIED_LABEL), MOST_TRIED + 1) if size <= MOST_LINES_TRIED else ()
            sessions = list(found)
            self._tried = size, sessions if len(sessions) <= MOST_TRIED else []
        return self._tried[1]

    def _ticket_key_facts(self) -> list[SecretFacts]:
        """One a file, which may hold the keys of several rotations."""
        counts = Counter(key.source for keys in self._ticket_keys.values() for key in keys)
        return [
            SecretFacts(source, "ticket key", notes=(f"{count} key{'' if count == 1 else 's'}",))
            for source, count in counts.items()
        ]

    def _remember(self, table: OrderedDict[bytes, Learned], name: bytes, learned: Learned) -> None:
        if self._keep(table, name, learned) and self.is_shared:
            self._news.append(News(table is self._by_ticket, name, learned))

    def _keep(self, table: OrderedDict[bytes, Learned], name: bytes, learned: Learned) -> bool:
        """Whether that is new."""
        known = table.get(name)
        is_new = known is None or known.master_secret != learned.master_secret
        if is_new:
            self.generation += 1
            table[name] = learned
        table.move_to_end(name)
        if len(table) > MOST_LEARNED:
            table.popitem(last=False)
        return is_new


def _compressed(public: bytes) -> bytes:
    """A point of a curve in compressed form (SEC 1 section 2.3.3), which some peers agree on up to TLS 1.2."""
    is_point = public.startswith(b"\x04") and len(public) % 2 == 1
    return bytes((2 + (public[-1] & 1),)) + public[1 : len(public) // 2 + 1] if is_point else public


def _digest(ticket: bytes) -> bytes:
    """What stands for a ticket, which may be 64 kB long."""
    return sha256(ticket).digest()


def _identity(psk: PreSharedKey) -> str | None:
    return None if psk.identity is None else psk.identity.decode("utf-8", "backslashreplace")


def _key_facts(key: PrivateKey) -> SecretFacts:
    names = () if key.certificate is None else key.certificate.names
    return SecretFacts(key.source, key.kind, key.subject, key.spki_sha256, names=names)


def _keylog_notes(facts: KeyLogFacts) -> tuple[str, ...]:
    secrets = f"{facts.secrets} secret{'' if facts.secrets == 1 else 's'}"
    if not facts.junk:
        return (secrets,)
    return (secrets, f"{facts.junk} line{' is' if facts.junk == 1 else 's are'} no key log and not read")
