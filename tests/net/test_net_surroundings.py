"""DNS, ARP, ICMP and Kerberos beside TCP; DNS messages are made by dnspython, the rest by hand after the standards."""

from __future__ import annotations

import pickle
import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.update
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.net.net_building import (
    CLIENT,
    MILLISECOND,
    SERVER,
    batch_of,
    ethernet,
    hear,
    ipv4,
    ipv6,
    segment,
    tcp,
    udp,
)
from tlsdecrypt.errors import ParseError
from tlsdecrypt.flow import Endpoint
from tlsdecrypt.net import dns_messages, surroundings_reader
from tlsdecrypt.net.connection import ConnectionTable
from tlsdecrypt.net.dns_messages import parse_dns
from tlsdecrypt.net.kerberos_errors import parse_kerberos_error
from tlsdecrypt.net.surroundings import ArpMessage, DnsQuestion, DnsRecord, EthernetTalk, IcmpError, Surroundings

HOST_MAC, ROUTER_MAC, CLUSTER_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01", "03:bf:0a:04:02:0f"
ENDS = Endpoint(CLIENT, 5000), Endpoint(SERVER, 53)
QUERY = dns.message.make_query("AutoDiscover.contoso.example", "A", id=7)


def seen(*frames: bytes, link_type: int = 1, per_batch: int | None = None) -> Surroundings:
    table = ConnectionTable()
    size = per_batch or len(frames)
    for first in range(0, len(frames), size):
        list(table.feed(batch_of(frames[first : first + size], link_type=link_type, first_number=first + 1)))
    list(table.finish())
    return table.surroundings.facts()


def query(message: dns.message.Message = QUERY) -> bytes:
    return ethernet(ipv4(udp(5000, 53, message.to_wire()), 17))


def answer(*records: str, code: dns.rcode.Rcode = dns.rcode.NOERROR) -> dns.message.Message:
    message = dns.message.make_response(QUERY)
    message.set_rcode(code)
    message.answer += [dns.rrset.from_text(*record.split(maxsplit=4)) for record in records]
    return message


