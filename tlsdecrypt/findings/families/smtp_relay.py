"""SMTP: a server that passes mail on to others for anybody."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import PRIVATE_SUFFIXES, domain_of, is_microsoft, subnet
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.smtp_dialogue import (
    EXCHANGE_BANNER,
    REFUSED,
    SmtpDialogue,
    client_of,
    command_and_reply,
    dialogues,
    exchange_clients,
    is_public,
    is_same_organisation,
    organisation,
    server_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_ENOUGH_SOURCES = 2
_UNLESS_HOSTED = ", unless that domain is one of its own"


class _Hosted:
    """Which domains a server takes mail for, as far as the capture shows it."""

    def __init__(self, sessions: list[SmtpDialogue]) -> None:
        self._by_sources: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._senders: set[tuple[str, str]] = set()
        for dialogue in sessions:
            client, server = dialogue.trace.pair
            for step in dialogue.of("RCPT"):
                if _is_accepted(step) and is_public(client):
                    self._by_sources[server, _domain(step.about("smtp").get("recipient"))].add(subnet(client))
            if dialogue.user is not None or dialogue.is_of_exchange:
                for step in dialogue.of("MAIL"):
                    self._senders.add((server, _domain(step.about("smtp").get("mail_from"))))

    def has(self, dialogue: SmtpDialogue, address: str) -> bool:
        """Whether the server of a dialogue hosts the domain of an address."""
        domain, server = _domain(address), dialogue.trace.server.address
        names = [name for name in (dialogue.server_name, dialogue.trace.server_name) if name]
        return (
            any(is_same_organisation(name, address) or domain_of(name) == domain_of(domain) for name in names)
            or len(self._by_sources[server, domain]) >= _ENOUGH_SOURCES
            or (server, domain) in self._senders
        )


def _domain(address: str | None) -> str:
    return (address or "").rpartition("@")[2].lower()


def _is_accepted(step: Step) -> bool:
    return step.status is not None and step.status < REFUSED


def _queued(dialogue: SmtpDialogue) -> list[Step]:
    """The messages that were accepted."""
    return [step for step in dialogue.of("DATA", "BDAT") if _is_accepted(step) and step.about("smtp").get("is_last")]


def _is_trusted(dialogue: SmtpDialogue, servers: set[str]) -> bool:
    """Whether the client has shown who it is, or one side is nobody's relay: Microsoft 365, LMTP."""
    tls = dialogue.trace.tls
    return (
        dialogue.user is not None
        or dialogue.trace.has_gaps  # the login may be what was lost
        or dialogue.trace.client.address in servers
        or bool(tls is not None and tls.client_certificates)
        or is_microsoft(dialogue.server_name)
        or is_microsoft(dialogue.client_name)
        or "LHLO" in dialogue.verbs
    )


def _relayed(dialogue: SmtpDialogue, hosted: _Hosted, step: Step, done: Step) -> Confidence | None:
    """How sure it is that the recipient is elsewhere, and the server no mail exchanger of it; None for not at all.

    The sender is of the server's own organisation; or neither is, and the client wrote the message (no server has
    passed it on before). A mail server that delivers its own organisation's mail does what mail servers do, where the
    name of the other tells nothing, as that of a hoster. That of an Exchange server, or of one that the capture shows
    from inside, tells something, though it may host more domains than its own.
    """
    facts = step.about("smtp")
    sender, recipient = facts.get("mail_from") or "", facts.get("recipient") or ""
    if not recipient or "@" not in recipient or hosted.has(dialogue, recipient) or not dialogue.server_name:
        return None
    if _domain(sender) == _domain(recipient):
        return None
    if sender and hosted.has(dialogue, sender):
        return Confidence.LIKELY
    if not sender or (done.about("smtp").get("message") or {}).get("received") or "." not in dialogue.server_name:
        return None
    client, server = dialogue.trace.pair
    if not is_same_organisation(dialogue.client_name, sender) or not (is_public(client) or is_public(server)):
        return Confidence.LIKELY
    is_own = EXCHANGE_BANNER in dialogue.product or not is_public(server)
    return Confidence.HINT if is_own and organisation(dialogue.server_name) not in PRIVATE_SUFFIXES else None


@rule(
    "smtp.anonymous-relay-accepted",
    Severity.WARNING,
    confidence=Confidence.LIKELY,
    advice="Demand authentication, or let only the addresses relay that must (RemoteIPRanges of the relay connector);"
    " behind a balancer with SNAT its address stands for every client.",
    source="RFC 5321 section 7.9; Exchange Server: relay of anonymous clients",
)
def anonymous_relay(scene: Scene) -> Iterator[Hit]:
    """A client without login sends mail by this server to a domain that the server does not host.

    A server hosts the domain of its own name, and those that several public sources send to. An error where the client
    is outside. Silent for Exchange servers, clients with a certificate, mail of the server's own domain, Microsoft 365,
    a mail server that delivers its own organisation's mail to one whose name tells nothing, and where bytes are
    missing.
    """
    sessions = list(dialogues(scene))
    servers, hosted = exchange_clients(scene), _Hosted(sessions)
    for dialogue in sessions:
        queued = _queued(dialogue)
        if not queued or _is_trusted(dialogue, servers):
            continue
        for step in dialogue.of("RCPT"):
            done = next((each for each in queued if each.index > step.index), None)
            if done is None or is_probe(step) or not _is_accepted(step):
                continue
            confidence = _relayed(dialogue, hosted, step, done)
            if confidence is not None:
                client, facts = dialogue.trace.client.address, step.about("smtp")
                yield Hit(
                    f"{server_of(step)} relays for {client_of(step)} without login: from <{facts['mail_from']}> to"
                    f" <{facts['recipient']}>{_UNLESS_HOSTED if confidence is Confidence.HINT else ''}.",
                    (*command_and_reply(step), *command_and_reply(done)[-1:]),
                    severity=Severity.ERROR if is_public(client) else None,
                    confidence=confidence,
                    client=client,
                    server=dialogue.trace.server.address,
                    place="RCPT",
                )
