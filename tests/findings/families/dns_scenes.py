"""DNS messages for scenes, made by dnspython."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.message
import dns.rcode
import dns.rrset
from packets import CLIENT, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLVER = "10.0.0.53"


def look_up(
    scene: Scene,
    name: str,
    records: Sequence[str] = (),
    *,
    kind: str = "A",
    code: str = "NOERROR",
    client: str = CLIENT,
    resolver: str = RESOLVER,
    is_answered: bool = True,
    after: float = 0.5,
) -> None:
    """A query, and its answer: records as in a zone file, `name ttl IN type data`."""
    query = dns.message.make_query(name, kind)
    scene.udp((client, 40_000), (resolver, 53), query.to_wire(), after)
    if not is_answered:
        return
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.from_text(code))
    response.answer += [dns.rrset.from_text(*record.split(maxsplit=4)) for record in records]
    scene.udp((resolver, 53), (client, 40_000), response.to_wire())


def addresses(name: str, *values: str) -> list[str]:
    """Address records."""
    return [f"{name}. 60 IN {'AAAA' if ':' in value else 'A'} {value}" for value in values]
