"""PDUs of connection-oriented DCE/RPC: C706 chapter 12 (DCE 1.1: Remote Procedure Call) and [MS-RPCE] 2.2.2."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from tlsdecrypt.errors import ParseError
from tlsdecrypt.value import Hidden, Value
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from tlsdecrypt.wire import Buffer

HEADER = 16

_VERSION, _MINOR_VERSIONS = 5, (0, 1)
_INTEGER_ORDERS = (0, 1)  # the upper half of the first byte of the data representation: big-endian, little-endian
_AUTH_TRAILER = 8
_ALIGNMENT = 4


class PduType(IntEnum):
    """PTYPE (C706 section 12.6.4.1); 16 is [MS-RPCE] 2.2.1.1.1, 20 is [MS-RPCH] 2.2.3.1."""

    REQUEST = 0
    PING = 1
    RESPONSE = 2
    FAULT = 3
    WORKING = 4
    NOCALL = 5
    REJECT = 6
    ACK = 7
    CL_CANCEL = 8
    FACK = 9
    CANCEL_ACK = 10
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESP = 15
    RPC_AUTH_3 = 16
    SHUTDOWN = 17
    CO_CANCEL = 18
    ORPHANED = 19
    RTS = 20


class PduFlags(IntFlag):
    """The pfc_flags (C706 section 12.6.3.1, [MS-RPCE] 2.2.2.3)."""

    FIRST_FRAG = 0x01
    LAST_FRAG = 0x02
    PENDING_CANCEL = 0x04  # in bind and its answers: header signing is supported
    CONC_MPX = 0x10
    DID_NOT_EXECUTE = 0x20
    MAYBE = 0x40
    OBJECT_UUID = 0x80


class PduHeader(Value, frozen=True):
    """The common header. `length` is that of the whole PDU (frag_length), in bytes."""

    type: PduType
    flags: PduFlags
    is_little_endian: bool
    length: int
    auth_length: int
    call_id: int

    @property
    def is_first(self) -> bool:
        """The first or only fragment of a call."""
        return PduFlags.FIRST_FRAG in self.flags

    @property
    def is_last(self) -> bool:
        """The last or only fragment of a call."""
        return PduFlags.LAST_FRAG in self.flags


class Syntax(Value, frozen=True):
    """An interface or a transfer syntax, and its version."""

    uuid: UUID
    major: int
    minor: int


class Context(Value, frozen=True):
    """A presentation context that a bind proposes."""

    id: int
    interface: Syntax
    transfer_syntaxes: tuple[Syntax, ...]


class Bind(Value, frozen=True):
    """bind, alter_context: contexts are proposed."""

    contexts: tuple[Context, ...]
    association_group: int


class ContextResult(Value, frozen=True):
    """What became of a proposed context: `result` 0 is acceptance (C706 section 12.6.3.1, p_cont_def_result_t)."""

    result: int
    reason: int
    transfer_syntax: Syntax


class BindAck(Value, frozen=True):
    """bind_ack, alter_context_resp: a result for each proposed context."""

    secondary_address: str
    results: tuple[ContextResult, ...]
    association_group: int


class BindNak(Value, frozen=True):
    """bind_nak: no association."""

    reason: int


class Request(Value, frozen=True):
    """request: operation `opnum` of the interface of a context. The stub data are the arguments, maybe sealed."""

    context_id: int
    opnum: int
    object_uuid: UUID | None
    stub: Hidden[bytes]


class Response(Value, frozen=True):
    """response: results of an operation."""

    context_id: int
    stub: Hidden[bytes]


class Fault(Value, frozen=True):
    """fault: the operation failed with `status`, an error of NCA, Win32 or HRESULT."""

    context_id: int
    status: int


class AuthTrailer(Value, frozen=True):
    """sec_trailer ([MS-RPCE] 2.2.2.11): which security provider, at which level, and its token."""

    type: int
    level: int
    context_id: int
    token: Hidden[bytes]


Body: TypeAlias = Bind | BindAck | BindNak | Request | Response | Fault | None


class Pdu(Value, frozen=True):
    """One PDU; `body` is None for types that carry nothing which is read here."""

    header: PduHeader
    body: Body
    auth: AuthTrailer | None


def next_pdu_header(buffer: Buffer, offset: int = 0) -> PduHeader | None:
    """The header at `offset`; None where more bytes are needed. Raises ParseError where no PDU begins there."""
    if len(buffer) - offset < HEADER:
        return None
    version, minor, number, flags, order = buffer[offset : offset + 5]
    if version != _VERSION or minor not in _MINOR_VERSIONS or number > PduType.RTS or order >> 4 not in _INTEGER_ORDERS:
        raise ParseError("no DCE/RPC PDU", offset)
    byte_order: Literal["big", "little"] = "little" if order >> 4 else "big"
    length, auth_length, call_id = (
        int.from_bytes(buffer[offset + at : offset + at + size], byte_order) for at, size in ((8, 2), (10, 2), (12, 4))
    )
    if length < HEADER or (auth_length and auth_length + _AUTH_TRAILER + HEADER > length):
        raise ParseError("lengths of a DCE/RPC PDU", offset)
    return PduHeader(PduType(number), PduFlags(flags), byte_order == "little", length, auth_length, call_id)


def parse_pdu(data: Buffer) -> Pdu:
    """A whole PDU. Raises ParseError."""
    header = next_pdu_header(data)
    if header is None or len(data) < header.length:
        raise ParseError("DCE/RPC PDU cut", len(data))
    end = header.length
    auth = None
    if header.auth_length:
        trailer = header.length - header.auth_length - _AUTH_TRAILER
        auth = _auth(_Fields(data, trailer, header.length, is_little_endian=header.is_little_endian))
        end = max(trailer - data[trailer + 2], HEADER)  # without what fills up to the trailer
    parse = _BODIES.get(header.type)
    fields = _Fields(data, HEADER, end, is_little_endian=header.is_little_endian)
    return Pdu(header, parse(fields, header) if parse else None, auth)


class _Fields:
    """Integers in the byte order of one PDU."""

    def __init__(self, data: Buffer, start: int, end: int, *, is_little_endian: bool) -> None:
        self.reader = Reader(data, start, end)
        self._order: Literal["big", "little"] = "little" if is_little_endian else "big"

    def uint(self, size: int, what: str) -> int:
        return int.from_bytes(self.reader.take(size, what), self._order)

    def uuid(self, what: str) -> UUID:
        data = self.reader.take(16, what)
        return UUID(bytes_le=data) if self._order == "little" else UUID(bytes=data)

    def syntax(self, what: str) -> Syntax:
        uuid, version = self.uuid(what), self.uint(4, what)
        return Syntax(uuid, version & 0xFFFF, version >> 16)


def _auth(fields: _Fields) -> AuthTrailer:
    kind, level = fields.uint(1, "auth_type"), fields.uint(1, "auth_level")
    fields.uint(2, "auth_pad_length")
    return AuthTrailer(kind, level, fields.uint(4, "auth_context_id"), fields.reader.rest())


def _bind(fields: _Fields, _header: PduHeader) -> Bind:
    fields.uint(4, "fragment sizes")
    group, count = fields.uint(4, "assoc_group_id"), fields.uint(1, "n_context_elem")
    fields.uint(3, "reserved")
    return Bind(tuple(_context(fields) for _ in range(count)), group)


def _context(fields: _Fields) -> Context:
    number, count = fields.uint(2, "p_cont_id"), fields.uint(1, "n_transfer_syn")
    fields.uint(1, "reserved")
    interface = fields.syntax("abstract_syntax")
    return Context(number, interface, tuple(fields.syntax("transfer_syntax") for _ in range(count)))


def _bind_ack(fields: _Fields, _header: PduHeader) -> BindAck:
    fields.uint(4, "fragment sizes")
    group = fields.uint(4, "assoc_group_id")
    address = fields.reader.take(fields.uint(2, "sec_addr"), "sec_addr").rstrip(b"\0").decode("ascii", "replace")
    fields.reader.take(-(fields.reader.offset - HEADER) % _ALIGNMENT, "alignment")
    count = fields.uint(1, "n_results")
    fields.uint(3, "reserved")
    return BindAck(address, tuple(_result(fields) for _ in range(count)), group)


def _result(fields: _Fields) -> ContextResult:
    return ContextResult(fields.uint(2, "result"), fields.uint(2, "reason"), fields.syntax("transfer_syntax"))


def _bind_nak(fields: _Fields, _header: PduHeader) -> BindNak:
    return BindNak(fields.uint(2, "provider_reject_reason"))


def _request(fields: _Fields, header: PduHeader) -> Request:
    fields.uint(4, "alloc_hint")
    context, opnum = fields.uint(2, "p_cont_id"), fields.uint(2, "opnum")
    target = fields.uuid("object") if PduFlags.OBJECT_UUID in header.flags else None
    return Request(context, opnum, target, fields.reader.rest())


def _response(fields: _Fields, _header: PduHeader) -> Response:
    fields.uint(4, "alloc_hint")
    context = fields.uint(2, "p_cont_id")
    fields.uint(2, "cancel_count")
    return Response(context, fields.reader.rest())


def _fault(fields: _Fields, _header: PduHeader) -> Fault:
    fields.uint(4, "alloc_hint")
    context = fields.uint(2, "p_cont_id")
    fields.uint(2, "cancel_count")
    return Fault(context, fields.uint(4, "status"))


_BODIES: dict[PduType, Callable[[_Fields, PduHeader], Body]] = {
    PduType.REQUEST: _request,
    PduType.RESPONSE: _response,
    PduType.FAULT: _fault,
    PduType.BIND: _bind,
    PduType.BIND_ACK: _bind_ack,
    PduType.BIND_NAK: _bind_nak,
    PduType.ALTER_CONTEXT: _bind,
    PduType.ALTER_CONTEXT_RESP: _bind_ack,
}
