"""Exchange Web Services: every other code of a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings import ews_codes as codes
from tlsdecrypt.findings.ews_answers import codes_of, failure_hit, failures, goal_of, operation_of
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.rule import Hit
    from tlsdecrypt.findings.scene import Step


@rule(
    "ews.error",
    Severity.ERROR,
    advice="Look the code up in the documentation of the ResponseCode element; the text of the answer says more.",
    source="[MS-OXWSCDATA] section 2.2.5.24",
    services=("ews",),
)
def other_error(step: Step) -> Iterator[Hit]:
    """An operation failed with a code that has no rule of its own, each code told once.

    HTTP 200 does not mean success. Codes that clients meet in everyday work (no match for a name, a folder that is
    there already) are notes; warnings are left out.
    """
    told: set[str] = set()
    for failure in failures(step):
        code = str(failure.get("code", ""))
        is_other = code.startswith("Error") and codes.TOLD_ELSEWHERE.isdisjoint(codes_of(failure))
        is_told = code in told or code.endswith("TransientError")
        if not is_other or is_told or failure.get("class") != "Error":
            continue
        told.add(code)
        text = failure.get("message_text", "")
        summary = f"{operation_of(step)}{goal_of(step)} failed with {code}{f': {text}' if text else '.'}"
        severity = Severity.INFO if code in codes.HARMLESS else None
        yield failure_hit(step, failure, summary, severity=severity, place=f"{step.place} {code}")
