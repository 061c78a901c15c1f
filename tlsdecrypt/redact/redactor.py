"""Redactor: what an output may show of fields, targets, contents and texts.

A secret is replaced by `<masked:kind len=NN fp=xxxxxxxx>` (without the length for a password). `fp` is the start of a
SHA-256 with a salt of this run: equal secrets show equal fingerprints, and nothing can be tried against them later.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from tlsdecrypt.redact import names
from tlsdecrypt.redact.authorization import show_challenge, show_credentials
from tlsdecrypt.redact.coded_texts import mask_coded
from tlsdecrypt.redact.contents import mask_content
from tlsdecrypt.redact.learned import LearnedSecrets
from tlsdecrypt.redact.texts import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.redact.pseudonyms import Pseudonyms

FINGERPRINT_LENGTH = 8
SHORTEST_LEARNED = {names.PASSWORD: 4}
SHORTEST_LEARNED_OTHER = 12  # short cookies and codes are words that stand everywhere
MAX_PLAIN_TEXTS = 4_096  # that hold no secret, remembered: names of programs and servers come again and again
MAX_PLAIN_TEXT = 256  # characters of one
MAX_NESTING = 3  # a URL inside a parameter of a URL, and how often it is percent-encoded

_HOST_OR_ADDRESS = re.compile(r"[A-Za-z0-9.@_-]+\.[A-Za-z]{2,}|[A-Za-z -]+")
_USER_INFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://[^/?#:@]*:)([^/?#@]*)(@)")
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_PATH_PARAMETER = re.compile(r"(;jsessionid=|/\([AFS]\()([^/?#;()]+)", re.IGNORECASE)  # of servlets, and of ASP.NET
_JOINED_COOKIE = re.compile(r",\s*(?=[^\s=,;]+=)")
_SEPARATORS = re.compile(r"([&;?])")
_SAFE_IN_VALUES = "<>:= /?&;,@"


class Redactor:
    """One for each run. `counts` says what was masked how often; with `show_secrets` all passes unchanged."""

    def __init__(
        self, *, show_secrets: bool = False, salt: bytes | None = None, shared_with: Redactor | None = None
    ) -> None:
        """`salt` makes fingerprints repeatable, for tests; what one knows and counts may be `shared_with` another."""
        self.show_secrets = show_secrets
        self.counts: Counter[str] = Counter() if shared_with is None else shared_with.counts
        self._salt = secrets.token_bytes(16) if salt is None else salt
        self._learned = LearnedSecrets()
        self._pseudonyms: Pseudonyms | None = None
        self._plain: set[str] = set()  # texts that hold no secret, by all that is known
        self._plain_by = 0  # how many secrets were known then
        if shared_with is not None:
            self._salt, self._learned, self._pseudonyms = shared_with._known_things()  # noqa: SLF001 - of the same class

    def _known_things(self) -> tuple[bytes, LearnedSecrets, Pseudonyms | None]:
        return self._salt, self._learned, self._pseudonyms

    def for_document(self) -> Redactor:
        """One that knows the same, and learns and counts for itself what one document masks."""
        redactor = Redactor(show_secrets=self.show_secrets, shared_with=self)
        redactor.counts = Counter()
        return redactor

    @property
    def renamed(self) -> Counter[str]:
        """How many names of which kind were replaced by pseudonyms, in the whole run."""
        return Counter() if self._pseudonyms is None else self._pseudonyms.counts

    def rename(self, pseudonyms: Pseudonyms) -> None:
        """From now on, names that only this redactor gets to see (in credentials) get pseudonyms too."""
        self._pseudonyms = pseudonyms

    def _renamed(self, text: str) -> str:
        return text if self._pseudonyms is None else self._pseudonyms.text(text)

    def value(self, kind: str, secret: str) -> str:
        """The mask of one secret, which is known from here on."""
        if self.show_secrets:
            return secret
        self.counts[kind] += 1
        mask = self._mask(kind, secret)
        shortest = SHORTEST_LEARNED.get(kind, SHORTEST_LEARNED_OTHER)
        if len(secret) >= shortest and (kind == names.PASSWORD or not _HOST_OR_ADDRESS.fullmatch(secret)):
            self._learned.learn(secret, mask)
        return mask

    def _mask(self, kind: str, secret: str) -> str:
        fingerprint = hashlib.sha256(self._salt + secret.encode("utf-8", "surrogatepass")).hexdigest()
        length = "" if kind == names.PASSWORD else f" len={len(secret)}"
        return f"<masked:{kind}{length} fp={fingerprint[:FINGERPRINT_LENGTH]}>"

    def fields(self, fields: Iterable[tuple[str, str]]) -> list[list[str]]:
        """`[[name, value], ...]` with masks; names stay."""
        shown = [[name, value] for name, value in fields]
        if self.show_secrets:
            return shown
        open_fields = []
        for field in shown:
            name = field[0].lower()
            if name in names.PLAIN_FIELDS:
                continue
            masked = self._by_name(name.strip(), field[1])
            if masked is None:
                open_fields.append(field)
            else:
                field[1] = masked
        for field in open_fields:  # after the others, whose secrets they may repeat
            field[1] = self.text(field[1])
        return shown

    def _by_name(self, name: str, value: str) -> str | None:
        """The masked value of a field that is known to hold a secret, None for any other."""
        masked: str | None = None
        if name in names.PLAIN_FIELDS:
            return None
        if name in names.CREDENTIAL_FIELDS:
            masked = self._renamed(show_credentials(value, self.value))
        elif name in names.CHALLENGE_FIELDS:
            masked = show_challenge(value, self.value)
        elif name in names.COOKIE_FIELDS:
            masked = ";".join(self._cookie(each) for each in value.split(";"))
        elif name in names.SET_COOKIE_FIELDS:
            masked = ";".join(self._set_cookie(each) for each in value.split(";"))
        elif name in names.TARGET_FIELDS:
            masked = self.target(value)
        elif not name or names.is_secret_field(name):
            masked = self.value(names.SECRET, value)
        return masked

    def _cookie(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        if not equals:
            return self.value("cookie", pair.strip()) if pair.strip() else pair
        return f"{name}={self.value('cookie', value.strip())}"

    def _set_cookie(self, part: str) -> str:
        """A cookie, or one of its attributes, behind which a proxy may have joined the next cookie."""
        name, equals, value = part.partition("=")
        if name.strip().lower() not in names.COOKIE_ATTRIBUTES:
            return self._cookie(part)
        joined = _JOINED_COOKIE.search(value)
        if joined is None:
            return part
        return f"{name}{equals}{value[: joined.end()]}{self._cookie(value[joined.end() :])}"

    def target(self, target: str) -> str:
        """A request target or URL: parameters that hold secrets are masked, here and in URLs inside."""
        return target if self.show_secrets else self._known(self._target(target, MAX_NESTING))

    def _target(self, target: str, depth: int) -> str:
        if "://" in target:
            target = _USER_INFO.sub(lambda match: f"{match[1]}{self.value(names.PASSWORD, match[2])}{match[3]}", target)
        if ";" in target or "/(" in target:
            target = _PATH_PARAMETER.sub(lambda match: match[1] + self.value("cookie", match[2]), target)
        path, hash_sign, fragment = target.partition("#")
        path, question_mark, query = path.partition("?")
        path = mask_text(self.coded(path), self.value)
        if query:
            is_secret = names.is_secret_query(path, query)
            query = self.value(names.TOKEN, query) if is_secret else self.parameters(query, depth)
        fragment = self.parameters(fragment, depth) if fragment else fragment
        return f"{path}{question_mark}{query}{hash_sign}{fragment}"

    def parameters(self, query: str, depth: int = MAX_NESTING) -> str:
        """`name=value&...` of a query, a fragment or a form."""
        return "".join(
            each if each in ("&", ";", "?") else self._parameter(each, depth) for each in _SEPARATORS.split(query)
        )

    def _parameter(self, parameter: str, depth: int) -> str:
        name, equals, value = parameter.partition("=")
        if not equals:
            return parameter
        decoded = _unquoted(value)
        kind = names.secret_kind(_unquoted(name), is_query=True)
        if kind is not None:
            return f"{name}={self.value(kind, decoded)}" if value else parameter
        if depth > 0 and ("=" in decoded or ":" in decoded or "<" in decoded):
            masked = self._target(decoded, depth - 1) if "?" in decoded else self.parameters(decoded, depth - 1)
            masked = mask_text(masked, self.value)
            if decoded.lstrip()[:1] in ("<", "{", "["):
                kind = "text/xml" if "<" in decoded[:1] else "application/json"
                masked = mask_content(masked.encode("utf-8", "replace"), kind, self).decode()
        else:
            masked = decoded
        masked = self.coded(masked)
        return parameter if masked == decoded else f"{name}={quote(masked, safe=_SAFE_IN_VALUES)}"

    def content(self, data: bytes, content_type: str | None) -> bytes:
        """Content of a message (decoded): forms, JSON, XML, HTML by names, the rest by what is known to be secret."""
        return data if self.show_secrets else mask_content(data, content_type, self)

    def text(self, text: str) -> str:
        """Free text: secrets that were seen elsewhere, URLs with secrets in them, and what looks like a secret."""
        if self.show_secrets:
            return text
        if len(self._learned) != self._plain_by:
            self._plain.clear()
            self._plain_by = len(self._learned)
        elif text in self._plain:
            return text
        masked = self._masked(text)
        if masked == text and len(text) <= MAX_PLAIN_TEXT:
            if len(self._plain) >= MAX_PLAIN_TEXTS:
                self._plain.clear()
            self._plain.add(text)
        return masked

    def _masked(self, text: str) -> str:
        text = self._known(text)
        if "://" in text:
            text = _URL.sub(lambda match: self._target(match[0], MAX_NESTING), text)
        return mask_text(self.coded(text), self.value)

    def coded(self, text: str) -> str:
        """Text in which Base64 of JSON, XML and their kin is masked where it holds a secret."""
        return mask_coded(text, self._holds_secret, lambda piece: self.value(names.SECRET, piece))

    def _holds_secret(self, text: str) -> bool:
        data = text.encode("utf-8", "replace")
        return mask_content(data, None, self) != data

    def named(self, name: str, text: str) -> str:
        """The text of something that is called `name`, which may tell that it is a secret."""
        kind = names.secret_kind(name)
        return self.text(text) if kind is None else self.value(kind, text)

    def learn(self, password: str) -> None:
        """A password that was seen where nothing is shown: from here on it is known when a text repeats it."""
        if not self.show_secrets:
            self._learned.learn(password, self._mask(names.PASSWORD, password))

    def _known(self, text: str) -> str:
        if not self._learned:
            return text
        replaced, masks = self._learned.replace(text)
        if masks:
            self.counts.update(map(kind_of, masks))
        return replaced


def kind_of(mask: str) -> str:
    """The kind of secret that a mask stands for."""
    return mask.partition(":")[2].partition(" ")[0]


def _unquoted(text: str) -> str:
    """Percent-encoding undone as often as it was done, within reason."""
    for _ in range(MAX_NESTING):
        undone = unquote_plus(text)
        if undone == text:
            break
        text = undone
    return text
