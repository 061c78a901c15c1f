"""Who stands between a client and Exchange, as HTTP shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import has_reached_iis

if TYPE_CHECKING:
    from tlsdecrypt.findings.scene import Step

_MAY_BLOCK = (403, 502, 504)
_BLOCKED = re.compile(
    r"access (?:is )?denied|\bblocked\b|web ?filter|url filter|forbidden by polic|"
    r"categor(?:y|ised|ized)|content filter|internet usage policy|cannot be displayed because",
    re.IGNORECASE,
)
_OTHER_SERVERS = re.compile(r"apache|nginx|cloudflare|litespeed|openresty", re.IGNORECASE)
_PROXIES = re.compile(
    r"squid|blue ?coat|zscaler|mcafee|forcepoint|websense|forti|sophos|ironport|barracuda|checkpoint|palo ?alto",
    re.IGNORECASE,
)


def server_of(step: Step) -> str:
    """What to call the server: the host that was asked, else its address."""
    return step.host or str(step.trace.server)


def is_web_server(step: Step) -> bool:
    """Whether a web server answered that is not IIS, and nothing shows that IIS stands behind it."""
    return _OTHER_SERVERS.search(step.http.get("server", "")) is not None and not has_reached_iis(step)


def is_block(step: Step) -> bool:
    """Whether a web proxy answered, and says that it blocks."""
    http = step.http
    if step.status not in _MAY_BLOCK or has_reached_iis(step) or "microsoft-iis" in http.get("server", "").lower():
        return False
    text = str(http.get("error_text", ""))
    is_proxy = "via" in http or "proxy_authenticate" in http or _PROXIES.search(f"{http.get('server', '')} {text}")
    return bool(_BLOCKED.search(text)) and bool(is_proxy)
