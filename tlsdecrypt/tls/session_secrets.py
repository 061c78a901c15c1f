"""SessionSecrets: the traffic secrets of one session of TLS 1.3, logged or computed (RFC 8446 section 7.1).

They are computed where the private key of one key share is known, the PSK, or both if the session has both. A key log
teaches nothing of the kind: it holds what is derived from these secrets, and no way leads back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls import key_schedule
from tlsdecrypt.tls.encrypted_hello import InnerHello, open_client_hello, open_with_key
from tlsdecrypt.tls.hidden_random import TRIED_LABEL
from tlsdecrypt.tls.key_agreement import agreed_secrets
from tlsdecrypt.tls.key_schedule import labels_of
from tlsdecrypt.tls.ladder import Stage
from tlsdecrypt.tls.offered_psk import find_psk, is_external, selected_psk
from tlsdecrypt.tls.secrets import FoundSecret
from tlsdecrypt.tls.session import KeyLogSecret
from tlsdecrypt.tls.transcript import MESSAGE_HEADER_LENGTH, Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.tls.ciphersuites import CipherSuite
    from tlsdecrypt.tls.handshake import ClientHello
    from tlsdecrypt.tls.negotiation import Negotiation
    from tlsdecrypt.tls.record import Record
    from tlsdecrypt.tls.secrets import SecretStore
    from tlsdecrypt.tls.session import KeySource

MOST_ECH_LINES: Final = 8  # of a key log for one hello: secrets, and configurations, each tried with each


class _Derivation(NamedTuple):
    """From which secret of the schedule, by which label, over which messages."""

    stage: Stage
    label: str  # of KeyScheduleLabels
    point: Point


_DERIVATIONS: Final = {
    "CLIENT_EARLY_TRAFFIC_SECRET": _Derivation(Stage.EARLY, "client_early_traffic", Point.CLIENT_HELLO),
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": _Derivation(Stage.HANDSHAKE, "client_handshake_traffic", Point.SERVER_HELLO),
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": _Derivation(Stage.HANDSHAKE, "server_handshake_traffic", Point.SERVER_HELLO),
    "CLIENT_TRAFFIC_SECRET_0": _Derivation(Stage.APPLICATION, "client_application_traffic", Point.SERVER_FINISHED),
    "SERVER_TRAFFIC_SECRET_0": _Derivation(Stage.APPLICATION, "server_application_traffic", Point.SERVER_FINISHED),
}
_RESUMPTION: Final = _Derivation(Stage.APPLICATION, "resumption_master", Point.CLIENT_FINISHED)


class SessionSecrets:
    """The secrets of a handshake by the labels of a key log. What is missing is looked for again when more is known.

    `inner_hello` is what an Encrypted Client Hello hides, if its key or a key log tells. `psk` is the PSK that the
    binder proved; `refused_psk` names one that was given for the session's identity and is not the right one.
    """

    def __init__(self, negotiation: Negotiation, store: SecretStore) -> None:
        """Of a handshake whose ServerHello was seen."""
        self.psk: FoundSecret | None = None
        self.refused_psk: KeySource | None = None
        self._inner: InnerHello | None = None
        self._hidden_random: bytes | None = None  # of the inner hello, where only a key log tells it
        self._tried = 0  # secrets of key logs
        self._is_past_trial = False  # whether the server's first record, which is tried, was lost
        self._negotiation = negotiation
        self._store = store
        self._state: tuple[int, int] | None = None
        self._found: dict[str, list[FoundSecret]] = {}
        self._schedule: dict[Stage, FoundSecret] = {}
        self._tickets_learned = 0

    @property
    def inner_hello(self) -> ClientHello | None:
        """What an Encrypted Client Hello hides, if the server's key or a key log tells."""
        return self._inner.hello if self._inner else None

    @property
    def opens_only_early_data(self) -> bool:
        """Whether the PSK is known, and the (EC)DHE secret that the keys of the handshake need is not."""
        return self.psk is not None and Stage.HANDSHAKE not in self._schedule

    @property
    def goes_on_with_inner_hello(self) -> bool:
        """Whether a key log has secrets of the inner hello: then the server accepted the Encrypted Client Hello."""
        inner = self._inner_random
        return inner is not None and any(self._store.keylog_secrets(label, inner) for label in _DERIVATIONS)

    def find(self, label: str) -> list[FoundSecret]:
        """The secrets that may be the one of this label, the likeliest first."""
        self._refresh()
        if label not in self._found:
            computed = self._derive(_DERIVATIONS[label])
            self._found[label] = self._logged(label) + ([computed] if computed else [])
        return self._found[label]

    def try_hidden_random(self, record: Record) -> bool:
        """Whether the first record that the server protects tells now which session of a key log this is."""
        negotiation, store = self._negotiation, self._store
        self._is_past_trial |= record.lost != 0
        if not self._may_be_hidden or negotiation.suite is None or negotiation.version is None:
            return False
        self._tried = store.keylog_size
        self._hidden_random = store.hidden_randoms.find(negotiation.suite, negotiation.version, record)
        self._found.clear()
        return self._hidden_random is not None

    def may_come(self, direction: Direction, stage: Stage) -> bool:
        """Whether a secret that one direction lacks may be known once other messages or sessions were read."""
        self._refresh()
        negotiation, transcript = self._negotiation, self._negotiation.transcript
        if negotiation.client_hello is None:
            return True
        is_early = stage is Stage.EARLY and self._has_early_data
        if is_early and transcript.has_retry:
            return False  # a HelloRetryRequest refuses early data
        if negotiation.is_retry_unanswered or self._lacks_parent() or self._may_be_hidden:
            return True
        # The client's last secret depends on what the server says; what the server lacks would stand behind it.
        is_before_server = Stage.HANDSHAKE in self._schedule and not transcript.has_finished(Direction.SERVER_TO_CLIENT)
        return is_before_server and not is_early and direction is Direction.CLIENT_TO_SERVER

    def logged(self, secrets: Iterable[tuple[str, bytes]]) -> Iterator[KeyLogSecret]:
        """Secrets by their labels as a key log has them: under the random of the hello that the server went on with.

        Where that is the inner one, what opens it comes first; and they are told under the random that is seen too:
        programs that cannot open the hello (Wireshark) look for that one.
        """
        hello, inner = self._negotiation.client_hello, self._inner_random if self.goes_on_with_inner_hello else None
        if hello is None:
            return
        if inner and self._inner:
            yield KeyLogSecret("ECH_SECRET", hello.random, self._inner.secret)
            yield KeyLogSecret("ECH_CONFIG", hello.random, self._inner.config)
        climbed = list(secrets)
        for random in (inner, hello.random) if inner else (hello.random,):
            yield from (KeyLogSecret(label, random, secret) for label, secret in climbed)

    def teach(self) -> None:
        """Give the store the PSKs of the tickets that this session has brought (RFC 8446 section 4.6.1)."""
        suite, tickets = self._negotiation.suite, self._negotiation.tickets
        if len(tickets) == self._tickets_learned or suite is None:
            return
        self._refresh()
        resumption_master_secret = self._derive(_RESUMPTION)
        if resumption_master_secret is None:
            return
        for ticket in tickets[self._tickets_learned :]:
            psk = key_schedule.resumption_psk(suite, resumption_master_secret.secret, ticket.nonce)
            self._store.learn(psk, resumption_master_secret.origin, ticket=ticket.ticket)
        self._tickets_learned = len(tickets)

    @property
    def _has_early_data(self) -> bool:
        """Whether the client sends 0-RTT data (RFC 8446 section 4.2.10)."""
        hello = self._negotiation.client_hello
        return hello is not None and hello.extensions.has_early_data

    def _refresh(self) -> None:
        state = (self._store.generation, self._negotiation.knowledge)
        if state != self._state:
            self._state = state
            self._found.clear()
            if self._inner_random is None:
                self._find_inner_hello()
            if Stage.HANDSHAKE not in self._schedule:
                self._extract()

    def _logged(self, label: str) -> list[FoundSecret]:
        """What a key log has for the hello; for the inner one, where the server went on with that (RFC 9850)."""
        hello = self._negotiation.client_hello
        randoms = (hello.random if hello else None, self._inner_random)
        return [found for each in randoms if each for found in self._store.keylog_secrets(label, each)]

    @property
    def _inner_random(self) -> bytes | None:
        return self._inner.hello.random if self._inner else self._hidden_random

    @property
    def _may_be_hidden(self) -> bool:
        """Whether a key log may have this session under a random that is not known, and was not tried for it."""
        hello = self._negotiation.client_hello
        if self._is_past_trial or self._tried == self._store.keylog_size or self._inner_random is not None:
            return False
        is_hidden = hello is not None and hello.extensions.has_encrypted_client_hello
        return is_hidden and not self._logged(TRIED_LABEL)

    def _find_inner_hello(self) -> None:
        """Decrypt the Encrypted Client Hello with the server's key, or the lines of a key log that are there for it.

        Without them, a key log that names the session by both randoms tells the inner one.
        """
        # Behind a HelloRetryRequest, what the second hello hides needs the key of the first one.
        hello, message = self._negotiation.first_hello, self._negotiation.transcript.client_hello
        if hello is None or message is None or not hello.extensions.has_encrypted_client_hello:
            return
        body, store = message[MESSAGE_HEADER_LENGTH:], self._store
        self._inner = next(filter(None, self._opened(hello, body)), None)
        if self._inner is None:
            secrets = (each.secret for each in store.keylog_secrets(TRIED_LABEL, hello.random))
            names = (store.hidden_randoms.other_name(each, hello.random) for each in secrets)
            self._hidden_random = next(filter(None, names), None)

    def _opened(self, hello: ClientHello, body: bytes) -> Iterator[InnerHello | None]:
        for key in self._store.ech_keys:
            yield open_with_key(hello, body, key)
        configs = [each.secret for each in self._store.keylog_secrets("ECH_CONFIG", hello.random)[:MOST_ECH_LINES]]
        for each in self._store.keylog_secrets("ECH_SECRET", hello.random)[:MOST_ECH_LINES]:
            for config in configs:
                inner = open_client_hello(hello, body, each.secret, config)
                yield InnerHello(inner, each.secret, config) if inner else None

    def _lacks_parent(self) -> bool:
        """Whether nothing but the PSK is missing, and a session yet to be opened may have brought it."""
        negotiation, answer = self._negotiation, self._negotiation.server_hello
        if answer is None or answer.selected_psk is None or self.psk is not None:
            return False
        psk = selected_psk(negotiation)
        has_secret = answer.key_share is None or self._shared_secret() is not None
        return has_secret and self._store.can_open_parents and psk is not None and not is_external(psk)

    def _extract(self) -> None:
        """Early Secret and Handshake Secret, as far as PSK and shared secret are known."""
        suite, version, answer = self._negotiation.suite, self._negotiation.version, self._negotiation.server_hello
        if suite is None or version is None or answer is None or self._negotiation.is_retry_unanswered:
            return
        shared = self._shared_secret()
        if answer.selected_psk is not None:
            self._find_psk()
            if self.psk is None:
                return
        early = key_schedule.early_secret(suite, self.psk.secret if self.psk else b"")
        if self.psk is not None and answer.selected_psk == 0 and self._has_early_data:
            self._schedule[Stage.EARLY] = FoundSecret(early, self.psk.origin)
        origin = shared or (self.psk if answer.key_share is None else None)
        if origin is not None:
            secret = shared.secret if shared else b""
            handshake = key_schedule.handshake_secret(suite, early, secret, labels_of(version))
            master = key_schedule.master_secret(suite, handshake, labels_of(version))
            self._schedule[Stage.HANDSHAKE] = FoundSecret(handshake, origin.origin)
            self._schedule[Stage.APPLICATION] = FoundSecret(master, origin.origin)

    def _find_psk(self) -> None:
        """A PSK is refused only where the right one would open the session."""
        if self.psk is None:
            self.psk, refused = find_psk(self._negotiation, self._store)
            answer = self._negotiation.server_hello
            is_enough = answer is not None and (answer.key_share is None or self._shared_secret() is not None)
            self.refused_psk = refused.origin if refused and is_enough else None

    def _shared_secret(self) -> FoundSecret | None:
        """The (EC)DHE secret (RFC 8446 section 7.4), where the private key of one key share is known."""
        hello, answer = self._negotiation.client_hello, self._negotiation.server_hello
        server = answer.key_share if answer else None
        if hello is None or server is None:
            return None
        for client in hello.key_shares:
            if client.group == server.group:
                return next(agreed_secrets(self._store, server.key_exchange, client.key_exchange), None)
        return None

    def _derive(self, derivation: _Derivation) -> FoundSecret | None:
        """Derive-Secret, where the schedule and the messages got as far."""
        secret, suite, version = (
            self._schedule.get(derivation.stage),
            self._negotiation.suite,
            self._negotiation.version,
        )
        if secret is None or suite is None or version is None:
            return None
        messages = self._negotiation.transcript.up_to(derivation.point, suite, version)
        if messages is None or (derivation.stage is Stage.EARLY and self._negotiation.transcript.has_retry):
            return None
        return FoundSecret(_derive(suite, version, secret.secret, derivation.label, messages), secret.origin)


def _derive(suite: CipherSuite, version: int, secret: bytes, label: str, messages: bytes) -> bytes:
    labels = labels_of(version)
    transcript = key_schedule.hash_of(suite, messages)
    return key_schedule.derive_secret(suite, secret, getattr(labels, label), transcript, labels.prefix)
