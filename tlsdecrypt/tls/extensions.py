"""Hello extensions: kept as they came, and read where somebody asks (RFC 8446 section 4.2, RFC 6066 and others)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from typing import Any, Final, NamedTuple, TypeVar

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.registry import ExtensionType
from tlsdecrypt.wire import Reader

_Value = TypeVar("_Value")

MOST_EXTENSIONS: Final = 1_000  # of one message, which has thirty at most; the rest is not kept
MOST_AUTHORITIES: Final = 256  # whose certificates a server takes; the rest is not kept
MOST_PROTOCOLS: Final = 256  # of ALPN; the rest is not kept

_HEADER: Final = Struct(">HH")
_HOST_NAME: Final = 0
_UINT16_LENGTH: Final = 2


class KeyShareEntry(NamedTuple):
    """A public key and the group it belongs to (RFC 8446 section 4.2.8)."""

    group: int
    key_exchange: bytes


class OfferedPsk(NamedTuple):
    """A ticket, or the name of an external PSK, that a client offers (RFC 8446 section 4.2.11)."""

    identity: bytes
    obfuscated_ticket_age: int


class OfferedPsks(NamedTuple):
    """What a client offers to resume: identities, and a binder for each."""

    identities: tuple[OfferedPsk, ...]
    binders: tuple[bytes, ...]


class Extensions(Mapping[int, bytes]):
    """Extensions by type, in the order in which they came; `entries` has unknown, GREASE and repeated ones too.

    As a mapping it gives the first of each type. The properties read one extension each, and take a malformed one
    for none: an observer goes on with what it understands. Who wants to know calls the `parse_` function.
    """

    __slots__ = ("_first", "_read_already", "entries")

    def __init__(self, entries: tuple[tuple[int, bytes], ...] = ()) -> None:
        """`entries` are pairs of type and content."""
        self.entries = entries
        self._first = dict(reversed(entries))
        self._read_already: dict[tuple[int, Callable[[bytes], Any]], Any] = {}  # hellos share what is the same in them

    def __getitem__(self, kind: int) -> bytes:
        return self._first[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._first

    def __iter__(self) -> Iterator[int]:
        return iter(dict.fromkeys(kind for kind, _ in self.entries))

    def __len__(self) -> int:
        return len(self._first)

    def __hash__(self) -> int:
        return hash(self.entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extensions) and self.entries == other.entries

    def __repr__(self) -> str:
        return f"Extensions({', '.join(ExtensionType(kind).name for kind, _ in self.entries)})"

    def _read(self, kind: int, parse: Callable[[bytes], _Value]) -> _Value | None:
        data = self._first.get(kind)
        if data is None:
            return None
        key = kind, parse
        if key not in self._read_already:
            try:
                self._read_already[key] = parse(data)
            except ParseError:
                self._read_already[key] = None
        value: _Value | None = self._read_already[key]
        return value

    @property
    def server_name(self) -> str | None:
        """The host name that a client asked for; None in a server's answer, which is empty."""
        return self._read(ExtensionType.SERVER_NAME, parse_server_name)

    @property
    def alpn(self) -> tuple[str, ...]:
        """Protocols that a client offers, or the one that a server chose."""
        return self._read(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, parse_alpn) or ()

    @property
    def first_protocol(self) -> bytes:
        """The first name of `alpn` as it was sent, empty where there is none."""
        return self._read(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, parse_first_protocol) or b""

    @property
    def client_versions(self) -> tuple[int, ...]:
        """`supported_versions` of a ClientHello."""
        return self._read(ExtensionType.SUPPORTED_VERSIONS, parse_client_versions) or ()

    @property
    def server_version(self) -> int | None:
        """`supported_versions` of a ServerHello."""
        return self._read(ExtensionType.SUPPORTED_VERSIONS, parse_uint16)

    @property
    def client_key_shares(self) -> tuple[KeyShareEntry, ...]:
        """`key_share` of a ClientHello, drafts included."""
        return self._read(self._key_share_type, parse_client_key_shares) or ()

    @property
    def server_key_share(self) -> KeyShareEntry | None:
        """`key_share` of a ServerHello, drafts included."""
        return self._read(self._key_share_type, parse_server_key_share)

    @property
    def retry_group(self) -> int | None:
        """`key_share` of a HelloRetryRequest: the group that the server wants."""
        return self._read(self._key_share_type, parse_uint16)

    @property
    def _key_share_type(self) -> ExtensionType:
        """Drafts up to 22 had a number of their own."""
        is_draft = ExtensionType.KEY_SHARE_DRAFT in self and ExtensionType.KEY_SHARE not in self
        return ExtensionType.KEY_SHARE_DRAFT if is_draft else ExtensionType.KEY_SHARE

    @property
    def offered_psks(self) -> OfferedPsks | None:
        """`pre_shared_key` of a ClientHello."""
        return self._read(ExtensionType.PRE_SHARED_KEY, parse_offered_psks)

    @property
    def selected_psk(self) -> int | None:
        """`pre_shared_key` of a ServerHello: the index of the identity it took."""
        return self._read(ExtensionType.PRE_SHARED_KEY, parse_uint16)

    @property
    def session_ticket(self) -> bytes | None:
        """The ticket of RFC 5077; empty where the peer only says that it knows tickets."""
        return self._first.get(ExtensionType.SESSION_TICKET)

    @property
    def has_extended_master_secret(self) -> bool:
        """RFC 7627."""
        return ExtensionType.EXTENDED_MASTER_SECRET in self._first

    @property
    def has_encrypt_then_mac(self) -> bool:
        """RFC 7366."""
        return ExtensionType.ENCRYPT_THEN_MAC in self._first

    @property
    def has_truncated_hmac(self) -> bool:
        """RFC 6066 section 7."""
        return ExtensionType.TRUNCATED_HMAC in self._first

    @property
    def has_early_data(self) -> bool:
        """A client sends 0-RTT data, or a server accepts it (RFC 8446 section 4.2.10)."""
        return ExtensionType.EARLY_DATA in self._first

    @property
    def has_encrypted_client_hello(self) -> bool:
        """RFC 9849: the true server name may be an inner one (or this is GREASE)."""
        return ExtensionType.ENCRYPTED_CLIENT_HELLO in self._first

    @property
    def max_fragment_length(self) -> int | None:
        """The longest plaintext of a record in bytes, RFC 6066 section 4."""
        return self._read(ExtensionType.MAX_FRAGMENT_LENGTH, parse_max_fragment_length)

    @property
    def record_size_limit(self) -> int | None:
        """The longest plaintext of a record in bytes, RFC 8449."""
        return self._read(ExtensionType.RECORD_SIZE_LIMIT, parse_uint16)

    @property
    def supported_groups(self) -> tuple[int, ...]:
        """Groups, most wanted first (RFC 8446 section 4.2.7)."""
        return self._read(ExtensionType.SUPPORTED_GROUPS, parse_uint16_list) or ()

    @property
    def point_formats(self) -> tuple[int, ...]:
        """ECPointFormats, RFC 8422 section 5.1.2."""
        return self._read(ExtensionType.EC_POINT_FORMATS, parse_uint8_list) or ()

    @property
    def signature_algorithms(self) -> tuple[int, ...]:
        """SignatureSchemes, most wanted first (RFC 8446 section 4.2.3)."""
        return self._read(ExtensionType.SIGNATURE_ALGORITHMS, parse_uint16_list) or ()

    @property
    def certificate_authorities(self) -> tuple[bytes, ...]:
        """Names in DER of those whose certificates are taken (RFC 8446 section 4.2.4)."""
        return self._read(ExtensionType.CERTIFICATE_AUTHORITIES, parse_authorities) or ()

    @property
    def renegotiation_info(self) -> bytes | None:
        """`renegotiated_connection` of RFC 5746: empty in a first handshake."""
        return self._read(ExtensionType.RENEGOTIATION_INFO, parse_opaque8)

    @property
    def client_certificate_types(self) -> tuple[int, ...]:
        """CertificateTypes, RFC 7250 section 3: a client's list, or the one that a server chose."""
        return self._read(ExtensionType.CLIENT_CERTIFICATE_TYPE, parse_certificate_types) or ()

    @property
    def server_certificate_types(self) -> tuple[int, ...]:
        """The same for the server's certificate."""
        return self._read(ExtensionType.SERVER_CERTIFICATE_TYPE, parse_certificate_types) or ()


