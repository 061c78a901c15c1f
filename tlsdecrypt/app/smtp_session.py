"""SmtpSession: what is known of an SMTP session while it goes on, and the annotation `smtp` of each exchange.

Each has, as far as it is known: `verb` ("" for the greeting), `code`, `enhanced`, `text` (the last line of the reply,
all of a refusal); and of the session when it was said: `server` (the name in the banner), `product`, `ehlo` (the name
in EHLO), `tls` (None in the clear, else `STARTTLS`, `X-ANONYMOUSTLS`, or `implicit`), `user` (who has authenticated).
Further keys:

- greeting: `banner`, `time`
- EHLO, LHLO: `capabilities` (list: keyword in upper case, parameters), `size_limit`, and after TLS
  `capabilities_before_tls`
- MAIL: `mail_from`, `parameters`; RCPT: the same and `recipient`
- AUTH, X-EXPS: what `app.sasl` reads, and `result` (`accepted`, `rejected`, `cancelled`, None); `user` is who tries
- DATA, BDAT: `mail_from`, `recipients` (accepted; at most 100), `recipient_count`, `size` (of the whole message so
  far), `is_last`, `queue_id`, `internal_id`, `message` (see `app.mail_content`)
- `entry_ms`: how long it took to send the command, where it came in several segments and slowly, as if it was typed
- `is_probe`: a monitor asks: no more than HELO and QUIT, or an address of Exchange's own probes
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from tlsdecrypt.app.smtp_commands import AUTH_VERBS, GREETINGS, TLS_VERBS, parse_path

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.smtp_commands import Path
    from tlsdecrypt.app.smtp_replies import Reply
    from tlsdecrypt.app.smtp_slot import Slot

MAX_TEXT: Final = 300
MAX_CAPABILITIES: Final = 64
MAX_RECIPIENTS: Final = 100
MAX_REMEMBERED: Final = 8  # exchanges of a session that may be a probe

_MILLISECOND: Final = 1_000_000
_SLOW_ENTRY_MS: Final = 50
_ACCEPTED, _SUCCEEDED = 300, 235  # below the first, a reply is positive (RFC 5321 section 4.2.1)
_FIRST_REFUSAL: Final = 400
_SERVICE_READY: Final = 220

_BANNER = re.compile(r"(?P<server>\S+)\s*(?P<rest>.*)\Z", re.DOTALL)
_TIME = re.compile(
    r"(?:(?:ready|;|at)\s+(?:at\s+)?)?((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d.*)\Z"
)
_INTERNAL_ID = re.compile(r"\[InternalId=(\d{1,20})", re.IGNORECASE)
_QUEUE_ID = re.compile(r"<([^<>\s]{1,200})>|(?:queued as|id=?|queue id)\s*:?\s*([\w.-]{4,100})", re.IGNORECASE)
_PROBE = re.compile(r"healthmailbox|\bextest_[0-9a-f]|\binboundproxy@|maildeliveryprobe", re.IGNORECASE)
_PROBE_VERBS = frozenset({"", "HELO", "NOOP", "RSET", "QUIT"})


class SmtpSession:
    """One session, before or after TLS begins in it."""

    def __init__(self, tls: str | None = None) -> None:
        """`tls` says how TLS began, None in the clear."""
        self.has_begun = False
        self._facts: dict[str, Any] = {"tls": tls}
        self._capabilities: list[str] | None = None
        self._before_tls: list[str] | None = None
        self._tls_verb: str | None = None
        self._mail_from: str | None = None
        self._recipients: list[str] = []
        self._recipient_count = 0
        self._size = 0
        self._is_lmtp = False
        self._told: list[Annotations] = []
        self._verbs: set[str] = set()

    @property
    def replies_to_content(self) -> int:
        """LMTP answers for each recipient (RFC 2033 section 4.2)."""
        return max(self._recipient_count, 1) if self._is_lmtp else 1

    def inside_tls(self) -> SmtpSession:
        """The session inside of TLS: what was said before is known, and what was agreed on is void (RFC 3207)."""
        inside = copy.copy(self)
        inside._facts = {**self._facts, "tls": self._tls_verb or "STARTTLS"}  # noqa: SLF001 - a copy of its own
        inside._before_tls, inside._capabilities = self._capabilities, None  # noqa: SLF001 - a copy of its own
        inside._reset()  # noqa: SLF001 - a copy of its own
        return inside

    def annotate(self, slot: Slot) -> tuple[Annotations, tuple[str, ...]]:
        """The annotation of an exchange that is over, and the passwords in it."""
        reply = slot.replies[-1] if slot.replies else slot.interim[-1] if slot.interim else None
        facts: Annotations = {"verb": slot.verb}
        if reply is not None:
            facts |= {"code": reply.code, "enhanced": reply.enhanced, "text": _told(slot, reply)}
        passwords: tuple[str, ...] = ()
        is_accepted = bool(slot.replies) and all(each.code < _ACCEPTED for each in slot.replies)
        own = self._about(slot, reply, is_accepted=is_accepted)
        if slot.verb in AUTH_VERBS:
            own, passwords = self._about_authentication(slot)
        self.has_begun = True
        entry_ms = (slot.first.last_time_ns - slot.first.first_time_ns) / _MILLISECOND
        if entry_ms > _SLOW_ENTRY_MS and slot.command is not None:
            own["entry_ms"] = entry_ms
        facts |= {**self._facts, **own}
        self._remember(slot.verb, facts)
        return facts, passwords

    def finish(self) -> None:
        """Nothing more will be said: who only said HELO and QUIT is a monitor."""
        if self._told and self._verbs <= _PROBE_VERBS and "QUIT" in self._verbs:
            for each in self._told:
                each["is_probe"] = True

    def _remember(self, verb: str, facts: Annotations) -> None:
        self._verbs.add(verb)
        if any(_PROBE.search(facts.get(key) or "") for key in ("mail_from", "recipient", "user")):
            facts["is_probe"] = True
        if len(self._told) < MAX_REMEMBERED:
            self._told.append(facts)
        else:
            self._verbs.add("MANY")

    def _about(self, slot: Slot, reply: Reply | None, *, is_accepted: bool) -> dict[str, Any]:
        verb, argument = slot.verb, slot.command.argument if slot.command else ""
        own: dict[str, Any] = {}
        if slot.command is None and not self.has_begun and reply is not None and reply.code == _SERVICE_READY:
            own = self._about_banner(reply)
        elif verb in GREETINGS:
            own = self._about_greeting(verb, argument, reply, is_accepted=is_accepted)
        elif verb in ("MAIL", "RCPT"):
            own = self._about_path(verb, parse_path(argument), is_accepted=is_accepted)
        elif verb in ("DATA", "BDAT"):
            own = self._about_content(slot, reply, is_accepted=is_accepted)
        elif verb in TLS_VERBS:
            self._tls_verb = verb
        elif verb == "RSET":
            self._reset()
        return own

    def _about_banner(self, reply: Reply) -> dict[str, Any]:
        text = reply.lines[0] if reply.lines else ""
        match = _BANNER.match(text)
        if match is None:
            return {"banner": text[:MAX_TEXT]}
        time = _TIME.search(match["rest"])
        product = match["rest"][: time.start() if time else None].strip(" ;")
        self._facts |= {"server": match["server"][:MAX_TEXT], "product": product[:MAX_TEXT]}
        return {"banner": " ".join(reply.lines)[:MAX_TEXT], "time": time[1][:MAX_TEXT] if time else None}

    def _about_greeting(self, verb: str, argument: str, reply: Reply | None, *, is_accepted: bool) -> dict[str, Any]:
        """HELO, EHLO or LHLO: who the client is, and what the server can do."""
        self._facts["ehlo"] = argument[:MAX_TEXT]
        self._reset()
        if not is_accepted or reply is None:
            return {}
        self._is_lmtp = verb == "LHLO"
        if verb == "HELO":
            return {}
        offered = [" ".join(line.split())[:MAX_TEXT] for line in reply.lines[1 : MAX_CAPABILITIES + 1]]
        self._capabilities = [_upper_keyword(line) for line in offered if line]
        own: dict[str, Any] = {"capabilities": self._capabilities}
        sizes = [each.split()[1:2] for each in self._capabilities if each.startswith("SIZE ")]
        if sizes and sizes[0] and sizes[0][0].isdecimal():
            own["size_limit"] = int(sizes[0][0][:18])
        if self._before_tls is not None:
            own["capabilities_before_tls"] = self._before_tls
        own["summary"] = f"offers {', '.join(self._capabilities)}" if self._capabilities else "offers nothing"
        return own

    def _about_path(self, verb: str, path: Path | None, *, is_accepted: bool) -> dict[str, Any]:
        if path is None:
            return {"mail_from": self._mail_from} if verb == "RCPT" else {}
        if verb == "MAIL":
            self._reset()
            if is_accepted:
                self._mail_from = path.address
            return {"mail_from": path.address, "parameters": path.parameters}
        if is_accepted:
            self._recipient_count += 1
            if len(self._recipients) < MAX_RECIPIENTS:
                self._recipients.append(path.address)
        return {"mail_from": self._mail_from, "recipient": path.address, "parameters": path.parameters}

    def _about_content(self, slot: Slot, reply: Reply | None, *, is_accepted: bool) -> dict[str, Any]:
        """DATA or BDAT: the message, when all of it was sent."""
        self._size += slot.content_length
        own: dict[str, Any] = {
            "mail_from": self._mail_from,
            "recipients": self._recipients,
            "recipient_count": self._recipient_count,
            "size": self._size,
            "is_last": slot.is_last_chunk,
        }
        if slot.content is None or not slot.is_last_chunk:
            return own
        message = slot.content.facts()
        if message:
            own["message"] = message
        if is_accepted and reply is not None:
            own |= _queue_ids(reply)
        own["summary"] = _summary(own)
        self._reset()
        return own

    def _about_authentication(self, slot: Slot) -> tuple[dict[str, Any], tuple[str, ...]]:
        from tlsdecrypt.app.sasl import CANCELLED, read_sasl  # noqa: PLC0415  most sessions hold no authentication

        command = slot.command
        argument = command.argument if command else ""
        initial = command.secret.split()[-1:] if command else []
        challenges = [line for each in (*slot.interim, *slot.replies) for line in each.lines]
        sasl = read_sasl(argument, [*initial, *slot.answers], challenges)
        code = slot.replies[-1].code if slot.replies else None
        result = None
        if code is not None:
            was_cancelled = CANCELLED in slot.answers
            result = "accepted" if code == _SUCCEEDED else "cancelled" if was_cancelled else "rejected"
        own = {**sasl.facts, "result": result}
        own["summary"] = describe_authentication(own)
        if result == "accepted":
            self._facts["user"] = sasl.facts.get("user") or f"({sasl.facts['mechanism']})"
        return own, sasl.passwords

    def _reset(self) -> None:
        """No message is under way (RFC 5321 section 4.1.1.5)."""
        self._mail_from, self._recipients, self._recipient_count, self._size = None, [], 0, 0


def describe_authentication(facts: dict[str, Any]) -> str:
    """Who, by which mechanism, from where, and how it ended: `as avery (LOGIN): accepted`."""
    user, domain, token = facts.get("user"), facts.get("domain"), facts.get("token")
    who = f"as {domain}\\{user} " if user and domain else f"as {user} " if user else ""
    how = facts["mechanism"] or "no mechanism"
    how = f"{how}, {token}" if token and token != how else how
    where = f" from {facts['workstation']}" if facts.get("workstation") else ""
    return f"{who}({how}){where}: {facts['result'] or 'no result seen'}"


def _summary(own: dict[str, Any]) -> str:
    """Who to whom, how large, and where it is now."""
    count, recipients = own["recipient_count"], own["recipients"]
    to = recipients[0] if count == 1 else f"{count} recipients"
    sender = "?" if own["mail_from"] is None else f"<{own['mail_from']}>"
    queued = own.get("queue_id") or own.get("internal_id")
    message_id = own.get("message", {}).get("message_id")
    parts = [f"message from {sender} to {to if count else '?'}, {own['size']:,} bytes"]
    parts += [f"Message-ID {message_id}"] if message_id else []
    parts += [f"queued as {queued}"] if queued and queued not in (message_id or "") else []
    return ", ".join(parts)


def _queue_ids(reply: Reply) -> dict[str, Any]:
    text = " ".join(reply.lines)
    internal, queue = _INTERNAL_ID.search(text), _QUEUE_ID.search(text)
    ids = {"internal_id": internal[1] if internal else None, "queue_id": queue[1] or queue[2] if queue else None}
    return {key: value for key, value in ids.items() if value}


def _told(slot: Slot, reply: Reply) -> str:
    """The last line of a reply, all of a refusal, without enhanced codes; nothing of what an authentication says."""
    lines = reply.lines if reply.code >= _FIRST_REFUSAL else reply.lines[-1:]
    text = " ".join(line.removeprefix(reply.enhanced or "").strip() for line in lines)
    if slot.verb in AUTH_VERBS and " " not in text.strip():
        return ""
    return text[:MAX_TEXT]


def _upper_keyword(line: str) -> str:
    keyword, space, parameters = line.partition(" ")
    return f"{keyword.upper()}{space}{parameters}"
