"""What rules ask of Autodiscover: whom a request is for, where it leads, and whether the client gets there at last."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tlsdecrypt.findings.exchange_answers import without_probes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tlsdecrypt.findings.scene import Scene, Step

SERVICES = ("autodiscover-pox", "autodiscover-soap", "autodiscover-v2")
FEDERATION = "GetFederationInformation"
MAX_FOLLOWING = 1_000  # requests of one client that are looked at after a failed one
ONE_SEQUENCE_NS = 120_000_000_000  # within which the candidates of one search follow one another

_TEST_ACCOUNT = re.compile(r"extest_[0-9a-f]{6,16}@", re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ERRORS = 400


def autodiscover_steps(scene: Scene) -> list[Step]:
    """All requests for Autodiscover that no monitor makes, in the order of time."""
    steps = [step for service in SERVICES for step in scene.steps_by_service.get(service, ())]
    real = (step for step in without_probes(steps) if not _TEST_ACCOUNT.match(address_of(step) or ""))
    return sorted(real, key=lambda step: step.time_ns)


def address_of(step: Step) -> str | None:
    """The address that is asked for."""
    facts = step.about("autodiscover")
    address: str | None = facts.get("email_address") or facts.get("domain")
    return address


def url_of(step: Step) -> str:
    """What was asked, as a URL without its query, in lower case."""
    if "://" in step.target:
        return step.target.partition("?")[0].lower()
    host = step.host or step.trace.server_name or step.trace.server.address
    return f"{'http' if step.is_clear else 'https'}://{host}{step.path}".lower()


def error_of(step: Step) -> str | None:
    """The code of an error inside the answer, None where there is none, or where it is a redirect."""
    facts = step.about("autodiscover")
    code = facts.get("error_code") or (facts.get("status") if facts.get("action") == "error" else None)
    if code in (None, "NoError") or str(code).startswith("Redirect"):
        return None
    return str(code)


def redirect_of(step: Step) -> str | None:
    """Where the answer sends the client: an address, or a URL."""
    facts = step.about("autodiscover")
    target: str | None = facts.get("redirect_address") or facts.get("redirect_url")
    if target:
        return target
    location = step.http.get("location")
    return absolute(url_of(step), location) if location and step.status in _REDIRECTS else None


def absolute(base: str, location: str) -> str:
    """A redirect's target in full, as far as it is a URL at all."""
    try:
        return urljoin(base, location)
    except ValueError:  # brackets that hold no IPv6 address
        return location


def has_settings(step: Step) -> bool:
    """Whether the client got what it asked for."""
    facts = step.about("autodiscover")
    if error_of(step) is not None or redirect_of(step) is not None or (step.status or _ERRORS) >= _ERRORS:
        return False
    is_answered = facts.get("error_code") == "NoError" or "url" in facts or "protocols" in facts
    return is_answered or facts.get("action") == "settings"


def has_failed(step: Step) -> bool:
    """Whether the answer is a failure: an error inside, or a status that is none of a first leg."""
    return error_of(step) is not None or (step.status is not None and step.status >= _ERRORS and step.status != 401)  # noqa: PLR2004


def host_in(url: str) -> str | None:
    """The host of a URL, or of a bare name."""
    try:
        return urlsplit(url if "://" in url else f"//{url}").hostname
    except ValueError:
        return None


class Searches:
    """The requests for Autodiscover of each client: a failed candidate is no fault where a later one succeeds."""

    def __init__(self, steps: Iterable[Step]) -> None:
        """`steps` in the order of time. Kept are those that give settings, send on, or may have done so."""
        self._by_client: dict[str, list[Step]] = defaultdict(list)
        self._by_subject: dict[tuple[str, str, bool], list[Step]] = defaultdict(list)
        for step in steps:
            if has_settings(step):
                self._by_subject[_subject(step)].append(step)
            elif not _is_lost(step) and not step.about("autodiscover").get("redirect_address"):
                continue
            self._by_client[step.trace.client.address].append(step)

    def succeeds_after(self, step: Step) -> bool:
        """Whether the same client gets settings for the same address soon after, or may, for all that the capture lost.

        The same program that asks for the same address by the other version of IP is the same client (RFC 8305).
        """
        wanted = {(address_of(step) or "").lower()}
        for later in self._after(step, self._by_client[step.trace.client.address]):
            address = (address_of(later) or "").lower()
            is_same = address in wanted or not address or wanted == {""}
            if is_same and (has_settings(later) or _is_lost(later)):
                return True
            redirect = later.about("autodiscover").get("redirect_address")
            if is_same and redirect:
                wanted.add(redirect.lower())
        address, program, is_ipv6 = _subject(step)
        others = self._by_subject.get((address, program, not is_ipv6), ()) if address else ()
        return bool(self._after(step, others))

    @staticmethod
    def _after(step: Step, steps: Sequence[Step]) -> Sequence[Step]:
        first = bisect_right(steps, step.time_ns, key=_time_of)
        last = bisect_right(steps, step.time_ns + ONE_SEQUENCE_NS, lo=first, key=_time_of)
        return steps[first : min(last, first + MAX_FOLLOWING)]


def _is_lost(step: Step) -> bool:
    """Whether the answer may be what the capture lost."""
    return step.status is None and (step.trace.has_gaps or not step.trace.is_two_sided)


def _time_of(step: Step) -> int:
    return step.time_ns


def _subject(step: Step) -> tuple[str, str, bool]:
    """For whom a request is, which program made it, and whether it came by IPv6."""
    program = str(step.http.get("user_agent", ""))
    return (address_of(step) or "").lower(), program, ":" in step.trace.client.address


def spared_connections(scene: Scene) -> frozenset[int]:
    """Connections on which nothing but candidates of Autodiscover failed, and later ones gave the settings."""
    steps = autodiscover_steps(scene)
    searches = Searches(steps)
    traces = {step.trace.id: step.trace for step in steps}
    return frozenset(
        trace.id
        for trace in traces.values()
        if all(
            step.service in SERVICES and (has_settings(step) or searches.succeeds_after(step)) for step in trace.steps
        )
    )
