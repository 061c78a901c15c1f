"""Documents as their writers write them, fed with conversations or with a sample capture."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlsdecrypt import Analysis, Options, analyze, load_keys
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.writer import Manner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.report.writer import Writer

ROOT = Path(__file__).resolve().parents[2]
EXCHANGE = ROOT / "captures" / "exchange.pcapng"


def analysis_of(conversations: Iterable[Conversation], **changed: Any) -> Analysis:
    """An analysis of nothing but these."""
    return Analysis((), (), tuple(conversations), frames=0, other_frames={}, **changed)


def written(
    writer: Callable[[Manner], Writer], analysis: Analysis, redactor: Redactor | None = None, **manner: Any
) -> bytes:
    """The whole document."""
    made = writer(Manner(redactor or Redactor(salt=b"test"), **manner))
    for conversation in analysis.conversations:
        made.take(conversation)
    stream = io.BytesIO()
    made.finish(analysis, stream)
    return stream.getvalue()


@lru_cache(maxsize=1)
def sample_analysis() -> Analysis:
    """The sample capture of an Exchange server, with contents."""
    keys = load_keys(pfx=[str(ROOT / "keys" / "mail.pfx")])
    return analyze([str(EXCHANGE)], keys, Options(keep_content=True))
