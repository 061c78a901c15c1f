"""ClearTalk: what is said on a connection outside of TLS, and where in it TLS may begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.beginning import HelloSearch
from tlsdecrypt.tls.carriers import ClearText

if TYPE_CHECKING:
    from tlsdecrypt.plaintext import Plaintext
    from tlsdecrypt.tls.beginning import Piece


class ClearTalk:
    """Made with the first clear byte: most connections speak with or without TLS, not both."""

    __slots__ = ("_text", "plaintext", "searches")

    def __init__(self, plaintext: Plaintext) -> None:
        """`plaintext` takes what is said; `searches` look for hellos, in the order of Direction."""
        self.plaintext = plaintext
        self.searches = HelloSearch(Direction.CLIENT_TO_SERVER), HelloSearch(Direction.SERVER_TO_CLIENT)
        self._text = ClearText()

    def feed(self, direction: Direction, piece: Piece) -> None:
        """Bytes of one direction that are no TLS."""
        self._text.add(direction, piece.data)
        self.plaintext.feed(direction, piece.data, piece.locate(0, len(piece.data)))

    def describe_carrier(self) -> str | None:
        """See ClearText."""
        return self._text.describe_carrier()
