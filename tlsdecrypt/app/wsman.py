"""WSMan: PowerShell remoting and Windows remote management (MS-WSMV, DSP0226).

The annotation `wsman` has these keys, each only where it says something:

- `action`: last segments of wsa:Action (`Create`, `Command`, `Receive`, `Send`, `Signal`, `Delete`), `answer`: that of
  the answer; `resource` (ResourceURI), `shell_id`, `command_id`, `application` (of the query: `PSVersion` and the like)
- `sealed`: by what the body is encrypted (`Kerberos`, `SPNEGO`, `CredSSP`), which no TLS key opens
- `fault_code` (WSManFault, a number), `fault_message`, `machine`, `fault_provider_codes`, `fault`: subcode of SOAP
- `redirect`: where a fault or an answer sends the client
- `request` and `response`: what PSRP said on either side (see `psrp`); `psrp_is_cut`: a stream could not be decoded
- `summary`: one line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tlsdecrypt.app.base64_text import decode_base64
from tlsdecrypt.app.psrp import describe_messages, messages_of
from tlsdecrypt.app.soap import parse_envelope
from tlsdecrypt.app.xml import attribute, elements, find_all, is_xml_type, local_name, parse_xml, put, text_at, text_of

if TYPE_CHECKING:
    from lxml.etree import _Element

    from tlsdecrypt.app.exchange import Annotations
    from tlsdecrypt.app.http import HttpRequest, HttpResponse
    from tlsdecrypt.app.soap import Envelope
    from tlsdecrypt.app.soap import Fault as SoapFault

MAX_STREAMS = 200  # of one envelope
MAX_STREAM = 1024 * 1024  # characters of Base64 that are decoded of one envelope
MAX_CODES = 10

_SEALED = re.compile(r"application/http-(kerberos|spnego|credssp)-session-encrypted", re.IGNORECASE)
_SEALS = {"kerberos": "Kerberos", "spnego": "SPNEGO", "credssp": "CredSSP"}
_WSMAN = re.compile(r"schemas\.microsoft\.com/wbem/wsman/|schemas\.dmtf\.org/wbem/wsman/|/ws/2004/09/transfer")
_STREAMS = ("creationXml", "Arguments", "Stream", "connectXml", "connectResponseXml")
_CODE = re.compile(r"0[xX](?P<hexadecimal>[0-9a-fA-F]{1,8})|(?P<decimal>-?[0-9]{1,10})")
_U32 = 0xFFFFFFFF
_APPLICATION = re.compile(r"(?:\A|[?&;])(PSVersion|ExchClientVer|serializationLevel|clientApplication)=([^&;]{1,64})")


def annotate(request: HttpRequest | None, response: HttpResponse | None, annotations: Annotations) -> None:
    """Add `wsman` where either side speaks it, or hides that it does."""
    soap = annotations.get("soap", {})
    facts: dict[str, Any] = {}
    sealed = _seal(request) or _seal(response)
    if annotations["http"].get("service") != "wsman" and not sealed and not _WSMAN.search(soap.get("action") or ""):
        return
    answer = _document(response)
    asked, answered = parse_envelope(_document(request)), parse_envelope(answer)
    put(facts, sealed=sealed, application=_application(request))
    _put_header(facts, asked)
    if answered is not None:
        put(facts, answer=_short_action(text_at(answered.header, "Action")))
    _put_fault(facts, answered.fault if answered is not None else None, answer)
    for name, envelope in (("request", asked), ("response", answered)):
        _put_streams(facts, name, envelope)
    if not facts:
        return
    facts["summary"] = _summary(facts, response.status if response is not None else None)
    annotations["wsman"] = facts
    annotations["http"].setdefault("service", "wsman")


def _seal(message: HttpRequest | HttpResponse | None) -> str | None:
    """MS-WSMV section 2.2.9.1: the bodies are sealed by the security context of the login."""
    found = _SEALED.search((message.field("content-type") or "")[:500]) if message is not None else None
    return _SEALS[found[1].lower()] if found else None


def _document(message: HttpRequest | HttpResponse | None) -> _Element | None:
    if message is None or not message.content:
        return None
    content_type = message.field("content-type")
    if content_type and not is_xml_type(content_type):
        return None
    return parse_xml(message.content, content_type)[0]


def _application(request: HttpRequest | None) -> dict[str, str]:
    """What the client says of itself in the query."""
    query = request.target.partition("?")[2][:2_000] if request is not None else ""
    return dict(_APPLICATION.findall(query))


def _put_header(facts: dict[str, Any], envelope: Envelope | None) -> None:
    if envelope is None or envelope.header is None:
        return
    selectors = {attribute(each, "Name"): text_of(each) for each in find_all(envelope.header, "Selector")}
    command = next(elements(envelope.body), None)
    stream = next(find_all(envelope.body, "DesiredStream"), None)
    put(
        facts,
        action=_short_action(text_at(envelope.header, "Action")),
        resource=text_at(envelope.header, "ResourceURI"),
        shell_id=selectors.get("ShellId"),
        command_id=attribute(command, "CommandId") or attribute(stream, "CommandId"),
    )


def _short_action(uri: str | None) -> str | None:
    """`Receive` of `http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive`."""
    return uri.rstrip("/").rpartition("/")[2] if uri else None


def _put_fault(facts: dict[str, Any], soap: SoapFault | None, answer: _Element | None) -> None:
    """A Fault with f:WSManFault in its detail, MS-WSMV section 2.2.4.43, or that element alone."""
    fault = next(find_all(answer, "WSManFault"), None)
    message = next(find_all(fault, "Message"), None)
    inner = [attribute(each, "Code") for each in find_all(message, "WSManFault")]
    put(
        facts,
        fault=soap and (soap.subcode or soap.code),
        fault_code=_code(attribute(fault, "Code")),
        fault_message=text_of(message) or (soap and soap.reason),
        machine=attribute(fault, "Machine"),
        fault_provider_codes=[each for each in inner if each][:MAX_CODES],
        redirect=_redirect(soap and soap.detail),
    )


def _redirect(detail: _Element | None) -> str | None:
    """The address in a fault, in an element that speaks of a redirect: implementations name it in several ways."""
    for each in detail.iter("{*}*") if detail is not None else ():
        if "redirect" in local_name(each).lower():
            text = text_of(each) or ""
            if text.lower().startswith("http"):
                return text
    return None


def _code(text: str | None) -> int | None:
    """A number of 32 bits, as libraries write it: unsigned (as the schema has it), with a sign, or hexadecimal."""
    found = _CODE.fullmatch((text or "").strip())
    if found is None:
        return None
    code = int(found["hexadecimal"], 16) if found["hexadecimal"] else int(found["decimal"])
    return code & _U32 if -_U32 <= code <= _U32 else None


def _put_streams(facts: dict[str, Any], name: str, envelope: Envelope | None) -> None:
    if envelope is None or envelope.body is None:
        return
    data, is_whole = _stream_data(envelope.body)
    messages = messages_of(data)
    if messages:
        facts[name] = describe_messages(messages)
    elif not is_whole:
        facts["psrp_is_cut"] = True


def _stream_data(body: _Element) -> tuple[bytes, bool]:
    """The fragments of an envelope, joined, and whether all could be decoded."""
    pieces, room, is_whole = [], MAX_STREAM, True
    for name in _STREAMS:
        for count, element in enumerate(find_all(body, name)):
            text = "".join((element.text or "").split())
            data = decode_base64(text, room) if count < MAX_STREAMS else b""
            room -= len(text)
            is_whole = is_whole and (bool(data) or not text)
            pieces.append(data)
            if room <= 0:
                return b"".join(pieces), False
    return b"".join(pieces), is_whole


def _summary(facts: dict[str, Any], status: int | None) -> str:
    if "sealed" in facts and "action" not in facts:
        return f"WSMan, body sealed by {facts['sealed']}: no TLS key opens it"
    parts = [f"WSMan {facts.get('action', 'request')}"]
    commands = facts.get("request", {}).get("commands", ())
    parts += [f"({', '.join(each['name'] for each in commands)})"] if commands else []
    return f"{' '.join(parts)} -> {_outcome(facts, status)}"


def _outcome(facts: dict[str, Any], status: int | None) -> str:
    if "fault_code" in facts or "fault" in facts:
        told = f"Fault {facts.get('fault_code', facts.get('fault', ''))}"
        return f"{told}: {facts['fault_message']}" if "fault_message" in facts else told
    said = facts.get("response", {})
    if said.get("errors"):
        error = said["errors"][0]
        return f"{error.get('id', 'error')}: {error.get('message', '')}".rstrip(": ")
    state = said.get("state") or said.get("runspace_state")
    return state or facts.get("answer") or (f"HTTP {status}" if status is not None else "no answer seen")
