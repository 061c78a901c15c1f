"""SecretFinder: what a Redactor would mask, instead of the masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.redact import names
from tlsdecrypt.redact.learned import escaped_forms
from tlsdecrypt.redact.redactor import Redactor, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_REMEMBERED = 200  # secrets of one conversation that are sought wherever they are repeated
SHORTEST_REMEMBERED = 6  # characters of a secret, a password apart; shorter ones are words that stand everywhere

_OVERWRITTEN = (frozenset("*"), frozenset("0"), frozenset("A"))  # what stands in place of a secret


class SecretFinder(Redactor):
    """Finds by the rules of the Redactor that it was made of, and teaches and counts for it.

    `found` are the secrets of what was looked at since it was emptied, by kind, but for what was overwritten already,
    with stars, zeros or A. What was found, here or in what was looked at earlier in the run, is found again when it is
    repeated; the long contents in which nothing looks like a secret are searched only for what this finder has found.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(shared_with=redactor)
        self.found: dict[str, str] = {}
        self._remembered: dict[str, str] = {}  # kinds by what a secret may look like

    def remembers_without(self, marks: Sequence[str]) -> bool:
        """Whether something that is sought wherever it is repeated holds none of these marks."""
        return any(not any(mark in form for mark in marks) for form in self._remembered)

    def repeated(self, text: str) -> str:
        """Only what was found before."""
        return self._known(text)

    def remember(self, secrets: Iterable[str]) -> None:
        """Passwords that were seen elsewhere."""
        for secret in secrets:
            self._remember(names.PASSWORD, secret)

    def value(self, kind: str, secret: str) -> str:
        """See Redactor."""
        if frozenset(secret) in _OVERWRITTEN:
            return secret
        self.found[secret] = kind
        self._remember(kind, secret)
        return super().value(kind, secret)

    def _remember(self, kind: str, secret: str) -> None:
        shortest = SHORTEST_REMEMBERED if kind != names.PASSWORD else SHORTEST_REMEMBERED - 2
        if kind != names.PERSONAL and len(secret) >= shortest and len(self._remembered) < MAX_REMEMBERED:
            self._remembered.update((form, kind) for form in {secret, *escaped_forms(secret)})

    def _known(self, text: str) -> str:
        for form, kind in self._remembered.items():
            if form in text:
                self.found[form] = kind
                text = text.replace(form, self._mask(kind, form))
        if not self._learned:
            return text
        pieces, end = [], 0
        for start, stop, mask in self._learned.pieces(text):
            piece = text[start:stop]
            if frozenset("".join(piece.split())) not in _OVERWRITTEN:
                self.found[piece] = kind_of(mask)
                pieces += [text[end:start], mask]
                end = stop
        return "".join([*pieces, text[end:]])
