"""DcerpcDecoder: DCE/RPC over TCP ([MS-RPCE]): which interfaces are bound, which operations called, what fails.

An exchange is a bind or a call with its answer. Its annotation `dcerpc` has `interface` (a name, or the UUID), `uuid`,
`opnum`, `result` (`accepted`, `rejected`, `done`, `fault`), `status` and `meaning` of a fault or a refusal, and
`auth_type` and `auth_level` where the PDU is authenticated. Arguments and tokens are not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from tlsdecrypt.app.dcerpc_names import (
    AUTH_LEVELS,
    AUTH_TYPES,
    INTERFACES,
    NAK_REASONS,
    PROVIDER_REASONS,
    RESULTS,
    describe_status,
)
from tlsdecrypt.app.dcerpc_pdu import Bind, BindAck, BindNak, Fault, Pdu, Request
from tlsdecrypt.app.dcerpc_stream import PduStream
from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.value import Value, replace

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations

OUTSTANDING_MAX = 256  # calls and binds that wait for an answer; beyond it the oldest comes out unanswered
CALLS_MAX = 1_000  # of a connection that are told; beyond it, only what fails
CONTEXTS_MAX = 1_024

NO_ANSWER = "no answer was seen"
_ACCEPTED = 0

_Facts: TypeAlias = "dict[str, Any]"


class DcerpcRequest(Value, frozen=True):
    """A bind (`verb` is `BIND` or `ALTER`) or a call (`CALL`); `line` says of what. Lengths are bytes of stub data."""

    verb: str
    line: str
    stub_length: int
    span: Span


class DcerpcResponse(Value, frozen=True):
    """The answer; `code` is the status of a fault, the reason of a refused bind, 0 where all is well."""

    kind: str
    code: int
    stub_length: int
    span: Span


class DcerpcDecoder:
    """One connection."""

    name = "dcerpc"

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._streams = (PduStream(), PduStream())
        self._interfaces: dict[int, str] = {}
        self._outstanding: dict[int, tuple[DcerpcRequest, _Facts]] = {}
        self._proposed: dict[int, tuple[int, ...]] = {}  # contexts of a bind, by call
        self._told = 0

    def feed(self, direction: Direction, data: bytes, span: Span) -> list[Exchange]:
        """See Decoder."""
        heard = self._streams[direction].feed(data, span)
        return [exchange for each in heard for exchange in self._take(direction, each.pdu, each.span)]

    def gap(self, direction: Direction, length: int | None, _span: Span) -> list[Exchange]:
        """See Decoder: what follows is read again behind the PDU that has the hole, or from the next header on."""
        self._streams[direction].gap(length)
        return []

    def end(self, _direction: Direction, _span: Span) -> list[Exchange]:
        """See Decoder."""
        return []

    def finish(self) -> list[Exchange]:
        """See Decoder."""
        return [self._unanswered(call) for call in list(self._outstanding)]

    def _take(self, direction: Direction, pdu: Pdu, span: Span) -> list[Exchange]:
        body = pdu.body
        if direction is Direction.CLIENT_TO_SERVER:
            if isinstance(body, Bind):
                return self._ask(pdu, *self._bind(pdu, body, span))
            if isinstance(body, Request):
                return self._ask(pdu, *self._call(pdu, body, span))
            return []
        if isinstance(body, BindAck | BindNak | Fault) or (body is not None and pdu.header.is_last):
            return self._answer(pdu, span)
        return []

    def _ask(self, pdu: Pdu, request: DcerpcRequest, facts: _Facts) -> list[Exchange]:
        call = pdu.header.call_id
        known = self._outstanding.get(call)
        if known is not None and not pdu.header.is_first:
            longer = known[0].stub_length + request.stub_length
            merged = replace(known[0], stub_length=longer, span=known[0].span.to(request.span))
            self._outstanding[call] = merged, known[1]
            return []
        if pdu.auth is not None:
            facts["auth_type"] = AUTH_TYPES.get(pdu.auth.type, str(pdu.auth.type))
            facts["auth_level"] = AUTH_LEVELS.get(pdu.auth.level, str(pdu.auth.level))
        over = [call] if known is not None else []
        if len(self._outstanding) >= OUTSTANDING_MAX and not over:
            over = [next(iter(self._outstanding))]
        exchanges = [self._unanswered(each) for each in over]
        self._outstanding[call] = request, facts
        return exchanges

    def _unanswered(self, call: int) -> Exchange:
        request, facts = self._outstanding.pop(call)
        self._proposed.pop(call, None)
        return Exchange(self.name, request, None, {self.name: facts}, (NO_ANSWER,))

    def _bind(self, pdu: Pdu, body: Bind, span: Span) -> tuple[DcerpcRequest, _Facts]:
        names = []
        for context in body.contexts:
            uuid = str(context.interface.uuid)
            if len(self._interfaces) < CONTEXTS_MAX:
                self._interfaces[context.id] = uuid
            names.append(INTERFACES.get(uuid, uuid))
        self._proposed[pdu.header.call_id] = tuple(context.id for context in body.contexts)
        verb = "BIND" if "BIND" in pdu.header.type.name else "ALTER"
        told = list(dict.fromkeys(names))
        facts: _Facts = {"interface": told[0] if told else None, "interfaces": told}
        if body.contexts:
            facts["uuid"] = str(body.contexts[0].interface.uuid)
        return DcerpcRequest(verb, ", ".join(told), 0, span), facts

    def _call(self, _pdu: Pdu, body: Request, span: Span) -> tuple[DcerpcRequest, _Facts]:
        uuid = self._interfaces.get(body.context_id)
        name = INTERFACES.get(uuid, uuid) if uuid else None
        facts: _Facts = {"interface": name, "uuid": uuid, "opnum": body.opnum}
        line = f"{name or f'context {body.context_id}'} operation {body.opnum}"
        return DcerpcRequest("CALL", line, len(body.stub), span), facts

    def _answer(self, pdu: Pdu, span: Span) -> list[Exchange]:
        call = pdu.header.call_id
        request, facts = self._outstanding.pop(call, (None, {}))
        proposed = self._proposed.pop(call, ())
        code, told = _result(pdu, proposed)
        has_failed = told["result"] in ("fault", "rejected")
        self._told += 1
        if self._told > CALLS_MAX and not has_failed:
            return []
        stub = getattr(pdu.body, "stub", b"")
        response = DcerpcResponse(pdu.header.type.name.lower(), code, len(stub), span)
        annotations: Annotations = {self.name: {**facts, **told}}
        return [Exchange(self.name, request, response, annotations)]


def _result(pdu: Pdu, proposed: tuple[int, ...]) -> tuple[int, _Facts]:
    """The code of an answer, and what it says."""
    match pdu.body:
        case Fault(status=status):
            return status, {"result": "fault", "status": f"0x{status:08x}", "meaning": describe_status(status)}
        case BindNak(reason=reason):
            return reason, {"result": "rejected", "status": reason, "meaning": NAK_REASONS.get(reason, "unknown")}
        case BindAck(results=results) if results and len(results) >= len(proposed):
            if any(each.result == _ACCEPTED for each in results):
                return 0, {"result": "accepted"}
            first = results[0]
            words = f"{RESULTS.get(first.result, 'refused')}: {PROVIDER_REASONS.get(first.reason, 'unknown')}"
            return first.result, {"result": "rejected", "status": first.result, "meaning": words}
        case BindAck():
            return 0, {"result": "accepted"}
        case _:
            return 0, {"result": "done"}
