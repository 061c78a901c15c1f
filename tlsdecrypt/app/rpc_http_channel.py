"""ChannelReader: one direction of a channel of RPC over HTTP, read as it comes ([MS-RPCH], [MS-RPCE]).

A channel carries PDUs for hours inside of one HTTP message, whose promised length is never reached. What is read of a
PDU is its header and, of those that set up, refuse or fail, the body; arguments and results are stepped over unread.

The facts (see `rpc_http`), each only where it says something: `pdus` and `bytes`; `kinds`, counts by type; `rts`, names
of the RTS PDUs that set up the channel; `virtual_connection`, a digest of its cookie; `client_keepalive_ms`,
`connection_timeout_ms`, `channel_lifetime`; `pings`; `interfaces`; `operations`, counts by `interface/operation`;
`refused`, reasons of bind_nak and of refused contexts; `faults`, `{"status", "meaning"}`; `auth_type`, `auth_level`;
`lost`, that bytes are missing; `damage`, what ended the reading.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.dcerpc_names import AUTH_LEVELS, AUTH_TYPES, INTERFACES, NAK_REASONS, RESULTS, describe_status
from tlsdecrypt.app.dcerpc_pdu import (
    HEADER,
    Bind,
    BindAck,
    BindNak,
    Fault,
    Pdu,
    PduHeader,
    PduType,
    next_pdu_header,
    parse_pdu,
)
from tlsdecrypt.app.dcerpc_stream import seek_pdu
from tlsdecrypt.app.rpc_http_operations import operation_name
from tlsdecrypt.app.rpc_http_rts import RtsFlags, parse_rts
from tlsdecrypt.app.xml import put
from tlsdecrypt.errors import ParseError

if TYPE_CHECKING:
    from typing import Literal

    from tlsdecrypt.app.rpc_http_rts import Rts

MAX_LISTED = 20  # faults, refusals, RTS PDUs that are told apart
MAX_OPERATIONS = 50
MAX_CONTEXTS = 200

_SKIPPED = frozenset({PduType.REQUEST, PduType.RESPONSE})  # unread but for the head
_CALL_HEAD = HEADER + 8  # up to the operation number
_DIGEST = 8  # characters
_ACCEPTED, _NEGOTIATED = 0, 3


class ChannelReader:
    """A `ContentReader` (see `http_body`)."""

    is_endless = True

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._buffer = bytearray()
        self._skip = 0
        self._is_lost = False
        self._facts: dict[str, Any] = {}
        self._kinds: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()
        self._contexts: dict[int, str] = {}
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """More of the channel."""
        self._bytes += len(data)
        if "damage" in self._facts:
            return
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._buffer += data
        if self._is_lost:
            position, header = seek_pdu(self._buffer)
            del self._buffer[:position]
            self._is_lost = header is None
        try:
            self._read()
        except ParseError as error:
            self._facts["damage"] = error.what
            self._buffer.clear()

    def gap(self, length: int) -> None:
        """Bytes are missing: go on behind them where they lie in a PDU that is stepped over, else at the next PDU."""
        self._facts["lost"] = self._facts.get("lost", 0) + length
        if length <= self._skip:
            self._skip -= length
            return
        self._skip = 0
        self._buffer.clear()
        self._is_lost = True

    def facts(self) -> dict[str, Any]:
        """See above."""
        facts = dict(self._facts)
        put(facts, bytes=self._bytes or None, pdus=self._kinds.total() or None, kinds=dict(self._kinds))
        put(facts, operations=dict(self._operations.most_common(MAX_OPERATIONS)))
        return facts

    def _read(self) -> None:
        position = 0
        while (header := next_pdu_header(self._buffer, position)) is not None:
            taken = self._take(header, position)
            if taken is None:
                break
            position += taken
        if position >= len(self._buffer):
            self._skip += position - len(self._buffer)
            self._buffer.clear()
        else:
            del self._buffer[:position]

    def _take(self, header: PduHeader, position: int) -> int | None:
        """The bytes of a PDU that was read, None where more are needed."""
        held = len(self._buffer) - position
        is_skipped = header.type in _SKIPPED
        if held < (min(_CALL_HEAD, header.length) if is_skipped else header.length):
            return None
        self._kinds[header.type.name.lower()] += 1
        if header.type is PduType.REQUEST:
            self._take_call(header, position)
        elif header.type is PduType.RTS:
            self._take_rts(parse_rts(bytes(self._buffer[position : position + header.length])))
        elif not is_skipped:
            self._take_pdu(parse_pdu(bytes(self._buffer[position : position + header.length])))
        return header.length

    def _take_call(self, header: PduHeader, position: int) -> None:
        if header.length < _CALL_HEAD or not header.is_first:
            return
        order: Literal["little", "big"] = "little" if header.is_little_endian else "big"
        context, opnum = (
            int.from_bytes(self._buffer[position + at : position + at + 2], order) for at in (HEADER + 4, HEADER + 6)
        )
        name = operation_name(self._contexts.get(context, f"context {context}"), opnum)
        if name in self._operations or len(self._operations) < MAX_OPERATIONS:
            self._operations[name] += 1

    def _take_rts(self, rts: Rts) -> None:
        if RtsFlags.PING in rts.flags and not rts.commands:
            self._facts["pings"] = self._facts.get("pings", 0) + 1
            return
        if rts.commands != ("FlowControlAck",) and "FlowControlAck" not in rts.commands:
            self._list("rts", rts.name)
        if rts.cookies and "virtual_connection" not in self._facts:
            self._facts["virtual_connection"] = hashlib.sha256(rts.cookies[0]).hexdigest()[:_DIGEST]
        put(
            self._facts,
            client_keepalive_ms=rts.numbers.get("ClientKeepalive"),
            connection_timeout_ms=rts.numbers.get("ConnectionTimeout"),
            channel_lifetime=rts.numbers.get("ChannelLifetime"),
        )

    def _take_pdu(self, pdu: Pdu) -> None:
        if pdu.auth is not None:
            self._facts["auth_type"] = AUTH_TYPES.get(pdu.auth.type, str(pdu.auth.type))
            self._facts["auth_level"] = AUTH_LEVELS.get(pdu.auth.level, str(pdu.auth.level))
        match pdu.body:
            case Bind(contexts=contexts):
                for context in contexts[:MAX_CONTEXTS]:
                    uuid = str(context.interface.uuid)
                    name = INTERFACES.get(uuid, uuid)
                    if len(self._contexts) < MAX_CONTEXTS:
                        self._contexts[context.id] = name
                    self._list("interfaces", name)
            case BindAck(results=results):
                refused = [each for each in results if each.result not in (_ACCEPTED, _NEGOTIATED)]
                if refused and len(refused) == len(results):
                    self._list("refused", RESULTS.get(refused[0].result, "refused"))
            case BindNak(reason=reason):
                self._list("refused", NAK_REASONS.get(reason, f"reason {reason}"))
            case Fault(status=status):
                self._list("faults", {"status": f"0x{status:08x}", "meaning": describe_status(status)})

    def _list(self, key: str, value: Any) -> None:
        listed = self._facts.setdefault(key, [])
        if value not in listed and len(listed) < MAX_LISTED:
            listed.append(value)
