"""RTS PDUs: how the two channels of RPC over HTTP version 2 are set up and kept ([MS-RPCH] section 2.2.3)."""

from __future__ import annotations

from enum import IntFlag

from tlsdecrypt.errors import ParseError
from tlsdecrypt.value import Hidden, Value
from tlsdecrypt.wire import Reader

HEADER = 20
MAX_COMMANDS = 100

_FLAGS, _COUNT = 16, 18  # offsets in the header


class RtsFlags(IntFlag):
    """Section 2.2.3.6.1."""

    PING = 0x0001
    OTHER_CMD = 0x0002
    RECYCLE_CHANNEL = 0x0004
    IN_CHANNEL = 0x0008
    OUT_CHANNEL = 0x0010
    EOF = 0x0020
    ECHO = 0x0040


# Section 2.2.3.5: the name and the bytes of each command; those of Padding and ClientAddress depend on themselves.
_COMMANDS = {
    0x0: ("ReceiveWindowSize", 4),
    0x1: ("FlowControlAck", 24),
    0x2: ("ConnectionTimeout", 4),
    0x3: ("Cookie", 16),
    0x4: ("ChannelLifetime", 4),
    0x5: ("ClientKeepalive", 4),
    0x6: ("Version", 4),
    0x7: ("Empty", 0),
    0x8: ("Padding", 0),
    0x9: ("NegativeANCE", 0),
    0xA: ("ANCE", 0),
    0xB: ("ClientAddress", 0),
    0xC: ("AssociationGroupId", 16),
    0xD: ("Destination", 4),
    0xE: ("PingTrafficSentNotify", 4),
}
_NUMBERS = frozenset({"ReceiveWindowSize", "ConnectionTimeout", "ChannelLifetime", "ClientKeepalive", "Version"})
_ADDRESS_LENGTHS = {0: 4, 1: 16}
_ADDRESS_PADDING = 12

# Section 2.2.4: PDUs by their commands, as far as these tell them apart.
_NAMES = {
    ("Version", "Cookie", "Cookie", "ReceiveWindowSize"): "CONN/A1",
    ("Version", "Cookie", "Cookie", "ChannelLifetime", "ClientKeepalive", "AssociationGroupId"): "CONN/B1",
    ("ConnectionTimeout",): "CONN/A3",
    ("Version", "ReceiveWindowSize", "ConnectionTimeout"): "CONN/C2",
    ("Version", "Cookie", "Cookie", "Cookie"): "IN_R1/A1",
    ("Version", "Cookie", "Cookie", "Cookie", "ReceiveWindowSize"): "OUT_R1/A3",
}


class Rts(Value, frozen=True):
    """One RTS PDU: its commands by name, their numbers (times in milliseconds, sizes in bytes), and the cookies."""

    flags: RtsFlags
    commands: tuple[str, ...]
    numbers: dict[str, int]
    cookies: Hidden[tuple[bytes, ...]]

    @property
    def name(self) -> str:
        """What section 2.2.4 calls it, else its commands."""
        if not self.commands and RtsFlags.PING in self.flags:
            return "Ping"
        if RtsFlags.ECHO in self.flags:
            return "Echo"
        return _NAMES.get(self.commands) or "+".join(self.commands) or "empty"


def parse_rts(data: bytes) -> Rts:
    """A whole RTS PDU, its header included. Raises `ParseError`."""
    if len(data) < HEADER:
        raise ParseError("RTS PDU cut", len(data))
    flags, count = (int.from_bytes(data[at : at + 2], "little") for at in (_FLAGS, _COUNT))
    if count > MAX_COMMANDS:
        raise ParseError(f"an RTS PDU with {count:,} commands", _COUNT)
    reader = Reader(data, HEADER)
    names: list[str] = []
    numbers: dict[str, int] = {}
    cookies: list[bytes] = []
    for _ in range(count):
        name, value = _command(reader)
        names.append(name)
        if name == "Cookie":
            cookies.append(value)
        elif name in _NUMBERS:
            numbers[name] = int.from_bytes(value, "little")
    return Rts(RtsFlags(flags), tuple(names), numbers, tuple(cookies))


def _command(reader: Reader) -> tuple[str, bytes]:
    number = _u32(reader, "CommandType")
    if number not in _COMMANDS:
        raise ParseError(f"an RTS command {number:#x}", reader.offset)
    name, length = _COMMANDS[number]
    if name == "Padding":
        length = _u32(reader, "ConformanceCount")
    elif name == "ClientAddress":
        kind = _u32(reader, "AddressType")
        if kind not in _ADDRESS_LENGTHS:
            raise ParseError(f"an address of type {kind}", reader.offset)
        length = _ADDRESS_LENGTHS[kind] + _ADDRESS_PADDING
    return name, reader.take(length, name)


def _u32(reader: Reader, what: str) -> int:
    return int.from_bytes(reader.take(4, what), "little")
