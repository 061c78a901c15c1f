"""Record protection by AEAD ciphers, TLS 1.2 (RFC 5246 section 6.2.3.3) and TLS 1.3 (RFC 8446 section 5.2)."""

from __future__ import annotations

import hmac
from abc import abstractmethod
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag

from tlsdecrypt.tls.damage import APPLICATION_DATA, Piece
from tlsdecrypt.tls.hole import HEADER_LENGTH, MAX_FRAGMENT_LENGTH, Place, SequencedProtection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.tls.ciphers import Aead
    from tlsdecrypt.tls.counter_modes import CounterMode
    from tlsdecrypt.tls.damage import DamagedRecord
    from tlsdecrypt.wire import Buffer

EXPLICIT_NONCE_LENGTH: Final = 8
_MAX_SEQUENCE_NUMBER: Final = (1 << 64) - 1
_POST_HANDSHAKE: Final = (4, 13, 24)  # NewSessionTicket, CertificateRequest, KeyUpdate
_pack_additional_data = Struct(">QBHH").pack
_pack_header = Struct(">BHH").pack


class AeadProtection(SequencedProtection):
    """What the kinds of AEAD protection have in common: opening in sequence, and behind a hole.

    `make_counter_mode` gives what decrypts parts of a record, if anything does.
    """

    __slots__ = ("_counter_mode", "make_counter_mode")

    def __init__(self, shortest_fragment: int, overhead: int | None, weight: int = 1) -> None:
        """See SequencedProtection."""
        super().__init__(shortest_fragment, overhead, weight)
        self.make_counter_mode: Callable[[], CounterMode | None] = lambda: None
        self._counter_mode: CounterMode | None = None

    def open(self, content_type: int, version: int, fragment: Buffer) -> tuple[int, bytes] | None:
        """The next record; None where the tag does not verify."""
        opened = self._open_at(self.sequence_number, content_type, version, fragment)
        return opened if opened is not None else self.recover(content_type, version, fragment, 0)

    def recover(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None, *, before: bytes = b""
    ) -> tuple[int, bytes] | None:
        """A record behind `lost` bytes; the bytes `before` it are of no use to an AEAD cipher."""
        del before
        for place in chain(self._likely_places(fragment), self._places(len(fragment), lost)):
            opened = self._open_at(place.sequence_number, content_type, version, fragment)
            if opened is not None:
                return opened
        return None

    def glimpse(self, record: DamagedRecord) -> list[Piece]:
        """What is there of the content: its place in the key stream is that in the record."""
        mode = self._counter_mode = self._counter_mode or self.make_counter_mode()
        nonce = self._nonce_of(record)
        if mode is None or nonce is None:
            return []
        start, stop = self._content_of(record.length)
        parts = (piece.part(start, stop) for piece in record.pieces)
        return [part._replace(data=mode.decrypt_at(nonce, part.offset, part.data)) for part in parts if part.data]

    def _content_of(self, length: int) -> tuple[int, int]:
        """Where the content begins and ends in a fragment of that length."""
        return 0, length - self._shortest

    @abstractmethod
    def _nonce_of(self, record: DamagedRecord) -> bytes | None:
        """The nonce, None where it is not certain."""

    def _likely_places(self, _fragment: Buffer) -> Iterable[Place]:
        """Places that the record itself hints at."""
        return ()

    @abstractmethod
    def _open_at(
        self, sequence_number: int, content_type: int, version: int, fragment: Buffer
    ) -> tuple[int, bytes] | None:
        """Open the record as that of the sequence number; if it is, the next record has the one after it."""


