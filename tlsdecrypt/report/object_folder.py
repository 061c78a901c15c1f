"""A folder with what was carried: each HTTP content, mail message and attachment as a file, and an index of them.

Contents are decoded, and masked as in every other output: what holds a secret is not byte for byte what was sent. Of
mail only who wrote to whom is shown; messages as they were sent, and their attachments, come with `--show-secrets`.
"""

from __future__ import annotations

import hashlib
import os
from errno import EEXIST
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.kept_content import content_of
from tlsdecrypt.errors import InputError
from tlsdecrypt.redact.mail_message import mask_message
from tlsdecrypt.report.exchange_document import exchange_document
from tlsdecrypt.report.exchange_url import exchange_url, is_http
from tlsdecrypt.report.json_bytes import json_bytes
from tlsdecrypt.report.mail_parts import attachments
from tlsdecrypt.report.object_names import name_in_path, object_name
from tlsdecrypt.report.program import PROGRAM, version
from tlsdecrypt.report.spool import Spool
from tlsdecrypt.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.report.writer import Manner

MAX_OBJECTS = 100_000  # files in the folder; what comes after them is counted
INDEX = "index.json"

_MAIL = "message/rfc822"
_PART = ".part"


class ObjectFolder:
    """Written as connections end, in the way of a Writer; the index comes last."""

    needs_content = True
    sink = None

    def __init__(self, name: str, manner: Manner) -> None:
        """A folder that does not exist yet, or is empty; else InputError: nothing is ever overwritten."""
        self.path = Path(name)
        self._redactor = manner.redactor
        self._index = Spool()
        self._count = 0
        self._left_out = 0
        self._make()

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        for index, exchange in enumerate(conversation.exchanges):
            exchange_document(exchange, self._redactor)  # its fields teach secrets that contents may repeat
            for side in ("request", "response"):
                self._take_message(conversation, index, side)

    def finish(self, analysis: Analysis) -> None:  # noqa: ARG002 - as every writer is told
        """Write the index: `objects`, in the order of connections."""
        head = {
            "program": f"{PROGRAM} {version()}",
            "is_masked": not self._redactor.show_secrets,
            "count": self._count,
            "left_out": self._left_out,
        }
        parts = [json_bytes(head)[:-1], b',"objects":[', *self._entries(), b"\n]}\n"]
        self._write(INDEX, b"".join(parts))

    def _entries(self) -> Iterator[bytes]:
        separator = b"\n"
        for entry in self._index.in_order():
            yield separator + entry
            separator = b",\n"

    def _take_message(self, conversation: Conversation, index: int, side: str) -> None:
        exchange = conversation.exchanges[index]
        message = getattr(exchange, side)
        content = content_of(message) if hasattr(message, "content") else None
        if not content:
            return
        facts: dict[str, Any] = {
            "connection": conversation.id,
            "exchange": index + 1,
            "side": side,
            "frames": [message.span.first_frame, message.span.last_frame],
        }
        if is_http(exchange):
            url = exchange_url(conversation, index, self._redactor)
            media_type = message.field("content-type") or ""
            self._keep(facts | {"url": url}, content, media_type, name_in_path(url))
            return
        if exchange.protocol == "websocket":
            self._keep(facts, content, message.field("content-type") or "", message.verb.lower())
            return
        self._keep(facts, content, _MAIL, "message")
        if not self._redactor.show_secrets:
            return  # nothing of an attachment may be shown
        for number, part in enumerate(attachments(content), 1):
            facts["attachment"] = number
            self._keep(facts, part.data, part.media_type, part.name)

    def _keep(self, facts: dict[str, Any], content: bytes, media_type: str, wanted: str) -> None:
        """One file, and its entry in the index."""
        if self._count >= MAX_OBJECTS:
            self._left_out += 1
            return
        data = self._masked(content, media_type)
        number = f"-{facts['attachment']:03}" if "attachment" in facts else ""
        prefix = f"{facts['connection']:05}-{facts['exchange']:04}-{facts['side']}{number}"
        name = object_name(prefix, self._redactor.text(wanted), media_type)
        self._write(name, data)
        self._count += 1
        entry = {
            "file": name,
            **facts,
            "media_type": visible(media_type),
            "name": visible(self._redactor.text(wanted)),
            "length": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "is_changed_by_masking": data != content,
        }
        self._index.add(facts["connection"], json_bytes(entry))

    def _masked(self, content: bytes, media_type: str) -> bytes:
        if media_type == _MAIL:
            return mask_message(content, self._redactor)
        return self._redactor.content(content, media_type or None)

    def _make(self) -> None:
        path = self.path
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            if any(path.iterdir()):
                raise InputError(f"{path} is not empty: name a folder that is empty, or one that does not exist")
        except FileExistsError:
            raise InputError(f"{path} is a file: name a folder") from None
        except FileNotFoundError:
            raise InputError(f"{path} cannot be made: there is no folder {path.parent}") from None
        except OSError as fault:
            raise InputError(f"{path} cannot be used: {fault.strerror or fault}") from fault

    def _write(self, name: str, data: bytes) -> None:
        """A file that is whole, or not there."""
        beside = self.path / f"{name}{_PART}"
        try:
            with beside.open("xb") as stream:
                stream.write(data)
            if (self.path / name).exists():
                raise FileExistsError(EEXIST, os.strerror(EEXIST))
            beside.rename(self.path / name)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            raise InputError(f"{self.path / name} cannot be written: {fault.strerror or fault}") from fault