NO_EXTENSIONS: Final = Extensions()


def parse_extensions(reader: Reader) -> Extensions:
    """`Extension extensions<0..2^16-1>`; where nothing is left there are none, as in hellos before RFC 3546."""
    if not reader.remaining:
        return NO_EXTENSIONS
    block = reader.vector(2, "extensions")
    entries: list[tuple[int, bytes]] = []
    offset, end = 0, len(block)
    while offset < end:
        if end - offset < _HEADER.size:
            raise ParseError("extension header cut", offset)
        kind, length = _HEADER.unpack_from(block, offset)
        start = offset + _HEADER.size
        offset = start + length
        if offset > end:
            raise ParseError(f"extension {kind}: {length} bytes wanted, {end - start} left", start)
        if len(entries) < MOST_EXTENSIONS:
            entries.append((kind, block[start:offset]))
    return Extensions(tuple(entries))


def decode_name(data: bytes) -> str:
    """A name that should be ASCII, as text; odd bytes are shown as escapes, so that none is lost or hidden."""
    return data.decode("ascii", "backslashreplace")


def parse_server_name(data: bytes) -> str | None:
    """The first host name of a ServerNameList, RFC 6066 section 3; None for the empty answer of a server."""
    if not data:
        return None
    names = Reader(data).sub(2, "server name list")
    while names.remaining:
        kind, name = names.u8("name type"), names.vector(2, "server name")
        if kind == _HOST_NAME:
            return decode_name(name)
    return None


