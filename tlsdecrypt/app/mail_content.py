"""MailContent: one message on its way, counted; its head is kept for what it tells of the envelope (RFC 5322).

The head gives `from`, `to`, `cc`, `sender`, `reply_to` (addresses), `message_id`, `date`, `received` (how many hops)
and `originator_org`; its subject is not told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from email.message import Message

MAX_HEAD: Final = 64 * 1024
MAX_CONTENT_KEPT: Final = 16 * 1024 * 1024
MAX_ADDRESSES: Final = 20
MAX_TEXT: Final = 300

_TERMINATOR: Final = b"\r\n.\r\n"
_EMPTY: Final = b".\r\n"
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_DOTS = re.compile(rb"(?:(?<=\n)|\A)\.")
_ADDRESS_FIELDS = {"from": "from", "to": "to", "cc": "cc", "sender": "sender", "reply-to": "reply_to"}
_TEXT_FIELDS = {"message-id": "message_id", "date": "date", "x-originatororg": "originator_org"}


class MailContent:
    """A message, as it comes in one piece after DATA or in several after BDAT.

    `length` counts what went over the wire, `missing` (not captured) included.
    """

    def __init__(self, *, is_kept: bool) -> None:
        """`is_kept`: the whole message is wanted, up to `MAX_CONTENT_KEPT` bytes."""
        self.length = 0
        self.missing = 0
        self.has_gap = False
        self._is_kept = is_kept
        self._kept = bytearray()
        self._is_kept_whole = True

    def add(self, data: bytes | bytearray) -> None:
        """More of it."""
        self.length += len(data)
        room = (MAX_CONTENT_KEPT if self._is_kept else MAX_HEAD) - len(self._kept)
        if not self.has_gap:
            self._kept += data[:room]
        if len(data) > room:
            self._is_kept_whole = False

    def skip(self, length: int | None) -> None:
        """`length` bytes were not captured (None: nobody knows how many)."""
        self.length += length or 0
        self.missing += length or 0
        self.has_gap = True
        self._is_kept_whole = False

    def whole(self, *, is_dotted: bool) -> bytes | None:
        """The message, its transport's dots undone (RFC 5321 section 4.5.2); None where it is not kept whole."""
        if not self._is_kept or not self._is_kept_whole:
            return None
        return _DOTS.sub(b"", self._kept) if is_dotted else bytes(self._kept)

    def facts(self) -> dict[str, Any]:
        """What its head says of who writes to whom; empty where there is no head."""
        end = _END_OF_HEAD.search(self._kept)
        head = bytes(self._kept[: end.start() if end else MAX_HEAD])
        if b":" not in head[:MAX_TEXT]:
            return {}
        from email.parser import BytesParser  # noqa: PLC0415  takes 30 ms, and most captures hold no mail

        return _facts(BytesParser().parsebytes(head[:MAX_HEAD], headersonly=True))


def _facts(message: Message) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, key in _ADDRESS_FIELDS.items():
        addresses = _addresses(message.get_all(name) or [])
        if addresses:
            facts[key] = addresses
    for name, key in _TEXT_FIELDS.items():
        value = message.get(name)
        if value is not None:
            facts[key] = _shown(value)
    received = message.get_all("received") or []
    facts["received"] = len(received)
    return facts


def _addresses(values: list[Any]) -> list[str]:
    from email.utils import getaddresses  # noqa: PLC0415  see above

    texts = [str(value)[: MAX_HEAD // 4] for value in values[:MAX_ADDRESSES]]
    return [_shown(address) for _, address in getaddresses(texts) if address][:MAX_ADDRESSES]


def _shown(value: Any) -> str:
    return " ".join(str(value).split())[:MAX_TEXT]


def end_of_content(buffer: bytearray, *, is_start: bool) -> tuple[int, int] | None:
    r"""Where the content in `buffer` ends, and where what follows begins; None: the end has not come.

    Content ends with a line that is a dot; the CRLF before it belongs to the content (RFC 5321 section 4.1.1.4).
    """
    if is_start and buffer.startswith(_EMPTY):
        return 0, len(_EMPTY)
    at = buffer.find(_TERMINATOR)
    return None if at < 0 else (at + 2, at + len(_TERMINATOR))


def sure_of_content(buffer: bytearray, *, is_start: bool) -> int:
    """How many bytes of `buffer`, which holds no end of content, belong to the content whatever follows."""
    if is_start and _EMPTY.startswith(bytes(buffer[: len(_EMPTY)])):
        return 0
    return max(len(buffer) - len(_TERMINATOR) + 1, 0)
