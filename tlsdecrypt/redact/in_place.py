"""Secrets overwritten in place: as many bytes as before, so that lengths, framing and sequence numbers stay right.

The rules are those of the Redactor. Where a secret is found but not where it stands (in an encoding that nobody would
guess), all of the value or content is overwritten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from tlsdecrypt.redact import names
from tlsdecrypt.redact.binary import is_binary_secret, star_binary
from tlsdecrypt.redact.contents import content_encoding, secret_elements
from tlsdecrypt.redact.finder import SecretFinder
from tlsdecrypt.redact.labelled_values import labelled_values
from tlsdecrypt.redact.learned import escaped_forms
from tlsdecrypt.redact.tables import secret_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.redact.redactor import Redactor

SHORTEST_SOUGHT = 4  # characters of a secret that is sought by its looks alone

_STARS = bytes(each if each in b"\r\n" else ord("*") for each in range(256))
_NOTHING = bytes(each if each in b"\r\n \t" else ord("A") for each in range(256))
_ZEROS = bytes(each if each in b"\r\n" else ord("0") for each in range(256))
_PARAMETER = re.compile(rb"([^=&;?#\s]{1,128})=([^&;#\s]+)")
_PATH_PARAMETER = re.compile(rb"(;jsessionid=|/\([AFS]\()([^/?#;()\s]+)", re.IGNORECASE)
_TOKEN_SCHEMES = frozenset({b"ntlm", b"negotiate", b"kerberos"})
_TOKEN_CHALLENGE = re.compile(rb"\s*(?:ntlm|negotiate|kerberos)\s+(\S{8,})", re.IGNORECASE)
_TEXTS = re.compile(rb"(?:[\t\r\n\x20-\x7e]|[\xc3-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}){8,}+")  # in UTF-8
_PAIR = re.compile(rb"[^;]+")
_WITHOUT_MARK = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}  # what begins with a byte order mark
_FORM = "application/x-www-form-urlencoded"


def stars(data: bytes) -> bytes:
    """As many stars; ends of lines stay."""
    return data.translate(_STARS)


def nothing(token: bytes) -> bytes:
    """Base64 of as many zero bytes: what dissects such tokens finds none, and nothing malformed either."""
    return token.translate(_NOTHING)


class InPlaceMasker:
    """For one conversation after the other: what one of them reveals is found wherever it repeats it."""

    def __init__(self, redactor: Redactor, passwords: Iterable[str] = ()) -> None:
        """`passwords` are known to be said."""
        self._finder = SecretFinder(redactor)
        self._finder.remember(passwords)

    def may_repeat_without(self, marks: Iterable[bytes]) -> bool:
        """Whether something is known that may be repeated in bytes which hold none of these marks."""
        return self._finder.remembers_without([mark.decode("latin-1") for mark in marks])

    def content(self, data: bytes, content_type: str | None) -> bytes:
        """Decoded content of a message."""
        kind = (content_type or "").partition(";")[0].strip().lower()
        if is_binary_secret(content_type, data):
            return star_binary(data, content_type)
        masked = data
        if kind == _FORM:
            masked = self._parameters(masked)
        elif masked.lstrip(b"\xef\xbb\xbf \t\r\n\0\xff\xfe")[:1] == b"<":
            masked = self._places(masked, content_type, secret_elements)
            masked = self._places(masked, content_type, labelled_values)
        else:
            masked = self._places(masked, content_type, lambda text: secret_cells(text, kind))
        return self._overwritten(masked, lambda piece: self._finder.content(piece, content_type))

    def text(self, data: bytes) -> bytes:
        """Free text."""
        return self._overwritten(data, lambda piece: self._finder.text(piece.decode("latin-1")))

    def repeated(self, data: bytes) -> bytes:
        """Bytes that are no text: only what is known is sought in them."""
        return self._overwritten(data, lambda piece: self._finder.repeated(piece.decode("latin-1")))

    def mixed(self, data: bytes) -> bytes:
        """Bytes that are no text as a whole: what is known, and what looks like a secret in the texts among them."""
        return _TEXTS.sub(lambda match: self.text(match[0]), self.repeated(data))

    def target(self, data: bytes) -> bytes:
        """A request target, or a field that holds a URL."""
        masked = _PATH_PARAMETER.sub(lambda match: match[1] + self._starred(names.TOKEN, match[2]), data)
        masked = self._parameters(masked)
        return self._overwritten(masked, lambda piece: self._finder.target(piece.decode("latin-1")))

    def field(self, name: str, value: bytes) -> bytes:
        """The value of a field, as it stands on the wire."""
        lowered = name.strip().lower()
        if lowered in names.PLAIN_FIELDS:
            return value
        if lowered in names.CREDENTIAL_FIELDS:
            return self._credentials(value)
        if lowered in names.CHALLENGE_FIELDS:
            if token := _TOKEN_CHALLENGE.fullmatch(value.rstrip()):
                self._finder.value(names.TOKEN, token[1].decode("latin-1"))
                return value[: token.start(1)] + nothing(value[token.start(1) :])
        elif lowered in names.COOKIE_FIELDS:
            value = _PAIR.sub(lambda pair: self._cookie(pair[0]), value)
        elif lowered in names.SET_COOKIE_FIELDS:
            value = _PAIR.sub(lambda pair: self._set_cookie(pair[0]), value)
        elif lowered in names.TARGET_FIELDS:
            return self.target(value)
        return self._overwritten(value, lambda piece: self._finder.fields([(name, piece.decode("latin-1").strip())]))

    def _credentials(self, value: bytes) -> bytes:
        """All behind the scheme."""
        scheme, space, rest = value.lstrip().partition(b" ")
        lead = value[: len(value) - len(value.lstrip())]
        self._finder.fields([("authorization", value.decode("latin-1").strip())])
        overwritten = nothing(rest) if scheme.lower() in _TOKEN_SCHEMES else stars(rest)
        return lead + scheme + space + overwritten if space else lead + stars(scheme)

    def _cookie(self, pair: bytes) -> bytes:
        name, equals, value = pair.partition(b"=")
        return name + equals + self._starred("cookie", value) if equals else self._starred("cookie", pair)

    def _set_cookie(self, part: bytes) -> bytes:
        name, equals, value = part.partition(b"=")
        if name.strip().lower().decode("latin-1") not in names.COOKIE_ATTRIBUTES:
            return self._cookie(part)
        lead, comma, joined = value.partition(b",")
        is_joined = comma and b"=" in joined
        return name + equals + lead + comma + self._cookie(joined) if is_joined else part

    def _starred(self, kind: str, value: bytes) -> bytes:
        if value.strip():
            self._finder.value(kind, value.strip().decode("latin-1"))
        return stars(value)

    def _parameters(self, data: bytes) -> bytes:
        """`name=value` pairs of a query or form whose names tell that they are secret."""
        return _PARAMETER.sub(self._parameter, data)

    def _parameter(self, match: re.Match[bytes]) -> bytes:
        kind = names.secret_kind(unquote_plus(match[1].decode("latin-1")), is_query=True)
        if kind is None:
            return match[0]
        self._finder.value(kind, unquote_plus(match[2].decode("latin-1")))
        return match[1] + b"=" + stars(match[2])

    def _places(
        self, data: bytes, content_type: str | None, seek: Callable[[str], Iterable[tuple[int, int, str]]]
    ) -> bytes:
        """The inside of XML elements, or the cells of a table, that hold secrets."""
        encoding = content_encoding(data, content_type)
        text = data.decode(encoding, "replace")
        pieces, end = [], 0
        for start, stop, kind in seek(text):
            inside = text[start:stop]
            if inside.strip():
                self._finder.value(kind, inside.strip())
                pieces += [text[end:start], _stars_as_long(inside, encoding)]
                end = stop
        masked = "".join([*pieces, text[end:]]).encode(encoding, "replace")
        return masked if len(masked) == len(data) else data  # what cannot be decoded is left to the other rules

    def _overwritten(self, data: bytes, find: Callable[[bytes], object]) -> bytes:
        """`data` without the secrets that `find` has the finder find in it."""
        found = self._finder.found
        found.clear()
        find(data)
        if not found:
            return data
        masked = bytearray(data)
        for secret in sorted(found, key=len, reverse=True):
            if len(secret) >= SHORTEST_SOUGHT:
                table = _ZEROS if secret.isdecimal() else _STARS
                for form in _forms(secret):
                    _overwrite(masked, form, table)
        found.clear()
        find(bytes(masked))
        return self._overwritten_by_lines(bytes(masked), find) if found else bytes(masked)

    def _overwritten_by_lines(self, data: bytes, find: Callable[[bytes], object]) -> bytes:
        """Data in which a secret was found, but not where it stands: the line that it stands in, or all of it."""
        found, lines = self._finder.found, data.splitlines(keepends=True)
        for index, line in enumerate(lines):
            found.clear()
            find(line)
            if found:
                lines[index] = stars(line)
        masked = b"".join(lines)
        found.clear()
        find(masked)
        return stars(masked) if found else masked


def _stars_as_long(text: str, encoding: str) -> str:
    """Stars that take as many bytes."""
    codec = _WITHOUT_MARK.get(encoding, encoding)
    return "*" * (len(text.encode(codec, "replace")) // len("*".encode(codec)))


def _forms(secret: str) -> set[bytes]:
    """What a secret may look like, as bytes."""
    texts = {secret, *escaped_forms(secret)}
    encodings = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
    return {text.encode(encoding, "replace") for text in texts for encoding in encodings}


def _overwrite(data: bytearray, form: bytes, table: bytes) -> None:
    at = data.find(form)
    while at >= 0:
        data[at : at + len(form)] = form.translate(table)
        at = data.find(form, at + len(form))