def parse_alpn(data: bytes) -> tuple[str, ...]:
    """ProtocolNameList, RFC 7301 section 3.1."""
    return tuple(map(decode_name, Reader(data).sub(2, "protocol names").vectors(1, "protocol name", MOST_PROTOCOLS)))


def parse_first_protocol(data: bytes) -> bytes:
    """The first of a ProtocolNameList."""
    return Reader(data).sub(2, "protocol names").vector(1, "protocol name")


def parse_uint16(data: bytes) -> int:
    """One value of two bytes, which is the whole content of several extensions."""
    reader = Reader(data)
    value = reader.u16("value")
    if reader.remaining:
        raise ParseError("bytes behind the value", reader.offset)
    return value


def uint16s(data: bytes, what: str) -> tuple[int, ...]:
    """Values of two bytes, one after the other; `what` names them in the error."""
    if len(data) % _UINT16_LENGTH:
        raise ParseError(f"{what}: odd length {len(data)}")
    return Struct(f">{len(data) // _UINT16_LENGTH}H").unpack(data)


def parse_uint16_list(data: bytes) -> tuple[int, ...]:
    """A list of two-byte values with a two-byte length, as that of groups and of signature schemes."""
    return uint16s(Reader(data).vector(2, "list"), "list")


def parse_uint8_list(data: bytes) -> tuple[int, ...]:
    """A list of one-byte values with a one-byte length."""
    return tuple(Reader(data).vector(1, "list"))


def parse_client_versions(data: bytes) -> tuple[int, ...]:
    """`ProtocolVersion versions<2..254>`, RFC 8446 section 4.2.1."""
    return uint16s(Reader(data).vector(1, "versions"), "versions")


def parse_authorities(data: bytes) -> tuple[bytes, ...]:
    """`DistinguishedName certificate_authorities<0..2^16-1>`, RFC 5246 section 7.4.4."""
    return Reader(data).sub(2, "certificate authorities").vectors(2, "distinguished name", MOST_AUTHORITIES)


def parse_certificate_types(data: bytes) -> tuple[int, ...]:
    """A client's list or a server's choice, RFC 7250 section 3."""
    return tuple(data) if len(data) == 1 else parse_uint8_list(data)


def parse_opaque8(data: bytes) -> bytes:
    """A vector with a one-byte length."""
    return Reader(data).vector(1, "content")


def parse_max_fragment_length(data: bytes) -> int:
    """2^9 to 2^12 by the codes 1 to 4, RFC 6066 section 4."""
    code = Reader(data).u8("max_fragment_length")
    if not 1 <= code <= 4:  # noqa: PLR2004 - the codes of the standard
        raise ParseError(f"max_fragment_length of no known code {code}")
    return 1 << (8 + code)


def _key_share_entry(reader: Reader) -> KeyShareEntry:
    return KeyShareEntry(reader.u16("group"), reader.vector(2, "key exchange"))


def parse_client_key_shares(data: bytes) -> tuple[KeyShareEntry, ...]:
    """KeyShareClientHello, RFC 8446 section 4.2.8."""
    shares, found = Reader(data).sub(2, "client shares"), []
    while shares.remaining:
        found.append(_key_share_entry(shares))
    return tuple(found)


def parse_server_key_share(data: bytes) -> KeyShareEntry:
    """KeyShareServerHello, RFC 8446 section 4.2.8."""
    return _key_share_entry(Reader(data))


def parse_offered_psks(data: bytes) -> OfferedPsks:
    """OfferedPsks, RFC 8446 section 4.2.11."""
    reader = Reader(data)
    identities, psks = reader.sub(2, "identities"), []
    while identities.remaining:
        psks.append(OfferedPsk(identities.vector(2, "identity"), identities.u32("obfuscated_ticket_age")))
    binders, found = reader.sub(2, "binders"), []
    while binders.remaining:
        found.append(binders.vector(1, "binder"))
    return OfferedPsks(tuple(psks), tuple(found))
