"""SmtpDialogue: one connection of SMTP as its rules look at it, and what several of them ask."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.addresses import PRIVATE_SUFFIXES, domain_of, is_address, is_internal, is_microsoft
from tlsdecrypt.findings.reachability import addresses_in, dns_of
from tlsdecrypt.findings.tls_story import SMTP_PORTS, ended_by
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step, Trace

REFUSED = 400  # reply codes from here on say no, RFC 5321 section 4.2.1
EXCHANGE_BANNER = "Microsoft ESMTP MAIL Service"

_GREETINGS = ("EHLO", "HELO", "LHLO")
_CLOUD_MAIL = (".protection.outlook.com", ".mx.microsoft")
_TLS_VERBS = ("STARTTLS", "X-ANONYMOUSTLS")
_EXCHANGE_VERBS = ("X-EXPS", "X-ANONYMOUSTLS", "XEXCH50", "XSHADOW")


class SmtpDialogue:
    """What was said on one connection."""

    def __init__(self, trace: Trace) -> None:
        """`trace` holds SMTP."""
        self.trace = trace
        self.steps = [step for step in trace.steps if step.protocol == "smtp"]

    @cached_property
    def greeting(self) -> Step | None:
        """The banner, or the refusal in its place."""
        first = self.steps[0] if self.steps else None
        return first if first is not None and not first.verb and first.status is not None else None

    @property
    def server_name(self) -> str:
        """What the server calls itself, "" where it was not seen."""
        return self._fact("server")

    @property
    def client_name(self) -> str:
        """What the client calls itself, "" where it was not seen."""
        return self._fact("ehlo")

    @property
    def product(self) -> str:
        """What the banner says besides the name and the time."""
        return self._fact("product")

    def _fact(self, name: str) -> str:
        return next((str(value) for step in reversed(self.steps) if (value := step.about("smtp").get(name))), "")

    @cached_property
    def hello(self) -> Step | None:
        """The last EHLO that was answered with capabilities."""
        return next((step for step in reversed(self.steps) if "capabilities" in step.about("smtp")), None)

    @property
    def keywords(self) -> set[str]:
        """The capabilities in force at the end, by keyword."""
        return keywords_of(self.hello)

    @cached_property
    def verbs(self) -> list[str]:
        """All commands, in their order."""
        return [step.verb for step in self.steps if step.verb]

    @property
    def has_mail(self) -> bool:
        """Whether the client began to send a message."""
        return "MAIL" in self.verbs

    @cached_property
    def user(self) -> str | None:
        """Who has authenticated."""
        accepted = (step.about("smtp") for step in self.steps if step.about("smtp").get("result") == "accepted")
        return next((str(facts.get("user") or facts.get("mechanism")) for facts in accepted), None)

    @property
    def has_closed_tls(self) -> bool:
        """Whether TLS began here and could not be opened: what was said then is not known."""
        return self.trace.tls is not None and not self.trace.is_opened

    @property
    def started_tls(self) -> bool:
        """Whether TLS covers the session, from its start or from some command on."""
        return self.trace.tls is not None or any(step.about("smtp").get("tls") for step in self.steps)

    @property
    def is_of_exchange(self) -> bool:
        """Whether the client shows itself to be an Exchange server: it uses what only those use."""
        return any(verb in _EXCHANGE_VERBS for verb in self.verbs)

    @property
    def is_with_cloud(self) -> bool:
        """Whether one side is of Microsoft 365: by name, or because mail keeps its organisation (XOORG)."""
        names = (self.server_name, self.client_name, self.trace.server_name)
        return any(is_microsoft(name) for name in names) or self.has_xoorg

    @property
    def has_xoorg(self) -> bool:
        """Whether XOORG is offered or used."""
        used = any("XOORG" in (step.about("smtp").get("parameters") or {}) for step in self.steps)
        return used or "XOORG" in self.keywords

    def of(self, *verbs: str) -> list[Step]:
        """The steps of some verbs."""
        return [step for step in self.steps if step.verb in verbs]

    def after(self, step: Step) -> list[Step]:
        """What was said after a step."""
        return [each for each in self.steps if each.index > step.index]

    def goes_on_with(self, step: Step, *verbs: str) -> bool:
        """Whether one of some commands is sent after a step, and accepted."""
        return any(each.verb in verbs and (each.status or REFUSED) < REFUSED for each in self.after(step))


def dialogue_of(step: Step) -> SmtpDialogue:
    """The dialogue that a step is part of."""
    return SmtpDialogue(step.trace)


def dialogues(scene: Scene) -> Iterator[SmtpDialogue]:
    """All connections that hold SMTP."""
    for trace in scene.traces:
        if trace.protocol == "smtp" and trace.steps:
            yield SmtpDialogue(trace)


def keywords_of(step: Step | None) -> set[str]:
    """The keywords that an answer to EHLO offers."""
    offered = step.about("smtp").get("capabilities") if step is not None else None
    return {line.partition(" ")[0] for line in offered or ()}


def refusal(step: Step) -> tuple[int, str, str] | None:
    """Code, enhanced code ("" for none) and text of a reply that says no; None for any other."""
    if step.status is None or step.status < REFUSED:
        return None
    facts = step.about("smtp")
    return step.status, facts.get("enhanced") or "", facts.get("text") or ""


def reply_text(step: Step) -> str:
    """The reply as it was sent: code, enhanced code, text."""
    facts = step.about("smtp")
    return " ".join(str(part) for part in (step.status, facts.get("enhanced"), facts.get("text")) if part)


def command_and_reply(step: Step) -> tuple[Any, ...]:
    """Evidence: what was asked and what was answered."""
    answered = step.answered(reply_text(step))
    return (step.asked(step.target or step.verb), answered) if step.request_span is not None else (answered,)


def client_of(step: Step) -> str:
    """The client: its address, and what it calls itself."""
    name = step.about("smtp").get("ehlo")
    return f"{step.trace.client.address} ({name})" if name else step.trace.client.address


def server_of(step: Step) -> str:
    """The server: what it calls itself, else its address."""
    return str(step.about("smtp").get("server") or step.trace.server)


def speaks_on_smtp_port(trace: Trace) -> bool:
    """Whether a connection was made to a port of SMTP."""
    return trace.server.port in SMTP_PORTS


def organisation(name: str) -> str:
    """The label that names an organisation: `contoso` of `mail.contoso.com`, `contoso.local` and `a@contoso.co.uk`."""
    host = name.rpartition("@")[2].strip("[]<>").lower()
    if not host or "." not in host or is_address(host):
        return ""
    return domain_of(host).partition(".")[0]


def is_same_organisation(one: str, other: str) -> bool:
    """Whether two names belong together: internal and public domains of an organisation often differ in their end."""
    label = organisation(one)
    return bool(label) and label == organisation(other) and label not in PRIVATE_SUFFIXES


def is_same_domain(one: str, other: str) -> bool:
    """Whether two host names are of one domain (`exc1.contoso.local`, `svr01.contoso.local`)."""
    return "." in one and "." in other and not is_address(one) and domain_of(one) == domain_of(other)


def exchange_clients(scene: Scene) -> set[str]:
    """The addresses that show themselves as Exchange servers somewhere in the capture."""
    return {each.trace.client.address for each in dialogues(scene) if each.is_of_exchange}


def leaves_unauthenticated(dialogue: SmtpDialogue) -> bool:
    """Whether the client left after an answer to EHLO in which X-EXPS is missing."""
    hello = dialogue.hello
    if hello is None or EXCHANGE_BANNER not in dialogue.product or "X-EXPS" in dialogue.keywords:
        return False
    if dialogue.has_mail or dialogue.has_closed_tls or dialogue.trace.has_gaps:
        return False
    after = [step.verb for step in dialogue.after(hello)]
    if after:
        return after[0] == "QUIT"
    return ended_by(dialogue.trace) is Direction.CLIENT_TO_SERVER


def cloud_addresses(scene: Scene) -> set[str]:
    """The addresses that DNS gave for mail servers of Microsoft 365."""
    return {
        address
        for message in dns_of(scene)
        if message.is_response and any(each.name.endswith(_CLOUD_MAIL) for each in message.questions)
        for address in addresses_in(message)
    }


def is_public(address: str) -> bool:
    """Whether an address lies outside."""
    return not is_internal(address)


_TEXT_OF_TLS = re.compile(r"starttls|\btls\b|encrypt|secure connection", re.IGNORECASE)


def demands_tls(step: Step) -> bool:
    """Whether a reply demands TLS (RFC 3207 section 4, RFC 3463 section 3.8)."""
    found = refusal(step)
    if found is None or step.verb in _TLS_VERBS:
        return False
    code, enhanced, text = found
    is_demand = code in (451, 523, 530, 538, 550, 554) and enhanced in (
        "",
        "5.7.0",
        "5.7.1",
        "5.7.3",
        "5.7.10",
        "5.7.11",
    )
    return is_demand and _TEXT_OF_TLS.search(text) is not None
