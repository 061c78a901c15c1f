"""Binds and calls of DCE/RPC as plain values and as text: one side of an exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsdecrypt.app.dcerpc import DcerpcRequest, DcerpcResponse
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Part


def rpc_message(message: DcerpcRequest | DcerpcResponse, _redactor: Redactor) -> dict[str, Any]:
    """Of a request `verb` and `line`, of an answer `kind` and `code`; `content_length` is that of the stub data."""
    names = ("verb", "line", "kind", "code")
    said = {name: getattr(message, name) for name in names if hasattr(message, name)}
    return {**said, "content_length": message.stub_length, "missing": 0}


def is_rpc(told: dict[str, Any]) -> bool:
    """Whether an exchange, as `exchange_document` tells it, is one of DCE/RPC."""
    return bool(told["protocol"] == "dcerpc")


def rpc_asked(told: dict[str, Any]) -> str:
    """What was bound or called."""
    request = told["request"]
    return "(request not seen)" if request is None else f"{request['verb']} {request['line']}"


def rpc_answer(told: dict[str, Any]) -> Part:
    """What came of it."""
    if told["response"] is None:
        return "no answer seen", "bad"
    facts = told["annotations"].get("dcerpc", {})
    has_failed = facts.get("result") in ("fault", "rejected")
    return f"{told['response']['kind']} {facts.get('meaning', '')}".rstrip(), "bad" if has_failed else "good"
