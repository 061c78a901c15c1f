"""What was seen beside TCP as plain values: `surroundings` of the JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.report.quantities import iso_time

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.flow import Endpoint
    from tlsdecrypt.net.surroundings import ArpMessage, DnsMessage, DnsRecord, IcmpError, KerberosError


def surroundings_document(analysis: Analysis) -> dict[str, Any]:
    """Messages of each kind in the order in which they were captured; `dropped` of them came beyond the bound."""
    seen = analysis.surroundings
    if seen is None:
        return {"dns": [], "arp": [], "icmp": [], "kerberos": [], "dropped": 0}
    return {
        "dns": [_dns(each) for each in seen.dns],
        "arp": [_arp(each) for each in seen.arp],
        "icmp": [_icmp(each) for each in seen.icmp],
        "kerberos": [_kerberos(each) for each in seen.kerberos],
        "dropped": seen.dropped,
    }


def _end(endpoint: Endpoint) -> dict[str, Any]:
    return {"address": endpoint.address, "port": endpoint.port}


def _dns(message: DnsMessage) -> dict[str, Any]:
    return {
        "frame": message.frame,
        "time": iso_time(message.time_ns),
        "client": _end(message.client),
        "server": _end(message.server),
        "transport": "tcp" if message.is_tcp else "udp",
        "id": message.id,
        "response": message.is_response,
        "opcode": message.opcode,
        "rcode": message.rcode if message.is_response else None,
        "truncated": message.is_truncated,
        "questions": [{"name": each.name, "type": each.type} for each in message.questions],
        "answers": [_record(each) for each in message.answers],
        "authority": [_record(each) for each in message.authority],
        "additional": [_record(each) for each in message.additional],
        "faults": list(message.faults),
    }


def _record(record: DnsRecord) -> dict[str, Any]:
    return {"name": record.name, "type": record.type, "data": record.data, "ttl": record.ttl}


def _arp(message: ArpMessage) -> dict[str, Any]:
    return {
        "frame": message.frame,
        "time": iso_time(message.time_ns),
        "source": message.source or None,
        "destination": message.destination or None,
        "operation": "reply" if message.is_reply else "request",
        "sender": {"mac": message.sender_mac, "address": message.sender_ip},
        "target": {"mac": message.target_mac, "address": message.target_ip},
    }


def _icmp(error: IcmpError) -> dict[str, Any]:
    return {
        "frame": error.frame,
        "time": iso_time(error.time_ns),
        "router": error.router,
        "version": error.version,
        "type": error.type,
        "code": error.code,
        "words": error.words,
        "mtu": error.mtu,
        "about": {"protocol": error.protocol, "source": _end(error.source), "destination": _end(error.destination)},
    }


def _kerberos(error: KerberosError) -> dict[str, Any]:
    return {
        "frame": error.frame,
        "time": iso_time(error.time_ns),
        "client": _end(error.client),
        "server": _end(error.server),
        "code": error.code,
        "name": error.name,
        "realm": error.realm or None,
        "service": error.service or None,
    }
