"""Record protection by RC4 or no cipher, and a MAC, SSL 3.0 to TLS 1.2 (RFC 5246 section 6.2.3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from tlsdecrypt.tls.damage import MAX_DAMAGE_BYTES
from tlsdecrypt.tls.hole import MAX_FRAGMENT_LENGTH, SequencedProtection

if TYPE_CHECKING:
    from tlsdecrypt.tls.ciphers import Decryptor
    from tlsdecrypt.tls.damage import DamagedRecord, Piece
    from tlsdecrypt.tls.record_mac import RecordMac
    from tlsdecrypt.wire import Buffer

MAX_KEYSTREAM_AHEAD: Final = 1 << 24
"""How far into a hole the keystream is followed, in bytes that are kept until a record behind it opens."""


class StreamCipher(Protocol):
    """A stream cipher that can be asked what a record would be further down the keystream."""

    def decrypt(self, data: Buffer) -> bytes:
        """The next bytes."""
        ...

    def restore(self, data: Buffer, plaintext: bytes) -> None:
        """Take the last `decrypt` back."""
        ...

    def peek(self, skipped_length: int | None, data: Buffer) -> bytes | None:
        """The bytes behind `skipped_length` others, with nothing consumed; None where that cannot be said."""
        ...

    def skip(self, length: int) -> None:
        """Consume what was peeked at."""
        ...

    def look_back(self, offset: int, data: Buffer) -> bytes | None:
        """The bytes `offset` behind where the last `skip` began; None where that is no longer known."""
        ...


class NoCipher:
    """The NULL cipher."""

    def decrypt(self, data: Buffer) -> bytes:
        """The data."""
        return bytes(data)

    def restore(self, data: Buffer, plaintext: bytes) -> None:
        """Nothing was consumed."""

    def peek(self, skipped_length: int | None, data: Buffer) -> bytes | None:  # noqa: ARG002 - see StreamCipher
        """The data, wherever it is."""
        return bytes(data)

    def skip(self, length: int) -> None:
        """Nothing is to be consumed."""

    def look_back(self, offset: int, data: Buffer) -> bytes | None:  # noqa: ARG002 - see StreamCipher
        """The data, wherever it was."""
        return bytes(data)


class Keystream:
    """RC4, whose keystream is kept where it was generated ahead of need.

    `ahead` holds the keystream from the current position on; it is empty unless a record did not open. `passed` is the
    beginning of what was last skipped, in bounds: parts of damaged records lie there.
    """

    __slots__ = ("_ahead", "_generate", "_passed")

    def __init__(self, cipher: Decryptor) -> None:
        """`cipher` is at its start."""
        self._generate = cipher.update
        self._ahead = bytearray()
        self._passed = b""

    def decrypt(self, data: Buffer) -> bytes:
        """The next bytes."""
        if not self._ahead:
            return self._generate(data)
        plaintext = self._peek(0, data)
        self.skip(len(data))
        return plaintext

    def restore(self, data: Buffer, plaintext: bytes) -> None:
        """Take the last `decrypt` back: the keystream is what lies between the two."""
        self._ahead[:0] = _xor(data, plaintext)

    def peek(self, skipped_length: int | None, data: Buffer) -> bytes | None:
        """The bytes behind `skipped_length` others; None where that is unknown, or further than the bound."""
        if skipped_length is None or skipped_length + len(data) > MAX_KEYSTREAM_AHEAD:
            return None
        return self._peek(skipped_length, data)

    def skip(self, length: int) -> None:
        """Consume what was peeked at."""
        self._passed = bytes(self._ahead[: min(length, MAX_DAMAGE_BYTES)])
        del self._ahead[:length]

    def look_back(self, offset: int, data: Buffer) -> bytes | None:
        """The bytes `offset` behind where the last `skip` began; None beyond the bound."""
        if offset + len(data) > len(self._passed):
            return None
        return _xor(data, self._passed[offset : offset + len(data)])

    def _peek(self, skipped_length: int, data: Buffer) -> bytes:
        end = skipped_length + len(data)
        if end > len(self._ahead):
            self._ahead += self._generate(bytes(end - len(self._ahead)))
        return _xor(data, self._ahead[skipped_length:end])


def _xor(left: Buffer, right: Buffer) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


class StreamProtection(SequencedProtection):
    """A stream cipher over content and MAC; its state goes on from record to record."""

    __slots__ = ("_cipher", "_mac", "_mac_length")

    def __init__(self, cipher: StreamCipher, mac: RecordMac, overhead: int) -> None:
        """`cipher` is at its start."""
        super().__init__(mac.length, overhead)
        self._cipher = cipher
        self._mac = mac
        self._mac_length = mac.length

    def open(self, content_type: int, version: int, fragment: Buffer) -> tuple[int, bytes] | None:
        """The next record; None where the MAC does not verify."""
        if not self._shortest <= len(fragment) <= MAX_FRAGMENT_LENGTH:
            return self.recover(content_type, version, fragment, 0)
        plaintext = self._cipher.decrypt(fragment)
        content = plaintext[: -self._mac_length]
        expected = self._mac.compute(self.sequence_number, content_type, version, content)
        if plaintext[-self._mac_length :] == expected:
            self.sequence_number += 1
            return content_type, content
        self._cipher.restore(fragment, plaintext)
        return self.recover(content_type, version, fragment, 0)

    def recover(
        self, content_type: int, version: int, fragment: Buffer, lost: int | None, *, before: bytes = b""
    ) -> tuple[int, bytes] | None:
        """A record behind `lost` bytes, whose size tells the position in the keystream; `before` tells nothing."""
        del before
        for place in self._places(len(fragment), lost):
            plaintext = self._cipher.peek(place.skipped_length, fragment)
            if plaintext is None:
                continue
            content = plaintext[: -self._mac_length]
            expected = self._mac.compute(place.sequence_number, content_type, version, content)
            if plaintext[-self._mac_length :] == expected:
                self._cipher.skip((place.skipped_length or 0) + len(fragment))
                self.sequence_number = place.sequence_number + 1
                return content_type, content
        return None

    def glimpse(self, record: DamagedRecord) -> list[Piece]:
        """What is there of the content, by its place in the stream."""
        find = self._cipher.look_back if record.sequence_number < self.sequence_number else self._cipher.peek
        parts = [piece.part(0, record.length - self._mac_length) for piece in record.pieces]
        found = [(part, find(record.skipped_length + part.offset, part.data)) for part in parts if part.data]
        return [part._replace(data=text) for part, text in found if text is not None]
