"""What several rules ask of HTTP in an Exchange world: who answered, and whether it works for the client later."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlsdecrypt.findings.monitors import is_probe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlsdecrypt.findings.scene import Scene, Step, Trace

SOON_NS = 60_000_000_000

_FIRST_REDIRECT, _FIRST_ERROR = 300, 400
_LOGIN = re.compile(
    r"cookieauth\.dll|logon|login|sign-?in|/auth\b|/adfs/|my\.policy|/dana-na/|/vpn/|/saml|/oauth2|/sso|forms?auth",
    re.IGNORECASE,
)


def has_reached_iis(step: Step) -> bool:
    """Whether the answer comes from IIS with ASP.NET at least: Exchange 2010 says no more of itself than that."""
    http = step.http
    return step.is_from_exchange or "x_aspnet_version" in http or "asp.net" in http.get("x_powered_by", "").lower()


def answers_html(step: Step) -> bool:
    """Whether the answer is a page for people."""
    kind = step.http.get("content_type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml")


def is_login_page(location: str) -> bool:
    """Whether a redirect leads to where people log in."""
    return _LOGIN.search(location) is not None


def has_succeeded(step: Step) -> bool:
    """Whether the status says success."""
    return step.status is not None and step.status < _FIRST_REDIRECT


def has_failed(step: Step) -> bool:
    """Whether the status says that it failed."""
    return step.status is not None and step.status >= _FIRST_ERROR


def succeeds_later(scene: Scene, step: Step, within_ns: int | None = None) -> bool:
    """Whether the same client gets through on the same path later (within a time, where one is given)."""
    for later in scene.later(step):
        if within_ns is not None and later.time_ns - step.time_ns > within_ns:
            return False
        if later.path == step.path and has_succeeded(later):
            return True
    return False


def station_of(step: Step) -> tuple[str, str]:
    """Which server answers: its address, and behind a proxy, whose address says nothing, its name too."""
    is_tunnel = any(each.verb == "CONNECT" for each in step.trace.steps[:1])
    is_passed_on = "://" in step.target or is_tunnel
    return step.trace.server.address, (step.host or "").lower() if is_passed_on else ""


def without_probes(steps: Iterable[Step]) -> list[Step]:
    """The steps that are not made by monitors (guard 4): rules of the scene must look themselves."""
    return [step for step in steps if not is_probe(step)]


def inner_legs(scene: Scene, trace: Trace) -> list[Trace]:
    """Connections that the server of `trace` opens itself: the inner leg, where it is a device in front."""
    return [each for each in scene.by_client.get(trace.server.address, ()) if each.server != trace.server]
