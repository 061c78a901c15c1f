"""decode_base64: Base64 as peers write it: either alphabet, folded, unpadded (RFC 4648)."""

from __future__ import annotations

import base64
import binascii

MAX_TEXT = 64 * 1024  # characters that are looked at


def decode_base64(text: str, most: int = MAX_TEXT) -> bytes:
    """The bytes that `text` stands for; empty where it is no Base64."""
    compact = "".join(text.split())[:most].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
