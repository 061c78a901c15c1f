"""Open an encrypted capture, get the answer.

import tlsdecrypt

keys = tlsdecrypt.load_keys(pfx=["mail.pfx"], passwords=["secret"])
analysis = tlsdecrypt.analyze(["capture.pcapng"], keys)
for conversation in analysis.conversations:
    print(conversation.server, conversation.tls and conversation.tls.verdict.summary)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.errors import CaptureError, InputError, KeyFileError, PasswordError, TlsdecryptError
    from tlsdecrypt.flow import Direction, Endpoint, Span
    from tlsdecrypt.keyring import load_keys
    from tlsdecrypt.pipeline import Options, analyze, stream
    from tlsdecrypt.tls.session import TlsSession
    from tlsdecrypt.tls.verdict import Verdict, VerdictCode

_HOME = {
    "Analysis": "conversation",
    "CaptureError": "errors",
    "Conversation": "conversation",
    "Direction": "flow",
    "Endpoint": "flow",
    "Exchange": "app.exchange",
    "InputError": "errors",
    "KeyFileError": "errors",
    "Options": "pipeline",
    "PasswordError": "errors",
    "Span": "flow",
    "TlsSession": "tls.session",
    "TlsdecryptError": "errors",
    "Verdict": "tls.verdict",
    "VerdictCode": "tls.verdict",
    "analyze": "pipeline",
    "load_keys": "keyring",
    "stream": "pipeline",
}

__all__ = [
    "Analysis",
    "CaptureError",
    "Conversation",
    "Direction",
    "Endpoint",
    "Exchange",
    "InputError",
    "KeyFileError",
    "Options",
    "PasswordError",
    "Span",
    "TlsSession",
    "TlsdecryptError",
    "Verdict",
    "VerdictCode",
    "analyze",
    "load_keys",
    "stream",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `tlsdecrypt --help` needs none of them."""
    from importlib import import_module  # noqa: PLC0415 - only where a name is wanted

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
