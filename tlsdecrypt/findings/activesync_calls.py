"""What rules ask of ActiveSync: for which device a request is, and which statuses the answer holds."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import without_probes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step

SERVICE = ("activesync",)
COMMANDS = "[MS-ASCMD] section 2.2.2"


def calls(scene: Scene) -> list[Step]:
    """The requests of devices, without those of monitors, in the order of time."""
    return without_probes(scene.steps_by_service["activesync"])


def statuses_of(step: Step) -> frozenset[int]:
    """All Status values of an answer."""
    facts = step.about("activesync")
    return frozenset(facts.get("statuses") or ([facts["status"]] if "status" in facts else ()))


def command_of(step: Step) -> str:
    """The command, OPTIONS for a question about versions."""
    return str(step.about("activesync").get("command") or step.verb)


def device_of(step: Step) -> tuple[str, str]:
    """What tells devices apart: the id, else the client's address; and the user."""
    facts = step.about("activesync")
    user = facts.get("user") or step.http.get("user") or ""
    return str(facts.get("device_id") or step.trace.client.address), str(user).lower()


def who(step: Step) -> str:
    """The user with the kind of device, for people: `avery@contoso.com (iPhone)`."""
    facts = step.about("activesync")
    user = facts.get("user") or step.http.get("user") or step.trace.client.address
    return f"{user} ({facts['device_type']})" if "device_type" in facts else str(user)


def said_of(step: Step) -> Evidence:
    """The status of an answer as evidence: that of its body, else that of HTTP."""
    facts = step.about("activesync")
    if "status" not in facts:
        return step.answered(f"answered {step.status}")
    values = ", ".join(map(str, sorted(statuses_of(step))))
    return step.answered(f"{command_of(step)} Status {values}: {facts['meaning']}")


def by_device(steps: Iterable[Step]) -> list[list[Step]]:
    """Steps of each device."""
    found: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in steps:
        found[device_of(step)].append(step)
    return list(found.values())


def is_success(step: Step) -> bool:
    """Whether a command was carried out."""
    return step.status == 200 and not step.about("activesync").get("is_error")  # noqa: PLR2004  OK
