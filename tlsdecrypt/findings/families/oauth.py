"""OAuth: tokens that Exchange refuses, and what it says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import inner_legs
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import auth_of, hit_at, host_of, unauthorized_steps
from tlsdecrypt.findings.oauth_refusals import (
    MEANINGS,
    category_of,
    diagnostics_of,
    foreign_audience,
    is_about_host_name,
    is_ambiguous,
    is_role_missing,
    is_signature,
    is_token_refused,
    is_told_elsewhere,
    is_user_missing,
    reason_of,
    token_evidence,
)
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_SOURCE = 'x-ms-diagnostics in "Instrumenting client requests for EWS and REST"'
_HYBRID = "Resolve free/busy errors in a hybrid environment"


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
)
def audience_ssl_offload(scene: Scene) -> Iterator[Hit]:
    """The server finds the host name in the token's audience wrong, for it was asked without TLS.

    The reason says so, or the resource is called invalid, and a leg in clear is in the capture: this one, or one that
    its server opens. Silent where the token names another host than the one that is asked.
    """
    for step in unauthorized_steps(scene):
        if not is_token_refused(step) or foreign_audience(step) is not None:
            continue
        inner = any(any(each.is_clear for each in leg.steps) for leg in inner_legs(scene, step.trace))
        if (step.is_clear or inner) and (is_about_host_name(step) or category_of(step) == "invalid_resource"):
            leg = f"{step.trace.client.address} to {step.trace.server} goes without TLS" if step.is_clear else ""
            yield hit_at(
                step,
                f"{host_of(step)} finds the audience of a token wrong: TLS ends at a device in front of it",
                *token_evidence(step),
                *((step.asked(leg),) if leg else ()),
                confidence=Confidence.CERTAIN if step.is_clear and is_about_host_name(step) else None,
            )


@rule(
    "oauth.ambiguous-user",
    Severity.ERROR,
    advice="Find the accounts that share a UPN, SMTP or SIP address, and make them different.",
    source="Resolve free/busy errors in a hybrid environment (2000005)",
    protocols=("http",),
    suppresses=("oauth.x-ms-diagnostics",),
    is_for_failures=True,
)
def ambiguous_user(step: Step) -> Iterator[Hit]:
    """More than one account fits the user that the token names."""
    if is_token_refused(step) and is_ambiguous(step):
        user = step.http.get("user", "the user of the token")
        yield Hit(f"More than one account fits {user} at {host_of(step)}", token_evidence(step))


@rule(
    "oauth.user-missing",
    Severity.ERROR,
    advice="Synchronise the user between both directories (or create the mail user), with the same UPN and address.",
    source=_HYBRID,
    protocols=("http",),
    suppresses=("oauth.x-ms-diagnostics",),
    is_for_failures=True,
)
def user_missing(step: Step) -> Iterator[Hit]:
    """The user for whom the token speaks does not exist where it is used."""
    if is_token_refused(step) and is_user_missing(step):
        user = step.http.get("user", "the user of the token")
        yield Hit(f"{host_of(step)} does not know {user}, for whom the token speaks", token_evidence(step))


@rule(
    "oauth.signature",
    Severity.ERROR,
    advice="Let the server read the keys of the issuer again (Set-AuthServer -RefreshAuthMetadata), and check its own"
    " auth certificate (Get-AuthConfig).",
    source="Resolve free/busy errors in a hybrid environment (2000000)",
    protocols=("http",),
    suppresses=("oauth.x-ms-diagnostics",),
    is_for_failures=True,
)
def signature(step: Step) -> Iterator[Hit]:
    """The server cannot verify the signature of the token: it does not know the key with which it was signed."""
    if is_token_refused(step) and is_signature(step):
        token = auth_of(step).get("token", {})
        key = token.get("kid") or token.get("x5t")
        named = f" (key {key})" if key else ""
        yield Hit(f"{host_of(step)} cannot verify the signature of a token{named}", token_evidence(step))


@rule(
    "oauth.rbac-missing",
    Severity.ERROR,
    advice="Create the partner application with a linked account that has the role (New-PartnerApplication"
    " -LinkedAccount, New-ManagementRoleAssignment).",
    source=_HYBRID,
    protocols=("http",),
    suppresses=("oauth.x-ms-diagnostics", "http.forbidden-403", "ews.access-denied"),
    is_for_failures=True,
)
def rbac_missing(step: Step) -> Iterator[Hit]:
    """The application that speaks for a user has no linked account, so no role lets it."""
    if is_role_missing(step):
        token = auth_of(step).get("token", {})
        application = token.get("appid") or token.get("actor", {}).get("appid") or "the application of the token"
        yield Hit(f"{application} has no linked account at {host_of(step)}", token_evidence(step))
