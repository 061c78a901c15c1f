"""ActiveSync: who may not synchronise, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tlsdecrypt.findings.activesync_calls import COMMANDS, SERVICE, calls, device_of, said_of, statuses_of, who
from tlsdecrypt.findings.exchange_answers import has_reached_iis
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import hit_at
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import has_said_something

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_HTTP = "[MS-ASHTTP] section 2.2.2.1.1"
_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND, _UNAVAILABLE = 400, 403, 404, 503
_BLOCKED, _PASSWORD_EXPIRED, _REDIRECT = 456, 457, 451
_USER_DISABLED, _DEVICE_BLOCKED, _MAX_DEVICES = 126, 129, 177
_INVALID = frozenset({101, 102, 103, 104})
_OLD_VERSIONS = ("1.0", "2.0", "2.1", "2.5", "12.0", "12.1")


def _is_of_iis(step: Step) -> bool:
    """Whether the server itself answered, not a device in front of it."""
    is_named = "microsoft-iis" in step.http.get("server", "").lower()
    return is_named or has_reached_iis(step) or "server_version" in step.about("activesync")


@rule(
    "eas.user-disabled",
    Severity.ERROR,
    advice="Switch ActiveSync on for the mailbox (Set-CASMailbox -ActiveSyncEnabled $true), if it shall be on.",
    source=COMMANDS,
    services=SERVICE,
    suppresses=("http.forbidden-403",),
)
def user_disabled(step: Step) -> Iterator[Hit]:
    """ActiveSync is off for this user: Status 126, or HTTP 403 of Exchange, as devices up to protocol 12.1 get it.

    A hint only where a newer device gets the 403. One of a device in front of Exchange is another matter, and so is one
    that tells of a blocked device.
    """
    if _USER_DISABLED in statuses_of(step):
        yield Hit(f"ActiveSync is switched off for {who(step)}", (*step.evidence, said_of(step)))
    elif step.status == _FORBIDDEN and _is_of_iis(step) and not step.about("activesync").get("is_blocked_text"):
        is_old = step.about("activesync").get("protocol_version") in _OLD_VERSIONS
        if not statuses_of(step):
            yield Hit(
                f"Exchange forbids ActiveSync to {who(step)}: it may be switched off for the user",
                step.evidence,
                confidence=Confidence.LIKELY if is_old else Confidence.HINT,
            )


@rule(
    "eas.device-blocked",
    Severity.ERROR,
    advice="Allow the device (Set-CASMailbox -ActiveSyncAllowedDeviceIDs), or change the access rule that catches it"
    " (Get-ActiveSyncDeviceAccessRule); a device in quarantine waits for an administrator.",
    source=COMMANDS,
    services=SERVICE,
    suppresses=("http.forbidden-403", "eas.user-disabled"),
)
def device_blocked(step: Step) -> Iterator[Hit]:
    """A device access rule blocks the device or holds it in quarantine: Status 129, or a 403 that says so."""
    is_said = step.status == _FORBIDDEN and step.about("activesync").get("is_blocked_text", False)
    if _DEVICE_BLOCKED in statuses_of(step) or is_said:
        yield Hit(f"The device of {who(step)} is blocked or in quarantine", (*step.evidence, said_of(step)))


@rule(
    "eas.account-blocked",
    Severity.ERROR,
    advice="456: unblock the account or sign in once in a browser; 457: change the password (the answer names where).",
    source=_HTTP,
    services=SERVICE,
)
def account_blocked(step: Step) -> Iterator[Hit]:
    """The account may not sign in: HTTP 456 (blocked) or 457 (the password has expired)."""
    if step.status not in (_BLOCKED, _PASSWORD_EXPIRED):
        return
    where = step.http.get("x_ms_credential_service_url")
    reason = "is blocked" if step.status == _BLOCKED else "has an expired password"
    evidence = (*step.evidence, *((step.answered(f"X-MS-Credential-Service-Url: {where}"),) if where else ()))
    yield Hit(f"The account of {who(step)} {reason}", evidence)


@rule(
    "eas.password-expiring",
    Severity.INFO,
    advice="Let the user change the password in time.",
    source="[MS-ASHTTP] section 2.2.2.1.2 (X-MS-Credentials-Expire)",
    services=SERVICE,
)
def password_expiring(step: Step) -> Iterator[Hit]:
    """The server says in how many days the password expires."""
    days = step.http.get("x_ms_credentials_expire")
    if days:
        evidence = step.answered(f"X-MS-Credentials-Expire: {days}")
        yield Hit(f"The password of {who(step)} expires in {days} days", (evidence,))


@rule(
    "eas.max-devices",
    Severity.ERROR,
    advice="Remove devices that are not used any more (Get-MobileDevice, Remove-MobileDevice), or raise EasMaxDevices"
    " of the throttling policy.",
    source=COMMANDS,
    services=SERVICE,
)
def max_devices(step: Step) -> Iterator[Hit]:
    """The user has as many devices as the throttling policy allows: Status 177."""
    if _MAX_DEVICES in statuses_of(step):
        yield Hit(f"{who(step)} has as many devices as are allowed", (*step.evidence, said_of(step)))


@rule(
    "eas.user-not-found",
    Severity.ERROR,
    advice="Check that the user has a mailbox here (and a license in the cloud), and how the address is spelled.",
    source="X-CasErrorCode of the client access services of Exchange",
    services=SERVICE,
    suppresses=("http.not-found-vdir",),
)
def user_not_found(step: Step) -> Iterator[Hit]:
    """Exchange does not find the user or the mailbox: HTTP 404 with an X-CasErrorCode that says so."""
    code = step.http.get("x_caserrorcode", "")
    if step.status == _NOT_FOUND and "notfound" in code.lower():
        evidence = (*step.evidence, step.answered(f"X-CasErrorCode: {code}"))
        yield Hit(f"Exchange does not find {who(step)}: {code}", evidence)


@rule(
    "eas.throttled",
    Severity.WARNING,
    advice="Let the device wait; if it happens to many, look at the throttling policy, and for devices that synchronise"
    " too often.",
    source="[MS-ASHTTP] section 2.2.2.1.2 (X-MS-ASThrottle, Retry-After)",
    services=SERVICE,
    suppresses=("http.throttled", "http.backend-503", "http.http-sys-503"),
)
def throttled(step: Step) -> Iterator[Hit]:
    """The server asks the device to come less often: HTTP 503 with Retry-After or X-MS-ASThrottle."""
    reason, wait = step.about("activesync").get("throttle"), step.http.get("retry_after")
    if step.status != _UNAVAILABLE or not (reason or wait):
        return
    said = [f"X-MS-ASThrottle: {reason}"] if reason else []
    said += [f"Retry-After: {wait}"] if wait else []
    yield Hit(
        f"{who(step)} is throttled" + (f" ({reason})" if reason else "") + (f" for {wait} s" if wait else ""),
        (*step.evidence, *map(step.answered, said)),
    )


@rule(
    "eas.xml-error",
    Severity.ERROR,
    advice="Look at what the device sent (--verbose); update the app, or the device in between that changes requests.",
    source=COMMANDS,
    services=SERVICE,
)
def xml_error(step: Step) -> Iterator[Hit]:
    """The server cannot read the request: Status 101 to 104, X-MS-ASError, or HTTP 400 of Exchange."""
    facts = step.about("activesync")
    found = _INVALID & statuses_of(step)
    text = facts.get("as_error")
    is_bad = step.status == _BAD_REQUEST and _is_of_iis(step)
    if found or text or is_bad:
        reason = text or (facts["meaning"] if found else "HTTP 400")
        evidence = (*step.evidence, said_of(step), *((step.answered(f"X-MS-ASError: {text}"),) if text else ()))
        yield Hit(f"Exchange cannot read the request of {who(step)}: {reason}", evidence)


@rule(
    "eas.redirect-451",
    Severity.WARNING,
    advice="Let the device use the address that the answer names; without one it has to run Autodiscover again.",
    source=_HTTP,
    suppresses=("http.redirect-loop",),
)
def redirect_451(scene: Scene) -> Iterator[Hit]:
    """The mailbox is served elsewhere: HTTP 451, with the new address in X-MS-Location.

    A note only where the device is served by another answer later, or talks to the named host in TLS that stays closed.
    """
    for step in calls(scene):
        if step.status != _REDIRECT:
            continue
        url = step.about("activesync").get("redirect_url")
        is_followed = _is_served_later(scene, step) or _talks_to(scene, step, url)
        where = f"use {url}" if url else "run Autodiscover again"
        yield hit_at(
            step,
            f"{who(step)} has to {where}" + (", and does" if is_followed else ""),
            *step.evidence,
            step.answered(f"X-MS-Location: {url}" if url else "451 without X-MS-Location"),
            severity=Severity.INFO if is_followed else None,
        )


def _is_served_later(scene: Scene, step: Step) -> bool:
    """Whether the same device is served later; one that names its id may come from another address by then."""
    others = calls(scene) if "device_id" in step.about("activesync") else scene.later(step)
    return any(
        later.status == 200 and later.time_ns > step.time_ns and device_of(later) == device_of(step)  # noqa: PLR2004  OK
        for later in others
    )


def _talks_to(scene: Scene, step: Step, url: str | None) -> bool:
    """Whether the same client says something later, inside of closed TLS, to the host of `url`."""
    host = (urlsplit(url).hostname or "") if url else ""
    later = (each for each in scene.by_client[step.trace.client.address] if each.span.first_time_ns >= step.time_ns)
    return bool(host) and any(each.server_name == host and has_said_something(each) for each in later)
