"""WS-Trust: why a security token service gives no token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.addresses import is_internal, is_private_name
from tlsdecrypt.findings.exchange_answers import station_of, without_probes
from tlsdecrypt.findings.finding import Confidence, Evidence, Severity
from tlsdecrypt.findings.logins import hit_at, host_of, steps_about
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

MAX_SKEW_S = 300  # what Windows and WCF tolerate by default
SOON_NS = 600_000_000_000  # in which another attempt of the same user tells something

_STS = "WS-Trust 1.3 section 11"
_UNAVAILABLE, _NOT_FOUND, _FIRST_REDIRECT, _UNAUTHORIZED = 503, 404, 300, 401
_UNKNOWN_PARTY = frozenset({"ID3082", "MSIS3020", "MSIS3082"})
_REQUEST_FAULTS = frozenset({"InvalidRequest", "RequestFailed", "BadRequest"})
_SECURITY_FAULTS = frozenset({"MessageExpired", "InvalidTimeRange", "InvalidSecurity"})
_PASSWORD_STATES = (
    ("password for the account has expired", "the password has expired"),
    ("password has expired", "the password has expired"),
    ("has to be changed", "the password has to be changed first"),
    ("must be changed", "the password has to be changed first"),
    ("stored passwords do not match", "the passwords that are stored do not match"),
)


@rule(
    "wstrust.failed-authentication",
    Severity.ERROR,
    advice="Check the password; see that the UPN of the account is the one that is sent (add a public suffix in Active"
    " Directory Domains and Trusts, and set it on the account).",
    source=f"{_STS}; ID3242 of Windows Identity Foundation",
)
def failed_authentication(scene: Scene) -> Iterator[Hit]:
    """The STS does not take the login: FailedAuthentication. Either the password is wrong, or it knows no such UPN.

    A private suffix points to the second. Where the same user gets a token within ten minutes, the first. Silent where
    the fault says more: an expired message, an unknown relying party, the state of the password.
    """
    trusts = list(steps_about(scene, "wstrust"))
    for step in trusts:
        facts = step.about("wstrust")
        if "FailedAuthentication" not in facts.get("fault_codes", ()) or step.status == _UNAUTHORIZED:
            continue
        if _is_told_elsewhere(step):
            continue
        user = str(facts.get("user", ""))
        yield hit_at(
            step,
            f"{host_of(step)} rejects the login of {user or 'a user'}: {_cause(step, user, trusts)}",
            *_fault_evidence(step),
            place=f"{step.place} {user.lower()}",
        )


def _cause(step: Step, user: str, trusts: list[Step]) -> str:
    for other in trusts:
        is_near = abs(other.time_ns - step.time_ns) <= SOON_NS
        if user and is_near and "response" in other.about("wstrust") and other.about("wstrust").get("user") == user:
            return "the same user gets a token within ten minutes, so perhaps the password was mistyped"
    _, at_sign, suffix = user.rpartition("@")
    if at_sign and is_private_name(suffix):
        return f"the client sends a private UPN ({suffix}), which is not one that the STS or the cloud knows"
    upn = f"the UPN suffix of the account is not {suffix}" if at_sign else "the STS does not know this name"
    return f"either name or password is wrong, or {upn}"


def _is_told_elsewhere(step: Step) -> bool:
    return (
        _password_state(step) is not None
        or _is_member_name_invalid(step.about("wstrust"))
        or _is_unknown_party(step.about("wstrust"))
        or not _SECURITY_FAULTS.isdisjoint(step.about("wstrust").get("fault_codes", ()))
    )


def _fault_evidence(step: Step) -> list[Evidence]:
    """What was asked, the fault, and how far the clocks are apart."""
    facts = step.about("wstrust")
    asked = [f"{step.verb} {step.path}", *(f"{name}: {facts[key]}" for key, name in _ASKED if key in facts)]
    answered = [
        str(step.status),
        *(str(facts[key]) for key in ("fault", "reason", "value", "internal_code") if key in facts),
    ]
    evidence = [step.asked(", ".join(asked)), step.answered(", ".join(answered))]
    if "clock_skew_s" in facts:
        evidence.append(step.answered(f"Date is {facts['clock_skew_s']} s after Created of the request"))
    return evidence


_ASKED = (("user", "user"), ("applies_to", "AppliesTo"))


def _fault_hit(step: Step, summary: str, **more: Any) -> Hit:
    return Hit(summary, tuple(_fault_evidence(step)), **more)


@rule(
    "wstrust.clock-skew",
    Severity.ERROR,
    advice="Set the clocks of client and STS right (w32tm /query /status): Windows accepts five minutes of difference.",
    source="WS-Security 1.1 section 10; WS-SecureConversation",
    services=("ws-trust",),
)
def clock_skew(step: Step) -> Iterator[Hit]:
    """The STS finds the message expired, or its Date is more than five minutes away from the client's Timestamp.

    Only header values are compared, not the clock of the capture. A warning where a token is issued all the same. A
    hint where the STS only says that the security of the message is not valid, and the header values agree.
    """
    facts = step.about("wstrust")
    skew = facts.get("clock_skew_s")
    codes = _SECURITY_FAULTS.intersection(facts.get("fault_codes", ()))
    is_far = skew is not None and abs(skew) > MAX_SKEW_S
    if not facts or not (is_far or codes):
        return
    is_vague = codes == {"InvalidSecurity"}
    confidence = Confidence.HINT if is_vague and skew is not None else Confidence.LIKELY
    says = "the security of the message is said to be invalid" if is_vague else "the message is said to be expired"
    by = f"differ by {_minutes(skew)}" if skew is not None and is_far else f"may differ: {says}"
    yield _fault_hit(
        step,
        f"The clocks of {step.trace.client.address} and {host_of(step)} {by}",
        severity=Severity.WARNING if "response" in facts else None,
        confidence=None if is_far else confidence,
    )


def _minutes(seconds: int) -> str:
    return f"{abs(seconds) // 60} minutes" if abs(seconds) >= 120 else f"{abs(seconds)} s"  # noqa: PLR2004  two minutes


@rule(
    "wstrust.unknown-relying-party",
    Severity.ERROR,
    advice="Configure this identifier as a relying party trust of the STS, or let the client ask for the right one"
    " (urn:federation:MicrosoftOnline for Microsoft 365).",
    source=f"{_STS} (InvalidScope); ID3082, MSIS3020",
    services=("ws-trust",),
    suppresses=("wstrust.request-failed",),
)
def unknown_relying_party(step: Step) -> Iterator[Hit]:
    """The STS does not know for whom the token shall be (AppliesTo)."""
    facts = step.about("wstrust")
    if facts and _is_unknown_party(facts):
        whom = facts.get("applies_to", "the service that is named")
        yield _fault_hit(step, f"{host_of(step)} issues no tokens for {whom}: no such relying party is configured")


def _is_unknown_party(facts: dict[str, Any]) -> bool:
    return "InvalidScope" in facts.get("fault_codes", ()) or not _UNKNOWN_PARTY.isdisjoint(facts.get("codes", ()))


@rule(
    "wstrust.request-failed",
    Severity.ERROR,
    advice="Look at the event log of the STS (AD FS Admin) at this time, with the code and the activity id.",
    source=f"{_STS} (InvalidRequest, RequestFailed); MSIS3127",
    services=("ws-trust",),
)
def request_failed(step: Step) -> Iterator[Hit]:
    """The STS finds the request invalid, or could not serve it. Silent where the fault says more."""
    facts = step.about("wstrust")
    is_failed = "MSIS3127" in facts.get("codes", ()) or facts.get("fault") in _REQUEST_FAULTS
    if is_failed and not _is_told_elsewhere(step):
        yield _fault_hit(
            step, f"{host_of(step)} could not serve a token request: {facts.get('reason', facts.get('fault'))}"
        )


@rule(
    "wstrust.member-name-invalid",
    Severity.ERROR,
    advice="Compare UserPrincipalName and ImmutableId of the account in the cloud with the claims that AD FS issues"
    " (UPN, ImmutableID).",
    source="Error codes of Microsoft's STS: 0x80048821 with 0x80041034",
    services=("ws-trust",),
)
def member_name_invalid(step: Step) -> Iterator[Hit]:
    """Microsoft's STS does not find the user that the token names: UPN or ImmutableId do not agree."""
    facts = step.about("wstrust")
    if facts and _is_member_name_invalid(facts):
        user = facts.get("user", "the user of the token")
        yield _fault_hit(step, f"The cloud does not know {user}: UPN or ImmutableId do not agree")


