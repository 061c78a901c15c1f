"""How much of a damaged capture is read: `python -m bench_lab.loss`.

For each family of ciphers the same transfer of 8 MB in 4 connections is captured, frames are removed at random (the
handshakes stay), and the application data is counted that each program gives. The measure is the plaintext of the
records whose frames are all there; what tlsdecrypt reads of the other records, unverified, is told beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import ssl
import subprocess
import sys
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench_lab.captures import CLIENT, LINE, ROUND_TRIP_US, SERVER, Conversation, answer_of, request_of
from bench_lab.certificates import make_credentials
from bench_lab.credentials import credentials_in
from bench_lab.programs import ENVIRONMENT, Job
from bench_lab.rc4_peers import Rc4Peers
from bench_lab.recipes import Recipe
from bench_lab.segments import PCAP_FILE_HEADER, pcap_records
from bench_lab.tcp import flight_us
from bench_lab.tls import Peers, Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench_lab.segments import Segment

TRANSFER = Recipe("loss", 4, 2, 1_000_000)
RATES = (0.001, 0.01, 0.05)
SEED = 20_260_101
MAX_PLAINTEXT = 1 << 14  # of one record
HEADER_BYTES = 5
APPLICATION_DATA = 23
LONGEST_EMPTY = HEADER_BYTES + 2 * 16 + 32  # no record of the transfer says as little
TIMEOUT_S = 120  # of one program on one capture
TLS10, TLS12, TLS13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

FAMILIES: dict[str, Suite | None] = {
    "AES-GCM": Suite(TLS12, "AES128-GCM-SHA256"),
    "AES-CBC TLS 1.2": Suite(TLS12, "AES128-SHA"),
    "AES-CBC TLS 1.0": Suite(TLS10, "AES128-SHA:@SECLEVEL=0"),
    "RC4": None,  # of tlslite-ng
    "ChaCha20": Suite(TLS12, "ECDHE-RSA-CHACHA20-POLY1305"),
    "TLS 1.3": Suite(TLS13, None),
}
_FORWARD_SECRET = ("ChaCha20", "TLS 1.3")


class Sent(NamedTuple):
    """A record of application data: whose stream it is in, from where to where, and the length of its plaintext."""

    stream: tuple[Any, Any]
    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """What was sent, `handshakes` being the number of the first frames that nothing is lost of."""

    job: Job
    segments: list[Segment]
    records: list[Sent]
    handshakes: int


def make_transfer(folder: Path, name: str) -> Transfer:
    """The transfer with the suite of that name."""
    server = credentials_in(folder / "keys")
    make_credentials(server)
    key_log = folder / f"loss-{name.replace(' ', '-')}.keylog"
    key_log.unlink(missing_ok=True)
    suite = FAMILIES[name]
    peers = Peers(suite, server, key_log) if suite else Rc4Peers(server)
    talk = [Conversation(number, TRANSFER, peers) for number in range(TRANSFER.connections)]
    segments = [each for who in talk for each in who.open(0)]
    handshakes = len(segments)
    now, answer = 20 * ROUND_TRIP_US, answer_of(TRANSFER)
    said: dict[tuple[Any, Any], list[int]] = {}
    for index in range(TRANSFER.exchanges):
        request = request_of(TRANSFER, index)
        for who in talk:
            segments += who.exchange(now, request, answer, TRANSFER.connections)
            for sender, data in ((CLIENT, request), (SERVER, answer)):
                said.setdefault(who.tcp.way(sender), []).append(len(data))
        now += flight_us(len(answer) + len(answer) // 100, TRANSFER.connections) + 2 * ROUND_TRIP_US
    segments += [each for who in talk for each in who.close(now)]
    records = [each for way, lengths in said.items() for each in _records(way, segments, handshakes, lengths)]
    job = Job(folder / "loss.pcap", server, key_log if name in _FORWARD_SECRET else None)
    return Transfer(job, segments, records, handshakes)


def _records(way: tuple[Any, Any], segments: list[Segment], handshakes: int, lengths: list[int]) -> Iterator[Sent]:
    """The records of one direction; a peer fills each with as much of what is to be said as fits into it."""
    data = b"".join(each.payload for each in segments if each[1:3] == way)
    begin = sum(len(each.payload) for each in segments[:handshakes] if each[1:3] == way)
    plain = [min(MAX_PLAINTEXT, length - at) for length in lengths for at in range(0, length, MAX_PLAINTEXT)]
    rest = iter(plain)
    position = 0
    while position < len(data):
        end = position + HEADER_BYTES + int.from_bytes(data[position + 3 : position + HEADER_BYTES], "big")
        # Before each record of TLS 1.0 an empty one may stand, so that nobody can foretell its initialisation vector.
        is_empty = end - position <= LONGEST_EMPTY
        if position >= begin and data[position] == APPLICATION_DATA and not is_empty:
            yield Sent(way, position, end, next(rest))
        position = end


def damaged(transfer: Transfer, rate: float) -> tuple[int, int]:
    """Write the capture without `rate` of its frames. The plaintext of whole records, and of all of them."""
    chance = random.Random(SEED)  # noqa: S311 - a capture that can be made again, no secret
    kept = [index < transfer.handshakes or chance.random() >= rate for index in range(len(transfer.segments))]
    captured = [segment for segment, is_kept in zip(transfer.segments, kept, strict=True) if is_kept]
    transfer.job.capture.write_bytes(PCAP_FILE_HEADER + pcap_records(sorted(captured, key=lambda each: each.time_us)))
    whole = 0
    for way in {record.stream for record in transfer.records}:
        mine = [index for index, each in enumerate(transfer.segments) if each[1:3] == way and each.payload]
        ends = list(accumulate(len(transfer.segments[index].payload) for index in mine))
        for record in transfer.records:
            if record.stream == way:
                carriers = mine[bisect_right(ends, record.start) : bisect_left(ends, record.end) + 1]
                whole += record.length * all(kept[index] for index in carriers)
    return whole, sum(record.length for record in transfer.records)


def _output(*command: str) -> bytes:
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_S, env=environment)
    return done.stdout


def by_tlsdecrypt(job: Job) -> tuple[int, int]:
    """Bytes that are proved, and bytes that are not."""
    secret = ("--keylog", str(job.key_log)) if job.key_log else ("--pfx", str(job.server.pfx))
    program = str(Path(sys.executable).with_name("tlsdecrypt"))
    document = json.loads(_output(program, job.name, *secret, "--format", "json", "--quiet"))
    proved = unproved = 0
    for each in document["connections"]:
        for side in ("client", "server"):
            proved += each["application_data"][side]["length"]
            unproved += each["unverified"][side]["length"] if each["unverified"] else 0
    return proved, unproved


def by_tshark(job: Job) -> int:
    """Bytes of `follow,tls`, which are told as hexadecimal lines."""
    secret = f"tls.keylog_file:{job.key_log}" if job.key_log else f'uat:rsa_keys:"{job.server.key}",""'
    follow = [option for number in range(TRANSFER.connections) for option in ("-z", f"follow,tls,raw,{number}")]
    lines = _output("tshark", "-r", job.name, "-o", secret, "-q", *follow).split(b"\n")
    return sum(len(line.strip()) // 2 for line in lines if re.fullmatch(rb"\s*(?:[0-9a-f]{2})+\s*", line))


def by_ssldump(job: Job) -> int:
    """Bytes of content, by the whole lines of it."""
    secret = ("-l", str(job.key_log)) if job.key_log else ("-k", str(job.server.key))
    return _output("ssldump", "-r", job.name, *secret, "-n", "-d").count(LINE.split(b",")[0]) * len(LINE)


def _row(transfer: Transfer, name: str, rate: float) -> str:
    whole, total = damaged(transfer, rate)
    proved, unproved = by_tlsdecrypt(transfer.job)
    others = [_share(count(transfer.job), whole) for count in _OTHERS]
    torn = f"{_share(unproved, total - whole)} of {total - whole:>9,}" if total > whole else ""
    return f"{name:<16} {rate:>5.1%} {whole:>10,}  {_share(proved, whole)}  {'  '.join(others)}  {torn}"


_OTHERS: tuple[Callable[[Job], int], ...] = (by_tshark, by_ssldump)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:>10.2%}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="scripts/loss_table", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--only", action="append", choices=list(FAMILIES), help="a family; may be repeated")
    parser.add_argument("--folder", type=Path, default=Path("bench-data"), help="for keys and captures")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    print(f"{'family':<16} {'lost':>5} {'whole':>10}  {'tlsdecrypt':>10}  {'tshark':>10}  {'ssldump':>10}  unverified")
    for name in options.only or FAMILIES:
        transfer = make_transfer(options.folder, name)
        for rate in RATES:
            print(_row(transfer, name, rate), flush=True)


if __name__ == "__main__":
    main()
