"""Autodiscover: where clients are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsdecrypt.findings.autodiscover_answers import (
    ONE_SEQUENCE_NS,
    SERVICES,
    address_of,
    autodiscover_steps,
    redirect_of,
    url_of,
)
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.finding import Evidence
    from tlsdecrypt.findings.scene import Scene, Step

MAX_HOPS = 10  # that clients follow

_HANDLING = "Microsoft: Handling Autodiscover error messages; [MS-OXDSCLI] section 3.1.5"


def _redirect_address(step: Step) -> str | None:
    address: str | None = step.about("autodiscover").get("redirect_address")
    return address


@rule(
    "autodiscover.redirect-addr",
    Severity.INFO,
    advice="Nothing to do where the mailbox lies there: the client asks again with this address.",
    source=_HANDLING,
    services=SERVICES,
)
def redirect_addr(step: Step) -> Iterator[Hit]:
    """The client shall ask again with another address, as for a mailbox in the cloud."""
    target = _redirect_address(step)
    if target and not _is_same(step, target):
        summary = f"{address_of(step) or 'The client'} is sent on to {target}."
        yield Hit(summary, (*step.evidence[:1], step.answered(f"redirect to {target}")))


def _is_same(step: Step, target: str) -> bool:
    return target.lower() == (address_of(step) or "").lower()


@rule(
    "autodiscover.redirect-addr-same",
    Severity.ERROR,
    advice="Correct the target address (ExternalEmailAddress, RemoteRoutingAddress) of the mail user: it must name the "
    "other organization.",
    source=_HANDLING,
    services=SERVICES,
)
def redirect_addr_same(step: Step) -> Iterator[Hit]:
    """The answer redirects to the very address that was asked for: clients give up on this URL."""
    target = _redirect_address(step)
    if target and _is_same(step, target):
        said = step.answered(f"redirect to {target}")
        yield Hit(f"{target} is redirected to itself.", (*step.evidence[:1], said))


@rule(
    "autodiscover.redirect-addr-onmicrosoft",
    Severity.WARNING,
    advice="Set the remote routing address to TENANT.mail.onmicrosoft.com (Set-RemoteMailbox -RemoteRoutingAddress).",
    source="Microsoft: Troubleshoot free/busy issues in Exchange hybrid",
    services=SERVICES,
)
def redirect_addr_onmicrosoft(step: Step) -> Iterator[Hit]:
    """The redirect goes to the domain of the tenant, not to its routing domain for hybrid mail.

    Silent for users whose own address lies in that domain: they never were on premises.
    """
    target = _redirect_address(step)
    domain = (target or "").lower().rpartition("@")[2]
    own = (address_of(step) or "").lower().rpartition("@")[2]
    if target and domain.endswith(".onmicrosoft.com") and not domain.endswith(".mail.onmicrosoft.com"):
        if domain == own:
            return
        said = step.answered(f"redirect to {target}")
        yield Hit(f"{address_of(step) or 'The client'} is sent on to {target}, which is no routing address.", (said,))


@rule(
    "autodiscover.redirect-url-not-https",
    Severity.WARNING,
    advice="Redirect to an https URL: clients refuse to follow others, or ask the user.",
    source=_HANDLING,
    services=SERVICES,
)
def redirect_url_not_https(step: Step) -> Iterator[Hit]:
    """A POST, or the settings themselves, lead to a URL without TLS.

    The first GET to port 80, by which clients look for a redirect, is meant so.
    """
    inside = step.about("autodiscover").get("redirect_url", "")
    location = (redirect_of(step) or "") if step.verb == "POST" else ""
    target = next((each for each in (inside, location) if each.lower().startswith("http:")), None)
    if target is not None:
        said = step.answered(f"redirect to {target}")
        yield Hit(f"The client is sent to {target}, which is not https.", (*step.evidence[:1], said))


@rule(
    "autodiscover.redirect-loop",
    Severity.ERROR,
    advice="Correct the redirects: each must lead closer to the server of the mailbox. Look at the DNS records and at "
    "the target addresses of both sides.",
    source=_HANDLING,
    suppresses=("http.redirect-loop",),
)
def redirect_loop(scene: Scene) -> Iterator[Hit]:
    """A client that follows its redirects comes back to where it was, or follows more than ten.

    Only an unbroken chain counts: each request asks what the answer before it named, behind a device that ends TLS
    without TLS.
    """
    chains: dict[str, list[Step]] = {}
    for step in autodiscover_steps(scene):
        if redirect_of(step) is None:
            continue
        client = step.trace.client.address
        chain = chains.get(client, [])
        chains[client] = chain = [*chain[-MAX_HOPS - 1 :], step] if chain and _follows(chain[-1], step) else [step]
        if _comes_back(chain) or len(chain) > MAX_HOPS:
            hops = [_asked(each) for each in chain] + [redirect_of(step) or ""]
            evidence = tuple(piece for each in chain[-3:] for piece in _hop(each))
            summary = f"Autodiscover goes in a circle: {' -> '.join(hops)}."
            yield Hit(summary, evidence, client=client, server="", place=_asked(chain[0]))
            del chains[client]


def _asked(step: Step) -> str:
    """What this step asks for, in the terms of its redirect: an address or a URL."""
    if _redirect_address(step):
        return (address_of(step) or url_of(step)).lower()
    return url_of(step)


def _follows(before: Step, step: Step) -> bool:
    """Whether `step` asks what the answer `before` it named."""
    target = (redirect_of(before) or "").partition("?")[0].lower()
    is_soon = step.time_ns - before.time_ns <= ONE_SEQUENCE_NS
    asked = (address_of(step) or "").lower(), url_of(step)
    return is_soon and (target in asked or (before.is_clear and step.is_clear and _in_clear(target) in asked))


def _comes_back(chain: list[Step]) -> bool:
    target = (redirect_of(chain[-1]) or "").partition("?")[0].lower()
    asked = {_asked(each) for each in chain}
    is_offloaded = all(each.is_clear for each in chain) and any(_is_https(each) for each in chain[:-1])
    return len(chain) > 1 and (target in asked or (is_offloaded and _in_clear(target) in asked))


def _is_https(step: Step) -> bool:
    return (redirect_of(step) or "").lower().startswith("https://")


def _in_clear(url: str) -> str:
    """A URL as it is asked for behind a device that ends TLS."""
    return url.replace("https://", "http://", 1)


def _hop(step: Step) -> Iterator[Evidence]:
    yield step.asked(_asked(step))
    yield step.answered(f"redirect to {redirect_of(step)}")
