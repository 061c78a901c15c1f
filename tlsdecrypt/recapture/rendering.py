"""Rendering: frames that are made anew, as bytes of a capture, many at once.

Headers are rows of a matrix, filled column by column. Checksums of payloads are summed over 32-bit words of the spool
(RFC 1071: the order of the bytes and the width of the words do not matter to the sum).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlsdecrypt.recapture.container import Columns
from tlsdecrypt.recapture.plaintext_spool import WORD
from tlsdecrypt.recapture.talk import PSH
from tlsdecrypt.recapture.template import (
    IPV4_CHECKSUM,
    IPV4_LENGTH,
    IPV6_LENGTH,
    LARGEST_PAYLOAD,
    TCP_ACK,
    TCP_CHECKSUM,
    TCP_FLAGS,
    TCP_HEADER,
    TCP_SEQ,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tlsdecrypt.recapture.container import Container
    from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
    from tlsdecrypt.recapture.talk import Numbers
    from tlsdecrypt.recapture.template import Template

    Int64Column = NDArray[np.int64]
    Bytes = NDArray[np.uint8]
    Frame = tuple[memoryview, memoryview | bytes, bytes]

PARTS = 3  # of a frame: head, payload, and what follows
MAX_SKIPPED = 64 << 10  # bytes between two pieces that are read along

_IS_LITTLE = sys.byteorder == "little"


class Speech(NamedTuple):
    """Something that is said with one headers' template: `length` bytes of the spool, cut into segments; 0: none."""

    template: Template
    interface: int
    numbers: Numbers
    flags: int
    offset: int
    length: int
    time_ns: int
    comment: bytes


class _Payload:
    """The bytes that some speeches need, in one buffer, with a word more behind them, where the last sum ends."""

    def __init__(self, spool: PlaintextSpool, speeches: Sequence[Speech]) -> None:
        """Pieces that lie near one another are read at once."""
        order = sorted((each.offset, each.length, index) for index, each in enumerate(speeches) if each.length)
        self.begins = [0] * len(speeches)
        reads: list[list[int]] = []  # start, end
        for offset, length, _ in order:
            end = offset + length + -length % WORD
            if reads and offset - reads[-1][1] <= MAX_SKIPPED:
                reads[-1][1] = max(reads[-1][1], end)
            else:
                reads.append([offset, end])
        places, at = [], 0
        parts: list[memoryview | bytes] = []
        for start, end in reads:
            places.append(at - start)
            part = spool.mapped(start, end - start + WORD)
            parts += [part, bytes(end - start + WORD - len(part))] if len(part) < end - start + WORD else [part]
            at += end - start + WORD
        number = 0
        for offset, _, index in order:
            while offset >= reads[number][1]:
                number += 1
            self.begins[index] = offset + places[number]
        self.data = parts[0] if len(parts) == 1 else b"".join([*parts, bytes(WORD)])

    def sums(self, begin: Int64Column, length: Int64Column) -> Int64Column:
        """The sum of 16-bit words of each stretch, in the byte order of the network."""
        words = np.frombuffer(self.data, np.uint32)
        result = np.zeros(len(begin), np.int64)
        filled = np.flatnonzero(length)
        if not len(filled):
            return result
        order = filled[np.argsort(begin[filled], kind="stable")]
        bounds = np.empty(2 * len(order), np.int64)
        bounds[0::2] = begin[order] // WORD
        bounds[1::2] = (begin[order] + length[order] + WORD - 1) // WORD
        sums = np.add.reduceat(words, bounds, dtype=np.uint64)[0::2]
        folded = (sums >> np.uint64(32)) + (sums & np.uint64(0xFFFFFFFF))
        folded = ((folded >> np.uint64(16)) + (folded & np.uint64(0xFFFF))).astype(np.int64)
        folded = (folded >> 16) + (folded & 0xFFFF)
        folded = (folded >> 16) + (folded & 0xFFFF)
        result[order] = (folded >> 8) | ((folded & 0xFF) << 8) if _IS_LITTLE else folded
        return result


def render(speeches: Sequence[Speech], spool: PlaintextSpool, container: Container) -> list[list[memoryview | bytes]]:
    """For each speech the frames that carry it: of each its head, its payload and what follows in the container."""
    payload = _Payload(spool, speeches)
    view = memoryview(payload.data)
    rendered: list[list[memoryview | bytes]] = [[] for _ in speeches]
    kinds: defaultdict[tuple[int, int, int], list[int]] = defaultdict(list)
    for index, each in enumerate(speeches):
        kinds[each.template.version, len(each.template.head), each.template.network].append(index)
    for indices in kinds.values():
        chosen = [speeches[index] for index in indices]
        begins = np.array([payload.begins[index] for index in indices], np.int64)
        cuts = _Cuts(chosen, begins)
        matrix = _heads(chosen, cuts, payload.sums(cuts.begin, cuts.length), container)
        heads, width = memoryview(matrix.tobytes()), matrix.shape[1]
        parts: list[memoryview | bytes] = [b""] * (PARTS * len(matrix))
        parts[0::PARTS] = [heads[at : at + width] for at in range(0, len(heads), width)]
        parts[1::PARTS] = [view[begin:end] for begin, end in zip(cuts.begin.tolist(), cuts.end.tolist(), strict=True)]
        parts[2::PARTS] = _tails(chosen, cuts, container)
        bounds = [*(cuts.first * PARTS).tolist(), len(parts)]
        for index, (first, last) in zip(indices, pairwise(bounds), strict=True):
            rendered[index] = parts[first:last]
    return rendered


