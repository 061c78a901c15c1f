"""Clusters of Network Load Balancing and conflicts of addresses, as ARP shows them (RFC 826, RFC 5227)."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import subnet
from tlsdecrypt.findings.clusters import NLB_IGMP, NLB_MULTICAST, NLB_UNICAST
from tlsdecrypt.findings.finding import Confidence, Evidence, Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.findings.scene import Scene
    from tlsdecrypt.net.surroundings import ArpMessage, EthernetTalk, Surroundings

REQUESTS = 3
ANSWER_NS = 2_000_000_000  # so soon an answer to a request comes
SHORTEST_CAPTURE_NS = 5_000_000_000
CHANGE_NS = 60_000_000_000
VIPS_MAX = 64  # clusters that are looked at
MANY_ADDRESSES = 4  # for which a proxy answers ARP

_GROUP_BIT = 0x01
_BROADCAST, _NOBODY = "ff:ff:ff:ff:ff:ff", "0.0.0.0"  # noqa: S104 - the sender of an ARP probe
# Addresses that several hosts answer with on purpose: VRRP, HSRP 1 and 2, GLBP, NLB and its masked sources.
_SHARED = ("00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f", "00:07:b4:00:", NLB_UNICAST)


@rule(
    "l2.nlb-multicast-vip",
    Severity.INFO,
    advice="Routers need a static ARP entry for this address, and switches a static entry for the ports of the hosts.",
    source="Seed post of 15 December 2011; VMware KB 1006525",
)
def multicast_vip(scene: Scene) -> Iterator[Hit]:
    """ARP answers for an address with a multicast MAC address: a load-balancing cluster in multicast mode."""
    for reply in _group_replies(scene.surroundings):
        summary = f"{reply.sender_ip} is a cluster address with the multicast MAC {reply.sender_mac}{_decoded(reply)}"
        yield Hit(summary, (_said(reply),), client="", server=reply.sender_ip, place=reply.sender_mac)


@rule(
    "l2.nlb-multicast-arp-rejected",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Enter the MAC address on the router by hand (arp <address> 03bf.xxxx.xxxx arpa) and on the switch for the"
    " ports of the hosts; or let the cluster use IGMP multicast or unicast mode.",
    source="Seed post of 15 December 2011; VMware KB 1006525; RFC 1812 section 3.3.2",
    causes=("tcp.connect-timeout", "icmp.unreachable"),
)
def arp_rejected(scene: Scene) -> Iterator[Hit]:
    """A router asks for a cluster's address again and again, is answered with a multicast MAC, and never uses it.

    It needs three answered requests of one station that sends no packet to that address, while others do, or while it
    routes for hosts of other networks. Silent where a packet of it to the address is seen (a static entry works), for
    probes and announcements, and in captures of less than five seconds. A hint where no other stations' frames were
    captured: then its packets may simply not be seen.
    """
    seen = scene.surroundings
    if seen is None or scene.start_ns is None or (scene.end_ns or 0) - scene.start_ns < SHORTEST_CAPTURE_NS:
        return
    for vip in list(dict.fromkeys(reply.sender_ip for reply in _group_replies(seen)))[:VIPS_MAX]:
        for station, pairs in _answered_requests(seen.arp, vip).items():
            if len(pairs) >= REQUESTS and scene.goes_on_after(pairs[REQUESTS - 1][1].time_ns):
                yield from _rejected(seen, vip, station, pairs)


@rule(
    "l2.nlb-unicast-flooding",
    Severity.INFO,
    advice="Put the hosts of the cluster into a network of their own, or use IGMP multicast mode.",
    source="VMware KB 1006525",
    confidence=Confidence.LIKELY,
)
def unicast_flooding(scene: Scene) -> Iterator[Hit]:
    """Frames to a cluster in unicast mode reach a host that is no member of it: the switch floods them.

    The capturing host is told by its taking part in all other unicast frames. Silent on mirror ports, where others
    talk to one another too, and on members of the cluster.
    """
    talks = scene.surroundings.talks if scene.surroundings is not None else ()
    flooded = [talk for talk in talks if talk.destination_mac.startswith(NLB_UNICAST)]
    plain = [talk for talk in talks if not _is_group(talk.destination_mac) and talk not in flooded]
    hosts = _taking_part(plain)
    for talk in flooded:
        strangers = sorted(hosts - {talk.source_mac})
        if not strangers or any(_is_member(host, talk, talks) for host in hosts):
            continue
        summary = (
            f"Frames to the cluster address {talk.destination_ip} ({talk.destination_mac}) are flooded to a port where"
            f" they do not belong: that of {' or '.join(strangers)}"
        )
        seen = Evidence(talk.first_frame, None, f"from {talk.source_mac} to {talk.destination_mac}")
        yield Hit(summary, (seen,), client="", server=talk.destination_ip, place=talk.destination_mac)


@rule(
    "l2.duplicate-ip",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Find the second host by its MAC address (the first half tells the vendor, the switch tells the port), and"
    " give it another address.",
    source="RFC 5227 section 2.4",
)
def duplicate_ip(scene: Scene) -> Iterator[Hit]:
    """Two MAC addresses claim one IP address.

    Both answer the ARP requests of one host, to one request or in turn; or both announce the address in turn; or one
    defends it against the other's announcement.

    Silent for addresses that are shared on purpose (VRRP, HSRP, GLBP, clusters), for teamed network cards (each asking
    host always gets the same answer), where each new holder announced itself, as at a failover and back, and for a
    router that answers for many addresses (proxy ARP).
    """
    replies: dict[tuple[str, str], list[ArpMessage]] = defaultdict(list)  # by address, and who asked
    answers_for: dict[str, set[str]] = defaultdict(set)
    announced: dict[str, list[ArpMessage]] = defaultdict(list)
    asked: dict[tuple[str, str], int] = {}  # the latest request, by who asked for what
    asked_in: dict[int, int] = {}  # the frame of the request, by that of the answer
    for message in scene.surroundings.arp if scene.surroundings is not None else ():
        if message.sender_ip == message.target_ip:
            announced[message.sender_ip].append(message)
        elif not message.is_reply:
            asked[message.sender_mac, message.target_ip] = message.frame
        elif not _is_shared(message):
            asked_in[message.frame] = asked.get((message.target_mac, message.sender_ip), 0)
            replies[message.sender_ip, message.target_mac].append(message)
            answers_for[message.sender_mac].add(message.sender_ip)
    for (address, _), answers in replies.items():
        own = [each for each in answers if len(answers_for[each.sender_mac]) < MANY_ADDRESSES]
        conflict = _conflict(own, asked_in, announced[address])
        confidence = None
        if conflict is None:
            holders = {each.sender_mac for each in announced[address]}
            conflict, confidence = _unannounced_change(own, holders), Confidence.HINT
        if conflict is None:
            continue
        yield _claimed_by_several(address, conflict, confidence)
    for address, conflict in _fights(scene.surroundings.arp if scene.surroundings is not None else ()):
        yield _claimed_by_several(address, conflict, None)


def _claimed_by_several(address: str, conflict: list[ArpMessage], confidence: Confidence | None) -> Hit:
    macs = sorted({each.sender_mac for each in conflict})
    summary = f"{address} is used by {len(macs)} hosts: {' and '.join(macs)} answer ARP for it"
    return Hit(summary, tuple(map(_said, conflict)), confidence=confidence, client="", server=address, place="arp")


def _group_replies(seen: Surroundings | None) -> Iterator[ArpMessage]:
    for message in seen.arp if seen is not None else ():
        if message.is_reply and _is_group(message.sender_mac) and message.sender_mac != _BROADCAST:
            yield message


def _is_group(mac: str) -> bool:
    return bool(int(mac[:2] or "0", 16) & _GROUP_BIT)


def _decoded(reply: ArpMessage) -> str:
    """What the last octets of the MAC address say."""
    octets = [str(int(each, 16)) for each in reply.sender_mac.split(":")]
    if reply.sender_mac.startswith(NLB_MULTICAST):
        return f" (its last four octets are {'.'.join(octets[2:])})"
    if reply.sender_mac.startswith(NLB_IGMP):
        return f" (IGMP mode; its last two octets are {'.'.join(octets[4:])})"
    return ""


def _said(message: ArpMessage) -> Evidence:
    if not message.is_reply:
        return Evidence(message.frame, None, f"{message.sender_mac} ({message.sender_ip}) asks for {message.target_ip}")
    via = f" (sent by {message.source})" if message.source not in ("", message.sender_mac) else ""
    return Evidence(message.frame, None, f"{message.sender_ip} is at {message.sender_mac}{via}")


def _answered_requests(arp: Iterable[ArpMessage], vip: str) -> dict[str, list[tuple[ArpMessage, ArpMessage]]]:
    """By asking station: requests for `vip` and their answers. Probes and announcements are none."""
    open_requests: dict[str, ArpMessage] = {}
    pairs: dict[str, list[tuple[ArpMessage, ArpMessage]]] = defaultdict(list)
    for message in arp:
        if not message.is_reply and message.target_ip == vip and message.sender_ip not in (_NOBODY, vip):
            open_requests[message.sender_mac] = message
        elif message.is_reply and message.sender_ip == vip and _is_group(message.sender_mac):
            request = open_requests.pop(message.target_mac, None)
            if request is not None and message.time_ns - request.time_ns <= ANSWER_NS:
                pairs[request.sender_mac].append((request, message))
    return pairs


def _rejected(seen: Surroundings, vip: str, station: str, pairs: list[tuple[ArpMessage, ArpMessage]]) -> Iterator[Hit]:
    router = pairs[0][0].sender_ip
    if any(talk.source_mac == station and talk.destination_ip == vip for talk in seen.talks):
        return
    others_reach_it = any(talk.destination_ip == vip and talk.source_mac != station for talk in seen.talks)
    routed = {
        talk.source_ip for talk in seen.talks if talk.source_mac == station and subnet(talk.source_ip) != subnet(router)
    }
    if not others_reach_it and len(routed) < 2:  # noqa: PLR2004 - one might be its own second address
        return
    answering = {reply.source for _, reply in pairs}
    sees_others = any(
        not _is_group(talk.destination_mac) and not {talk.source_mac, talk.destination_mac} <= {station, *answering}
        for talk in seen.talks
    )
    mac = pairs[0][1].sender_mac
    summary = (
        f"{router} ({station}) does not accept the multicast MAC {mac} for {vip}: it asks again and again"
        f" ({len(pairs)} times) and sends nothing there. Clients behind it cannot reach the cluster"
    )
    evidence = tuple(_said(message) for pair in pairs[:REQUESTS] for message in pair)
    confidence = None if sees_others else Confidence.HINT
    yield Hit(summary, evidence, confidence=confidence, client="", server=vip, place=station)


def _taking_part(talks: list[EthernetTalk]) -> set[str]:
    """The stations that are an end of each of these talks: one of them captures. Empty where there are none."""
    ends = [{talk.source_mac, talk.destination_mac} for talk in talks]
    return set.intersection(*ends) if ends else set()


def _is_member(host: str, flooded: EthernetTalk, talks: Iterable[EthernetTalk]) -> bool:
    """The host speaks for the cluster's address, or its MAC is a masked one of the cluster."""
    is_masked = host.startswith("02:") and host[6:] == flooded.destination_mac[6:]
    return is_masked or any(talk.source_mac == host and talk.source_ip == flooded.destination_ip for talk in talks)


