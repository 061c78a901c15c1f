"""ActiveSync: policies that devices have to accept, wipes, and protocol versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.activesync_calls import SERVICE, by_device, calls, said_of, statuses_of, who
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import hit_at, host_of
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

MANY_ROUNDS = 3  # of provisioning; more are a loop

_RETRY_AFTER_PROVISION = 449
_SOFT, _HARD = frozenset({142, 143, 144}), frozenset({139, 141, 145})
_WIPE, _VERSION_NOT_SUPPORTED = 140, 138


@rule(
    "eas.needs-provision",
    Severity.INFO,
    advice="Expected for a new device and after a change of the policy. If it goes on, the device does not accept the"
    " policy: look at Get-MobileDeviceMailboxPolicy, and whether AllowNonProvisionableDevices is wanted.",
    source="[MS-ASPROV] section 3.1.5; [MS-ASHTTP] section 2.2.2.1.1 (449)",
)
def needs_provision(scene: Scene) -> Iterator[Hit]:
    """The device has to fetch the policy: HTTP 449, or Status 142, 143 or 144.

    A warning where it has to more than three times, so that it does not accept the policy, and where it cannot keep
    it at all (Status 139, 141, 145).
    """
    for device in by_device(calls(scene)):
        asked = [step for step in device if step.status == _RETRY_AFTER_PROVISION or statuses_of(step) & _SOFT]
        barred = [step for step in device if statuses_of(step) & _HARD]
        for step in barred:
            yield _barred(step)
        if len(asked) > MANY_ROUNDS:
            first = asked[0]
            yield hit_at(
                first,
                f"{who(first)} is sent to fetch the policy {len(asked)} times: the device does not accept it",
                *map(said_of, (*asked[:2], asked[-1])),
                severity=Severity.WARNING,
                confidence=Confidence.LIKELY,
                place="Provision loop",
            )
        elif asked:
            first = asked[0]
            summary = f"{who(first)} has to fetch the policy"
            yield hit_at(first, summary, *first.evidence, said_of(first), place="Provision")


def _barred(step: Step) -> Hit:
    meaning = step.about("activesync")["meaning"]
    return hit_at(
        step,
        f"{who(step)} may not synchronise: {meaning}",
        *step.evidence,
        said_of(step),
        severity=Severity.WARNING,
        place="Provision barred",
    )


@rule(
    "eas.remote-wipe",
    Severity.WARNING,
    advice="If nobody wants the wipe, cancel it at once (Clear-MobileDevice -Cancel) and keep the device offline.",
    source="[MS-ASPROV] section 2.2.2.44; Status 140",
    services=SERVICE,
)
def remote_wipe(step: Step) -> Iterator[Hit]:
    """The server tells the device to erase itself: Status 140, or RemoteWipe in an answer to Provision."""
    facts = step.about("activesync")
    if _WIPE in statuses_of(step) or "remote_wipe" in facts:
        what = "the account on the device" if facts.get("remote_wipe") == "account" else "the device"
        yield Hit(f"A wipe of {what} of {who(step)} is pending", (*step.evidence, said_of(step)))


@rule(
    "eas.versions",
    Severity.WARNING,
    advice="Update the device or its app, or Exchange; look for a device in front that changes MS-ASProtocolVersion.",
    source="[MS-ASHTTP] section 2.2.2.1.2 (MS-ASProtocolVersions)",
    causes=("eas.xml-error",),
)
def versions(scene: Scene) -> Iterator[Hit]:
    """The device speaks a protocol version that the server does not offer: by its answer to OPTIONS, or Status 138.

    Silent for the version that a device names while it asks with OPTIONS, where it goes on with one that is offered.
    """
    offered: dict[str, list[str]] = {}
    for step in calls(scene):
        facts = step.about("activesync")
        if facts.get("offered_versions"):
            offered[host_of(step)] = facts["offered_versions"]
        version, known = facts.get("protocol_version"), offered.get(host_of(step))
        is_told = _VERSION_NOT_SUPPORTED in statuses_of(step)
        is_unknown = known is not None and version is not None and version not in known
        if is_told or (is_unknown and not (step.verb == "OPTIONS" and _goes_on_with(scene, step, known or []))):
            listed = ", ".join(known) if known else "others"
            yield hit_at(
                step,
                f"{who(step)} speaks ActiveSync {version or '(no version)'}, and {host_of(step)} offers {listed}",
                step.asked(f"MS-ASProtocolVersion: {version}"),
                said_of(step),
                place="versions",
            )


def _goes_on_with(scene: Scene, step: Step, versions_known: list[str]) -> bool:
    """Whether the same client goes on with a version that the server offers."""
    later = (each.about("activesync") for each in scene.later(step) if each.verb == "POST")
    return any(facts.get("protocol_version") in versions_known for facts in later)
