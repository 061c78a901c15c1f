"""Secrets in protocols of lines: SMTP, IMAP, POP3, FTP and their kin (RFC 4954, 3501, 1939, 959); Redis; XMPP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.redact.in_place import stars

if TYPE_CHECKING:
    from tlsdecrypt.recapture.stream_bytes import StreamBytes
    from tlsdecrypt.redact.in_place import InPlaceMasker

WINDOW = 1 << 20  # bytes looked at together
LOOKED_AT = 512  # bytes that tell text from other content

_PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]*\Z")
_AUTH = re.compile(rb"(?:\S+[ \t]+)?AUTH(?:ENTICATE)?[ \t]+[A-Z0-9_-]+(?:[ \t]+(\S+))?[ \t]*\r?\n", re.IGNORECASE)
_LOGIN = re.compile(rb"(?:PASS|ACCT|AUTHINFO[ \t]+PASS|\S+[ \t]+LOGIN[ \t]+\S+)[ \t]+([^\r\n]+)", re.IGNORECASE)
_MECHANISM = re.compile(
    rb"(?:ANONYMOUS|CRAM-.+|DIGEST-.+|EXTERNAL|GSS.+|KERBEROS.*|LOGIN|MSN|NEGOTIATE|NTLM|OAUTH.+|PLAIN|SCRAM-.+|SSL|TLS.*"
    rb"|XOAUTH.*)",
    re.IGNORECASE,
)
_REDIS_LOGIN = re.compile(rb"AUTH[ \t]+(\S+)[ \t]*\r?\n", re.IGNORECASE)
_REDIS_ARRAY = re.compile(rb"(\$4\r\nAUTH\r\n(?:\$\d+\r\n[^\r\n]*\r\n)?\$\d+\r\n)([^\r\n]+)", re.IGNORECASE)
# XMPP: SASL (RFC 6120 section 6, XEP-0388), and passwords (XEP-0077 and 0078).
_XMPP = re.compile(
    rb"<(?:[\w-]+:)?(?:(?:auth|response|challenge|success|additional-data)(?=\s[^<>]*(?:mechanism|xmpp-sasl|xmpp:sasl))|"
    rb"initial-response|password|digest)(?:\s[^<>]*)?>([^<]+)"
)
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/]*={0,2}\r?\n|\*\r?\n")


def mask_lines(client: StreamBytes, server: StreamBytes, masker: InPlaceMasker) -> None:
    """Passwords and tokens of logins, and what looks like a secret in all that was said."""
    for stream, is_client in ((client, True), (server, False)):
        position = 0
        while (stretch := stream.stretch(position)) is not None:
            position, stop = stretch
            data = stream.read(position, min(position + WINDOW, stop))
            if len(data) == WINDOW:
                data = data[: data.rfind(b"\n") + 1] or data[: data.rfind(b"<")] or data
            masked = _masked(data, masker, is_client=is_client)
            if masked != data:
                stream.overwrite(position, masked)
            position += len(data)


def _masked(data: bytes, masker: InPlaceMasker, *, is_client: bool) -> bytes:
    """What is no text as a whole is searched for what is known, and for texts."""
    if not _PRINTABLE.match(data[:LOOKED_AT]):
        return masker.mixed(data)
    if b"<" in data:
        data = _XMPP.sub(lambda match: match[0][: match.start(1) - match.start()] + stars(match[1]), data)
    return masker.text(_without_logins(data) if is_client else data)


def _without_logins(data: bytes) -> bytes:
    lines = []
    is_in_login = False
    for line in data.splitlines(keepends=True):
        redis = _REDIS_LOGIN.fullmatch(line)
        if redis is not None and _MECHANISM.fullmatch(redis[1]) is None:
            lines.append(line[: redis.start(1)] + stars(redis[1]) + line[redis.end(1) :])
            continue
        match = _AUTH.fullmatch(line) or _LOGIN.match(line)
        if match is not None:
            is_in_login = match.re is _AUTH
            lines.append(line if match[1] is None else line[: match.start(1)] + stars(match[1]) + line[match.end(1) :])
            continue
        is_in_login = is_in_login and _BASE64_LINE.fullmatch(line) is not None
        lines.append(stars(line) if is_in_login else line)
    return _REDIS_ARRAY.sub(lambda match: match[1] + stars(match[2]), b"".join(lines))