def _is_shared(reply: ArpMessage) -> bool:
    """The MAC address is one that moves or stands for several hosts on purpose."""
    mac = reply.sender_mac
    is_masked_nlb = mac.startswith("02:0") and mac[6:] == _nlb_tail(reply.sender_ip)
    return _is_group(mac) or mac.startswith(_SHARED) or is_masked_nlb


def _nlb_tail(address: str) -> str:
    return ":".join(f"{int(octet):02x}" for octet in address.split("."))


def _conflict(
    answers: list[ArpMessage], asked_in: dict[int, int], announced: list[ArpMessage]
) -> list[ArpMessage] | None:
    """Two answers to one request, or answers of one host, another, and the first again; None where there is neither.

    A change counts unless the new holder had announced itself in between.
    """
    for first, second in pairwise(answers):
        is_soon = second.time_ns - first.time_ns <= ANSWER_NS
        if first.sender_mac != second.sender_mac and is_soon and asked_in[first.frame] == asked_in[second.frame]:
            return [first, second]
    changes = answers[:1] + [second for first, second in pairwise(answers) if first.sender_mac != second.sender_mac]
    for index in range(2, len(changes)):
        turn = changes[index - 2 : index + 1]
        if turn[2].sender_mac == turn[0].sender_mac and not all(
            _is_taken_over(first, second, announced) for first, second in pairwise(turn)
        ):
            return turn
    return None


