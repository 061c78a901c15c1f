"""Free/busy across organizations: what the answers of GetUserAvailability say."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.findings import ews_codes as codes
from tlsdecrypt.findings.addresses import domain_of
from tlsdecrypt.findings.autodiscover_answers import error_of
from tlsdecrypt.findings.ews_answers import (
    AVAILABILITY,
    codes_of,
    failed_at,
    failed_with,
    failure_evidence,
    failure_hit,
    failures,
    operation_of,
    user_of,
)
from tlsdecrypt.findings.exchange_answers import has_failed, without_probes
from tlsdecrypt.findings.finding import Confidence, Severity, quote
from tlsdecrypt.findings.inner_requests import InnerRequests
from tlsdecrypt.findings.reachability import is_refused, is_unanswered
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.ews_answers import Failure
    from tlsdecrypt.findings.scene import Scene, Step

_TROUBLESHOOTING = "Microsoft: Resolve free/busy errors in hybrid; [MS-OXWSCDATA] section 2.2.5.24"
_NONE: frozenset[str] = frozenset()
_NO_ACCESS, _NO_CONFIGURATION, _NOT_IN_TIME = frozenset({47652, 44348, 40764}), frozenset({47932}), frozenset({43404})
_TOO_MANY, _CROSS_ORGANIZATION, _AMBIGUOUS_USER = frozenset({54796}), frozenset({39660}), frozenset({43532})
# What a failed part may say of its reason: places in the code (LID), signs in its text, codes; and the rule for it.
_REASONS: tuple[tuple[frozenset[int], frozenset[str], frozenset[str], str], ...] = (
    (_NO_ACCESS, _NONE, codes.NO_FREE_BUSY_ACCESS, "freebusy.no-access"),
    (_NO_CONFIGURATION, frozenset({"no-configuration"}), codes.ORGANIZATION_RELATIONSHIP, "freebusy.org-relationship"),
    (_NOT_IN_TIME, frozenset({"not-in-time"}), _NONE, "freebusy.timeout"),
    (_TOO_MANY, frozenset({"too-many-entries"}), codes.RESULT_TOO_BIG, "freebusy.too-many-entries"),
    (_CROSS_ORGANIZATION, frozenset({"cross-organization"}), _NONE, "freebusy.cross-org-not-allowed"),
    (frozenset(), frozenset({"object-moved"}), _NONE, "freebusy.object-moved"),
    (_AMBIGUOUS_USER, frozenset({"token-user-ambiguous"}), _NONE, "oauth.ambiguous-user"),
    (frozenset(), frozenset({"token-user-missing"}), _NONE, "oauth.user-missing"),
    (frozenset(), frozenset({"token-signature"}), _NONE, "oauth.signature"),
    (frozenset(), frozenset({"token-role-missing"}), _NONE, "oauth.rbac-missing"),
    (frozenset(), frozenset({"token-host-name"}), _NONE, "oauth.audience-ssl-offload"),
)
_ASKED_ON = frozenset({"ews", "autodiscover-soap", "autodiscover-pox"})
_WEB_PORTS = frozenset({80, 443})
_EXTERNAL_GROUP = "external (fydibohf25spdlt)"


def _whom(step: Step, failure: Failure) -> str:
    """Whose free/busy was not shown."""
    mailboxes = step.about("ews").get("mailboxes") or ["a mailbox"]
    return str(failure.get("mailbox") or mailboxes[0])


@rule(
    "freebusy.no-access",
    Severity.ERROR,
    advice="Set the right of Default on the calendar to AvailabilityOnly or more, and put the domain of the requester "
    "into the organization relationship.",
    source=_TROUBLESHOOTING,
    services=("ews",),
)
def no_access(step: Step) -> Iterator[Hit]:
    """The requester may not see the free/busy of a mailbox.

    Either the calendar is closed to everybody, or the organization relationship does not know the requester's domain.
    A warning where another mailbox of the same domain was shown: then the relationship works, and this calendar may be
    private on purpose.
    """
    failure = failed_at(step, codes.NO_FREE_BUSY_ACCESS, lids=_NO_ACCESS)
    if failure is None:
        return
    whom = _whom(step, failure)
    shown = (each.get("mailbox") for each in step.about("ews").get("responses", ()) if each.get("class") == "Success")
    is_only_this = any(domain_of(each) == domain_of(whom) for each in shown if each)
    severity = Severity.WARNING if is_only_this else None
    asker = user_of(step) or step.trace.client.address
    yield failure_hit(step, failure, f"{asker} may not see the free/busy of {whom}.", severity=severity)


@rule(
    "freebusy.org-relationship",
    Severity.ERROR,
    advice="Add the domain to the organization relationship or to the IntraOrganizationConnector of this side.",
    source=_TROUBLESHOOTING,
    services=("ews",),
)
def org_relationship(step: Step) -> Iterator[Hit]:
    """No organization relationship or connector of this side covers the domain that was asked for."""
    failure = failed_at(step, codes.ORGANIZATION_RELATIONSHIP, "no-configuration", _NO_CONFIGURATION)
    if failure is not None:
        domain = domain_of(_whom(step, failure))
        yield failure_hit(step, failure, f"{step.trace.server.address} has no organization relationship for {domain}.")


@rule(
    "freebusy.not-federated",
    Severity.ERROR,
    advice="Create the federation trust and set the federated organization identifier with its domains.",
    source=f"{_TROUBLESHOOTING}; ErrorCode of the Autodiscover reference",
    services=("ews", "autodiscover-soap"),
    suppresses=("autodiscover.soap-error",),
)
def not_federated(step: Step) -> Iterator[Hit]:
    """An organization has no federation trust, or its identifier is not valid.

    Silent for GetFederationInformation, which has a rule of its own.
    """
    failure = failed_with(step, codes.NOT_FEDERATED)
    facts = step.about("autodiscover")
    if failure is not None:
        yield failure_hit(step, failure, f"{domain_of(_whom(step, failure))} is not federated.")
    elif facts.get("error_code") == "NotFederated" and facts.get("operation") != "GetFederationInformation":
        said = step.answered(f"ErrorCode NotFederated: {facts.get('message', '')}")
        whom = facts.get("domain") or domain_of(facts.get("email_address", "the organization"))
        yield Hit(f"{whom} is not federated.", (step.asked(facts.get("operation", step.target)), said))


@rule(
    "freebusy.proxy-failed",
    Severity.ERROR,
    advice="Test from this server to the EWS URL of the other organization: name, connection, certificate, login "
    "(Test-OrganizationRelationship, Test-OAuthConnectivity).",
    source=_TROUBLESHOOTING,
    causes=("http.slow-response",),
)
def proxy_failed(scene: Scene) -> Iterator[Hit]:
    """A server could not get the free/busy from the other organization, and says what came back.

    Silent where the capture shows the request that it made for this and its failure: that is told instead. A follower
    where the text says what was wrong there (no access, not in time, a token ...), or where a connection of the server
    did not come about meanwhile.
    """
    requests = InnerRequests(scene)
    for step, failure in _failures(scene, codes.AVAILABILITY_PROXY):
        if _fails_visibly_behind(requests, step, failure):
            continue
        inner = failure.get("values", {}).get("InnerErrorMessageText") or failure.get("message_text", "")
        summary = f"{step.trace.server.address} could not get the free/busy of {_whom(step, failure)}: {inner}"
        yield _passed_on(step, failure, summary, _connection_fault(requests, step))


@rule(
    "freebusy.autodiscover-failed",
    Severity.ERROR,
    advice="Test Autodiscover of the other domain from this server: name, connection, certificate, answer; or set "
    "TargetAutodiscoverEpr and TargetSharingEpr of the organization relationship.",
    source=_TROUBLESHOOTING,
    causes=("http.slow-response",),
)
def autodiscover_failed(scene: Scene) -> Iterator[Hit]:
    """A server did not find out where the free/busy of the other organization is served.

    Silent where the capture shows its Autodiscover requests and their failure: that is told instead. A follower where
    the text says what was wrong.
    """
    requests = InnerRequests(scene)
    for step, failure in _failures(scene, codes.AVAILABILITY_DISCOVERY):
        if not _fails_visibly_behind(requests, step, failure):
            why = failure.get("message_text", "")
            summary = f"{step.trace.server.address} found no Autodiscover service for {_whom(step, failure)}: {why}"
            yield _passed_on(step, failure, summary, _connection_fault(requests, step))


@rule(
    "freebusy.timeout",
    Severity.WARNING,
    advice="Check the way out of this server to the other organization and to the federation gateway: proxy, firewall, "
    "name resolution.",
    source=_TROUBLESHOOTING,
    causes=("http.slow-response",),
)
def timeout(scene: Scene) -> Iterator[Hit]:
    """Free/busy was not there in time. One case alone is a note: a slow moment is no fault."""
    found = defaultdict(list)
    for step in without_probes(scene.steps_by_service.get("ews", ())):
        failure = failed_at(step, _NONE, "not-in-time", _NOT_IN_TIME)
        if failure is None and operation_of(step) == AVAILABILITY:
            failure = failed_with(step, codes.TIMEOUT_EXPIRED)
        if failure is not None:
            found[step.trace.pair].append((step, failure))
    for cases in found.values():
        severity = Severity.INFO if len(cases) == 1 else None
        for step, failure in cases:
            yield _scene_hit(step, failure, f"The free/busy of {_whom(step, failure)} was not there in time.", severity)


@rule(
    "freebusy.too-many-entries",
    Severity.WARNING,
    advice="Ask for a shorter time, or tidy the calendar.",
    source=_TROUBLESHOOTING,
    services=("ews",),
)
def too_many_entries(step: Step) -> Iterator[Hit]:
    """A calendar has more entries in the time asked for than free/busy shows (a thousand)."""
    failure = failed_at(step, codes.RESULT_TOO_BIG, "too-many-entries", _TOO_MANY)
    if failure is not None:
        yield failure_hit(step, failure, f"The calendar of {_whom(step, failure)} has too many entries in this time.")


@rule(
    "freebusy.dl-limit",
    Severity.WARNING,
    advice="Ask for fewer mailboxes at once: a hundred are the limit, of a distribution list too.",
    source=_TROUBLESHOOTING,
    services=("ews",),
)
def dl_limit(step: Step) -> Iterator[Hit]:
    """Free/busy of too many mailboxes at once was asked for, or of a distribution list that is too large."""
    failure = failed_with(step, codes.LIST_LIMIT)
    if failure is not None:
        count = len(step.about("ews").get("mailboxes", ()))
        yield failure_hit(step, failure, f"Free/busy of too many mailboxes at once ({count} or more were named).")


@rule(
    "freebusy.cross-org-not-allowed",
    Severity.WARNING,
    advice="Ask for the address whose Autodiscover leads to the organization that holds the mailbox: in a hybrid mesh "
    "a third organization is not asked on behalf of another.",
    source=_TROUBLESHOOTING,
    services=("ews",),
    suppresses=("freebusy.proxy-failed",),
)
def cross_org_not_allowed(step: Step) -> Iterator[Hit]:
    """A server refuses to pass a request of another organization on to a third one."""
    failure = failed_at(step, _NONE, "cross-organization", _CROSS_ORGANIZATION)
    if failure is not None:
        summary = f"A request from outside for {_whom(step, failure)} is not passed on to a third organization."
        yield failure_hit(step, failure, summary)


@rule(
    "freebusy.legacy-public-folder",
    Severity.INFO,
    advice="Keep the replicas of the free/busy folder EX:/o=.../ou=EXTERNAL (FYDIBOHF25SPDLT) on servers that can "
    "proxy for it (Exchange 2010) only.",
    source="Microsoft: Troubleshoot free/busy issues in Exchange hybrid",
    services=("legacy-free-busy",),
)
def legacy_public_folder(step: Step) -> Iterator[Hit]:
    """Free/busy is asked for in public folders, as Exchange 2003 and Outlook 2003 do."""
    facts = step.about("freebusy")
    if facts:
        names = facts.get("mailboxes") or ["users of the other organization"]
        is_external = facts.get("is_external_organization") or _EXTERNAL_GROUP in step.target.lower()
        where = "the folder of users outside" if is_external else "public folders"
        yield Hit(f"Free/busy of {names[0]} is sought in {where}.", step.evidence)


def _failures(scene: Scene, wanted: frozenset[str]) -> Iterator[tuple[Step, Failure]]:
    for step in without_probes(scene.steps_by_service.get("ews", ())):
        meant = [each for each in failures(step) if not wanted.isdisjoint(codes_of(each))]
        failure = next((each for each in meant if _explained_by(each) is None), meant[0] if meant else None)
        if failure is not None:
            yield step, failure


def _explained_by(failure: Failure) -> str | None:
    """The rule that tells the reason which a failed part itself gives."""
    lids, signs, own = failure.get("lids", ()), failure.get("signs", ()), codes_of(failure)
    for places, texts, meant, rule_id in _REASONS:
        if not (places.isdisjoint(lids) and texts.isdisjoint(signs) and meant.isdisjoint(own)):
            return rule_id
    return None


def _fails_visibly_behind(requests: InnerRequests, step: Step, failure: Failure) -> bool:
    """Whether a request that was made for `step`, while it waited, failed before our eyes.

    The server made it itself, or it is for the same mailbox.
    """
    for inner in (*requests.behind(step), *requests.about(step, _whom(step, failure))):
        is_error = inner.about("ews").get("response_class") == "Error" or error_of(inner) is not None
        if inner.service in _ASKED_ON and (has_failed(inner) or is_error):
            return True
    return False


def _connection_fault(requests: InnerRequests, step: Step) -> str | None:
    """The rule that tells why the server did not get through to another, while it worked on `step`."""
    for trace in requests.connections_behind(step):
        if trace.server.port not in _WEB_PORTS:
            continue
        if is_unanswered(trace):
            return "tcp.connect-timeout"
        if is_refused(trace):
            return "tcp.connect-refused"
    return None


def _passed_on(step: Step, failure: Failure, summary: str, otherwise: str | None) -> Hit:
    """A failure that a server tells of another one.

    A follower where the text says what was wrong there, or else where a connection failed meanwhile.
    """
    cause = _explained_by(failure) or otherwise
    hit = _scene_hit(step, failure, quote(summary.rstrip(": ")))
    return hit if cause is None else replace(hit, caused_by=cause, place=f"{step.place}: {cause}")


def _scene_hit(step: Step, failure: Failure, summary: str, severity: Severity | None = None) -> Hit:
    client, server = step.trace.pair
    return Hit(
        summary,
        failure_evidence(step, failure),
        severity=severity,
        confidence=Confidence.CERTAIN,
        client=client,
        server=server,
        place=step.place,
    )
