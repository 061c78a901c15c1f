"""The URL of an HTTP exchange, masked, as a document may hold it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Exchange
    from tlsdecrypt.app.http import HttpRequest
    from tlsdecrypt.conversation import Conversation
    from tlsdecrypt.redact import Redactor

_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what RFC 3986 lets stand in a URI, and `%`, since targets are encoded already
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,300}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_http(exchange: Exchange) -> bool:
    """Whether the messages are those of HTTP, of any version."""
    return any(hasattr(message, "fields") for message in (exchange.request, exchange.response))


def is_inside_tls(conversation: Conversation, index: int) -> bool:
    """Whether TLS covered an exchange, by its place on the connection: TLS may begin behind STARTTLS or CONNECT."""
    return conversation.tls is not None and index >= conversation.clear_exchanges


def exchange_url(conversation: Conversation, index: int, redactor: Redactor) -> str:
    """Of the exchange at `index`, an absolute URI (RFC 3986) whatever the target was; without request, the server's."""
    scheme = "https" if is_inside_tls(conversation, index) else "http"
    request = conversation.exchanges[index].request
    target = redactor.target(request.target) if request else "/"
    if "://" not in target.partition("?")[0]:
        path = "" if request and request.method == "CONNECT" else target.removeprefix("/")
        target = f"{scheme}://{_authority(conversation, request, scheme)}/{path}"
    return quote(_LONE_PERCENT.sub("%25", target), safe=_SAFE, errors="replace")


def _authority(conversation: Conversation, request: HttpRequest | None, scheme: str) -> str:
    """The host that was asked, where it can be one; else the name that TLS was told, or the address of the server."""
    host = request.host if request else None
    if host and _HOST.fullmatch(host):
        return host
    server = conversation.server
    name = conversation.tls.server_name if conversation.tls else None
    if name and _HOST.fullmatch(name):
        return name if server.port == _DEFAULT_PORTS[scheme] else f"{name}:{server.port}"
    return str(server)
