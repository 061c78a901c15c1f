"""Connectivity tests of Exchange: the test account that they need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.exchange_answers import has_succeeded
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

_TEST_ACCOUNT = re.compile(r"(?:\A|\\)(extest_[0-9a-f]{12,13})(?:@|\Z)", re.IGNORECASE)
_UNAUTHORIZED = 401
_UNKNOWN = frozenset({"500", "InvalidUser", "ErrorNonExistentMailbox", "ErrorMailRecipientNotFound"})
_NOT_FOUND = re.compile(r"not\s?found", re.IGNORECASE)


def _test_account(step: Step) -> str | None:
    """The test account that an exchange is about, None for none."""
    facts = step.about("autodiscover")
    named = (step.http.get("user"), facts.get("email_address"), step.http.get("x_user_identity"))
    matches = (_TEST_ACCOUNT.search(str(each)) for each in named if each)
    return next((match[1].lower() for match in matches if match), None)


def _unknown_reason(step: Step) -> str | None:
    """What in the answer says that the account is not there, or that its password is wrong."""
    autodiscover, http = step.about("autodiscover"), step.http
    results = autodiscover.get("results") or ()
    codes = [autodiscover.get("error_code"), *(each.get("error_code") for each in results)]
    codes += [each.get("code") for each in step.about("ews").get("responses") or ()]
    code = next((str(each) for each in codes if str(each) in _UNKNOWN), None)
    if code is not None:
        return f"error {code}"
    if _NOT_FOUND.search(http.get("x_caserrorcode", "")):
        return f"X-CasErrorCode: {http['x_caserrorcode']}"
    is_complete = _TEST_ACCOUNT.search(http.get("user") or "") is not None
    return "401 after a login" if step.status == _UNAUTHORIZED and is_complete else None


@rule(
    "probe.test-account-missing",
    Severity.INFO,
    confidence=Confidence.HINT,
    advice="Make the account anew with New-TestCasConnectivityUser.ps1; give it -OU where it says that it cannot verify"
    " the organizational unit.",
    source="Exchange Server: New-TestCasConnectivityUser.ps1; Test-OutlookWebServices and its kin",
    suppresses=("autodiscover.address-not-found", "autodiscover.soap-error", "http.auth-loop", "ews.mailbox-not-found"),
    is_about_monitors=True,
)
def test_account_missing(scene: Scene) -> Iterator[Hit]:
    """The account of the connectivity tests (extest_...) does not exist, or its password is wrong.

    Autodiscover does not know it, or its login is refused for good. Silent where it gets in afterwards. Other findings
    of this account say no more than this.
    """
    last: dict[tuple[str, str, str], tuple[Step, str]] = {}
    for step in scene.steps:
        if step.protocol != "http":
            continue
        account = _test_account(step)
        if account is None:
            continue
        key = (*step.trace.pair, account)
        reason = _unknown_reason(step)
        if reason is not None:
            last[key] = step, reason
        elif has_succeeded(step):
            last.pop(key, None)
    for (client, server, account), (step, reason) in last.items():
        yield Hit(
            f"The account of the connectivity tests, {account}, may not exist or have another password ({reason}).",
            (step.asked(f"{step.verb} {step.path} for {account}"), step.answered(f"{step.status}, {reason}")),
            client=client,
            server=server,
            place=account,
        )