def _tails(speeches: Sequence[Speech], cuts: _Cuts, container: Container) -> list[bytes]:
    """What follows each segment: all but the last of a speech are of one length."""
    tails: list[bytes] = []
    head_length = len(speeches[0].template.head)
    lasts = cuts.length[cuts.is_last].tolist()
    for each, count, last in zip(speeches, cuts.counts.tolist(), lasts, strict=True):
        if count > 1:
            tails += [container.tail(head_length + cuts.largest, each.comment)] * (count - 1)
        tails.append(container.tail(head_length + last, each.comment))
    return tails


class _Cuts:
    """The segments of some speeches as columns: which speech, where its bytes begin, and how many they are."""

    def __init__(self, speeches: Sequence[Speech], begins: Int64Column) -> None:
        total = np.array([each.length for each in speeches], np.int64)
        self.largest = LARGEST_PAYLOAD[speeches[0].template.version]
        self.counts = np.maximum(-(-total // self.largest), 1)
        self.speech = np.repeat(np.arange(len(speeches)), self.counts)
        self.first = np.cumsum(self.counts) - self.counts
        self.shift = (np.arange(len(self.speech)) - self.first[self.speech]) * self.largest
        self.begin = begins[self.speech] + self.shift
        self.length = np.minimum(total[self.speech] - self.shift, self.largest)
        self.end = self.begin + self.length
        self.is_last = self.shift + self.length == total[self.speech]


def _heads(speeches: Sequence[Speech], cuts: _Cuts, sums: Int64Column, container: Container) -> Bytes:
    """Prefix, link, IP and TCP header of each segment."""
    template = speeches[0].template
    prefix, network, transport = container.prefix_length, template.network, template.transport

    def column(values: Iterable[int]) -> Int64Column:
        return np.array(list(values), np.int64)[cuts.speech]

    length = cuts.length + len(template.head)
    comments = column(len(each.comment) for each in speeches)
    columns = Columns(
        column(each.interface for each in speeches), column(each.time_ns for each in speeches), length, length
    )
    matrix = np.empty((len(cuts.speech), prefix + len(template.head)), np.uint8)
    matrix[:, :prefix] = container.prefixes(columns, comments)
    heads = np.frombuffer(b"".join(each.template.head for each in speeches), np.uint8)
    matrix[:, prefix:] = heads.reshape(len(speeches), -1)[cuts.speech]
    seq = (column(each.numbers.seq for each in speeches) + cuts.shift) & 0xFFFFFFFF
    ack = column(each.numbers.ack for each in speeches)
    flags = column(each.flags for each in speeches) & np.where(cuts.is_last, 0xFF, ~PSH)
    network += prefix
    tcp_length = cuts.length + TCP_HEADER
    if template.version == 4:  # noqa: PLR2004 - IPv4
        total = tcp_length + transport - template.network
        _put(matrix, network + IPV4_LENGTH, 2, total)
        _put(matrix, network + IPV4_CHECKSUM, 2, _checksum(column(each.template.ip_sum for each in speeches) + total))
    else:
        _put(matrix, network + IPV6_LENGTH, 2, tcp_length)
    transport += prefix
    _put(matrix, transport + TCP_SEQ, 4, seq)
    _put(matrix, transport + TCP_ACK, 4, ack)
    matrix[:, transport + TCP_FLAGS] = flags
    tcp_sum = column(each.template.tcp_sum for each in speeches) + tcp_length + flags + sums
    tcp_sum += (seq >> 16) + (seq & 0xFFFF) + (ack >> 16) + (ack & 0xFFFF)
    _put(matrix, transport + TCP_CHECKSUM, 2, _checksum(tcp_sum))
    return matrix


def _put(matrix: Bytes, at: int, width: int, values: Int64Column) -> None:
    """A number in `width` bytes, in the byte order of the network."""
    for index in range(width):
        matrix[:, at + index] = (values >> (8 * (width - 1 - index))) & 0xFF


def _checksum(sums: Int64Column) -> Int64Column:
    """The complement of a sum of 16-bit words (RFC 1071)."""
    folded = (sums >> 16) + (sums & 0xFFFF)
    folded = (folded >> 16) + (folded & 0xFFFF)
    return ~folded & 0xFFFF
