"""PowerShell remoting: who is not let in, what fails, and what nobody can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import without_probes
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import Entries, hit_at, host_of, is_refused, user_of
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

ACCESS_DENIED = frozenset({5, 0x80070005})  # ERROR_ACCESS_DENIED of Windows, as such and as HRESULT
NO_OUTPUT_YET = 2150858793  # 0x80338029: nothing to receive within the time that the client gave

_FIRST_REDIRECT, _FIRST_ERROR = 300, 400


@rule(
    "wsman.access-denied",
    Severity.ERROR,
    advice="See that remote PowerShell is enabled for the user (Get-User, RemotePowerShellEnabled), that a management"
    " role is assigned, and which authentication the virtual directory takes.",
    source="MS-WSMV section 2.2.4.43; Windows error 5",
    suppresses=("wsman.fault",),
    causes=("http.auth-loop", "http.auth-scheme-not-offered"),
)
def access_denied(scene: Scene) -> Iterator[Hit]:
    """Remote PowerShell does not let a user in: 401 to a complete login, or a fault with code 5.

    Legs of a login are none. Silent where the client gets in later.
    """
    entries = scene.derived(Entries)
    for step in without_probes(scene.steps_by_service["wsman"]):
        code = step.about("wsman").get("fault_code")
        if not is_refused(step) and code not in ACCESS_DENIED:
            continue
        if code not in ACCESS_DENIED and entries.after(step) is not None:
            continue
        who = user_of(step) or "the user"
        said = step.about("wsman").get("fault_message") or f"{step.status} to {step.http.get('auth', 'a login')}"
        yield hit_at(
            step,
            f"Remote PowerShell of {host_of(step)} does not let {who} in: {said}",
            *step.evidence,
            step.answered(said),
        )


@rule(
    "wsman.fault",
    Severity.ERROR,
    advice="Look the code up (winrm helpmsg CODE), and the event log of Windows Remote Management on the server.",
    source="MS-WSMV section 2.2.4.43",
    services=("wsman",),
)
def fault(step: Step) -> Iterator[Hit]:
    """WSMan answers with a fault that has a code.

    Silent for code 5 (a rule of its own), for a redirect, and for "no output yet", which clients expect.
    """
    facts = step.about("wsman")
    code = facts.get("fault_code")
    if code is None or code in ACCESS_DENIED or code == NO_OUTPUT_YET or "redirect" in facts:
        return
    where = f" on {facts['machine']}" if "machine" in facts else ""
    message = str(facts.get("fault_message", ""))
    yield Hit(
        f"WSMan {facts.get('action', 'request')} fails{where} with {code} (0x{code:08X}): {message}",
        (*step.evidence, step.answered(message or code)),
        place=f"{step.place} {code}",
    )


@rule(
    "wsman.redirect",
    Severity.INFO,
    advice="Nothing to do: the client follows where MaximumRedirection allows it.",
    source="MS-WSMV; Connection URI redirection",
    services=("wsman",),
)
def redirect(step: Step) -> Iterator[Hit]:
    """Remote PowerShell sends the client to another address."""
    where = step.about("wsman").get("redirect") or step.http.get("location")
    is_redirect = step.status is not None and _FIRST_REDIRECT <= step.status < _FIRST_ERROR
    if where and (is_redirect or "redirect" in step.about("wsman")):
        yield Hit(f"Remote PowerShell of {host_of(step)} sends the client to {where}", step.evidence)


@rule(
    "wsman.encrypted-body",
    Severity.INFO,
    advice="Use https for the session and Basic or certificates for the login where contents must be read; a log of"
    " PowerShell on client or server tells what was run.",
    source="MS-WSMV section 2.2.9.1",
    services=("wsman",),
)
def encrypted_body(step: Step) -> Iterator[Hit]:
    """The bodies of PowerShell remoting are sealed by Kerberos, NTLM or CredSSP: no TLS key opens them."""
    seal = step.about("wsman").get("sealed")
    if seal:
        yield Hit(
            f"Remote PowerShell with {host_of(step)} is sealed by {seal}: what was run cannot be seen here",
            step.evidence,
        )


@rule(
    "wsman.cmdlet-error",
    Severity.ERROR,
    advice="Read the message: PowerShell shows it on the screen; the log of the command names the steps before.",
    source="MS-PSRP sections 2.2.2.20 and 2.2.3.15",
    services=("wsman",),
)
def cmdlet_error(step: Step) -> Iterator[Hit]:
    """A command in a remote PowerShell session gives an error record; its message is quoted.

    A warning for a record without FullyQualifiedErrorId in a pipeline that does not fail.
    """
    said = step.about("wsman").get("response", {})
    for error in said.get("errors", ()):
        error_id = str(error.get("id", ""))
        message = error.get("message") or error.get("category") or error_id
        command = _command_before(step)
        named = f"{command}: " if command else ""
        yield Hit(
            f"PowerShell on {host_of(step)}: {named}{message}",
            (step.answered(f"{error_id}: {message}" if error_id else message),),
            severity=None if error_id or said.get("state") == "failed" else Severity.WARNING,
            confidence=None if error_id else Confidence.LIKELY,
            place=f"{step.path} {error_id.rpartition(',')[2] or message}"[:200],
        )


def _command_before(step: Step) -> str:
    """The command whose output this answer carries, where it was sent on the same connection."""
    command = step.about("wsman").get("command_id")
    for other in reversed(step.trace.steps[: step.index + 1]):
        facts = other.about("wsman")
        commands = facts.get("request", {}).get("commands")
        if commands and (command is None or facts.get("command_id", command) == command):
            return ", ".join(str(each["name"]) for each in commands)
    return ""
