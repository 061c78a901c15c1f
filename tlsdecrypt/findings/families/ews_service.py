"""Exchange Web Services: throttling, limits, versions, and faults of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings import ews_codes as codes
from tlsdecrypt.findings.ews_answers import (
    AVAILABILITY,
    caller_of,
    code_in,
    failed_with,
    failure_hit,
    failures,
    goal_of,
    operation_of,
    succeeds_later_here,
)
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.ews_answers import Failure
    from tlsdecrypt.findings.scene import Step

_CODES = "[MS-OXWSCDATA] section 2.2.5.24"
_THROTTLING = "EWS throttling in Exchange (developer documentation)"
_INTERNAL_SERVER_ERROR = 500


@rule(
    "ews.server-busy",
    Severity.WARNING,
    advice="Wait as long as the server says, ask less often, and look at the throttling policy of the account.",
    source=f"{_CODES}; {_THROTTLING}",
    services=("ews",),
    suppresses=("http.throttled",),
)
def server_busy(step: Step) -> Iterator[Hit]:
    """The server asks the client to wait: its budget is used up. Told in HTTP 500 or inside of HTTP 200."""
    failure = failed_with(step, codes.BUSY)
    if failure is not None:
        wait = step.about("ews").get("back_off_ms")
        how_long = f" for {wait:,} ms" if wait is not None else ""
        yield failure_hit(step, failure, f"{caller_of(step)} is throttled and shall wait{how_long}.")


@rule(
    "ews.connection-limit",
    Severity.WARNING,
    advice="Make fewer requests at the same time; EWSMaxConcurrency of the throttling policy is the limit.",
    source=_THROTTLING,
    services=("ews",),
    suppresses=("http.throttled",),
)
def connection_limit(step: Step) -> Iterator[Hit]:
    """More requests of one account run at the same time than its throttling policy allows."""
    failure = failed_with(step, codes.CONNECTIONS)
    if failure is not None:
        yield failure_hit(
            step, failure, f"{caller_of(step)} has more requests under way than EWSMaxConcurrency allows."
        )


@rule(
    "ews.find-limit",
    Severity.WARNING,
    advice="Ask for pages (IndexedPageItemView); EWSFindCountLimit of the throttling policy is the limit.",
    source=_THROTTLING,
    services=("ews",),
)
def find_limit(step: Step) -> Iterator[Hit]:
    """One search would return more than the policy allows."""
    failure = failed_with(step, codes.FIND_COUNT)
    if failure is not None:
        size = step.about("ews").get("max_entries")
        asked = f" (it asks for {size:,})" if size is not None else ""
        yield failure_hit(step, failure, f"{operation_of(step)}{goal_of(step)} wants too many results at once{asked}.")


@rule(
    "ews.subscription-limit",
    Severity.WARNING,
    advice="Unsubscribe what is no longer read; EWSMaxSubscriptions of the throttling policy is the limit.",
    source=_THROTTLING,
    services=("ews",),
)
def subscription_limit(step: Step) -> Iterator[Hit]:
    """The account has more subscriptions than its throttling policy allows."""
    failure = failed_with(step, codes.SUBSCRIPTIONS)
    if failure is not None:
        yield failure_hit(step, failure, f"{caller_of(step)} has too many subscriptions.")


@rule(
    "ews.subscription-lost",
    Severity.INFO,
    advice="The client must subscribe again. Many at the same time: a Client Access server was restarted, or requests "
    "of one client go to different servers (lost affinity).",
    source=_CODES,
    services=("ews",),
)
def subscription_lost(step: Step) -> Iterator[Hit]:
    """The server no longer knows a subscription."""
    failure = failed_with(step, codes.LOST)
    if failure is not None:
        yield failure_hit(
            step, failure, f"A subscription of {caller_of(step)} is lost: {code_in(failure, codes.LOST)}."
        )


@rule(
    "ews.mailbox-moved",
    Severity.WARNING,
    advice="Try again later; if it stays, look at the database (Get-MailboxDatabaseCopyStatus) and at move requests.",
    source=_CODES,
    services=("ews",),
)
def mailbox_moved(step: Step) -> Iterator[Hit]:
    """The mailbox cannot be reached for now: it is moved, its database fails over, or its store is down."""
    failure = failed_with(step, codes.MOVED)
    if failure is not None:
        yield failure_hit(step, failure, f"The mailbox cannot be reached for now: {code_in(failure, codes.MOVED)}.")


@rule(
    "ews.version-mismatch",
    Severity.ERROR,
    advice="Let the client ask for a version that the server of the mailbox speaks (RequestServerVersion).",
    source=_CODES,
    services=("ews",),
)
def version_mismatch(step: Step) -> Iterator[Hit]:
    """The client asks for a version of the schema that the server or the mailbox does not have.

    A note only where it tries again with another version and succeeds.
    """
    failure = failed_with(step, codes.VERSION)
    if failure is None:
        return
    facts = step.about("ews")
    asked, has = facts.get("requested_server_version", "no version"), facts.get("server_schema_version")
    server = has or facts.get("server_version") or "another"
    severity = Severity.INFO if succeeds_later_here(step) else None
    yield failure_hit(step, failure, f"The client asks for {asked}, the server speaks {server}.", severity=severity)


@rule(
    "ews.schema-validation",
    Severity.ERROR,
    advice="Correct the request of the client: it does not follow the schema of its version.",
    source=_CODES,
    services=("ews",),
)
def schema_validation(step: Step) -> Iterator[Hit]:
    """The request is not what the schema allows: a fault of the client. The answer says where."""
    failure = failed_with(step, codes.SCHEMA)
    if failure is None:
        return
    values = failure.get("values", {})
    line, why = values.get("LineNumber"), values.get("Violation") or failure.get("message_text", "")
    where = f" in line {line}" if line else ""
    yield failure_hit(step, failure, f"{operation_of(step)} is not valid{where}: {why}".rstrip(": ") + ".")


@rule(
    "ews.quota",
    Severity.WARNING,
    advice="Empty the mailbox or raise its quota, or send a smaller message.",
    source=_CODES,
    services=("ews",),
)
def quota(step: Step) -> Iterator[Hit]:
    """A limit of size or quota stops the request."""
    failure = failed_with(step, codes.QUOTA)
    if failure is not None:
        yield failure_hit(step, failure, f"{operation_of(step)} of {caller_of(step)}: {code_in(failure, codes.QUOTA)}.")


@rule(
    "ews.proxy-kerberos",
    Severity.ERROR,
    advice="Enable Windows authentication and SSL on the EWS virtual directory of the Client Access servers in the "
    "site of the mailbox, and check their Kerberos names.",
    source=_CODES,
    services=("ews",),
)
def proxy_kerberos(step: Step) -> Iterator[Hit]:
    """The Client Access server cannot pass the request on to the site of the mailbox."""
    failure = failed_with(step, codes.PROXY)
    if failure is not None:
        code = code_in(failure, codes.PROXY)
        summary = f"{step.trace.server.address} cannot pass the request on to another site: {code}."
        yield failure_hit(step, failure, summary)


@rule(
    "ews.internal-error",
    Severity.ERROR,
    advice="Look into the EWS log and the event log of the server at this time; the request-id finds the request.",
    source=_CODES,
    services=("ews",),
)
def internal_error(step: Step) -> Iterator[Hit]:
    """The server failed by itself (ErrorInternalServerError and kin, or HTTP 500 without a code).

    Silent where the fault wraps another code that has its own rule, and on paths of WS-Security, whose faults are of
    free/busy. A transient error that is followed by success on the connection is a note.
    """
    failure = _internal_failure(step)
    if failure is not None:
        severity = Severity.INFO if succeeds_later_here(step) and "Transient" in failure.get("code", "") else None
        yield failure_hit(step, failure, f"{operation_of(step)}: the server failed{_who(step)}.", severity=severity)
    elif _is_bare_500(step):
        said = step.about("ews").get("message_text")
        why = "without saying why" if said is None else f"and says: {said.rstrip('.')}"
        yield Hit(f"{operation_of(step)}: the server failed {why}{_who(step)}.", step.evidence)


def _internal_failure(step: Step) -> Failure | None:
    for failure in failures(step):
        code = failure.get("code", "")
        is_internal = code in codes.INTERNAL or (code.startswith("Error") and code.endswith("TransientError"))
        inner = failure.get("values", {}).get("InnerErrorResponseCode", "")
        if is_internal and inner not in codes.TOLD_ELSEWHERE - codes.INTERNAL:
            return failure
    return None


def _is_bare_500(step: Step) -> bool:
    code = step.about("ews").get("response_code", "")
    return step.status == _INTERNAL_SERVER_ERROR and not code.startswith("Error") and "/wssecurity" not in step.path


def _who(step: Step) -> str:
    """What finds the request in the logs of the server."""
    names = (
        ("request_id", "request-id"),
        ("x_feserver", "front end"),
        ("x_beserver", "back end"),
        ("x_diaginfo", "on"),
    )
    told = [f"{label} {step.http[key]}" for key, label in names if key in step.http]
    return f" ({', '.join(told)})" if told else ""


@rule(
    "ews.timeout",
    Severity.WARNING,
    advice="Ask for less at once, and look at the load of the server and of the store.",
    source=_CODES,
    services=("ews",),
)
def timeout(step: Step) -> Iterator[Hit]:
    """The server gave up: the request took too long, or a part of a batch failed and the rest was not tried.

    Free/busy has a rule of its own.
    """
    failure = failed_with(step, codes.TIMEOUT)
    if failure is not None and operation_of(step) != AVAILABILITY:
        yield failure_hit(step, failure, f"{operation_of(step)}{goal_of(step)}: {code_in(failure, codes.TIMEOUT)}.")
