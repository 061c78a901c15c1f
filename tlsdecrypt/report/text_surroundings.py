"""What was seen beside TCP, a line each: for the text report with `--verbose`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tlsdecrypt.flow import Span
from tlsdecrypt.report.lines import line
from tlsdecrypt.report.quantities import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.net.surroundings import ArpMessage, DnsMessage, IcmpError, KerberosError
    from tlsdecrypt.report.frame_names import FrameNames
    from tlsdecrypt.report.lines import Line

SHOWN_MAX = 200  # lines of one kind


def surroundings_lines(analysis: Analysis, names: FrameNames) -> Iterator[Line]:
    """DNS, ICMP errors, ARP and Kerberos errors; nothing where none was seen."""
    seen = analysis.surroundings
    if seen is None or not (seen.dns or seen.arp or seen.icmp or seen.kerberos):
        return
    yield line(("Beside the connections", "heading"))
    kinds: tuple[tuple[str, Sequence[Any], Callable[[Any], str]], ...] = (
        ("DNS", seen.dns, _dns),
        ("ICMP errors", seen.icmp, _icmp),
        ("ARP", seen.arp, _arp),
        ("Kerberos errors", seen.kerberos, _kerberos),
    )
    for title, messages, describe in kinds:
        if messages:
            yield line((title, "strong"), level=1)
        for message in islice(messages, SHOWN_MAX):
            yield line((names.range(Span(message.frame, message.frame, 0, 0)), "faint"), describe(message), level=2)
        if len(messages) > SHOWN_MAX:
            yield line((f"and {counted(len(messages) - SHOWN_MAX, 'message')} more", "faint"), level=2)
    yield line()


def _dns(message: DnsMessage) -> str:
    asked = ", ".join(f"{each.name} {each.type}" for each in message.questions) or "nothing"
    if not message.is_response:
        return f"{message.client.address} asks {message.server.address} for {asked}"
    found = ", ".join(f"{each.type} {each.data}" for each in message.answers)
    return f"{message.server.address} answers {message.client.address} for {asked}: {found or message.rcode}"


def _icmp(error: IcmpError) -> str:
    about = f"{error.protocol} {error.source} to {error.destination}"
    return f"{error.router}: {error.words}{f' (MTU {error.mtu})' if error.mtu else ''}, about {about}"


def _arp(message: ArpMessage) -> str:
    if message.is_reply:
        return f"{message.sender_ip} is at {message.sender_mac}, tells {message.target_ip}"
    return f"{message.sender_ip} ({message.sender_mac}) asks who has {message.target_ip}"


def _kerberos(error: KerberosError) -> str:
    service = f" for {error.service}" if error.service else ""
    return f"{error.server.address} refuses {error.client.address}{service}: {error.name} ({error.code})"
