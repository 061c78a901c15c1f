"""DNS queries with their answers, made by dnspython, in a scene of packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

if TYPE_CHECKING:
    from packets import Scene

RESOLVER = "10.1.1.5"


def lookup(
    scene: Scene,
    client: str,
    name: str,
    *addresses: str,
    kind: str = "A",
    rcode: str = "NOERROR",
    answered: bool = True,
) -> None:
    """A query, and its answer unless `answered` is false."""
    query = dns.message.make_query(name, kind)
    here, there = (client, 53_000 + len(scene.frames) % 10_000), (RESOLVER, 53)
    scene.udp(here, there, query.to_wire())
    if not answered:
        return
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    response.set_rcode(dns.rcode.from_text(rcode))
    if addresses:
        response.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", kind, *addresses))
    scene.udp(there, here, response.to_wire())
