"""What several rules ask of logins over HTTP: which steps try one, for whom, and whether it works later."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.exchange_answers import is_login_page
from tlsdecrypt.findings.monitors import is_probe
from tlsdecrypt.findings.rule import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Confidence, Evidence, Severity
    from tlsdecrypt.findings.scene import Scene, Step, Trace

UNAUTHORIZED = 401
_FIRST_ERROR = 400
NTLM_ASK, NTLM_CHALLENGE, NTLM_PROVE = 1, 2, 3  # MS-NLMP section 2.2.1


def auth_of(step: Step) -> dict[str, Any]:
    """The annotation `auth`, empty where nobody authenticates."""
    return step.about("auth")


def login_steps(scene: Scene) -> Iterator[Step]:
    """The HTTP steps in which somebody authenticates or is asked to, without those of monitors, in order of time."""
    return (step for step in steps_about(scene, "auth") if step.protocol == "http")


def steps_about(scene: Scene, protocol: str) -> Iterator[Step]:
    """The steps with an annotation of this name, without those of monitors (guard 4), in order of time."""
    return (step for step in scene.steps if protocol in step.annotations and not is_probe(step))


def unauthorized_steps(scene: Scene) -> Iterator[Step]:
    """The HTTP steps that were answered with 401, without those of monitors, in order of time."""
    return (
        step for step in scene.steps if step.status == UNAUTHORIZED and step.protocol == "http" and not is_probe(step)
    )


def scheme_of(step: Step) -> str:
    """The scheme that the client used, in lower case; "" for none."""
    return str(auth_of(step).get("scheme", "")).lower()


def offered(step: Step) -> list[str]:
    """The schemes that the answer offers, in lower case."""
    return [str(each["scheme"]).lower() for each in auth_of(step).get("offers", ())]


def ntlm_type(step: Step) -> int | None:
    """Which message of NTLM the client sent."""
    found: int | None = auth_of(step).get("ntlm", {}).get("type")
    return found


def is_challenge(step: Step) -> bool:
    """Whether the answer is the second message of NTLM."""
    return bool(auth_of(step).get("challenge", {}).get("type") == NTLM_CHALLENGE)


def is_refused(step: Step) -> bool:
    """Whether a credential on which the server could decide was answered with 401."""
    return step.status == UNAUTHORIZED and bool(auth_of(step).get("is_complete"))


def is_accepted(step: Step) -> bool:
    """Whether a complete credential was accepted."""
    auth = auth_of(step)
    return bool(auth.get("is_complete")) and auth.get("result") == "accepted"


def host_of(step: Step) -> str:
    """What to call the server: the host that was asked, without port, else its address."""
    host = (step.host or "").lower()
    name = host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
    return name or step.trace.server.address


def user_of(step: Step) -> str:
    """Who authenticates, for people; "" where it cannot be seen."""
    return str(auth_of(step).get("user") or step.http.get("user") or "")


class Entries:
    """When clients got past the login of a host and path: to be had by `Scene.derived`, for many rules ask.

    Behind a device that hides addresses many accounts are one client: where it can be seen that another account got in,
    that says nothing of the one that was refused.
    """

    def __init__(self, scene: Scene) -> None:
        """Of all steps of the scene, which are read when first somebody asks."""
        self._scene = scene

    @cached_property
    def _times(self) -> dict[tuple[str, str, str], dict[str, list[int]]]:
        """By account, "" where it cannot be seen."""
        times: dict[tuple[str, str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for trace in self._scene.traces:
            account = ""
            for step in trace.steps:
                if step.protocol != "http":
                    continue
                account = _account(step) if scheme_of(step) else account  # else who logged in before goes on
                if step.status is not None and _is_in(step):
                    times[_door(step)][account].append(step.time_ns)
        for accounts in times.values():
            for each in accounts.values():
                each.sort()
        return times

    def after(self, step: Step) -> int | None:
        """When the same client first got in at the same host and path after `step`, None for never."""
        accounts = self._times.get(_door(step), {})
        mine = _account(step)
        found = [
            _first_after(times, step.time_ns) for name, times in accounts.items() if not mine or name in ("", mine)
        ]
        return min((each for each in found if each is not None), default=None)


def _first_after(times: list[int], time_ns: int) -> int | None:
    at = bisect_right(times, time_ns)
    return times[at] if at < len(times) else None


def _account(step: Step) -> str:
    """The name of the account alone, without its domain in front (NTLM) or behind (UPN)."""
    return user_of(step).lower().rpartition("\\")[2].partition("@")[0]


def _door(step: Step) -> tuple[str, str, str]:
    return step.trace.client.address, host_of(step), step.path


def _is_in(step: Step) -> bool:
    """Whether an answer is what lies behind a login: no error, and no redirect to where people log in."""
    return (step.status or 0) < _FIRST_ERROR and not is_login_page(str(step.http.get("location", "")))


def hit_at(
    step: Step,
    summary: str,
    *evidence: Evidence,
    severity: Severity | None = None,
    confidence: Confidence | None = None,
    place: str | None = None,
) -> Hit:
    """A hit of a rule of the scene, at the client, server and place of a step."""
    return Hit(
        summary,
        evidence or step.evidence,
        severity=severity,
        confidence=confidence,
        client=step.trace.client.address,
        server=step.trace.server.address,
        place=step.place if place is None else place,
    )


def answers_at(step: Step, what: object) -> Evidence:
    """Evidence in the answer: the status, and what it says of logins."""
    return step.answered(f"{step.status} {what}".rstrip())


def first_login(trace: Trace) -> Step | None:
    """The first step of a connection with which somebody authenticates."""
    return next((step for step in trace.steps if scheme_of(step)), None)
