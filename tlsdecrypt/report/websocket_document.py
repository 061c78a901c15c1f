"""Messages of WebSocket as plain values and as text: one side of an exchange whose other side is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsdecrypt.app.websocket import WebSocketMessage
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.report.lines import Part

_NORMAL = (None, 1000, 1001)  # close codes of a connection that ended as it should (RFC 6455 section 7.4.1)


def websocket_message(message: WebSocketMessage, _redactor: Redactor) -> dict[str, Any]:
    """`verb` names the opcode; `content_length` counts payload bytes as they were sent."""
    return {
        "verb": message.verb,
        "line": message.line,
        "opcode": message.opcode,
        "is_masked": message.is_masked,
        "is_compressed": message.is_compressed,
        "close_code": message.close_code,
        "websocket_frames": message.frames,
        "content_length": message.content_length,
        "missing": message.missing,
    }


def is_websocket(told: dict[str, Any]) -> bool:
    """Whether an exchange, as `exchange_document` tells it, is a message of WebSocket."""
    return bool(told["protocol"] == "websocket")


def websocket_asked(told: dict[str, Any]) -> str:
    """What was sent, and by whom."""
    sender = "client" if told["request"] else "server"
    message = told["request"] or told["response"]
    return f"WebSocket {message['verb']} from the {sender}"


def websocket_answer(told: dict[str, Any]) -> Part:
    """Nothing answers a message: in its place stands why the connection is closed."""
    message = told["request"] or told["response"]
    return message["line"], "good" if message["close_code"] in _NORMAL else "caution"
