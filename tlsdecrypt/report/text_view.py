"""TextView: how the text report is wanted, handed through its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.visible import shorten
from tlsdecrypt.value import Value, field

if TYPE_CHECKING:
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.tls.session import KeySource

MAX_VALUE = 400  # characters of a captured value (a message text, a fault) in one line


class TextView(Value, frozen=True):
    """`width` in columns; `subjects` names keys by their file and SPKI hash, `frames` names frames."""

    redactor: Redactor
    width: int
    is_verbose: bool = False
    subjects: dict[tuple[str, str | None], str] = field(default_factory=dict)
    frames: FrameNames = field(default_factory=FrameNames)

    def value(self, text: str) -> str:
        """Free text from the capture: masked, and short enough to be read."""
        return shorten(self.redactor.text(text), MAX_VALUE)

    def key_name(self, key: KeySource) -> str:
        """`keys/mail.pfx (CN=mail.contoso.com)`: the file, and whose key it is where that is known."""
        subject = self.subjects.get((key.source, key.spki_sha256))
        return f"{key.source} ({subject})" if subject else key.source