def _is_taken_over(before: ArpMessage, after: ArpMessage, announced: list[ArpMessage]) -> bool:
    """Whether the holder of an address announced itself between the last answer of another and its own first."""
    return any(
        each.sender_mac == after.sender_mac and before.time_ns < each.time_ns <= after.time_ns for each in announced
    )


def _fights(messages: Iterable[ArpMessage]) -> Iterator[tuple[str, list[ArpMessage]]]:
    """Addresses that two hosts announce against one another, and the announcements that show it."""
    claims: dict[str, list[ArpMessage]] = defaultdict(list)
    for message in messages:
        if message.sender_ip == message.target_ip != _NOBODY and not _is_shared(message):
            claims[message.sender_ip].append(message)
    for address, several in claims.items():
        conflict = _fight(several)
        if conflict is not None:
            yield address, conflict


def _fight(claims: list[ArpMessage]) -> list[ArpMessage] | None:
    """An announcement that is defended at once, or two hosts that announce an address in turn, one of them twice."""
    changes = claims[:1] + [second for first, second in pairwise(claims) if first.sender_mac != second.sender_mac]
    for index, (first, second) in enumerate(pairwise(changes)):
        if second.is_reply and second.target_mac == first.sender_mac and second.time_ns - first.time_ns <= ANSWER_NS:
            return [first, second]
        third = changes[index + 2] if index + 2 < len(changes) else None
        is_back = third is not None and third.sender_mac == first.sender_mac
        if third is not None and is_back and third.time_ns - first.time_ns <= CHANGE_NS:
            return [first, second, third]
    return None


def _unannounced_change(answers: list[ArpMessage], announced: set[str]) -> list[ArpMessage] | None:
    """Two hosts that answer soon after one another, and the second never said that it took the address over."""
    for first, second in pairwise(answers):
        is_soon = second.time_ns - first.time_ns <= CHANGE_NS
        if first.sender_mac != second.sender_mac and is_soon and second.sender_mac not in announced:
            return [first, second]
    return None
