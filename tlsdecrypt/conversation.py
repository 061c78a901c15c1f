"""Conversation and Analysis: everything that was learned, frozen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsdecrypt.value import Hidden, Value, field

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.flow import Direction, Endpoint, Span
    from tlsdecrypt.net.surroundings import Surroundings
    from tlsdecrypt.net.tcp_facts import TcpFacts
    from tlsdecrypt.tls.session import TlsSession

OPENED = ("decrypted", "partly-decrypted")  # the verdict codes of sessions that could be read


class StreamFacts(Value, frozen=True):
    """One direction of a TCP connection. Lengths are bytes of payload.

    `length` is what was seen in order, `missing` what lies in `gaps` of known size, `repeated` what came again and
    was dropped, `conflicting` what came again with other content (the first was kept).
    """

    segments: int = 0
    length: int = 0
    gaps: int = 0
    missing: int = 0
    repeated: int = 0
    conflicting: int = 0
    out_of_order: int = 0
    end: str | None = None


class PlaintextDigest(Value, frozen=True):
    """All decrypted application data of one side, in stream order: bytes, and SHA-256 in hex (None for none)."""

    length: int
    sha256: str | None


class UnverifiedPiece(Value, frozen=True):
    """Plaintext of a part of a damaged record, which no tag or MAC proves.

    It lies in the hole behind the first `position` bytes of that side's application data, and in that hole at `offset`
    (None where the cipher does not tell).
    """

    position: int
    offset: int | None
    content: Hidden[bytes]
    span: Span


class Unverified(Value, frozen=True):
    """What could be read of the damaged records of one side: all bytes, and the pieces that were kept."""

    length: int = 0
    pieces: Hidden[tuple[UnverifiedPiece, ...]] = ()


NOTHING_UNVERIFIED = (Unverified(), Unverified())


class Note(Value, frozen=True):
    """Something that a reader should know, with the frames it was seen in (None: no frame in particular)."""

    what: str
    span: Span | None = None


class ExpertNote(NamedTuple):
    """What Wireshark finds odd: comment, chat, note, warning or error, and a sentence."""

    severity: str
    message: str


class DissectedField(Value, frozen=True):
    """A field by Wireshark's name and with its words. What is no number or flag may be a secret."""

    name: str
    value: Hidden[str]
    is_number: bool


class DissectedMessage(Value, frozen=True):
    """What Wireshark's dissectors say of some frames: `info` is its summary of them."""

    span: Span
    protocol: str
    info: Hidden[str]
    layers: tuple[str, ...]
    fields: Hidden[tuple[DissectedField, ...]] = ()
    expert: tuple[ExpertNote, ...] = ()


class Conversation(Value, frozen=True):
    """One TCP connection, from the first frame to the last, and all that was said on it."""

    id: int
    client: Endpoint
    server: Endpoint
    span: Span
    has_syn: bool
    streams: tuple[StreamFacts, StreamFacts]
    tls: TlsSession | None
    application_data: tuple[PlaintextDigest, PlaintextDigest]
    application_protocol: str | None
    exchanges: Hidden[tuple[Exchange, ...]]
    notes: tuple[Note, ...] = ()
    process: str | None = None  # of the machine that captured, where the capture names it
    clear_exchanges: int = 0  # how many of the exchanges, the first ones, were said before TLS or without it
    tcp: Hidden[TcpFacts | None] = None
    unverified: tuple[Unverified, Unverified] = NOTHING_UNVERIFIED  # apart from application_data, by Direction
    dissection: Hidden[tuple[DissectedMessage, ...]] = ()  # where it was asked for

    @property
    def is_decrypted(self) -> bool:
        """Whether its TLS was opened, wholly or partly."""
        return self.tls is not None and self.tls.verdict.code.value in OPENED

    def digest(self, direction: Direction) -> PlaintextDigest:
        """The decrypted application data that one side sent."""
        return self.application_data[direction]


class CaptureFacts(Value, frozen=True):
    """One capture file.

    `first_frame` is the number of its first frame in this analysis; the others follow without holes, as Wireshark
    numbers them. `size` is bytes of the file, `notes` say what was cut or odd; `secrets` counts the key logs inside.
    Each of the `frames` holds TCP, or is one of `other_frames` (by a word), or was dropped because it had come already.
    """

    path: str
    format: str
    frames: int
    first_frame: int
    size: int
    start_ns: int | None
    end_ns: int | None
    notes: tuple[str, ...] = ()
    secrets: int = 0
    tcp_frames: int = 0
    doubled_frames: int = 0
    other_frames: dict[str, int] = field(default_factory=dict)


class KeyFacts(Value, frozen=True):
    """A secret that was given: never the secret itself. `connections` are the ids of what it opened.

    `names` are the host names in the certificate that came with a private key.
    """

    source: str
    kind: str
    subject: str | None
    spki_sha256: str | None
    connections: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Analysis(Value, frozen=True):
    """The result of `analyze`: conversations in the order of their first frames."""

    captures: tuple[CaptureFacts, ...]
    keys: tuple[KeyFacts, ...]
    conversations: Hidden[tuple[Conversation, ...]]
    frames: int
    other_frames: dict[str, int]
    findings: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()  # captures that could not be read at all, a sentence each
    tcp_frames: int = 0
    doubled_frames: int = 0
    surroundings: Hidden[Surroundings | None] = None
    stories: Hidden[tuple[Any, ...]] = ()  # what belongs together over connections: Story

    @property
    def tls_conversations(self) -> tuple[Conversation, ...]:
        """Those that hold TLS."""
        return tuple(each for each in self.conversations if each.tls)

    @property
    def verdicts(self) -> dict[str, int]:
        """How many TLS conversations have which verdict code."""
        return dict(Counter(each.tls.verdict.code.value for each in self.conversations if each.tls))
