"""permessage-deflate (RFC 7692) in one direction, bounded."""

from __future__ import annotations

import re
import zlib

MAX_INFLATED = 1024 * 1024  # bytes of one message

_TAIL = b"\x00\x00\xff\xff"  # that senders leave out (section 7.2.1)
_NAME = re.compile(r"(?:^|,)\s*permessage-deflate\s*(?:;([^,]*))?(?=,|$)", re.IGNORECASE)


class Inflater:
    """Messages in their order. What follows a message that could not be inflated may refer to it."""

    def __init__(self, *, has_takeover: bool) -> None:
        """`has_takeover`: a message may refer to those before it."""
        self._has_takeover = has_takeover
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._is_lost = False

    def lose(self) -> None:
        """A message was missed."""
        self._is_lost = self._has_takeover

    def inflate(self, data: bytes) -> bytes | None:
        """The message, None where it is damaged, too long, or refers to what was missed."""
        if self._is_lost:
            return None
        if not self._has_takeover:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            text = self._inflater.decompress(data + _TAIL, MAX_INFLATED + 1)
        except zlib.error:
            self.lose()
            return None
        if self._inflater.unconsumed_tail or len(text) > MAX_INFLATED:
            self.lose()
            return None
        if self._inflater.eof:  # a last block ends the stream, and the next message begins anew (section 7.2.3.4)
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return text


def inflaters(extensions: str | None) -> tuple[Inflater, Inflater] | None:
    """For the client's and the server's messages, by the answer's Sec-WebSocket-Extensions; None: not compressed."""
    match = _NAME.search(extensions or "")
    if match is None:
        return None
    options = {each.partition("=")[0].strip().lower() for each in (match[1] or "").split(";")}
    client, server = (
        Inflater(has_takeover=f"{side}_no_context_takeover" not in options) for side in ("client", "server")
    )
    return client, server
