"""Forms of pcap that share a magic number are told by their records."""

from __future__ import annotations

import struct

import pytest

from tlsdecrypt.capture.pcap_forms import FORMS, form_of_records

COMMON, MODIFIED = FORMS[0xA1B2C3D4], FORMS[0xA1B2CD34]
FILE_HEADER = struct.pack("<IHH", 0xA1B2C3D4, 2, 4) + bytes(16)


def record(seconds: int, content: bytes, more: int = 0) -> bytes:
    """A record whose header has `more` bytes behind the common ones."""
    return struct.pack("<IIII", seconds, 5, len(content), len(content)) + bytes(more) + content


def file_of(more: int, count: int) -> bytes:
    return FILE_HEADER + b"".join(record(1_700_000_000 + i, b"\x7f" * (60 + i), more) for i in range(count))


@pytest.mark.parametrize(
    ("form", "more", "name"),
    [
        (COMMON, 0, "pcap"),
        (COMMON, 4, "pcap (Nokia)"),
        (COMMON, 8, "pcap (Red Hat 6.1)"),
        (MODIFIED, 8, "pcap (modified)"),
        (MODIFIED, 12, "pcap (SuSE 6.3)"),
    ],
)
def test_the_second_record_tells_the_form(form: object, more: int, name: str) -> None:
    assert form_of_records(file_of(more, 3), "<", form).name == name


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_record_is_read_as_the_magic_number_says(count: int) -> None:
    assert form_of_records(file_of(0, count), "<", COMMON) is COMMON
    assert form_of_records(b"", "<", COMMON) is COMMON


def test_damage_does_not_change_the_form() -> None:
    damaged = bytearray(file_of(0, 3))
    damaged[24 + 76 + 8 : 24 + 76 + 12] = b"\xff\xff\xff\xff"  # the length of the second record
    assert form_of_records(bytes(damaged), "<", COMMON) is COMMON
