"""OAuth: tokens that Exchange refuses, and what it says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.exchange_answers import inner_legs
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import UNAUTHORIZED, auth_of, hit_at, host_of, unauthorized_steps
from tlsdecrypt.findings.oauth_refusals import (
    MEANINGS,
    category_of,
    diagnostics_of,
    foreign_audience,
    is_about_host_name,
    is_token_refused,
    is_told_elsewhere,
    reason_of,
    token_evidence,
    token_faults,
)
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.oauth_refusals import TokenFault
    from tlsdecrypt.findings.scene import Scene, Step

_SOURCE = 'x-ms-diagnostics in "Instrumenting client requests for EWS and REST"'
_HYBRID = "Resolve free/busy errors in a hybrid environment"
_CODES_OF_FAULTS = ("ews.access-denied", "ews.error", "ews.internal-error", "ews.schema-validation")


@rule(
    "oauth.x-ms-diagnostics",
    Severity.ERROR,
    advice="Follow the reason that is quoted; Test-OAuthConnectivity repeats the attempt from the server.",
    source=_SOURCE,
    protocols=("http",),
    suppresses=("http.auth-loop", "http.auth-scheme-not-offered", "http.no-auth-offered"),
    is_for_failures=True,
)
def diagnostics(step: Step) -> Iterator[Hit]:
    """Exchange refuses a token, or another login, and says why in x-ms-diagnostics.

    Silent for an empty Bearer, with which clients ask how to log in, and where the reason has a rule of its own.
    """
    if is_token_refused(step) and not is_told_elsewhere(step):
        category = category_of(step)
        why = reason_of(step) or MEANINGS.get(category) or "no reason is given"
        number = diagnostics_of(step).get("id", "")
        yield Hit(
            f"{host_of(step)} refuses a login ({' '.join(filter(None, (str(number), category)))}): {why}",
            token_evidence(step),
            place=f"{step.place} {category or number}",
        )


@rule(
    "oauth.audience-ssl-offload",
    Severity.ERROR,
    advice="End TLS at the server too (TLS bridging): behind SSL offloading the server sees http, and OAuth fails.",
    source=_HYBRID,
    confidence=Confidence.LIKELY,
    suppresses=("oauth.x-ms-diagnostics", "oauth.wrong-audience"),
    causes=_CODES_OF_FAULTS,
)
def audience_ssl_offload(scene: Scene) -> Iterator[Hit]:
    """The server does not know itself by the host name in the token's audience: it is asked without TLS.

    The reason says so; or the resource is called invalid, and a leg in clear is in the capture: this one, or one that
    its server opens. Certain where both come together. Silent where the token names another host than the one that is
    asked.
    """
    for step in unauthorized_steps(scene):
        if not is_token_refused(step) or foreign_audience(step) is not None:
            continue
        is_in_clear = step.is_clear or any(
            any(each.is_clear for each in leg.steps) for leg in inner_legs(scene, step.trace)
        )
        if is_about_host_name(step) or (is_in_clear and category_of(step) == "invalid_resource"):
            leg = f"{step.trace.client.address} to {step.trace.server} goes without TLS" if step.is_clear else ""
            yield hit_at(
                step,
                f"{host_of(step)} finds the audience of a token wrong: TLS ends at a device in front of it",
                *token_evidence(step),
                *((step.asked(leg),) if leg else ()),
                confidence=Confidence.CERTAIN if step.is_clear and is_about_host_name(step) else None,
            )
    for fault in scene.derived(token_faults)["token-host-name"]:
        yield hit_at(
            fault.step,
            f"{fault.sender} finds the audience of a token wrong: TLS ends at a device in front of it",
            *fault.evidence,
        )


@rule(
    "oauth.ambiguous-user",
    Severity.ERROR,
    advice="Find the accounts that share a UPN, SMTP or SIP address, and make them different.",
    source="Resolve free/busy errors in a hybrid environment (2000005)",
    suppresses=("oauth.x-ms-diagnostics",),
    causes=_CODES_OF_FAULTS,
)
def ambiguous_user(scene: Scene) -> Iterator[Hit]:
    """More than one account fits the user that the token names.

    The server that refuses the token says so, or it is quoted in an answer to a question for free/busy.
    """
    for fault in scene.derived(token_faults)["token-user-ambiguous"]:
        yield hit_at(fault.step, f"More than one account fits {_user(fault)} at {fault.sender}", *fault.evidence)


@rule(
    "oauth.user-missing",
    Severity.ERROR,
    advice="Synchronise the user between both directories (or create the mail user), with the same UPN and address.",
    source=_HYBRID,
    suppresses=("oauth.x-ms-diagnostics",),
    causes=_CODES_OF_FAULTS,
)
def user_missing(scene: Scene) -> Iterator[Hit]:
    """The user for whom the token speaks does not exist where it is used.

    The server that refuses the token says so, or it is quoted in an answer to a question for free/busy.
    """
    for fault in scene.derived(token_faults)["token-user-missing"]:
        summary = f"{fault.sender} does not know {_user(fault)}, for whom the token speaks"
        yield hit_at(fault.step, summary, *fault.evidence)


@rule(
    "oauth.signature",
    Severity.ERROR,
    advice="Let the server read the keys of the issuer again (Set-AuthServer -RefreshAuthMetadata), and check its own"
    " auth certificate (Get-AuthConfig).",
    source="Resolve free/busy errors in a hybrid environment (2000000)",
    suppresses=("oauth.x-ms-diagnostics",),
    causes=_CODES_OF_FAULTS,
)
def signature(scene: Scene) -> Iterator[Hit]:
    """The server cannot verify the signature of the token: it does not know the key with which it was signed.

    It says so itself, or it is quoted in an answer to a question for free/busy.
    """
    for fault in scene.derived(token_faults)["token-signature"]:
        token = auth_of(fault.step).get("token", {}) if fault.step.status == UNAUTHORIZED else {}
        key = token.get("kid") or token.get("x5t")
        named = f" (key {key})" if key else ""
        yield hit_at(fault.step, f"{fault.sender} cannot verify the signature of a token{named}", *fault.evidence)


@rule(
    "oauth.rbac-missing",
    Severity.ERROR,
    advice="Create the partner application with a linked account that has the role (New-PartnerApplication"
    " -LinkedAccount, New-ManagementRoleAssignment).",
    source=_HYBRID,
    suppresses=("oauth.x-ms-diagnostics", "http.forbidden-403", "ews.access-denied"),
    causes=_CODES_OF_FAULTS,
)
def rbac_missing(scene: Scene) -> Iterator[Hit]:
    """The application that speaks for a user has no linked account, so no role lets it.

    The server that was asked says so, or it is quoted in an answer to a question for free/busy.
    """
    for fault in scene.derived(token_faults)["token-role-missing"]:
        token = auth_of(fault.step).get("token", {})
        application = token.get("appid") or token.get("actor", {}).get("appid") or "the application of the token"
        yield hit_at(fault.step, f"{application} has no linked account at {fault.sender}", *fault.evidence)


def _user(fault: TokenFault) -> Any:
    return fault.step.http.get("user", "the user of the token")