class ExplicitNonceProtection(AeadProtection):
    """TLS 1.2 with GCM and CCM: half of the nonce is in each record, RFC 5288 section 3 and RFC 6655 section 3."""

    __slots__ = ("_decrypt", "_is_counting", "_iv", "_nonce_offset")

    def __init__(self, aead: Aead, iv: bytes, tag_length: int, *, weight: int = 1) -> None:
        """`iv` has 4 bytes."""
        shortest = EXPLICIT_NONCE_LENGTH + tag_length
        super().__init__(shortest, HEADER_LENGTH + shortest, weight)
        self._decrypt = aead.decrypt
        self._iv = iv
        self._nonce_offset: int | None = None
        self._is_counting = False  # whether the nonce behind the last hole was the one that counting foretold

    def _open_at(
        self, sequence_number: int, content_type: int, version: int, fragment: Buffer
    ) -> tuple[int, bytes] | None:
        length = len(fragment) - self._shortest
        if not 0 <= length <= MAX_FRAGMENT_LENGTH:
            return None
        explicit = fragment[:EXPLICIT_NONCE_LENGTH]
        additional_data = _pack_additional_data(sequence_number, content_type, version, length)
        try:
            plaintext = self._decrypt(
                self._iv + explicit, memoryview(fragment)[EXPLICIT_NONCE_LENGTH:], additional_data
            )
        except InvalidTag:
            return None
        if self._nonce_offset is None:
            self._nonce_offset = int.from_bytes(explicit, "big") - sequence_number
        self.sequence_number = sequence_number + 1
        return content_type, plaintext

    def recover(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None, *, before: bytes = b""
    ) -> tuple[int, bytes] | None:
        """As with every AEAD cipher."""
        offset = self._nonce_offset
        opened = super().recover(content_type, version, fragment, lost, before=before)
        if opened is not None and offset is not None:
            number = int.from_bytes(fragment[:EXPLICIT_NONCE_LENGTH], "big")
            self._is_counting = number - offset == self.sequence_number - 1
        return opened

    def _content_of(self, length: int) -> tuple[int, int]:
        start = EXPLICIT_NONCE_LENGTH
        return start, length - self._shortest + start

    def _nonce_of(self, record: DamagedRecord) -> bytes | None:
        """The half that is in the record; where it was lost, what the sender counted to, if it does count."""
        first = record.pieces[0]
        if first.offset == 0 and len(first.data) >= EXPLICIT_NONCE_LENGTH:
            return self._iv + first.data[:EXPLICIT_NONCE_LENGTH]
        number = (self._nonce_offset or 0) + record.sequence_number
        if not self._is_counting or not 0 <= number <= _MAX_SEQUENCE_NUMBER:
            return None
        return self._iv + number.to_bytes(EXPLICIT_NONCE_LENGTH, "big")

    def _likely_places(self, fragment: Buffer) -> Iterable[Place]:
        """Most senders count the explicit nonce up with the sequence number, from 0 or from a random number."""
        number = int.from_bytes(fragment[:EXPLICIT_NONCE_LENGTH], "big") - (self._nonce_offset or 0)
        return (Place(number, None),) if self.sequence_number < number <= _MAX_SEQUENCE_NUMBER else ()


class ImplicitNonceProtection(AeadProtection):
    """TLS 1.2 with ChaCha20-Poly1305: the nonce is the IV XOR the sequence number, RFC 7905 section 2.

    The drafts before it are the same with an IV that ends in zeros, or is nothing else.
    """

    __slots__ = ("_decrypt", "_iv", "_nonce_length")

    def __init__(self, aead: Aead, iv: bytes, tag_length: int) -> None:
        """`iv` is as long as the nonce."""
        super().__init__(tag_length, HEADER_LENGTH + tag_length)
        self._decrypt = aead.decrypt
        self._iv = int.from_bytes(iv, "big")
        self._nonce_length = len(iv)

    def _open_at(
        self, sequence_number: int, content_type: int, version: int, fragment: Buffer
    ) -> tuple[int, bytes] | None:
        length = len(fragment) - self._shortest
        if not 0 <= length <= MAX_FRAGMENT_LENGTH:
            return None
        nonce = (self._iv ^ sequence_number).to_bytes(self._nonce_length, "big")
        additional_data = _pack_additional_data(sequence_number, content_type, version, length)
        try:
            plaintext = self._decrypt(nonce, fragment, additional_data)
        except InvalidTag:
            return None
        self.sequence_number = sequence_number + 1
        return content_type, plaintext

    def _nonce_of(self, record: DamagedRecord) -> bytes | None:
        return (self._iv ^ record.sequence_number).to_bytes(self._nonce_length, "big")


