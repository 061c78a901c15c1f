"""The login of MySQL inside TLS, as a dissector takes it that was not told of TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from tlsdecrypt.dissection.clear_frames import Said

_NUMBER = 3  # where a packet has its number, behind three bytes of length


def counted_anew(said: list[Said]) -> list[Said]:
    """What was said inside the TLS of MySQL: the number of the login's packet is 1 where no request for TLS was sent.

    (MySQL, Connection Phase, "SSL Handshake": it is 2 there, by which a login is not known for one.)
    """
    for index, each in enumerate(said):
        if each.direction is Direction.CLIENT_TO_SERVER:
            if each.data[_NUMBER : _NUMBER + 1] == b"\x02":
                data = each.data[:_NUMBER] + b"\x01" + each.data[_NUMBER + 1 :]
                return [*said[:index], each._replace(data=data), *said[index + 1 :]]
            break
    return said
