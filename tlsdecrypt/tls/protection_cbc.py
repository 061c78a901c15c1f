"""Record protection by CBC block ciphers and a MAC, SSL 3.0 to TLS 1.2 (RFC 5246 section 6.2.3.2).

One decryptor serves a direction, record after record. Up to TLS 1.0 that is the chaining the standard wants: the IV
of a record is the last block of the record before it. Since TLS 1.1 a record begins with its own IV; to the same
decryptor that is one more block, whose plaintext is nonsense and dropped.

Of the padding only the length is believed, never the bytes: the MAC proves the content, SSL 3.0 pads with anything,
and not every sender of TLS 1.0 does better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tlsdecrypt.tls.hole import MAX_FRAGMENT_LENGTH, SequencedProtection

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsdecrypt.tls.ciphers import Decryptor
    from tlsdecrypt.tls.damage import DamagedRecord, Piece
    from tlsdecrypt.tls.record_mac import RecordMac
    from tlsdecrypt.wire import Buffer


_MAX_PADDING_LENGTH: Final = 256
"""With the byte that tells its length."""


class CbcProtection(SequencedProtection):
    """MAC, then encrypt: what SSL and TLS do without an extension.

    `make_decryptor` gives one more decryptor for parts of damaged records, which have nothing to do with the chain.
    """

    __slots__ = ("_apart", "_block_length", "_decrypt", "_iv_length", "_mac", "_mac_length", "make_decryptor")

    def __init__(self, decryptor: Decryptor, block_length: int, mac: RecordMac, *, has_own_ivs: bool) -> None:
        """`has_own_ivs` since TLS 1.1: each record begins with its IV."""
        self._iv_length = block_length if has_own_ivs else 0
        super().__init__(self._iv_length + self._sealed_length(mac.length, block_length), None)
        self._block_length = block_length
        self._decrypt = decryptor.update
        self._mac = mac
        self._mac_length = mac.length
        self.make_decryptor: Callable[[], Decryptor | None] = lambda: None
        self._apart: Decryptor | None = None

    @staticmethod
    def _sealed_length(mac_length: int, block_length: int) -> int:
        """What a record without content has after its IV: MAC, padding and padding_length, in whole blocks."""
        return (mac_length // block_length + 1) * block_length

    def open(self, content_type: int, version: int, fragment: Buffer) -> tuple[int, bytes] | None:
        """The next record; None where the MAC does not verify."""
        sealed = self._unwrap(fragment)
        if sealed is not None:
            content, mac = sealed
            if self._mac.compute(self.sequence_number, content_type, version, content) == mac:
                return self._accept(self.sequence_number, content_type, content)
        return self._search((content_type, version), fragment, 0, sealed)

    def recover(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None, *, before: bytes = b""
    ) -> tuple[int, bytes] | None:
        """A record behind `lost` bytes.

        `before` is what was captured right before its header of the record that was damaged: up to TLS 1.0 the last
        block of it is the IV, and without it no MAC can be verified; the record is lost, and the chain goes on.
        """
        if lost != 0 and not self._iv_length:
            self._chain_to(before)
        return self._search((content_type, version), fragment, lost, self._unwrap(fragment))

    def glimpse(self, record: DamagedRecord) -> list[Piece]:
        """The whole blocks of each part, but for the first, which the second one needs.

        Where the record's end was lost, nobody knows how much of it is padding: as much as there can be is left out.
        """
        apart = self._apart = self._apart or self.make_decryptor()
        end = self._ciphertext_length(record.length)
        if apart is None or end % self._block_length or record.length < self._shortest:
            return []
        sealed = [_decrypted(piece.part(0, end), self._block_length, apart) for piece in record.pieces]
        parts = [part for part in sealed if part.data]
        stop = end - _MAX_PADDING_LENGTH
        if parts and parts[-1].offset + len(parts[-1].data) == end:
            padding_length = parts[-1].data[-1]
            if parts[-1].data[-1 - padding_length :].strip(parts[-1].data[-1:]):
                return []  # not padding: what was taken for the end of a record is none
            stop = end - 1 - padding_length
        stop -= self._mac_length_inside
        return [part for part in (part.part(self._iv_length, stop) for part in parts) if part.data]

    def _ciphertext_length(self, length: int) -> int:
        return length

    @property
    def _mac_length_inside(self) -> int:
        """Of the MAC that is encrypted with the content."""
        return self._mac_length

    def _chain_to(self, before: bytes) -> None:
        if len(before) >= self._block_length:
            self._decrypt(before[-self._block_length :])

    def _search(
        self, header: tuple[int, int], fragment: Buffer, lost: int | None, sealed: tuple[Buffer, bytes] | None
    ) -> tuple[int, bytes] | None:
        """Try the sequence numbers that the record may have; `header` is its content type and version."""
        content, mac = sealed or (b"", b"")
        for place in self._places(len(fragment), lost, is_whole=sealed is not None):
            if self._mac.compute(place.sequence_number, *header, content) == mac:
                return self._accept(place.sequence_number, header[0], content)
        return None

    def _unwrap(self, fragment: Buffer) -> tuple[Buffer, bytes] | None:
        """What the MAC is over, and the MAC; None where the fragment cannot be a record."""
        length = len(fragment)
        if not self._shortest <= length <= MAX_FRAGMENT_LENGTH or length % self._block_length:
            return None
        plaintext = self._decrypt(fragment)
        end = length - 1 - plaintext[-1] - self._mac_length
        if end < self._iv_length:
            return None
        return plaintext[self._iv_length : end], plaintext[end : end + self._mac_length]

    def _accept(self, sequence_number: int, content_type: int, content: Buffer) -> tuple[int, bytes] | None:
        """The record as proved to be that of the sequence number."""
        self.sequence_number = sequence_number + 1
        return content_type, bytes(content)


class EncryptThenMacProtection(CbcProtection):
    """encrypt_then_mac, RFC 7366: the MAC is over IV and ciphertext.

    So it verifies without the right IV too, and that the chain is whole must be known apart.
    """

    __slots__ = ("_is_chained",)

    def __init__(self, decryptor: Decryptor, block_length: int, mac: RecordMac, *, has_own_ivs: bool) -> None:
        """As in MAC-then-encrypt."""
        super().__init__(decryptor, block_length, mac, has_own_ivs=has_own_ivs)
        self._is_chained = True

    @staticmethod
    def _sealed_length(mac_length: int, block_length: int) -> int:
        return block_length + mac_length

    def _ciphertext_length(self, length: int) -> int:
        return length - self._mac_length

    @property
    def _mac_length_inside(self) -> int:
        return 0

    def _chain_to(self, before: bytes) -> None:
        """The last block of ciphertext stands before the MAC of the record before."""
        end = len(before) - self._mac_length
        self._is_chained = end >= self._block_length
        if self._is_chained:
            self._decrypt(before[end - self._block_length : end])

    def _search(
        self, header: tuple[int, int], fragment: Buffer, lost: int | None, sealed: tuple[Buffer, bytes] | None
    ) -> tuple[int, bytes] | None:
        sequence_number = self.sequence_number
        opened = super()._search(header, fragment, lost, sealed)
        if self.sequence_number == sequence_number and not self._iv_length:
            self._is_chained = False  # the next record is chained to this one, which may be damaged
        return opened

    def _unwrap(self, fragment: Buffer) -> tuple[Buffer, bytes] | None:
        end = len(fragment) - self._mac_length
        if not self._shortest <= len(fragment) <= MAX_FRAGMENT_LENGTH or end % self._block_length:
            return None
        view = memoryview(fragment)
        return view[:end], bytes(view[end:])

    def _accept(self, sequence_number: int, content_type: int, content: Buffer) -> tuple[int, bytes] | None:
        self.sequence_number = sequence_number + 1
        plaintext = self._decrypt(content)
        end = len(plaintext) - 1 - plaintext[-1]
        was_chained, self._is_chained = self._is_chained, True
        if end < self._iv_length or not (was_chained or self._iv_length):
            return None
        return content_type, plaintext[self._iv_length : end]


def _decrypted(piece: Piece, block_length: int, decryptor: Decryptor) -> Piece:
    """The whole blocks of a part but for the first."""
    start = piece.offset + -piece.offset % block_length
    stop = piece.offset + len(piece.data)
    blocks = piece.data[start - piece.offset : len(piece.data) - stop % block_length]
    if len(blocks) <= block_length:
        return piece._replace(data=b"")
    return piece._replace(offset=start + block_length, data=decryptor.update(blocks)[block_length:])
