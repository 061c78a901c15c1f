"""Key logs (RFC 9850, the NSS format): lines of a label, what names the session, and a secret.

A key log may have millions of lines, of which a capture needs a few. So a line costs a split and two hex decodings,
and its secret is kept as bytes in one of some ten thousand buckets, not as objects of its own: a million lines take
about a second and 110 MB, a dict of bytes twice that.
"""

from __future__ import annotations

import codecs
import re
from binascii import unhexlify
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

LONGEST_LINE: Final = 8 << 10  # bytes; a longer one is junk and is not kept
MOST_SOURCES: Final = 0xFFFF  # later sources share the last number
MOST_LABELS: Final = 0xFFFF  # TLS 1.3 adds two with each KeyUpdate

CLIENT_RANDOM: Final = "CLIENT_RANDOM"
PMS_CLIENT_RANDOM: Final = "PMS_CLIENT_RANDOM"

_RANDOM_LENGTH: Final = 32
_COMMENT: Final = b"#"
_HEADER_LENGTH: Final = 6  # of a record: label, source, length of the secret
_RSA_PREFIX_LENGTH: Final = 8
_MASTER_SECRET_LENGTH: Final = 48
_HASH_LENGTHS: Final = frozenset({32, 48, 64})
_ANY_LENGTHS: Final = range(1, 0xFFFF)

_LENGTHS: Final[dict[str, Container[int]]] = {
    CLIENT_RANDOM: frozenset({_MASTER_SECRET_LENGTH}),
    PMS_CLIENT_RANDOM: _ANY_LENGTHS,  # that of a Diffie-Hellman exchange is as long as the group
    "CLIENT_EARLY_TRAFFIC_SECRET": _HASH_LENGTHS,
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": _HASH_LENGTHS,
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": _HASH_LENGTHS,
    "EARLY_EXPORTER_SECRET": _HASH_LENGTHS,
    "EARLY_EXPORTER_MASTER_SECRET": _HASH_LENGTHS,
    "EXPORTER_SECRET": _HASH_LENGTHS,
    "ECH_SECRET": _ANY_LENGTHS,
    "ECH_CONFIG": _ANY_LENGTHS,
}
_TRAFFIC_SECRET: Final = re.compile(r"(?:CLIENT|SERVER)_TRAFFIC_SECRET_\d{1,9}")  # a pair with each KeyUpdate
_LOOKS_LIKE_KEYLOG: Final = re.compile(
    rb"^[ \t]*(?:RSA (?:[0-9a-f]{16} |Session-ID:)|(?:PMS_)?CLIENT_RANDOM |(?:CLIENT|SERVER)_\w*TRAFFIC_SECRET\w* )",
    re.IGNORECASE | re.MULTILINE,
)
_LOOKED_AT: Final = 64 << 10  # bytes
_CODEC_LENGTH: Final = 4  # bytes that tell UTF-16
_SESSION_ID: Final = re.compile(rb"Session-ID:([0-9a-f]*)", re.IGNORECASE)
_MASTER_KEY: Final = re.compile(rb"Master-Key:([0-9a-f]{96})", re.IGNORECASE)


class KeyLogFacts(NamedTuple):
    """What one key log held: lines with a secret, and lines that are neither that nor comment nor empty."""

    source: str
    secrets: int
    junk: int


def is_keylog(data: bytes) -> bool:
    """Whether the beginning of `data` (ASCII or UTF-16) has a line of a key log."""
    head = data[:_LOOKED_AT]
    codec = _utf16(head)
    text = head.decode(codec, "replace").encode("ascii", "replace") if codec else head.removeprefix(codecs.BOM_UTF8)
    return bool(_LOOKS_LIKE_KEYLOG.search(text))


