"""An annotator of RPC over HTTP, as Outlook Anywhere uses it ([MS-RPCH]): the annotation `rpc_http`.

Its keys, each only where it says something:

- `channel` (`in`, `out`, `echo`), `target_server`, `target_port`, `endpoint` (`store`, `referral`, `address book` ...)
- `is_channel`: the request opens a channel, and is not only a leg of authentication; `is_replacement`: it replaces
  one; `is_echo`: it only asks whether the proxy is there
- `session` (Pragma: SessionId), `resource_type`, `min_connection_timeout_s` (Pragma: MinConnTimeout)
- `client`, `server`: what either side said inside of the channel (see `rpc_http_channel`)
- `is_open`: the proxy opened the channel, with 200 or by going on
- `rpc_error` (hexadecimal, as in `503 RPC Error: 6ba`), `rpc_error_meaning`, `has_extended_error`
- `error_code`: the same, or the status of the first fault; `summary`: one line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.rpc_http_channel import ChannelReader
from tlsdecrypt.app.xml import put

if TYPE_CHECKING:
    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse

MAX_VALUE = 200  # characters

_CHANNELS = {"RPC_IN_DATA": "in", "RPC_OUT_DATA": "out", "RPC_ECHO_DATA": "echo"}
_ENDPOINTS = {
    593: "endpoint mapper",
    3388: "Remote Desktop Gateway",
    6001: "store",
    6002: "referral",
    6004: "address book",
}
_TARGET = re.compile(r"(?P<server>[^?#]{1,200}):(?P<port>\d{1,5})\Z")
_RPC_ERROR = re.compile(r"RPC Error:\s*(?:0x)?([0-9a-f]{1,8})\b(.*)", re.IGNORECASE)
_PRAGMA = re.compile(r"(MinConnTimeout|ResourceTypeUuid|SessionId)\s*=\s*([^,;\s]{1,64})", re.IGNORECASE)
_RPC_TYPE = "application/rpc"
_ECHO_LENGTHS = range(1, 17)  # bytes of content of a request that opens no channel (section 2.1.2.1)
_REPLACEMENT_LENGTH = 120  # bytes of content of an OUT channel that replaces one ([MS-RPCH] section 2.1.2.1.2)
_STATUS_OK = 200

# Codes of Win32 that proxies give ([MS-ERREF] section 2.2).
_ERRORS = {
    0x5: "access denied",
    0x6A4: "the endpoint is not valid",
    0x6A6: "the binding is not valid",
    0x6BA: "the server behind is not available",
    0x6BB: "the server behind is too busy",
    0x6BE: "the call failed",
    0x6BF: "the call failed before it ran",
    0x6C0: "the protocol was violated",
    0x6D9: "the server behind has no such endpoint",
    0x6EC: "the authentication level is not supported",
    0x6F7: "the data are not valid",
    0x525: "no such user",
    0x52E: "the logon failed",
    0x2EE2: "it timed out",
    0x2EFD: "the connection failed",
    0x3A: "the server behind cannot do this",
}


def content_reader(status: int | None, content_type: str | None) -> ChannelReader | None:
    """A reader for a channel; None for pages that proxies send instead."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    may_be_channel = status is None or status == _STATUS_OK
    return ChannelReader() if kind == _RPC_TYPE or (may_be_channel and not kind) else None


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `rpc_http`: which channel to where, what it carried, and why it was refused."""
    facts: dict[str, Any] = {}
    if request is not None:
        _put_request(facts, request)
    if response is not None:
        _put_response(facts, response)
    put(facts, error_code=_error_code(facts))
    facts["summary"] = _summary(facts, response, annotations["http"].get("user"))
    annotations["rpc_http"] = facts


def _put_request(facts: dict[str, Any], request: HttpRequest) -> None:
    target = _TARGET.fullmatch(request.target.partition("?")[2])
    port = int(target["port"]) if target else None
    pragmas = {name.lower(): value for each in request.all_fields("pragma") for name, value in _PRAGMA.findall(each)}
    observed = request.observed or {}
    is_echo = _number(request.field("content-length")) in _ECHO_LENGTHS
    put(
        facts,
        channel=_CHANNELS.get(request.method),
        target_server=target["server"] if target else None,
        target_port=port,
        endpoint=_ENDPOINTS.get(port or 0),
        session=pragmas.get("sessionid"),
        resource_type=pragmas.get("resourcetypeuuid"),
        min_connection_timeout_s=_number(pragmas.get("minconntimeout")),
        client=observed,
        is_channel=True if observed.get("pdus") and not is_echo else None,
        is_echo=is_echo or None,
    )
    if facts.get("channel") == "out" and request.content_length == _REPLACEMENT_LENGTH:
        facts["is_replacement"] = True


def _put_response(facts: dict[str, Any], response: HttpResponse) -> None:
    error = _RPC_ERROR.search(response.reason)
    observed = response.observed or {}
    if error is not None:
        code = int(error[1], 16)
        put(facts, rpc_error=f"{code:x}", rpc_error_meaning=_ERRORS.get(code, "an error of Windows"))
        put(facts, has_extended_error="EEInfo" in error[2] or None)
    put(facts, server=observed, is_open=response.status == _STATUS_OK or None)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004  32 bits


def _error_code(facts: dict[str, Any]) -> str | None:
    if "rpc_error" in facts:
        return f"RPC Error {facts['rpc_error']}"
    for side in ("server", "client"):
        said = facts.get(side, {})
        if said.get("faults"):
            return f"RPC fault {said['faults'][0]['status']}"
        if said.get("refused"):
            return "bind refused"
    return None


def _summary(facts: dict[str, Any], response: HttpResponse | None, user: str | None) -> str:
    channel = facts.get("channel", "")
    parts = ["Outlook Anywhere", f"{channel.upper()} channel" if channel else "request"]
    if "target_server" in facts:
        name = f" ({facts['endpoint']})" if "endpoint" in facts else ""
        parts.append(f"to {facts['target_server']}:{facts['target_port']}{name}")
    if user:
        parts.append(f"as {user}")
    return f"{' '.join(parts)} -> {', '.join(_outcome(facts, response))}"


def _outcome(facts: dict[str, Any], response: HttpResponse | None) -> list[str]:
    parts = []
    if "rpc_error" in facts:
        parts.append(f"RPC error {facts['rpc_error']}: {facts['rpc_error_meaning']}")
    elif facts.get("is_open") or (response is None and facts.get("is_channel")):
        parts.append("open")
    else:
        parts.append("no answer seen" if response is None else f"HTTP {response.status}")
    for side in ("client", "server"):
        said = facts.get(side, {})
        if "interfaces" in said:
            parts.append(f"bound to {', '.join(said['interfaces'][:3])}")
        parts += [f"bind refused: {each}" for each in said.get("refused", ())[:2]]
        parts += [f"fault {each['status']}: {each['meaning']}" for each in said.get("faults", ())[:2]]
        if "pdus" in said:
            parts.append(f"{said['pdus']} PDUs of the {side}")
    return parts
