"""ShownContent: as much of a message's content as an output may show, masked, and as text where it is text."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.kept_content import content_of
from tlsdecrypt.value import Hidden, Value

if TYPE_CHECKING:
    from tlsdecrypt.redact import Redactor

# Bytes of content behind the bound that are read along, masked, and dropped again: a secret that the bound would cut
# in two is seen whole, up to this length.
SLACK = 64 * 1024

_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TEXT_TYPE = re.compile(r"text/.*|.*[/+](?:xml|json)|application/(?:x-www-form-urlencoded|(?:x-)?javascript|graphql)")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)


class ShownContent(Value, frozen=True):
    """`data` is masked, and a beginning only where `is_cut`; `length` counts the bytes of the whole as it was sent.

    `media_type` is the Content-Type as it was sent, empty where there was none. `text` is None where it is no text.
    """

    data: Hidden[bytes]
    media_type: str
    length: int
    is_cut: bool
    text: Hidden[str | None]

    @property
    def kind(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.media_type.partition(";")[0].strip().lower()


def shown_content(message: Any, redactor: Redactor, bound: int) -> ShownContent | None:
    """At most `bound` bytes of the decoded content of an HTTP message, None where there is none or it was not kept."""
    content = content_of(message)
    if not content:
        return None
    media_type = message.field("content-type") or ""
    is_cut = len(content) > bound + SLACK
    data = redactor.content(bytes(content[: bound + SLACK]), media_type or None)
    if is_cut:
        data = data[: max(len(data) - SLACK, 0)]
    is_cut = is_cut or len(data) > bound
    data = data[:bound]
    return ShownContent(data, media_type, len(content), is_cut, as_text(data, media_type, is_cut=is_cut))


def as_text(data: bytes, media_type: str, *, is_cut: bool = False) -> str | None:
    """`data` as text, None for what is none; where it was cut, the beginning of a character is left out."""
    kind = media_type.partition(";")[0].strip().lower()
    is_declared = _TEXT_TYPE.fullmatch(kind) is not None
    for encoding in _encodings(data, media_type):
        try:
            " ".encode(encoding)  # LookupError for codecs of Python that make bytes of bytes
            text = codecs.getincrementaldecoder(encoding)("strict").decode(data, final=not is_cut)
        except (LookupError, ValueError):
            continue
        return text if is_declared or not _CONTROLS.search(text) else None
    return data.decode("latin-1") if is_declared else None


def _encodings(data: bytes, media_type: str) -> list[str]:
    """What to try: a byte order mark, the charset that was declared, and what is most likely."""
    marked = [encoding for mark, encoding in _BOMS if data.startswith(mark)][:1]
    declared = _CHARSET.search(media_type)
    return [*marked, *([declared[1]] if declared else []), "utf-8"]
