"""Autodiscover: the server says that it has no settings, or somebody else answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import is_microsoft
from tlsdecrypt.findings.autodiscover_answers import (
    FEDERATION,
    Searches,
    address_of,
    autodiscover_steps,
    error_of,
    url_of,
)
from tlsdecrypt.findings.exchange_answers import answers_html, has_reached_iis
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_ERROR_CODES = "[MS-OXDSCLI] section 2.2.4.1.1.3 (ErrorCode)"
_SOAP_CODES = "ErrorCode (SOAP) of the Autodiscover reference; [MS-OXWSADISC]"
_NOT_FOUND = frozenset({"500", "UserNotFound", "MailboxNotFound", "InvalidUserId", "UserNotFoundException"})
_NO_PROTOCOL = frozenset({"601", "ProtocolNotSupported", "InvalidProtocol"})
_OPTIONAL = "SettingIsNotAvailable"
_EWS_URL = "ExternalEwsUrl"
_TENANT = ".onmicrosoft.com"  # the domain of a tenant, and behind `mail` its routing domain
_OTHER_SERVERS = re.compile(
    r"apache|nginx|cloudflare|litespeed|openresty|lighttpd|caddy|varnish|squarespace|pepyaka|github|netlify|awselb"
    r"|cloudfront|google|gws|ats/|h2o|tengine",
    re.IGNORECASE,
)
_PAGES = frozenset({200, 403, 404, 405, 406, 410, 415, 500, 501})


def _failed(scene: Scene, is_meant: Callable[[Step], bool]) -> Iterator[tuple[Step, Severity | None]]:
    """The steps that are meant, with INFO for a candidate after which the client succeeds (guard 3)."""
    steps = autodiscover_steps(scene)
    searches: Searches | None = None
    for step in steps:
        if is_meant(step):
            searches = searches or Searches(steps)
            yield step, Severity.INFO if searches.succeeds_after(step) else None


def _hit(step: Step, summary: str, severity: Severity | None) -> Hit:
    facts = step.about("autodiscover")
    asked = step.asked(f"{step.verb} {step.target}: {address_of(step) or 'no address'}")
    told = (facts.get("message"), facts.get("debug_data"))
    answered = step.answered(f"HTTP {step.status}, error {error_of(step)}: {' / '.join(filter(None, told))}")
    client, server = step.trace.pair
    return Hit(summary, (asked, answered), severity=severity, client=client, server=server, place=url_of(step))


def _whom(step: Step) -> str:
    return address_of(step) or "the user"


@rule(
    "autodiscover.address-not-found",
    Severity.ERROR,
    advice="Create the mailbox, contact or remote mailbox for this address, or correct the accepted domain; for a "
    "mailbox in the cloud the local side needs a remote mailbox (mail user) with its routing address.",
    source=f"{_ERROR_CODES}; Autodiscover version 2",
)
def address_not_found(scene: Scene) -> Iterator[Hit]:
    """The server does not know the address that the client asks for (error 500 inside of HTTP 200).

    A note where the same client gets settings from a later candidate, and where a server that is not Microsoft's is
    asked for an address of a tenant, which only the cloud knows.
    """
    for step, severity in _failed(scene, lambda step: error_of(step) in _NOT_FOUND):
        host = step.host or step.trace.server.address
        is_of_cloud = _whom(step).lower().endswith(_TENANT) and not is_microsoft(step.host)
        level = Severity.INFO if is_of_cloud else severity
        yield _hit(step, f"Autodiscover on {host} does not know {_whom(step)}.", level)


@rule(
    "autodiscover.bad-address",
    Severity.ERROR,
    advice="Look at the object of this address in the directory: its mailbox settings are damaged or not complete.",
    source=_ERROR_CODES,
)
def bad_address(scene: Scene) -> Iterator[Hit]:
    """The address is known, but no client can be configured for it (501), or its settings are wrong (602)."""
    for step, severity in _failed(scene, lambda step: error_of(step) in ("501", "602")):
        yield _hit(step, f"Autodiscover knows {_whom(step)}, and cannot configure a client for it.", severity)


@rule(
    "autodiscover.invalid-request",
    Severity.WARNING,
    advice="Look at what the client sends. A browser that opens the URL sees this error too: then it shows that the "
    "service is alive.",
    source=f"{_ERROR_CODES}; [MS-ASCMD] section 2.2.3.64",
)
def invalid_request(scene: Scene) -> Iterator[Hit]:
    """The server could not read the request (600). A note for GET: somebody tries the URL in a browser."""
    for step, severity in _failed(scene, lambda step: error_of(step) == "600"):
        if step.verb == "GET":
            yield _hit(step, f"Autodiscover on {step.host} is alive: it answered a GET with error 600.", Severity.INFO)
        else:
            yield _hit(step, f"Autodiscover could not read the request for {_whom(step)} (600).", severity)


@rule(
    "autodiscover.no-provider",
    Severity.WARNING,
    advice="Check which AcceptableResponseSchema the client asks for: Outlook and ActiveSync have different ones.",
    source=f"{_ERROR_CODES}; [MS-ASCMD] section 2.2.3.64",
)
def no_provider(scene: Scene) -> Iterator[Hit]:
    """The server has no answer in the schema or for the protocol that the client asks for (601)."""
    for step, severity in _failed(scene, lambda step: error_of(step) in _NO_PROTOCOL):
        facts = step.about("autodiscover")
        schema = facts.get("acceptable_response_schema") or facts.get("protocol") or "what the client asks for"
        yield _hit(step, f"Autodiscover on {step.host} has no provider for {schema}.", severity)


def _is_server_error(step: Step) -> bool:
    code, facts = error_of(step), step.about("autodiscover")
    if code is None or facts.get("operation") == FEDERATION:
        return False
    is_other_v2 = facts.get("kind") == "v2" and code not in _NOT_FOUND | _NO_PROTOCOL
    return code in ("603", "InternalServerError") or facts.get("action") == "error" or is_other_v2


@rule(
    "autodiscover.server-error",
    Severity.ERROR,
    advice="Look into the Autodiscover log and the event log of the server; often a domain controller does not answer.",
    source=f"{_ERROR_CODES}; {_SOAP_CODES}; [MS-ASCMD] section 2.2.3.177.1",
)
def server_error(scene: Scene) -> Iterator[Hit]:
    """The Autodiscover service failed by itself."""
    for step, severity in _failed(scene, _is_server_error):
        why = step.about("autodiscover").get("message", "")
        yield _hit(step, f"Autodiscover on {step.host} failed for {_whom(step)}: {why}".rstrip(": .") + ".", severity)


def _is_soap_error(step: Step) -> bool:
    facts = step.about("autodiscover")
    code = error_of(step)
    if facts.get("kind") != "soap" or facts.get("operation") == FEDERATION:
        return False
    return code not in (None, "NotFederated", "InternalServerError") and not _is_only_the_ews_url(step)


def _is_only_the_ews_url(step: Step) -> bool:
    """Whether nothing but the URL of EWS is missing, which has a rule of its own."""
    results = step.about("autodiscover").get("results", ())
    missing = [error for result in results for error in result.get("setting_errors", ())]
    return error_of(step) == _OPTIONAL and bool(missing) and all(each.get("name") == _EWS_URL for each in missing)


@rule(
    "autodiscover.soap-error",
    Severity.ERROR,
    advice="InvalidUser, InvalidDomain: correct the address or the accepted domains. ServerBusy: ask later. Others: "
    "read the message.",
    source=_SOAP_CODES,
)
def soap_error(scene: Scene) -> Iterator[Hit]:
    """An error of Autodiscover over SOAP, on one of its levels: answer, user or domain, setting.

    A setting that is not available is a note. Errors of GetFederationInformation, NotFederated and InternalServerError
    have rules of their own.
    """
    for step, severity in _failed(scene, _is_soap_error):
        code, facts = error_of(step), step.about("autodiscover")
        own = {_OPTIONAL: Severity.INFO, "ServerBusy": Severity.WARNING}.get(code or "")
        operation = facts.get("operation", "a request")
        text = f"{operation} for {_who_failed(step)} ended with {code}: {facts.get('message', '')}".rstrip(": .")
        yield _hit(step, f"{text}.", own if severity is None else severity)


def _who_failed(step: Step) -> str:
    """The user or domain whose result is the error, else the first that was asked for."""
    code = error_of(step)
    results = step.about("autodiscover").get("results", ())
    failed = (each for each in results if each.get("error_code") == code)
    named = (each.get("mailbox") or each.get("domain") for each in failed)
    return next(filter(None, named), None) or _whom(step)


@rule(
    "autodiscover.third-party-webserver",
    Severity.WARNING,
    advice="Let no other web server answer for Autodiscover: correct the DNS record, or let it answer 404 quickly "
    "without a page, or redirect.",
    source="Analysis of Autodiscover traffic: web servers of root domains",
    suppresses=("http.html-instead-of-xml", "http.not-found-vdir", "http.forbidden-403"),
)
def third_party_webserver(scene: Scene) -> Iterator[Hit]:
    """A web server that is not Exchange answers the Autodiscover URL with a page.

    A note where the client goes on and gets its settings elsewhere.
    """
    for step, severity in _failed(scene, _is_other_webserver):
        server_field = step.http["server"]
        client, server = step.trace.pair
        yield Hit(
            f"{url_of(step)} is answered by {server_field}, not by Exchange.",
            (*step.evidence[:1], step.answered(f"{step.status}, Server: {server_field}, {step.http['content_type']}")),
            severity=severity,
            client=client,
            server=server,
            place=url_of(step),
        )


def _is_other_webserver(step: Step) -> bool:
    is_page = step.status in _PAGES and answers_html(step) and not has_reached_iis(step)
    return is_page and _OTHER_SERVERS.search(step.http.get("server", "")) is not None
