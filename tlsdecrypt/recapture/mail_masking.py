"""Mail on its way: messages of SMTP, and tokens of logins that stand where nothing but the dialogue tells them.

Of a message the fields of its envelope stay, all else is overwritten. How lines begin and end stays as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.app.smtp_commands import blob_length, chunk_of, is_plausible
from tlsdecrypt.redact.in_place import stars
from tlsdecrypt.redact.mail_message import SHOWN_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tlsdecrypt.recapture.stream_bytes import StreamBytes

WINDOW = 1 << 20  # bytes looked at together
MAX_COMMAND = 4096  # bytes of a line that may be a command

_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_LOGIN = re.compile(rb"(?:AUTH|X-EXPS)[ \t]+[A-Z0-9_-]+(?:[ \t]+(\S.*))?\r?\n\Z", re.IGNORECASE | re.DOTALL)
_PROXIED = re.compile(rb"XPROXY[A-Z]*[ \t]+(\S.*)\r?\n\Z", re.IGNORECASE | re.DOTALL)
_APOP = re.compile(rb"APOP[ \t]+\S+[ \t]+(\S+)", re.IGNORECASE)
_LITERAL_LOGIN = re.compile(rb"\S+[ \t]+LOGIN[ \t].*\{\d+\+?\}\r?\n\Z", re.IGNORECASE | re.DOTALL)
_LITERAL = re.compile(rb"\{\d+\+?\}\r?\n\Z")
_TOKEN = re.compile(rb"(?:334 |235 (?:\d\.\d{1,3}\.\d{1,3} )?|\+ )([A-Za-z0-9+/]{12,}={0,2})\r?\n\Z")
_PROMPTS = frozenset({b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6", b"VXNlciBOYW1lAA=="})


def mask_mail(protocol: str, client: StreamBytes, server: StreamBytes) -> None:
    """Both sides of SMTP, POP3 or IMAP; what other protocols say stays."""
    if protocol == "smtp":
        _mask_by_lines(client, SmtpLines)
    elif protocol in ("pop3", "imap"):
        _mask_by_lines(client, _LoginLines)
    else:
        return
    _mask_by_lines(server, _ServerLines)


def _mask_by_lines(stream: StreamBytes, make: Callable[[], SmtpLines | _LoginLines | _ServerLines]) -> None:
    """Behind a hole it begins anew."""
    lines, end_before = make(), 0
    for start, data in _windows(stream):
        if start != end_before:
            lines = make()
            lines.is_seeking = True
        end_before = start + len(data)
        masked = b"".join(_masked(lines, data))
        if masked != data:
            stream.overwrite(start, masked)


def _masked(lines: SmtpLines | _LoginLines | _ServerLines, data: bytes) -> Iterator[bytes]:
    """Line by line; the body of a message at once."""
    at = 0
    while at < len(data):
        end = lines.body_end(data, at) if isinstance(lines, SmtpLines) else at
        if end > at:
            yield stars(data[at:end])
        else:
            end = data.find(b"\n", at) + 1 or len(data)
            yield lines.mask(data[at:end])
        at = end


def _windows(stream: StreamBytes) -> Iterator[tuple[int, bytes]]:
    """Stretches of whole lines, as far as lines are that short."""
    position = 0
    while (stretch := stream.stretch(position)) is not None:
        position, stop = stretch
        data = stream.read(position, min(position + WINDOW, stop))
        if position + len(data) < stop:
            data = data[: data.rfind(b"\n") + 1] or data
        yield position, data
        position += len(data)


class _ServerLines:
    """Challenges, and tokens at the end of an authentication."""

    is_seeking = False

    def mask(self, line: bytes) -> bytes:
        """One line of the server."""
        match = _TOKEN.match(line)
        return line if match is None or match[1] in _PROMPTS else _starred(line, match)


class _LoginLines:
    """Of POP3 and IMAP what no other rule knows: the digest of APOP, and LOGIN with literals."""

    def __init__(self) -> None:
        self.is_seeking = False
        self._is_literal = False

    def mask(self, line: bytes) -> bytes:
        """One line of the client."""
        if self._is_literal:
            self._is_literal = _LITERAL.search(line) is not None
            return stars(line)
        self._is_literal = _LITERAL_LOGIN.match(line) is not None
        match = _APOP.match(line)
        return line if match is None else _starred(line, match)


class SmtpLines:
    """Lines of the client of SMTP. `is_seeking`: what comes may belong to a message whose start was not seen."""

    def __init__(self) -> None:
        """At the start of a session."""
        self.is_seeking = True
        self._after = ""  # the command that tells what follows
        self._left = 0  # bytes of a chunk that follow
        self._blob = 0  # bytes that XEXCH50 announces
        self._is_last = True
        self._is_body = self._is_shown = False

    def body_end(self, data: bytes, start: int) -> int:
        """Up to where the body of a message goes on in `data`, in which a line begins at `start`."""
        if not self._is_body:
            return start
        if self._left:
            end = min(start + self._left, len(data))
            self._left -= end - start
            return end
        if self._after != "content" or data.startswith((b".\r\n", b".\n"), start):
            return start
        end = data.find(b"\n.\r\n", start)
        return len(data) if end < 0 else end + 1

    def mask(self, line: bytes) -> bytes:
        """One line, or the rest of one."""
        if self._left:
            return self._mask_chunk(line)
        is_command = len(line) <= MAX_COMMAND and is_plausible(line.rstrip(b"\r\n").decode("latin-1"))
        after, self._after = self._after, ""
        if after == "content" or (after == "DATA" and not is_command):
            return self._mask_content(line)
        if after == "AUTH" and not is_command:
            self._after = "AUTH"
            return stars(line)
        if after == "XEXCH50" and not is_command:
            self._left, self._is_body = self._blob, True
            return self._mask_chunk(line)
        if self.is_seeking and not is_command:
            return stars(line)
        self.is_seeking = False
        return self._mask_command(line)

    def _mask_command(self, line: bytes) -> bytes:
        verb = line[:MAX_COMMAND].rstrip(b"\r\n").upper()
        login = _LOGIN.match(line)
        if verb == b"DATA":
            self._after, self._is_body, self._is_shown = "DATA", False, False
        elif login is not None:
            self._after = "AUTH"
            return line if login[1] is None else _starred(line, login)
        elif verb.startswith(b"XEXCH50"):
            self._blob = blob_length(verb.decode("latin-1")) or 0
            self._after = "XEXCH50" if self._blob else ""
        elif verb.startswith(b"BDAT"):
            chunk = chunk_of(verb.decode("latin-1"))
            if chunk is not None:
                self._is_body = self._is_body and not self._is_last
                self._left, self._is_last = chunk
        proxied = _PROXIED.match(line)
        return line if proxied is None else _starred(line, proxied)

    def _mask_content(self, line: bytes) -> bytes:
        if line.rstrip(b"\r\n") == b".":
            return line
        self._after = "content"
        return self._mask_field(line)

    def _mask_chunk(self, line: bytes) -> bytes:
        inside, rest = line[: self._left], line[self._left :]
        self._left -= len(inside)
        masked = self._mask_field(inside)
        return masked + self.mask(rest) if rest else masked

    def _mask_field(self, line: bytes) -> bytes:
        """A field of the envelope stays, with the lines that it goes on in; else its name."""
        if self._is_body or not line.strip(b"\r\n"):
            self._is_body = True
            return stars(line)
        if line[:1] in (b" ", b"\t"):
            return line if self._is_shown else stars(line)
        field = _FIELD.match(line)
        if field is None:
            self._is_body = True
            return stars(line)
        self._is_shown = field[1].decode("ascii").lower() in SHOWN_FIELDS
        return line if self._is_shown else line[: field.end()] + stars(line[field.end() :])


def _starred(line: bytes, match: re.Match[bytes]) -> bytes:
    return line[: match.start(1)] + stars(match[1]) + line[match.end(1) :]
