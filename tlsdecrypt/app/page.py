"""What pages say that come where a program expects something else: behind HTTP errors, and in place of its protocol.

Adds to the annotation `http`: `error_text` (`page_text`, where the status is no error), the visible text of the page,
shortened, though codes that name the fault are kept wherever they stand; `asks_password`, where it has a field for
one; and `sub_status`, the code of IIS as in `403.4`, where the page shows one.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from tlsdecrypt.app.endpoint import ASKED_BY_PROGRAMS

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_PAGE = 64 * 1024  # bytes of a page that are looked at
MAX_TEXT = 300  # characters of it that are kept

FIRST_ERROR = 400

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TYPES = _HTML | {"text/plain", "application/json"}
_UNSEEN = re.compile(r"<(script|style)\b.{0,20000}?</\1\s*>|<!--.{0,20000}?-->", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_PASSWORD_FIELD = re.compile(rb"<input\b[^<>]{0,1000}\btype\s*=\s*[\"']?password\b", re.IGNORECASE)
_NAMING_THE_FAULT = re.compile(
    r"FederatedSTSUnreachable|AADSTS\d{4,8}\b|must use multi-factor authentication|Repeating redirects detected",
    re.IGNORECASE,
)
_SUB_STATUS = re.compile(r"\b([45]\d\d\.\d{1,2})\b")


def is_page(service: str | None, status: int, content_type: str | None) -> bool:
    """Whether an answer of this service with this status is read for what its page says.

    Devices that refuse often do not name the type of their page.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if status >= FIRST_ERROR:
        return not kind or kind in _TYPES
    return kind in _HTML and service in ASKED_BY_PROGRAMS


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:  # noqa: ARG001
    """Add what the page says, where there is one."""
    if response is None or not response.content:
        return
    text = visible_text(response.content)
    if text:
        annotations["http"]["error_text" if response.status >= FIRST_ERROR else "page_text"] = _shortened(text)
    if _PASSWORD_FIELD.search(response.content[:MAX_PAGE]):
        annotations["http"]["asks_password"] = True
    sub_status = _SUB_STATUS.search(text)
    if sub_status is not None and int(sub_status[1][:3]) == response.status:
        annotations["http"]["sub_status"] = sub_status[1]


def _shortened(text: str) -> str:
    named = next((each for each in _NAMING_THE_FAULT.finditer(text) if each.end() > MAX_TEXT), None)
    return f"{text[:MAX_TEXT]} ... {named[0]}" if named else text[:MAX_TEXT]


def visible_text(page: bytes) -> str:
    """The text of a page, without tags, in one line."""
    head = page[:MAX_PAGE]
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    text = head.decode(encoding, "replace")
    return " ".join(unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text))).split())
