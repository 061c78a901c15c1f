"""Autodiscover: what is wrong with the settings that clients get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.addresses import is_address, is_internal, is_private_name
from tlsdecrypt.findings.autodiscover_answers import SERVICES, address_of, has_settings, host_in
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Step

_EWS_URL = "ExternalEwsUrl"
_NO_ERROR = "NoError"
_OUTSIDE = ("EXPR", "EXHTTP")
_OLD_BUILDS = ("14.", "8.")


def _protocols(step: Step) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = step.about("autodiscover").get("protocols", [])
    return found


@rule(
    "autodiscover.external-ews-url-missing",
    Severity.ERROR,
    advice="Set ExternalUrl of the EWS virtual directory (Set-WebServicesVirtualDirectory).",
    source="Microsoft: Troubleshoot free/busy issues in Exchange hybrid",
    services=SERVICES,
)
def external_ews_url_missing(step: Step) -> Iterator[Hit]:
    """Clients outside, and the other organization, get no URL for EWS.

    Silent for clients inside that get the internal URL, and where bytes of the answer may be missing, unless it refuses
    the setting by name.
    """
    missing = _soap_lacks_ews(step) or _pox_lacks_ews(step)
    if missing is None:
        return
    if is_internal(step.trace.client.address) and _has_internal_ews(step):
        return
    server = step.host or step.trace.server.address
    yield Hit(f"{server} names no external URL of EWS.", (*step.evidence[:1], step.answered(missing)))


def _soap_lacks_ews(step: Step) -> str | None:
    facts = step.about("autodiscover")
    if _EWS_URL not in facts.get("requested_settings", ()):
        return None
    for result in facts.get("results", ()):
        refused = next((each for each in result.get("setting_errors", ()) if each.get("name") == _EWS_URL), None)
        if refused is not None:
            return f"{_EWS_URL}: {refused.get('error_code')} {refused.get('message', '')}".rstrip()
        is_answered = facts.get("response_error_code", _NO_ERROR) == result.get("error_code") == _NO_ERROR
        if is_answered and not result.get("settings", {}).get(_EWS_URL) and not step.trace.has_gaps:
            return f"no {_EWS_URL} among the settings"
    return None


def _pox_lacks_ews(step: Step) -> str | None:
    outside = [each for each in _protocols(step) if each.get("type") == "EXPR"]
    has_url = any(each.get("ews_url") for each in _protocols(step) if each.get("type") in _OUTSIDE)
    return "EXPR without EwsUrl" if outside and not has_url and not step.trace.has_gaps else None


def _has_internal_ews(step: Step) -> bool:
    inside = any(each.get("type") == "EXCH" and each.get("ews_url") for each in _protocols(step))
    results = step.about("autodiscover").get("results", ())
    return inside or any(each.get("settings", {}).get("InternalEwsUrl") for each in results)


@rule(
    "autodiscover.internal-name-external-client",
    Severity.ERROR,
    confidence=Confidence.LIKELY,
    advice="Set the external URLs and the external host name to a name that resolves outside.",
    source="Naming of virtual directories in Exchange; RFC 6762 appendix G for private domains",
    services=SERVICES,
)
def internal_name(step: Step) -> Iterator[Hit]:
    """What is meant for clients outside names a host that only exists inside. A note where the client is inside."""
    for what, url in _external_values(step):
        host = host_in(url)
        if host and is_private_name(host) and not is_address(host):
            severity = Severity.INFO if is_internal(step.trace.client.address) else None
            summary = f"Clients outside are sent to {host} ({what}), a name that only resolves inside."
            yield Hit(summary, (step.answered(f"{what}: {url}"),), severity=severity)
            return


def _external_values(step: Step) -> Iterator[tuple[str, str]]:
    for protocol in _protocols(step):
        kind = protocol.get("type", "")
        for name, value in protocol.items():
            is_outside = kind == "EXPR" and (name == "server" or name.endswith("_url"))
            if is_outside or (name.endswith("_url") and "external" in name):
                yield f"{kind} {name}", value
    for result in step.about("autodiscover").get("results", ()):
        for name, value in result.get("settings", {}).items():
            if name.startswith("External") and ("://" in value or name.endswith(("Server", "HostName"))):
                yield name, value.split()[0] if value.split() else ""


@rule(
    "autodiscover.mapi-http-not-offered",
    Severity.INFO,
    advice="Enable MAPI over HTTP for the organization and the user (Set-OrganizationConfig, Set-CASMailbox "
    "-MapiHttpEnabled) where the server has it.",
    source="[MS-OXDSCLI] section 2.2.2.1 (X-MapiHttpCapability)",
    services=("autodiscover-pox",),
)
def mapi_http_not_offered(step: Step) -> Iterator[Hit]:
    """A client that can speak MAPI over HTTP gets RPC over HTTP only.

    Silent for Exchange 2010, which has nothing else.
    """
    kinds = {each.get("type") for each in _protocols(step)}
    can_mapi = step.about("autodiscover").get("mapi_http_capability", "0").strip() not in ("", "0")
    builds = [str(each["server_build"]) for each in _protocols(step) if "server_build" in each]
    is_old = any(each.startswith(_OLD_BUILDS) for each in builds) or _runs_old_asp_net(step)
    is_only_rpc = bool(kinds & {"EXCH", "EXPR"}) and "mapiHttp" not in kinds
    if can_mapi and is_only_rpc and has_settings(step) and not is_old:
        said = step.answered(f"protocols: {', '.join(sorted(str(each) for each in kinds))}")
        who = address_of(step) or step.trace.client.address
        yield Hit(f"{who} could speak MAPI over HTTP and is offered RPC over HTTP only.", (said,))


def _runs_old_asp_net(step: Step) -> bool:
    """ASP.NET 2.0 carries Exchange 2007 and 2010."""
    return str(step.http.get("x_aspnet_version", "")).startswith("2.")
