"""ActiveSync: devices that begin again and again, and connections that are cut while they wait."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings.activesync_calls import (
    COMMANDS,
    SERVICE,
    by_device,
    calls,
    command_of,
    device_of,
    is_success,
    said_of,
    statuses_of,
    who,
)
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import hit_at
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import ended_by
from tlsdecrypt.flow import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step, Trace

_, _SERVER = Direction

MANY = 3  # restarts that make a loop
ALIKE_NS = 3_000_000_000  # between cuts that come after the same time
MARGIN_NS = 5_000_000_000  # that a cut comes before the heartbeat ends
SHORTEST_WAIT_NS = 20_000_000_000  # of a connection that is cut for being idle

_SECOND = 1_000_000_000
_HEARTBEAT, _PING_FOLDERS, _SYNC_FOLDERS, _SYNC_WAIT = 5, 7, 12, 14
_KEY_INVALID = {"Sync": 3, "FolderSync": 9}
_SYNC_STATES = frozenset(range(132, 137))


@rule(
    "eas.heartbeat-adjust",
    Severity.INFO,
    advice="Nothing: the device goes on with the heartbeat that the server allows.",
    source=COMMANDS,
    services=SERVICE,
)
def heartbeat_adjust(step: Step) -> Iterator[Hit]:
    """The device asked for a longer or shorter heartbeat than the server allows, which answers with its own."""
    facts = step.about("activesync")
    limit = facts.get("heartbeat_limit_s")
    if command_of(step) == "Ping" and _HEARTBEAT in statuses_of(step) and limit:
        asked = f" instead of {facts['heartbeat_s']} s" if "heartbeat_s" in facts else ""
        yield Hit(f"{who(step)} shall use a heartbeat of {limit} s{asked}", (*step.evidence, said_of(step)))


@rule(
    "eas.ping-resync",
    Severity.INFO,
    advice="Expected after folders have changed. If it goes on, the device does not run FolderSync as it should: let it"
    " set up the account anew.",
    source=COMMANDS,
)
def ping_resync(scene: Scene) -> Iterator[Hit]:
    """The device has to run FolderSync before it goes on: Status 7 of Ping, 12 of Sync.

    A warning where the same device is told so three times and more.
    """
    for device in by_device(calls(scene)):
        told = [step for step in device if _needs_folder_sync(step)]
        if told:
            is_loop = len(told) >= MANY
            yield hit_at(
                told[0],
                f"{who(told[0])} has to run FolderSync" + (f", and is told so {len(told)} times" if is_loop else ""),
                *map(said_of, told[:3]),
                severity=Severity.WARNING if is_loop else None,
                confidence=Confidence.LIKELY if is_loop else None,
                place="FolderSync needed",
            )


def _needs_folder_sync(step: Step) -> bool:
    expected = {"Ping": _PING_FOLDERS, "Sync": _SYNC_FOLDERS}.get(command_of(step))
    return expected in statuses_of(step)


@rule(
    "eas.sync-key-loop",
    Severity.WARNING,
    advice="Let the device set up the account anew; if several do it, look for restored databases, clocks, and two"
    " devices with one device id.",
    source="[MS-ASCMD] sections 2.2.3.177.4 and 2.2.3.177.17",
    confidence=Confidence.LIKELY,
    suppresses=("eas.ping-resync",),
)
def sync_key_loop(scene: Scene) -> Iterator[Hit]:
    """A device synchronises from nothing again and again: its key is refused, and it begins anew with key 0.

    Three times at least, of one command. A single restart is how the protocol mends a lost key.
    """
    for device in by_device(calls(scene)):
        for command, refusal in _KEY_INVALID.items():
            refused: Step | None = None
            restarts: list[Step] = []
            for step in device:
                if command_of(step) != command:
                    continue
                if refused is not None and step.about("activesync").get("is_initial"):
                    restarts.append(refused)
                    refused = None
                if refusal in statuses_of(step):
                    refused = step
            if len(restarts) >= MANY:
                yield hit_at(
                    restarts[0],
                    f"{who(restarts[0])} begins {command} from nothing {len(restarts)} times",
                    *map(said_of, restarts[:3]),
                    place=f"{command} restarts",
                )


@rule(
    "eas.sync-state-invalid",
    Severity.INFO,
    advice="One restart mends it. If it goes on, remove the device's partnership (Remove-MobileDevice) and set up the"
    " account anew; look for a mailbox that moved to an older server.",
    source="[MS-ASCMD] section 2.2.2, Status 132 to 136",
)
def sync_state_invalid(scene: Scene) -> Iterator[Hit]:
    """The server has lost or cannot read the sync state of the device: Status 132 to 136.

    A warning from three times on, else a note, for a restart mends it.
    """
    for device in by_device(calls(scene)):
        told = [step for step in device if statuses_of(step) & _SYNC_STATES]
        if not told:
            continue
        is_loop = len(told) >= MANY
        is_mended = any(is_success(step) and step.time_ns > told[-1].time_ns for step in device)
        times = f" {len(told)} times" if is_loop else ""
        yield hit_at(
            told[0],
            f"The sync state of {who(told[0])} is refused{times}: {told[0].about('activesync')['meaning']}"
            + (" (it synchronises again later)" if is_mended else ""),
            *map(said_of, told[:3]),
            severity=Severity.WARNING if is_loop else None,
            place="sync state",
        )


@rule(
    "eas.direct-push-cut",
    Severity.WARNING,
    advice="Raise the idle timeout for these connections on firewalls and load balancers to 30 minutes, above the"
    " heartbeat of the devices.",
    source="[MS-ASCMD] section 2.2.1.13 (Ping); direct push and firewall timeouts",
    confidence=Confidence.LIKELY,
    suppresses=("tcp.reset-mid-request",),
    causes=("tcp.idle-timeout",),
)
def direct_push_cut(scene: Scene) -> Iterator[Hit]:
    """Connections on which devices wait for changes are cut before the heartbeat ends, after the same time each.

    Two cuts at least that differ by three seconds at most, three where one comes from the side of the devices, and most
    of all cuts. Silent where the times differ (devices change networks), and where the capture ends too soon or has
    holes.
    """
    waits: dict[str, list[tuple[int, Step]]] = defaultdict(list)
    heartbeats: dict[tuple[str, str], int] = {}  # a Ping without a body repeats the one before
    for step in calls(scene):
        device = device_of(step)
        heartbeats[device] = step.about("activesync").get("heartbeat_s", heartbeats.get(device, 0))
        waited = _cut_after(scene, step, heartbeats[device])
        if waited is not None:
            waits[step.trace.server.address].append((waited, step))
    for server, cuts in waits.items():
        alike = _alike(cuts)
        least = 2 if all(ended_by(each.trace) is _SERVER for _, each in alike) else 3
        if len(alike) >= least and 2 * len(alike) > len(cuts):
            waited, first = alike[0]
            heartbeat = heartbeats[device_of(first)]
            yield hit_at(
                first,
                f"{len(alike)} waiting connections to {server} are cut after {waited // _SECOND} s, before their"
                f" heartbeat of {heartbeat} s ends",
                *(
                    each.trace.saw(each.trace.span.last_frame, f"cut after {after // _SECOND} s without an answer")
                    for after, each in alike[:3]
                ),
                place="Ping cut",
            )


def _cut_after(scene: Scene, step: Step, heartbeat: int) -> int | None:
    """How long a request waited until its connection ended without an answer, None where that is not so."""
    trace = step.trace
    is_waiting = command_of(step) == "Ping" or "heartbeat_s" in step.about("activesync")
    if step.status is not None or not is_waiting or step.request_span is None or step.index != len(trace.steps) - 1:
        return None
    ended = _end_of(trace)
    if trace.has_gaps or ended is None:
        return None
    waited = ended - step.request_span.last_time_ns
    is_early = SHORTEST_WAIT_NS <= waited < heartbeat * _SECOND - MARGIN_NS
    return waited if is_early and scene.goes_on_after(trace.span.last_time_ns) else None


def _end_of(trace: Trace) -> int | None:
    """When the first side closed or reset the connection, None where nobody did."""
    if trace.tcp is None:
        return None
    closings = [side.fin.time_ns for side in trace.tcp.sides if side.fin is not None]
    if trace.tcp.reset is not None:
        closings.append(trace.tcp.reset.time_ns)
    return min(closings, default=None)


def _alike(cuts: list[tuple[int, Step]]) -> list[tuple[int, Step]]:
    """The longest run of cuts that came after the same time, in the order in which they were seen."""
    best: list[tuple[int, Step]] = []
    for waited, _ in cuts:
        alike = [each for each in cuts if 0 <= each[0] - waited <= ALIKE_NS]
        best = max(best, alike, key=len)
    return best
