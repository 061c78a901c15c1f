"""WebSocket (RFC 6455) with its secrets overwritten: the payload of each frame, behind the upgrade that begins them.

A payload keeps its length and its mask. What is compressed or goes on over several frames cannot be changed in part:
all of it is overwritten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.app.websocket_frames import head_length, is_frame, payload_length, unmasked
from tlsdecrypt.recapture.mqtt_logins import without_mqtt_password
from tlsdecrypt.redact.in_place import stars

if TYPE_CHECKING:
    from tlsdecrypt.recapture.stream_bytes import StreamBytes
    from tlsdecrypt.redact.in_place import InPlaceMasker

MAX_HEAD = 1 << 20  # bytes in which the upgrade is sought
MAX_PAYLOAD = 1 << 20  # bytes of one payload that are looked at; more are overwritten
MAX_HEADER = 14  # bytes of a frame's header

_ASKED = re.compile(rb"\r?\nUpgrade:[ \t]*websocket\b.*?\r?\n\r?\n", re.IGNORECASE | re.DOTALL)
_AGREED = re.compile(rb"HTTP/1\.1 101\b.*?\r?\n\r?\n", re.DOTALL)
_FINAL, _COMPRESSED, _OPCODE, _CLOSE, _MASKED = 0x80, 0x40, 0x0F, 8, 0x80
_KEY, _CODE = 4, 2  # bytes


def mask_websocket(client: StreamBytes, server: StreamBytes, masker: InPlaceMasker) -> None:
    """Both directions; where a hole leaves no framing, all that follows is overwritten."""
    for stream, upgrade in ((client, _ASKED), (server, _AGREED)):
        found = upgrade.search(stream.read(0, MAX_HEAD))
        if found is not None:
            _mask_rest(stream, _mask_frames(stream, found.end(), masker))


def _mask_frames(stream: StreamBytes, position: int, masker: InPlaceMasker) -> int:
    """Up to the first that is none, or not all there: where that is."""
    stretch = stream.stretch(position)
    if stretch is None or stretch[0] != position:
        return position
    while True:
        head = stream.read(position, min(position + MAX_HEADER, stretch[1]))
        if len(head) < _CODE or not is_frame(head) or len(head) < head_length(head):
            return position
        head = head[: head_length(head)]
        start = position + len(head)
        end = start + payload_length(head)
        if end > stretch[1]:
            return position
        if end - start > MAX_PAYLOAD:
            _overwrite(stream, start, end)
        else:
            payload = stream.read(start, end)
            masked = _masked(payload, head, masker)
            if masked != payload:
                stream.overwrite(start, masked)
        position = end


def _masked(payload: bytes, head: bytes, masker: InPlaceMasker) -> bytes:
    key = head[-_KEY:] if head[1] & _MASKED else bytes(_KEY)
    plain = without_mqtt_password(unmasked(payload, key))
    if head[0] & _COMPRESSED or not head[0] & _FINAL or not head[0] & _OPCODE:
        plain = stars(plain)
    elif head[0] & _OPCODE == _CLOSE:
        plain = plain[:_CODE] + masker.content(plain[_CODE:], None)
    else:
        plain = masker.content(plain, None)
    return unmasked(plain, key)


def _mask_rest(stream: StreamBytes, position: int) -> None:
    while (stretch := stream.stretch(position)) is not None:
        _overwrite(stream, *stretch)
        position = stretch[1]


def _overwrite(stream: StreamBytes, start: int, end: int) -> None:
    for at in range(start, end, MAX_PAYLOAD):
        stop = min(at + MAX_PAYLOAD, end)
        stream.overwrite(at, stars(stream.read(at, stop)))
