"""The forms of pcap: what the magic number tells, and what only the records tell.

Some systems put more into the header of a record and left the magic number as it was: Red Hat Linux 6.1 and Nokia's
IPSO with that of the common form, SuSE Linux 6.3 with that of the modified one.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from tlsdecrypt.capture.columns import MAX_FRAME_BYTES, NANOSECONDS

HEADER_BYTES: Final = 24
SEARCH_SECONDS: Final = 86_400  # how far the times of two records may be apart where either is in doubt
_VERSION: Final = (2, 4)  # of all files for twenty years; the lookalikes have no other
_ENOUGH_RECORDS: Final = 4  # in a row: by chance not even a second one is believable


class Form(NamedTuple):
    """The name, fractions in a second, bytes in a record header."""

    name: str
    units: int
    record_header: int


_COMMON: Final = Form("pcap", 1_000_000, 16)
_MODIFIED: Final = Form("pcap (modified)", 1_000_000, 24)  # Alexey Kuznetsov's: interface, protocol and type follow
FORMS: Final = {
    0xA1B2C3D4: _COMMON,
    0xA1B23C4D: Form("pcap (nanoseconds)", NANOSECONDS, 16),
    0xA1B2CD34: _MODIFIED,
}
_LOOKALIKES: Final = {
    _COMMON: (Form("pcap (Red Hat 6.1)", 1_000_000, 24), Form("pcap (Nokia)", 1_000_000, 20)),
    _MODIFIED: (Form("pcap (SuSE 6.3)", 1_000_000, 28),),
}


def form_of_records(data: bytes, order: str, form: Form) -> Form:
    """`form`, or one that looks like it, if the records behind the file's header can be read as that one only.

    `data` is what is in memory of the file, from its start; `order` is `<` or `>`.
    """
    if len(data) < HEADER_BYTES or struct.unpack_from(f"{order}HH", data, 4) != _VERSION:
        return form
    return max((form, *_LOOKALIKES.get(form, ())), key=lambda each: _believable_records(data, order, each))


def _believable_records(data: bytes, order: str, form: Form) -> int:
    """How many records can be read one behind the other; enough, where they reach the end of `data`."""
    record = struct.Struct(f"{order}IIII")
    position, first_seconds = HEADER_BYTES, None
    for count in range(_ENOUGH_RECORDS):
        if position + form.record_header > len(data):
            break
        seconds, fraction, captured, original = record.unpack_from(data, position)
        first_seconds = seconds if first_seconds is None else first_seconds
        is_length = 0 < captured <= original <= MAX_FRAME_BYTES
        if not is_length or fraction >= form.units or abs(seconds - first_seconds) > SEARCH_SECONDS:
            return count
        position += form.record_header + captured
    return _ENOUGH_RECORDS
