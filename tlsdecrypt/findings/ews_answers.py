"""What rules ask of an answer of Exchange Web Services: which part failed, with which code, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.finding import Evidence, quote
from tlsdecrypt.findings.rule import Hit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsdecrypt.findings.scene import Step

AVAILABILITY = "GetUserAvailability"

ABOUT_TOKENS = "token-"  # begins the names of signs that tell what is wrong with a token

Failure = dict[str, Any]

_FAILED = frozenset({"Error", "Warning"})


def operation_of(step: Step) -> str:
    """What was asked, `a request` where that was not read."""
    return str(step.about("ews").get("operation", "a request"))


def failures(step: Step) -> Sequence[Failure]:
    """The parts of the answer that failed, or that carry a warning."""
    facts = step.about("ews")
    if facts.get("response_class") not in _FAILED:  # that of the worst part: most answers end here
        return ()
    return [each for each in facts.get("responses", ()) if each.get("class") in _FAILED]


def codes_of(failure: Failure) -> tuple[str, ...]:
    """The response code, and the one that it wraps."""
    inner = failure.get("values", {}).get("InnerErrorResponseCode")
    return tuple(code for code in (failure.get("code"), inner) if code)


def failed_with(step: Step, codes: frozenset[str]) -> Failure | None:
    """The first failed part with one of these codes."""
    return next((each for each in failures(step) if not codes.isdisjoint(codes_of(each))), None)


def failed_at(step: Step, codes: frozenset[str], sign: str | None = None, lids: frozenset[int] = frozenset()) -> Any:
    """The first failed part with one of these codes, or one of the places (LID) or the sign in its text."""
    for each in failures(step):
        is_there = sign is not None and sign in each.get("signs", ())
        if is_there or not codes.isdisjoint(codes_of(each)) or not lids.isdisjoint(each.get("lids", ())):
            return each
    return None


def code_in(failure: Failure, codes: frozenset[str]) -> str:
    """Which of its codes is meant."""
    own = codes_of(failure)
    return next((each for each in own if each in codes), own[0] if own else "an error")


def user_of(step: Step) -> str | None:
    """Who authenticated: with this request, or before on the same connection (NTLM and Kerberos bind to it)."""
    own: str | None = step.http.get("user")
    if own:
        return own
    for earlier in reversed(step.trace.steps[: step.index]):
        if earlier.http.get("user"):
            return str(earlier.http["user"])
    return None


def caller_of(step: Step) -> str:
    """Who asks, for a sentence: the user, with whom it acts for; else the address of the client."""
    user = user_of(step) or step.trace.client.address
    acting = step.about("ews").get("impersonation")
    return f"{user} (acting for {acting})" if acting else user


def goal_of(step: Step) -> str:
    """Whose mailbox or folder, for a sentence; empty where the request does not say."""
    facts = step.about("ews")
    folders, mailboxes = facts.get("folders", ()), facts.get("mailboxes", ())
    what = f" {folders[0]}" if folders else ""
    return f"{what} of {mailboxes[0]}" if mailboxes else what


def failure_evidence(step: Step, failure: Failure) -> tuple[Evidence, ...]:
    """The operation, and what the answer says about it."""
    code, text = failure.get("code", ""), failure.get("message_text", "")
    goal = f" of {failure['mailbox']}" if "mailbox" in failure else goal_of(step)
    asked = f"{step.verb} {step.target.partition('?')[0]}: {operation_of(step)}{goal}"
    more = "; ".join(f"{name}={value}" for name, value in failure.get("values", {}).items())
    return (
        step.asked(asked),
        step.answered(quote(f"HTTP {step.status}, ResponseCode {code}: {text} {more}".rstrip(": "))),
    )


def failure_hit(step: Step, failure: Failure, summary: str, **options: Any) -> Hit:
    """A hit about one failed part."""
    return Hit(summary, failure_evidence(step, failure), **options)


def succeeds_later_here(step: Step) -> bool:
    """Whether the same operation succeeds later on the same connection."""
    operation = operation_of(step)
    return any(
        operation_of(later) == operation and later.about("ews").get("response_class") == "Success"
        for later in step.trace.steps[step.index + 1 :]
    )
