"""OAuth: tokens that are old or for somebody else, that are not offered, and that are not given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import (
    Entries,
    answers_at,
    auth_of,
    hit_at,
    host_of,
    scheme_of,
    unauthorized_steps,
)
from tlsdecrypt.findings.oauth_refusals import (
    codes_of,
    foreign_audience,
    has_expired,
    is_about_audience,
    reason_of,
    token_evidence,
)
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_CREDENTIALS, _WRONG_PASSWORD = "AADSTS70002", "AADSTS50126"
_CLIENT_CODES = frozenset({"AADSTS50012", _CREDENTIALS, "AADSTS700027"})
_AADSTS = re.compile(r"AADSTS\d+")
_MFA_CODES = frozenset({"AADSTS50076", "AADSTS50079"})
_MFA = "must use multi-factor"
_MFA_STATUS, _FIRST_ERROR = 456, 400


@rule(
    "oauth.client-assertion-key",
    Severity.ERROR,
    advice="Upload the current auth certificate of Exchange to Entra (hybrid wizard, or"
    " New-MsolServicePrincipalCredential).",
    source="AADSTS50012, AADSTS70002, AADSTS700027",
    services=("oauth", "ws-trust"),
)
def client_assertion_key(step: Step) -> Iterator[Hit]:
    """The token service does not know the certificate with which the server proves who it is.

    AADSTS70002 alone says so only where the request carries such a proof, and where no password is wrong (AADSTS50126).
    """
    facts = step.about("oauth")
    codes = codes_of(facts)
    has_proof = "has_client_assertion" in facts or facts.get("grant_type") == "client_credentials"
    is_plain = not _CLIENT_CODES.isdisjoint(codes - {_CREDENTIALS})
    is_proof_wrong = is_plain or (_CREDENTIALS in codes and has_proof and _WRONG_PASSWORD not in codes)
    if (step.status or 0) >= _FIRST_ERROR and is_proof_wrong:
        who = facts.get("client_id", "the server")
        yield Hit(
            f"{host_of(step)} does not accept the certificate with which {who} asks for a token"
            f" ({', '.join(sorted(codes))})",
            (step.asked(f"grant_type={facts.get('grant_type')}"), step.answered(facts.get("error_description", codes))),
        )


@rule(
    "oauth.token-expired",
    Severity.WARNING,
    advice="Let the client get a new token before the old one expires; check its clock.",
    source="RFC 7519 section 4.1.4",
    suppresses=("oauth.x-ms-diagnostics",),
)
def token_expired(scene: Scene) -> Iterator[Hit]:
    """A client uses a token that has expired, by its own claim or by what the server says.

    Silent where the server takes it. A note where the client comes back with a new token and gets in: that is how
    tokens are renewed.
    """
    entries = scene.derived(Entries)
    for step in unauthorized_steps(scene):
        if not has_expired(step):
            continue
        token = auth_of(step).get("token", {})
        when = f" on {token['expires']}" if "expires" in token else ""
        yield hit_at(
            step,
            f"{step.trace.client.address} uses a token for {host_of(step)} that expired{when}",
            *token_evidence(step),
            severity=None if entries.after(step) is None else Severity.INFO,
        )


@rule(
    "oauth.wrong-audience",
    Severity.ERROR,
    advice="Register the name that clients use as a service principal name of the application (Entra), and ask for a"
    " token with that resource.",
    source="RFC 7519 section 4.1.3; hybrid modern authentication",
    protocols=("http",),
    suppresses=("oauth.x-ms-diagnostics",),
)
def wrong_audience(step: Step) -> Iterator[Hit]:
    """A token was refused that was issued for another host than the one that is asked.

    Silent for audiences that name the application of Exchange (00000002-0000-0ff1-ce00-000000000000), where the server
    takes the token, and where its diagnostics name another reason.
    """
    if is_about_audience(step):
        yield Hit(f"The token for {host_of(step)} was issued for {foreign_audience(step)}", token_evidence(step))


@rule(
    "oauth.bearer-not-offered",
    Severity.WARNING,
    advice="Enable OAuth on the virtual directory (Set-...VirtualDirectory -OAuthAuthentication $true), and modern"
    " authentication for the organization (OAuth2ClientProfileEnabled, an authorization server as default).",
    source="Hybrid modern authentication",
    confidence=Confidence.LIKELY,
    suppresses=("http.auth-scheme-not-offered",),
)
def bearer_not_offered(scene: Scene) -> Iterator[Hit]:
    """A client asks for modern authentication by an empty Bearer, and is not told where to get a token.

    The 401 either lacks Bearer, or Bearer without authorization_uri. Silent where a token is sent. A note where the
    client goes on with another scheme and gets in: Outlook asks so everywhere.
    """
    entries = scene.derived(Entries)
    for step in unauthorized_steps(scene):
        if scheme_of(step) != "bearer" or auth_of(step).get("is_complete") or step.service == "oauth":
            continue
        told = _without_bearer(step)
        if told is not None:
            summary, answer = told
            evidence = step.asked("Authorization: Bearer"), answers_at(step, answer)
            severity = None if entries.after(step) is None else Severity.INFO
            yield hit_at(step, f"{host_of(step)}{step.path} {summary}", *evidence, severity=severity)


def _without_bearer(step: Step) -> tuple[str, str] | None:
    """What is wrong with what a 401 offers for modern authentication, and what it offers; None where nothing is."""
    bearer = next((each for each in auth_of(step).get("offers", ()) if str(each["scheme"]).lower() == "bearer"), None)
    if bearer is None:
        listed = ", ".join(dict.fromkeys(str(each["scheme"]) for each in auth_of(step).get("offers", ()))) or "nothing"
        return f"does not offer modern authentication: it offers {listed}", f"WWW-Authenticate: {listed}"
    if "authorization_uri" in bearer:
        return None
    return "offers Bearer, but not where to get a token (authorization_uri)", "WWW-Authenticate: Bearer"


@rule(
    "oauth.mfa-required",
    Severity.ERROR,
    advice="Let the user sign in with modern authentication in this client, or except the account by policy.",
    source="AADSTS50076, AADSTS50079",
    protocols=("http",),
    suppresses=(
        "eas.account-blocked",
        "wstrust.request-failed",
        "wstrust.failed-authentication",
        "oauth.x-ms-diagnostics",
    ),
)
def mfa_required(step: Step) -> Iterator[Hit]:
    """The cloud wants a second factor, which this way of logging in cannot give.

    Told by an error code, by a text (a fault of WS-Trust inside of 200 too), or by the status 456 (for ActiveSync that
    is any block, and another rule).
    """
    if (step.status or 0) < _FIRST_ERROR and step.service != "ws-trust":
        return
    facts, trust = step.about("oauth"), step.about("wstrust")
    trust_reason = " ".join(str(trust[name]) for name in ("reason", "internal_text") if name in trust)
    texts = step.http.get("error_text"), reason_of(step), facts.get("error_description"), trust_reason
    said = " ".join(str(each) for each in texts if each)
    codes = (codes_of(facts) | {*trust.get("codes", ())} | set(_AADSTS.findall(said))) & _MFA_CODES
    is_said = _MFA in said.lower()
    is_status = step.status == _MFA_STATUS and step.service != "activesync"
    if codes or is_said or is_status:
        who = facts.get("username") or trust.get("user") or step.http.get("user") or "the user"
        what = ", ".join(sorted(codes)) or ("status 456" if step.status == _MFA_STATUS else "as the text says")
        yield Hit(
            f"{host_of(step)} wants a second factor of {who} ({what})",
            (*step.evidence, step.answered(" ".join(said.split()) or what)),
            confidence=None if codes or is_said else Confidence.LIKELY,
        )