def answered(*records: str, code: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    return ethernet(ipv4(udp(53, 5000, answer(*records, code=code).to_wire()), 17, back=True))


def arp(operation: int, sender: tuple[str, str], target: tuple[str, str], link: tuple[str, str] | None = None) -> bytes:
    def ip(text: str) -> bytes:
        return bytes(map(int, text.split(".")))

    def mac(text: str) -> bytes:
        return bytes.fromhex(text.replace(":", ""))

    source, destination = link or (sender[0], "ff:ff:ff:ff:ff:ff")
    payload = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    payload += mac(sender[0]) + ip(sender[1]) + mac(target[0]) + ip(target[1])
    return mac(destination) + mac(source) + b"\x08\x06" + payload + bytes(18)


def test_a_query_names_who_asks_whom_for_what() -> None:
    (message,) = seen(query()).dns
    assert (message.frame, message.time_ns, message.client, message.server) == (1, MILLISECOND, *ENDS)
    assert (message.is_response, message.opcode, message.id) == (False, "QUERY", 7)
    assert message.questions == (DnsQuestion("autodiscover.contoso.example", "A"),)


def test_an_answer_has_records_in_their_order() -> None:
    records = (
        "AutoDiscover.contoso.example. 300 IN CNAME Mail.contoso.example.",
        "mail.contoso.example. 60 IN A 198.51.100.7",
        "mail.contoso.example. 60 IN A 198.51.100.8",
    )
    message = seen(query(), answered(*records)).dns[1]
    assert (message.client, message.server, message.rcode, message.is_response) == (*ENDS, "NOERROR", True)
    assert message.answers == (
        DnsRecord("autodiscover.contoso.example", "CNAME", "mail.contoso.example", 300),
        DnsRecord("mail.contoso.example", "A", "198.51.100.7", 60),
        DnsRecord("mail.contoso.example", "A", "198.51.100.8", 60),
    )


@pytest.mark.parametrize(
    ("record", "data"),
    [
        ("x. 1 IN SRV 0 10 443 Mail.Contoso.example.", "0 10 443 mail.contoso.example"),
        ("x. 1 IN MX 5 MX.contoso.example.", "5 mx.contoso.example"),
        ("x. 1 IN TXT v=spf1", '"v=spf1"'),
        ("x. 1 IN AAAA 2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_data_of_a_record_are_its_text(record: str, data: str) -> None:
    assert seen(answered(record)).dns[0].answers[0].data == data


def test_an_error_has_the_name_of_its_code() -> None:
    assert seen(answered(code=dns.rcode.NXDOMAIN)).dns[0].rcode == "NXDOMAIN"


def test_a_dynamic_update_shows_which_address_is_registered() -> None:
    update = dns.update.UpdateMessage("contoso.example", id=9)
    update.add("dc1", 1200, "A", "10.4.2.15")
    (message,) = seen(query(update)).dns
    assert message.opcode == "UPDATE"
    assert message.questions[0].name == "contoso.example"
    assert message.authority == (DnsRecord("dc1.contoso.example", "A", "10.4.2.15", 1200),)


def test_multicast_dns_is_none_of_it() -> None:
    assert seen(ethernet(ipv4(udp(5353, 5353, QUERY.to_wire()), 17))).is_empty


@pytest.mark.parametrize("per_batch", [1, 99])
def test_dns_over_tcp_is_read_however_it_is_cut(per_batch: int) -> None:
    wire = QUERY.to_wire()
    stream = (len(wire).to_bytes(2, "big") + wire) * 2
    frames = [_to_port_53(1000, flags=2)]
    frames += [_to_port_53(1001 + at, stream[at : at + 7]) for at in range(0, len(stream), 7)]
    first, second = seen(*frames, per_batch=per_batch).dns
    assert (first.is_tcp, first.server.port, first.questions) == (True, 53, second.questions)
    assert (first.frame, second.frame) == (2, 2 + len(stream) // 2 // 7)


def _to_port_53(seq: int, payload: bytes = b"", flags: int = 0x18) -> bytes:
    plain = bytearray(tcp(seq, payload, flags))
    plain[2:4] = b"\0\x35"
    return ethernet(ipv4(bytes(plain)))


def test_a_cut_message_gives_what_can_be_read_and_says_so() -> None:
    wire = answer("x. 1 IN A 192.0.2.9", "y. 1 IN A 192.0.2.10").to_wire()
    for length in range(len(wire)):
        try:
            message = parse_dns(wire[:length], ENDS, (1, 0))
        except ParseError:
            assert length < 12
            continue
        assert message.faults
    assert parse_dns(wire, ENDS, (1, 0)).faults == ()


@given(st.binary(max_size=120))
def test_any_bytes_on_port_53_are_a_message_with_that_header_or_none(data: bytes) -> None:
    wire = QUERY.to_wire()
    for candidate in (data, wire[:12] + data, b"\0\1\x84\0\0\1\0\3\0\1\0\1" + data):
        try:
            message = parse_dns(candidate, ENDS, (1, 0))
        except ParseError:
            continue
        assert message.id == int.from_bytes(candidate[:2], "big")
        assert (message.is_response, message.is_truncated) == (bool(candidate[2] & 0x80), bool(candidate[2] & 0x02))
        assert (message.client if message.is_response else message.server) == ENDS[1]
        assert message.faults or len(message.questions) == int.from_bytes(candidate[4:6], "big")


def test_a_name_that_points_to_itself_is_a_fault() -> None:
    assert parse_dns(b"\0\7\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", ENDS, (1, 0)).faults


def test_arp_tells_the_frame_from_the_message() -> None:
    ask = arp(1, (ROUTER_MAC, "10.4.2.1"), ("00:00:00:00:00:00", "10.4.2.15"))
    tell = arp(2, (CLUSTER_MAC, "10.4.2.15"), (ROUTER_MAC, "10.4.2.1"), (HOST_MAC, ROUTER_MAC))
    first, second = seen(ask, tell).arp
    assert first == ArpMessage(
        frame=1,
        time_ns=MILLISECOND,
        source=ROUTER_MAC,
        destination="ff:ff:ff:ff:ff:ff",
        is_reply=False,
        sender_mac=ROUTER_MAC,
        sender_ip="10.4.2.1",
        target_mac="00:00:00:00:00:00",
        target_ip="10.4.2.15",
    )
    assert (second.source, second.sender_mac, second.is_reply) == (HOST_MAC, CLUSTER_MAC, True)


def test_arp_that_is_cut_or_of_another_kind_is_left_out() -> None:
    whole = arp(1, (ROUTER_MAC, "10.4.2.1"), ("00:00:00:00:00:00", "10.4.2.15"))[:42]
    assert seen(*(whole[:length] for length in range(14, 42))).is_empty
    assert seen(whole[:14] + b"\0\6" + whole[16:]).is_empty
    assert len(seen(whole).arp) == 1


def icmp(kind: int, code: int, quoted: bytes, rest: bytes = bytes(4)) -> bytes:
    return bytes((kind, code, 0, 0)) + rest + quoted


def test_an_icmp_error_says_whose_datagram_could_not_be_delivered() -> None:
    frame = ethernet(ipv4(icmp(3, 13, ipv4(tcp(7))[:28]), 1, back=True))
    (error,) = seen(frame).icmp
    ends = Endpoint(CLIENT, 49152), Endpoint(SERVER, 443)
    words = "communication administratively prohibited"
    assert error == IcmpError(1, MILLISECOND, SERVER, 4, 3, 13, words, None, *ends, "tcp")


def test_fragmentation_needed_and_packet_too_big_name_the_mtu() -> None:
    four = ethernet(ipv4(icmp(3, 4, ipv4(tcp(7))[:28], b"\0\0\x05\xaa"), 1, back=True))
    six = ethernet(ipv6(icmp(2, 0, ipv6(tcp(7))[:48], b"\0\0\x05\x00"), 58), 0x86DD)
    errors = seen(four, six).icmp
    assert [(each.version, each.mtu, each.destination.port) for each in errors] == [(4, 1450, 443), (6, 1280, 443)]


def test_an_echo_is_no_error_and_a_cut_quotation_names_no_ports() -> None:
    assert seen(ethernet(ipv4(icmp(8, 0, b"ping"), 1))).is_empty
    (error,) = seen(ethernet(ipv4(icmp(3, 1, ipv4(tcp(7))[:20]), 1, back=True))).icmp
    assert (error.words, error.source) == ("host unreachable", Endpoint(CLIENT, 0))


KRB_SKEW = bytes.fromhex(
    "7e49 3047"  # KRB-ERROR
    "a003020105 a10302011e"  # version 5, type 30
    "a411180f32303131313231353130303030305a a505020301e240"  # stime, susec
    "a603020125"  # 37: KRB_AP_ERR_SKEW
    "a90d1b0b434f4e544f534f2e4c4142"  # realm
    "aa0d300ba003020102a10430021b00"  # sname
)


def test_a_kerberos_error_has_code_realm_and_service() -> None:
    service = bytes.fromhex("aa1b3019a003020102a11230101b04485454501b086d61696c2e6c6162")
    data = KRB_SKEW[:-15] + service
    data = b"\x7e" + bytes((len(data) - 2,)) + b"\x30" + bytes((len(data) - 4,)) + data[4:]
    frame = ethernet(ipv4(udp(88, 5000, data), 17, back=True))
    (error,) = seen(frame).kerberos
    assert (error.code, error.name, error.realm, error.service) == (
        37,
        "KRB_AP_ERR_SKEW",
        "CONTOSO.LAB",
        "HTTP/mail.lab",
    )
    assert (error.client, error.server) == (Endpoint(CLIENT, 5000), Endpoint(SERVER, 88))


def test_a_cut_kerberos_error_is_a_parse_error() -> None:
    ends = Endpoint(SERVER, 88), Endpoint(CLIENT, 5000)
    assert parse_kerberos_error(KRB_SKEW, ends, (1, 0)).realm == "CONTOSO.LAB"
    for length in range(len(KRB_SKEW)):
        with pytest.raises(ParseError):
            parse_kerberos_error(KRB_SKEW[:length], ends, (1, 0))


@given(
    st.integers(0, 255),
    st.dictionaries(st.integers(0, len(KRB_SKEW) - 1), st.integers(0, 255), max_size=4),
    st.binary(max_size=60),
)
def test_what_a_changed_kerberos_error_says_stands_in_its_bytes(
    code: int, changes: dict[int, int], data: bytes
) -> None:
    whole = KRB_SKEW.replace(b"\xa6\3\2\1\x25", b"\xa6\3\2\1" + bytes((code,)))
    assert parse_kerberos_error(whole, ENDS, (1, 0)).code == code
    changed = bytes(changes.get(at, byte) for at, byte in enumerate(whole))
    for candidate in (changed, b"\x7e" + data):
        try:
            error = parse_kerberos_error(candidate, ENDS, (1, 0))
        except ParseError:
            continue
        assert (error.server, error.client) == ENDS
        assert error.code.to_bytes((error.code.bit_length() + 7) // 8, "big") in candidate
        assert "\ufffd" in error.realm or error.realm.encode() in candidate


def test_who_talks_to_whom_is_gathered_where_a_cluster_shows_itself() -> None:
    tell = arp(2, (CLUSTER_MAC, "10.4.2.15"), (ROUTER_MAC, "10.4.2.1"), (HOST_MAC, ROUTER_MAC))
    data = segment(1000, b"x")
    talks = seen(data, data, tell, ethernet(ipv4(tcp(7)), tags=[0x8100])).talks
    assert talks == (EthernetTalk(HOST_MAC, ROUTER_MAC, CLIENT, SERVER, 3, 1, MILLISECOND, 4, 4 * MILLISECOND),)
    assert seen(data, data).talks == ()


def test_frames_to_a_cluster_in_unicast_mode_show_it_too() -> None:
    data = b"\x02\xbf\x0a\x04\x02\x0f" + segment(1000, b"x")[6:]
    assert [each.destination_mac for each in seen(data).talks] == ["02:bf:0a:04:02:0f"]


def test_a_frame_in_a_tunnel_or_on_another_link_tells_as_much() -> None:
    inner = ipv4(udp(5000, 53, QUERY.to_wire()), 17)
    gre = ethernet(ipv4(b"\0\0\x08\0" + inner, 47))
    assert seen(gre).dns[0].questions == seen(inner, link_type=101).dns[0].questions != ()


def test_what_comes_beyond_the_bound_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings_reader, "MESSAGES_MAX", 2)
    found = seen(query(), query(), query())
    assert (len(found.dns), found.dropped) == (2, 1)


def test_a_very_large_message_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    large = answer(*(f"x. 1 IN A 192.0.2.{number}" for number in range(1, 250)))
    wire = large.to_wire(max_size=65535)
    assert len(parse_dns(wire, ENDS, (1, 0)).answers) == dns_messages.RECORDS_MAX
    monkeypatch.setattr(dns_messages, "READ_MAX", 100)
    dns_messages._said.cache_clear()
    message = parse_dns(wire, ENDS, (1, 0))
    assert message.faults
    assert 0 < len(message.answers) < 10


def test_all_messages_together_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings_reader, "DNS_BYTES_MAX", 100)
    found = seen(query(), query(), query())
    assert (len(found.dns), found.dropped) == (2, 1)


def test_frames_that_tell_something_are_counted_as_before() -> None:
    heard = hear([query(), arp(1, (ROUTER_MAC, "10.4.2.1"), (HOST_MAC, "10.4.2.2")), ethernet(ipv4(bytes(8), 1))])
    assert heard.table.other_frames == {"dns": 1, "arp": 1, "icmp": 1}


def test_surroundings_travel_between_processes_and_join_in_order_of_time() -> None:
    both = seen(query(), answered())
    parts = [Surroundings(dns=both.dns[1:]), Surroundings(dns=both.dns[:1])]
    assert Surroundings.joined(pickle.loads(pickle.dumps(parts))) == both