class Tls13Protection(AeadProtection):
    """TLS 1.3: the content type stands behind the content, and zeros behind it may pad the record.

    `overhead` is what it is without padding, and None once a sender was seen to pad. Up to draft 24 the record's header
    was not authenticated.
    """

    __slots__ = ("_decrypt", "_header_is_authenticated", "_iv", "_nonce_length")

    def __init__(
        self, aead: Aead, iv: bytes, tag_length: int, *, header_is_authenticated: bool = True, weight: int = 1
    ) -> None:
        """`iv` is as long as the nonce."""
        super().__init__(1 + tag_length, HEADER_LENGTH + 1 + tag_length, weight)
        self._decrypt = aead.decrypt
        self._iv = int.from_bytes(iv, "big")
        self._nonce_length = len(iv)
        self._header_is_authenticated = header_is_authenticated

    def _open_at(
        self, sequence_number: int, content_type: int, version: int, fragment: Buffer
    ) -> tuple[int, bytes] | None:
        length = len(fragment)
        if not self._shortest <= length <= MAX_FRAGMENT_LENGTH:
            return None
        nonce = (self._iv ^ sequence_number).to_bytes(self._nonce_length, "big")
        header = _pack_header(content_type, version, length) if self._header_is_authenticated else b""
        try:
            inner = self._decrypt(nonce, fragment, header)
        except InvalidTag:
            return None
        if not inner[-1]:
            inner = inner.rstrip(b"\0")
            self.overhead = None
            if not inner:  # RFC 8446 section 5.4: no content type at all is an error of the sender
                return None
        self.sequence_number = sequence_number + 1
        return inner[-1], inner[:-1]

    def _nonce_of(self, record: DamagedRecord) -> bytes | None:
        return (self._iv ^ record.sequence_number).to_bytes(self._nonce_length, "big")

    def glimpse(self, record: DamagedRecord) -> list[Piece]:
        """The same, without what is padding, and nothing of records that are seen to hold something else.

        The content type is the last byte that is not zero. Where the end was lost, it is where it would be without
        padding; of a sender that pads nothing is certain then.
        """
        inner_length = record.length - self._shortest + 1
        pieces = [*super().glimpse(record)]
        last = record.pieces[-1]
        if last.offset + len(last.data) < inner_length:
            return [] if self.overhead is None or _is_ticket(pieces, inner_length - 1) else pieces
        return self._without_padding(record, pieces, inner_length)

    def _without_padding(self, record: DamagedRecord, pieces: list[Piece], inner_length: int) -> list[Piece]:
        mode, nonce = self._counter_mode, self._nonce_of(record)
        if mode is None or nonce is None or not pieces:
            return []
        last = record.pieces[-1].part(0, inner_length)
        inner = mode.decrypt_at(nonce, last.offset, last.data).rstrip(b"\0")
        if not inner or inner[-1] != APPLICATION_DATA:
            return []
        stop = last.offset + len(inner) - 1
        return [part for part in (piece.part(0, stop) for piece in pieces) if part.data]


def _is_ticket(pieces: list[Piece], length: int) -> bool:
    """Whether the content is a handshake message (NewSessionTicket, KeyUpdate ...) that fills its record."""
    if not pieces or pieces[0].offset:
        return False
    start = pieces[0].data[:4]
    return len(start) == 4 and start[0] in _POST_HANDSHAKE and int.from_bytes(start[1:], "big") == length - 4  # noqa: PLR2004 - a header


class HmacIntegrity:
    """The "AEAD" of the suites that authenticate and do not encrypt, RFC 9150 section 5."""

    def __init__(self, hash_name: str, key: bytes, tag_length: int) -> None:
        """`key` and tag are as long as the hash."""
        self._hash_name = hash_name
        self._key = key
        self._tag_length = tag_length

    def decrypt(self, nonce: bytes, data: Buffer, associated_data: bytes, /) -> bytes:
        """What stands before the tag; raises InvalidTag."""
        whole = bytes(data)
        plaintext, tag = whole[: -self._tag_length], whole[-self._tag_length :]
        if hmac.digest(self._key, nonce + associated_data + plaintext, self._hash_name) != tag:
            raise InvalidTag
        return plaintext
