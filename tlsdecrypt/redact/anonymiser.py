"""Anonymiser: conversations and analyses with pseudonyms in place of names, whatever writes them then.

Values are walked generically: every text in them is replaced, by what it looks like and by what was learned from the
places that hold names (`_HOSTS`, `_USERS`, `_IDENTIFIERS`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.redact.pseudonyms import Pseudonyms

T = TypeVar("T")

_HOSTS = frozenset(
    {
        "server_name", "inner_server_name", "names", "host", "workstation", "domain", "x_feserver", "x_beserver",
        "x_targetbeserver", "realm", "x_calculatedbetarget", "x_calculatedfetarget", "x_diaginfo",
        "x_ms_server_fqdn", "server_fqdn", "target_name", "question",
    }
)  # fmt: skip
_USERS = frozenset(
    {
        "user", "username", "email", "email_address", "mailbox", "x_anchormailbox", "x_user_identity", "upn",
        "sender", "recipient", "recipients", "account", "principal",
    }
)  # fmt: skip
_IDENTIFIERS = frozenset(
    {
        "serial", "sha1_thumbprint", "sha256_thumbprint", "spki_sha256",
    }
)  # fmt: skip
_KEPT_AS_THEY_ARE = frozenset({"secrets", "passwords", "application_data", "content"})


class _Renamed(Value, frozen=True):
    """A content that is kept elsewhere, with pseudonyms."""

    _kept: Any
    _pseudonyms: Pseudonyms

    @property
    def length(self) -> int:
        """As before."""
        length: int = self._kept.length
        return length

    def read(self) -> bytes:
        """See KeptContent."""
        return self._pseudonyms.data(self._kept.read())


def _parts(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What a value consists of, each part with its name; the host of a message too, which it computes."""
    if isinstance(value, dict):
        yield from ((str(key), each) for key, each in value.items())
    elif isinstance(value, (tuple, list)):
        yield from ((name, each) for each in value)
    elif isinstance(value, Value):
        yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
        host = getattr(value, "host", None)
        if host is not None:
            yield "host", host


class Anonymiser:
    """One for each run."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self.pseudonyms = pseudonyms

    def renamed(self, value: T) -> T:
        """A conversation, or an analysis: what it tells of names is learned first."""
        self._learn(value, "")
        renamed: T = self._walk(value, "")
        return renamed

    def _learn(self, value: Any, name: str) -> None:
        if isinstance(value, str):
            if name in _HOSTS:
                self.pseudonyms.learn_host(value)
            elif name in _USERS:
                self.pseudonyms.learn_user(value)
            return
        for key, each in _parts(value, name):
            self._learn(each, key)

    def _walk(self, value: Any, name: str) -> Any:
        walked = value
        if isinstance(value, str) and not isinstance(value, Enum):
            walked = self._text(value, name)
        elif isinstance(value, dict):
            walked = {self._walk(key, ""): self._walk(each, str(key)) for key, each in value.items()}
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            walked = type(value)(*(self._walk(each, key) for key, each in zip(value._fields, value, strict=True)))
        elif isinstance(value, (tuple, list)):
            walked = type(value)(self._walk(each, name) for each in value)
        elif isinstance(value, bytes) and name == "content":
            walked = self.pseudonyms.data(value)
        elif name == "kept" and value is not None:
            walked = _Renamed(value, self.pseudonyms)
        elif isinstance(value, Value):
            walked = self._fields(value)
        return walked

    def _fields(self, value: Value) -> Any:
        changes: dict[str, Any] = {}
        for name in value.__struct_fields__:
            before = getattr(value, name)
            if name not in _KEPT_AS_THEY_ARE:
                after = self._walk(before, name)
                if after is not before and after != before:
                    changes[name] = after
            elif name == "content" and isinstance(before, bytes):
                changes[name] = self.pseudonyms.data(before)
        return replace(value, **changes) if changes else value

    def _text(self, text: str, name: str) -> str:
        if name in _IDENTIFIERS:
            return self.pseudonyms.identifier(text)
        return self.pseudonyms.text(text)
