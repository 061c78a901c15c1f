"""SMTP dialogues as lines, and captures of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packets import C, S, Scene, found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packets import Say

    from tlsdecrypt.findings.finding import Finding

BANNER = "S: 220 SVR01.contoso.local Microsoft ESMTP MAIL Service ready at Thu, 29 Dec 2011 14:10:24 +0800"
INSIDE, INSIDE_TOO, OUTSIDE = "10.4.2.31", "10.4.2.32", "203.0.113.77"
SERVER = "10.4.2.15"


def hello(*keywords: str, name: str = "EXC1.contoso.local", code: int = 250) -> list[str]:
    """EHLO and its answer."""
    lines = ["SVR01.contoso.local Hello", *keywords]
    told = [f"S: {code}{'-' if number < len(lines) else ' '}{line}" for number, line in enumerate(lines, 1)]
    return [f"C: EHLO {name}", *told]


MODERN = ("SIZE 31457280", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH NTLM", "8BITMIME", "CHUNKING")
QUIT = ["C: QUIT", "S: 221 2.0.0 Service closing transmission channel"]


def mail(
    sender: str = "avery@contoso.local",
    *recipients: str,
    outcome: str = "250 2.6.0 <1@a> [InternalId=7] Queued mail for delivery",
    fields: Sequence[str] = (),
) -> list[str]:
    """A message with its envelope."""
    lines = [f"C: MAIL FROM:<{sender}>", "S: 250 2.1.0 Sender OK"]
    for recipient in recipients or ("kim@contoso.local",):
        lines += [f"C: RCPT TO:<{recipient}>", "S: 250 2.1.5 Recipient OK"]
    content = [f"C: {field}" for field in (f"From: <{sender}>", *fields, "", "hello")]
    return [*lines, "C: DATA", "S: 354 Start mail input; end with <CRLF>.<CRLF>", *content, "C: .", f"S: {outcome}"]


def talk(*lines: str, after: float = 0.01) -> list[Say]:
    """What both sides say; lines of one side that follow one another go in one segment."""
    said: list[Say] = []
    for line in lines:
        who, _, text = line.partition(": ")
        data = f"{text}\r\n".encode()
        if said and said[-1].is_client == (who == "C"):
            said[-1] = (C if who == "C" else S)(said[-1].data + data, said[-1].after)
        else:
            said.append((C if who == "C" else S)(data, after))
    return said


def scene_of(*lines: str, **how: Any) -> Scene:
    """A capture of one session that goes on for a while afterwards."""
    made = Scene()
    session(made, *lines, **how)
    made.silence(5)
    return made


def session(scene: Scene, *lines: str, port: int = 25, **how: Any) -> None:
    """One session more; `server` and `client` as for `Scene.dialogue`."""
    scene.dialogue(talk(*lines), port=port, **{"client": INSIDE, "server": SERVER, **how})


def finding(rule: str, *lines: str, **how: Any) -> Finding | None:
    """The finding of a rule on one session."""
    return found(scene_of(*lines, **how), rule)
