"""Renamer: overwrites secrets in place, and names with pseudonyms of the same length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.redact.in_place import InPlaceMasker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.redact.pseudonyms import Pseudonyms
    from tlsdecrypt.redact.redactor import Redactor


class Renamer(InPlaceMasker):
    """An InPlaceMasker; where secrets are shown, only names are replaced."""

    def __init__(self, redactor: Redactor, passwords: Iterable[str], pseudonyms: Pseudonyms) -> None:
        super().__init__(redactor, passwords)
        self._pseudonyms = pseudonyms
        self._is_masking = not redactor.show_secrets

    def may_repeat_without(self, marks: Iterable[bytes]) -> bool:  # noqa: ARG002 - names may stand anywhere
        """See InPlaceMasker."""
        return True

    def content(self, data: bytes, content_type: str | None) -> bytes:
        """See InPlaceMasker."""
        return self._pseudonyms.data(super().content(data, content_type) if self._is_masking else data)

    def text(self, data: bytes) -> bytes:
        """See InPlaceMasker."""
        return self._pseudonyms.data(super().text(data) if self._is_masking else data)

    def repeated(self, data: bytes) -> bytes:
        """See InPlaceMasker."""
        return self._pseudonyms.data(super().repeated(data) if self._is_masking else data)

    def target(self, data: bytes) -> bytes:
        """See InPlaceMasker."""
        return self._pseudonyms.data(super().target(data) if self._is_masking else data)

    def field(self, name: str, value: bytes) -> bytes:
        """See InPlaceMasker."""
        return self._pseudonyms.data(super().field(name, value) if self._is_masking else value)
