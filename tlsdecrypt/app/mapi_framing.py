"""The body of a MAPI over HTTP answer: meta tags, additional headers, and the binary part.

[MS-OXCMAPIHTTP] sections 2.2.2.2 and 2.2.7: a server that needs time says PROCESSING at once, PENDING again and again,
and DONE in front of the answer. Headers that it knows only then, such as the X-ResponseCode that counts, follow DONE.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_TAGS = 100_000  # a wait of hours says PENDING every few seconds
MAX_TAG = 64  # bytes of one
MAX_HEADERS = 50
MAX_HEADER = 1024  # bytes of one line

_DONE = "DONE"
_LINE_END = b"\r\n"


class FramedBody(NamedTuple):
    """`tags` in their order, `headers` by name in lower case, and the rest.

    `is_done` is False where the answer was not complete; `data` is empty then.
    """

    pending_count: int
    is_done: bool
    headers: dict[str, str]
    data: bytes


def split_body(content: bytes) -> FramedBody | None:
    """The parts of a body, None for one that begins with no meta tag."""
    if not content.startswith((b"PROCESSING", b"PENDING", b"DONE")):
        return None
    pending = position = 0
    for _ in range(MAX_TAGS):
        end = content.find(_LINE_END, position, position + MAX_TAG)
        if end < 0:
            return FramedBody(pending, is_done=False, headers={}, data=b"")
        tag = content[position:end].decode("ascii", "replace")
        position = end + len(_LINE_END)
        if tag == _DONE:
            headers, position = _headers(content, position)
            return FramedBody(pending, is_done=True, headers=headers, data=content[position:])
        pending += tag == "PENDING"
    return FramedBody(pending, is_done=False, headers={}, data=b"")


def _headers(content: bytes, position: int) -> tuple[dict[str, str], int]:
    """Header lines up to an empty one, and where the rest begins."""
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        end = content.find(_LINE_END, position, position + MAX_HEADER)
        if end < 0:
            break
        line = content[position:end].decode("latin-1")
        position = end + len(_LINE_END)
        if not line:
            break
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, position