def _utf16(head: bytes) -> str | None:
    """The codec of text in UTF-16, as PowerShell redirects write it, by its first bytes; None for other bytes."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [byte == 0 for byte in head[:_CODEC_LENGTH]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else None


class _Headers(dict[tuple[bytes, int], bytes]):
    """What stands in a record between client random and secret, for a label as written and a length of secret.

    Looked up for each line of one source; KeyError for what is no label, or no length that the label can have.
    """

    def __init__(self, labels: dict[str, int], source: int) -> None:
        super().__init__()
        self._labels = labels
        self._source = source.to_bytes(2, "big")

    def __missing__(self, key: tuple[bytes, int]) -> bytes:
        label = key[0].decode("ascii", "replace").upper()
        lengths = _LENGTHS.get(label) or (_HASH_LENGTHS if _TRAFFIC_SECRET.fullmatch(label) else frozenset())
        if key[1] not in lengths or (label not in self._labels and len(self._labels) == MOST_LABELS):
            raise KeyError(key)
        number = self._labels.setdefault(label, len(self._labels))
        header = number.to_bytes(2, "big") + self._source + key[1].to_bytes(2, "big")
        return self.setdefault(key, header)


class KeyLog:
    """The secrets of any number of key logs, found by what names their sessions.

    A record in a bucket: 32 bytes of client random; label, source and length of the secret, two bytes each; the secret.
    """

    def __init__(self) -> None:
        """Empty."""
        self._buckets: defaultdict[bytes, bytearray] = defaultdict(bytearray)
        self._labels: dict[str, int] = {}
        self._sources: list[str] = []
        self._source_numbers: dict[str, int] = {}
        self._rsa: dict[bytes, tuple[bytes, str]] = {}
        self._sessions: dict[bytes, tuple[bytes, str]] = {}

    def __repr__(self) -> str:
        """Never the secrets."""
        return f"KeyLog({len(self._sources)} sources)"

    def reader(self, source: str) -> KeyLogReader:
        """A reader that takes the text of `source` piece by piece."""
        number = self._source_numbers.setdefault(source, min(len(self._sources), MOST_SOURCES - 1))
        if number == len(self._sources):
            self._sources.append(source)
        return KeyLogReader(self, source, _Headers(self._labels, number))

    def secret(self, label: str, client_random: bytes) -> tuple[bytes, str] | None:
        """A secret and its source; the last one logged where there are several."""
        return next(iter(self.secrets(label, client_random)), None)

    def secrets(self, label: str, client_random: bytes) -> list[tuple[bytes, str]]:
        """Each secret that was logged, with its source, the last one first: any but one of them is wrong."""
        number, bucket = self._labels.get(label), self._buckets.get(client_random[-2:])
        if number is None or bucket is None or len(client_random) != _RANDOM_LENGTH:
            return []
        wanted, offset = client_random + number.to_bytes(2, "big"), 0
        found: dict[bytes, str] = {}
        while offset < len(bucket):
            start = offset + _RANDOM_LENGTH + _HEADER_LENGTH
            end = start + int.from_bytes(bucket[start - 2 : start], "big")
            if bucket.startswith(wanted, offset):
                secret = bytes(bucket[start:end])
                found.pop(secret, None)
                found[secret] = self._sources[int.from_bytes(bucket[start - 4 : start - 2], "big")]
            offset = end
        return list(reversed(found.items()))

    def sessions(self, label: str) -> Iterator[tuple[bytes, bytes]]:
        """All client randoms that have a secret of this label, each with its secret: as slow as the key log is long."""
        number = self._labels.get(label)
        if number is None:
            return
        wanted = number.to_bytes(2, "big")
        for bucket in self._buckets.values():
            offset = 0
            while offset < len(bucket):
                start = offset + _RANDOM_LENGTH + _HEADER_LENGTH
                end = start + int.from_bytes(bucket[start - 2 : start], "big")
                if bucket.startswith(wanted, offset + _RANDOM_LENGTH):
                    yield bytes(bucket[offset : offset + _RANDOM_LENGTH]), bytes(bucket[start:end])
                offset = end

    def rsa_pre_master_secret(self, encrypted_prefix: bytes) -> tuple[bytes, str] | None:
        """The pre_master_secret whose encrypted form begins with these 8 bytes, and its source."""
        return self._rsa.get(encrypted_prefix)

    def session_master_secret(self, session_id: bytes) -> tuple[bytes, str] | None:
        """The master_secret of a session id (`RSA Session-ID:... Master-Key:...`), and its source."""
        return self._sessions.get(session_id)

    def add_lines(self, lines: list[bytes], source: str, headers: _Headers) -> tuple[int, int]:
        """How many of these lines held a secret, and how many are junk."""
        odd: list[bytes] = []
        buckets = self._buckets
        for line in lines:
            try:
                label, name, secret_hex = line.split()
                client_random, secret = unhexlify(name), unhexlify(secret_hex)
                header = headers[label, len(secret)]
            except (ValueError, KeyError):
                odd.append(line)
                continue
            if len(client_random) == _RANDOM_LENGTH:
                buckets[client_random[-2:]] += client_random + header + secret
            else:
                odd.append(line)
        fields = [parts for parts in map(bytes.split, odd) if parts and not parts[0].startswith(_COMMENT)]
        junk = sum(not self._add_rsa(parts, source) for parts in fields)
        return len(lines) - len(odd) + len(fields) - junk, junk

    def _add_rsa(self, parts: list[bytes], source: str) -> bool:
        """Take `RSA` with 8 bytes of the encrypted pre_master_secret, or with session id; False for junk."""
        if len(parts) != 3 or parts[0].upper() != b"RSA":  # noqa: PLR2004 - label, name, secret
            return False
        session_id, master_key = _SESSION_ID.fullmatch(parts[1]), _MASTER_KEY.fullmatch(parts[2])
        try:
            if session_id and master_key:
                self._sessions[unhexlify(session_id[1])] = unhexlify(master_key[1]), source
                return True
            prefix, secret = unhexlify(parts[1]), unhexlify(parts[2])
        except ValueError:
            return False
        if len(prefix) != _RSA_PREFIX_LENGTH or len(secret) != _MASTER_SECRET_LENGTH:
            return False
        self._rsa[prefix] = secret, source
        return True


class KeyLogReader:
    """Takes the text of one key log in pieces of any size: ASCII or UTF-16, any line ends, a line cut anywhere."""

    def __init__(self, log: KeyLog, source: str, headers: _Headers) -> None:
        """Made by `KeyLog.reader`."""
        self._log = log
        self._source = source
        self._headers = headers
        self._decoder: codecs.IncrementalDecoder | None = None
        self._begun = False
        self._unread = b""
        self._rest = b""
        self._secrets = 0
        self._junk = 0

    @property
    def facts(self) -> KeyLogFacts:
        """What was found so far."""
        return KeyLogFacts(self._source, self._secrets, self._junk)

    def feed(self, text: bytes) -> None:
        """Take the next piece: whole lines count at once, the rest waits for its end."""
        if not self._begun:
            text = self._unread + text
            if len(text) < _CODEC_LENGTH:
                self._unread = text
                return
            text = self._begin(text)
        self._feed_lines(self._decoder.decode(text).encode("ascii", "replace") if self._decoder else text)

    def finish(self) -> KeyLogFacts:
        """Take the last line, which may have no end: its secret counts only if it is whole."""
        last = self._rest if self._begun else self._unread
        self._add(last.splitlines())
        self._rest = self._unread = b""
        return self.facts

    def _begin(self, text: bytes) -> bytes:
        self._begun = True
        codec = _utf16(text)
        if codec:
            self._decoder = codecs.getincrementaldecoder(codec)("replace")
        return text.removeprefix(codecs.BOM_UTF8)

    def _feed_lines(self, text: bytes) -> None:
        head, newline, self._rest = (self._rest + text).rpartition(b"\n")
        if newline:
            self._add(head.splitlines())
        if len(self._rest) > LONGEST_LINE:
            self._junk += not self._rest.startswith(_COMMENT)
            self._rest = _COMMENT  # what follows of the line is as good as a comment

    def _add(self, lines: list[bytes]) -> None:
        secrets, junk = self._log.add_lines(lines, self._source, self._headers)
        self._secrets += secrets
        self._junk += junk
