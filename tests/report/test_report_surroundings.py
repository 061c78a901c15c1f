"""What was seen beside TCP, in the document and in the verbose text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Endpoint
from tlsdecrypt.net.surroundings import (
    ArpMessage,
    DnsMessage,
    DnsQuestion,
    DnsRecord,
    IcmpError,
    KerberosError,
    Surroundings,
)
from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.surroundings_document import surroundings_document
from tlsdecrypt.report.text_surroundings import surroundings_lines
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis

HOST, RESOLVER, KDC = Endpoint("192.0.2.10", 5000), Endpoint("192.0.2.53", 53), Endpoint("192.0.2.88", 88)
NAME = "mail.contoso.example"
ASKED = (DnsQuestion(NAME, "A"),)


def message(frame: int, rcode: str, *, is_response: bool = True) -> DnsMessage:
    return DnsMessage(frame, frame, HOST, RESOLVER, 7, is_response, "QUERY", rcode, ASKED)


def arp(frame: int, sender: tuple[str, str], target: tuple[str, str], *, is_reply: bool) -> ArpMessage:
    return ArpMessage(frame, frame, "", "", is_reply, *sender, *target)


SEEN = Surroundings(
    dns=(
        message(1, "NOERROR", is_response=False),
        message(2, "NXDOMAIN"),
        replace(message(3, "NOERROR"), answers=(DnsRecord(NAME, "A", "192.0.2.7", 60),), is_tcp=True),
    ),
    arp=(
        arp(4, ("02:00:00:00:00:01", "10.4.2.1"), ("00:00:00:00:00:00", "10.4.2.15"), is_reply=False),
        arp(5, ("03:bf:0a:04:02:0f", "10.4.2.15"), ("02:00:00:00:00:01", "10.4.2.1"), is_reply=True),
    ),
    icmp=(
        IcmpError(6, 5, "192.0.2.1", 4, 3, 4, "fragmentation needed", 1400, HOST, Endpoint("192.0.2.7", 443), "tcp"),
    ),
    kerberos=(KerberosError(7, 6, HOST, KDC, 37, "KRB_AP_ERR_SKEW", "CONTOSO", "HTTP/mail"),),
    dropped=9,
)  # fmt: skip


def test_the_document_has_every_kind_with_its_frames(analysis: Analysis) -> None:
    document = surroundings_document(replace(analysis, surroundings=SEEN))
    assert [[each["frame"] for each in document[kind]] for kind in ("dns", "arp", "icmp", "kerberos")] == [
        [1, 2, 3], [4, 5], [6], [7]
    ]  # fmt: skip
    assert document["dropped"] == 9
    assert [each["rcode"] for each in document["dns"]] == [None, "NXDOMAIN", "NOERROR"]
    assert document["dns"][2]["answers"] == [
        {"name": "mail.contoso.example", "type": "A", "data": "192.0.2.7", "ttl": 60}
    ]
    assert document["dns"][2]["transport"] == "tcp"
    assert document["arp"][1]["sender"] == {"mac": "03:bf:0a:04:02:0f", "address": "10.4.2.15"}
    assert document["icmp"][0]["about"]["destination"] == {"address": "192.0.2.7", "port": 443}
    assert document["kerberos"][0]["name"] == "KRB_AP_ERR_SKEW"


def test_the_document_of_nothing_has_the_same_names(analysis: Analysis) -> None:
    assert surroundings_document(analysis).keys() == surroundings_document(replace(analysis, surroundings=SEEN)).keys()


def test_the_text_has_a_line_for_each_message(analysis: Analysis) -> None:
    lines = list(surroundings_lines(replace(analysis, surroundings=SEEN), FrameNames(analysis.captures)))
    text = ["  ".join(text for text, _ in each.parts) for each in lines]
    assert text == [
        "Beside the connections",
        "DNS",
        "#1  192.0.2.10 asks 192.0.2.53 for mail.contoso.example A",
        "#2  192.0.2.53 answers 192.0.2.10 for mail.contoso.example A: NXDOMAIN",
        "#3  192.0.2.53 answers 192.0.2.10 for mail.contoso.example A: A 192.0.2.7",
        "ICMP errors",
        "#6  192.0.2.1: fragmentation needed (MTU 1400), about tcp 192.0.2.10:5000 to 192.0.2.7:443",
        "ARP",
        "#4  10.4.2.1 (02:00:00:00:00:01) asks who has 10.4.2.15",
        "#5  10.4.2.15 is at 03:bf:0a:04:02:0f, tells 10.4.2.1",
        "Kerberos errors",
        "#7  192.0.2.88 refuses 192.0.2.10 for HTTP/mail: KRB_AP_ERR_SKEW (37)",
        "",
    ]


def test_the_text_of_nothing_is_empty_and_long_lists_are_cut(analysis: Analysis) -> None:
    names = FrameNames(analysis.captures)
    assert list(surroundings_lines(analysis, names)) == []
    many = replace(analysis, surroundings=Surroundings(dns=SEEN.dns[:1] * 250))
    lines = list(surroundings_lines(many, names))
    assert len(lines) == 204
    assert lines[-2].parts == (("and 50 messages more", "faint"),)