def _is_member_name_invalid(facts: dict[str, Any]) -> bool:
    value, internal = str(facts.get("value", "")).lower(), str(facts.get("internal_code", "")).lower()
    return (value, internal) == ("0x80048821", "0x80041034") or "member name" in str(facts.get("internal_text", ""))


@rule(
    "wstrust.password-state",
    Severity.ERROR,
    advice="Change the password of the account, or set it anew, and synchronise it again.",
    source="Texts of faults of Microsoft's STS and AD FS",
    services=("ws-trust",),
)
def password_state(step: Step) -> Iterator[Hit]:
    """The STS names the state of the password: expired, to be changed, or not the one that is stored."""
    state = _password_state(step)
    if state is not None:
        user = step.about("wstrust").get("user", "the user")
        yield _fault_hit(step, f"{host_of(step)} gives {user} no token: {state}")


def _password_state(step: Step) -> str | None:
    facts = step.about("wstrust")
    if "fault" not in facts:
        return None
    said = " ".join(
        str(each) for each in (facts.get("reason"), facts.get("internal_text"), step.about("soap").get("fault_detail"))
    )
    lowered = said.lower()
    return next((state for text, state in _PASSWORD_STATES if text in lowered), None)


@rule(
    "wstrust.endpoint-disabled",
    Severity.ERROR,
    advice="Enable the endpoint in AD FS (Endpoints; Enable and Enable on Proxy) and restart the service; for clients"
    " from outside it must be enabled on the proxy too.",
    source="AD FS endpoints",
    confidence=Confidence.LIKELY,
    suppresses=("adfs.metadata-503", "http.http-sys-503"),
)
def endpoint_disabled(scene: Scene) -> Iterator[Hit]:
    """One endpoint for tokens answers 503 or 404 while the metadata (mex) of the same server works.

    Silent without a metadata request that worked, where the client shall come back later (Retry-After), and for
    endpoints that are closed on purpose: of those other than usernamemixed, only one counts that a client inside asks
    for a token.
    """
    steps = [step for step in scene.steps_by_service["ws-trust"] if step.path.startswith("/adfs/services/trust/")]
    works = {
        station_of(step): step
        for step in steps
        if step.path.endswith("/mex") and step.status is not None and step.status < _FIRST_REDIRECT
    }
    for step in without_probes(steps):
        mex = works.get(station_of(step))
        is_gone = step.status in (_UNAVAILABLE, _NOT_FOUND) and "retry_after" not in step.http
        if mex is not None and is_gone and _is_wanted(step):
            endpoint = step.path.removeprefix("/adfs/services/trust/")
            yield hit_at(
                step,
                f"The endpoint {endpoint} of {host_of(step)} answers {step.status} while metadata works: it is"
                " disabled, or not enabled on the proxy",
                *step.evidence,
                mex.answered(f"{mex.path} answered {mex.status}"),
            )


def _is_wanted(step: Step) -> bool:
    """Whether an endpoint should work for this client."""
    is_asked_inside = step.verb == "POST" and is_internal(step.trace.client.address)
    return not step.path.endswith("/mex") and (step.path.endswith("/usernamemixed") or is_asked_inside)
