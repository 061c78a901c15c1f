"""parse_dns: a DNS message (RFC 1035 section 4), by dnspython."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsdecrypt.errors import ParseError
from tlsdecrypt.net.surroundings import DnsMessage, DnsQuestion, DnsRecord

if TYPE_CHECKING:
    from tlsdecrypt.flow import Endpoint

HEADER = 12
READ_MAX = 8 << 10  # bytes of a message; what stands behind them is a fault like that of a cut message
REMEMBERED = 1_024  # messages
RECORDS_MAX = 64  # of a section, that are kept
DATA_MAX = 300  # characters of a record's data

_ANSWERS, _AUTHORITY, _ADDITIONAL = 1, 2, 3
_TYPES_OF_NAMES = ("CNAME", "NS", "PTR", "SRV", "MX", "DNAME")


def parse_dns(
    data: bytes, ends: tuple[Endpoint, Endpoint], where: tuple[int, int], *, is_tcp: bool = False
) -> DnsMessage:
    """The message in `data` from the first of `ends` to the second; `where` are its frame and its time.

    What cannot be read of its records is named in `faults`. Raises ParseError where not even the header is one.
    """
    if len(data) < HEADER:
        raise ParseError("DNS header cut", len(data))
    said = _said(data[2:READ_MAX])
    client, server = reversed(ends) if said.is_response else ends
    number = int.from_bytes(data[:2], "big")
    return DnsMessage(*where, client, server, number, is_tcp=is_tcp, **said._asdict())


class _Said(NamedTuple):
    """What a message says, in the order of `DnsMessage`."""

    is_response: bool
    opcode: str
    rcode: str
    questions: tuple[DnsQuestion, ...]
    answers: tuple[DnsRecord, ...]
    authority: tuple[DnsRecord, ...]
    additional: tuple[DnsRecord, ...]
    is_truncated: bool
    faults: tuple[str, ...]


@lru_cache(maxsize=REMEMBERED)
def _said(data: bytes) -> _Said:
    """A message without its id: the same questions and answers come again and again."""
    import dns.flags  # noqa: PLC0415 - takes 50 ms, and many captures hold no DNS
    import dns.message  # noqa: PLC0415
    import dns.opcode  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415

    try:
        message = dns.message.from_wire(
            bytes(2) + data, ignore_trailing=True, one_rr_per_rrset=True, continue_on_error=True, keyring=False
        )
    except Exception as error:  # noqa: BLE001 - the library promises none; what a peer sent must not stop the analysis
        raise ParseError(f"DNS message: {type(error).__name__}") from None
    return _Said(
        bool(message.flags & dns.flags.QR),
        dns.opcode.to_text(message.opcode()),
        dns.rcode.to_text(message.rcode()),
        _questions(message.sections[0]),
        _records(message.sections[_ANSWERS]),
        _records(message.sections[_AUTHORITY]),
        _records(message.sections[_ADDITIONAL]),
        bool(message.flags & dns.flags.TC),
        tuple(type(error.exception).__name__ for error in message.errors[:1]),
    )


def _questions(section: list[Any]) -> tuple[DnsQuestion, ...]:
    from dns.rdatatype import to_text  # noqa: PLC0415

    return tuple(DnsQuestion(_name(each.name), to_text(each.rdtype)) for each in section[:RECORDS_MAX])


def _records(section: list[Any]) -> tuple[DnsRecord, ...]:
    from dns.rdatatype import to_text  # noqa: PLC0415

    return tuple(
        DnsRecord(_name(each.name), kind, _data(kind, next(iter(each), None)), each.ttl)
        for each in section[:RECORDS_MAX]
        for kind in (to_text(each.rdtype),)
    )


def _name(name: Any) -> str:
    text: str = name.to_text(omit_final_dot=True)
    return text.lower()


def _data(kind: str, rdata: Any) -> str:
    if rdata is None:  # a deletion in a dynamic update
        return ""
    text: str = rdata.to_text()
    return text.lower().rstrip(".") if kind in _TYPES_OF_NAMES else text[:DATA_MAX]
