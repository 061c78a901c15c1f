"""Logins over HTTP: who fails again and again, what is not offered, and what should not go over the wire like that."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tlsdecrypt.app.auth_facts import CLEAR, DIFFERS
from tlsdecrypt.findings.addresses import is_microsoft
from tlsdecrypt.findings.exchange_answers import SOON_NS, has_succeeded
from tlsdecrypt.findings.finding import Confidence, Severity
from tlsdecrypt.findings.logins import (
    UNAUTHORIZED,
    Entries,
    answers_at,
    auth_of,
    hit_at,
    host_of,
    is_refused,
    login_steps,
    offered,
    scheme_of,
    unauthorized_steps,
    user_of,
)
from tlsdecrypt.findings.rule import Hit, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tlsdecrypt.findings.scene import Scene, Step

ROUNDS = 3  # refused logins that make a loop
LARGE = 4_096  # characters of an Authorization field that most limits still allow, and few logins need
HUGE = 12_000  # characters of one that default limits of http.sys (16 KB) begin to refuse

_BAD_REQUEST, _FIELDS_TOO_LARGE = 400, 431
_CLOUD_SUFFIXES = ("outlook.com", "office365.com", "outlook.office.com", "office.com")
_TOO_LONG = ("request too long", "header field too long", "headers is too long", "header or cookie too large")
_TICKETS = frozenset({"negotiate", "kerberos", "ntlm"})
_PAGES = frozenset({"/owa", "/owa/", "/ecp", "/ecp/"})
_OWN_RULES = frozenset({"oauth", "owa", "ecp", "tmg-forms"})  # where 401 is answered in other ways


@rule(
    "http.auth-loop",
    Severity.ERROR,
    advice="Check password and lockout of the account; with Negotiate the SPN; with NTLM Extended Protection, and the"
    " order of the providers in IIS.",
    source="RFC 9110 section 11; MS-NTHT",
    causes=("mapi.auth-401",),
    spares_candidates=True,
)
def auth_loop(scene: Scene) -> Iterator[Hit]:
    """A client sends a complete credential three times or more, and gets 401 each time.

    A first leg of NTLM or Negotiate is no complete credential. Silent where the client gets in within a minute after
    the last refusal, for monitors, where x-ms-diagnostics says more (rules of OAuth), and where the channel binding of
    NTLM cannot be right (http.ntlm-epa-suspected).
    """
    rounds: dict[tuple[str, str, str, str], list[Step]] = defaultdict(list)
    for step in login_steps(scene):
        if is_refused(step) and "x_ms_diagnostics" not in step.http and not _has_wrong_binding(step):
            who = user_of(step).lower() or scheme_of(step)
            rounds[step.trace.client.address, host_of(step), step.path, who].append(step)
    entries = scene.derived(Entries)
    for failures in rounds.values():
        for loop in _loops(entries, failures):
            first, last = loop[0], loop[-1]
            who = f" as {user_of(first)}" if user_of(first) else ""
            yield hit_at(
                first,
                f"{first.trace.client.address} fails {len(loop)} times to log in to {host_of(first)}{first.path}{who}"
                f" with {first.http.get('auth', scheme_of(first))}",
                *(answers_at(each, f"to {each.http.get('auth', '')}") for each in (*loop[:2], last)),
            )


def _has_wrong_binding(step: Step) -> bool:
    return auth_of(step).get("channel_binding", {}).get("result") in (DIFFERS, CLEAR)


def _loops(entries: Entries, failures: list[Step]) -> Iterator[list[Step]]:
    """The runs of refusals that no success ends within a minute."""
    run: list[Step] = []
    for failure, following in zip(failures, [*failures[1:], None], strict=True):
        run.append(failure)
        success = entries.after(failure)
        if success is not None and (following is None or success < following.time_ns):
            if len(run) >= ROUNDS and success - failure.time_ns > SOON_NS:
                yield run
            run = []
    if len(run) >= ROUNDS:
        yield run


@rule(
    "http.auth-scheme-not-offered",
    Severity.ERROR,
    advice="Enable this scheme on the virtual directory (and on each device in front), or let the client use one that"
    " is offered.",
    source="RFC 9110 section 11.6.1",
    suppresses=("http.auth-loop",),
    causes=("mapi.auth-401",),
    spares_candidates=True,
)
def scheme_not_offered(scene: Scene) -> Iterator[Hit]:
    """The client logs in by a scheme that the server's 401 does not offer.

    Silent where the client turns to another scheme and gets in, and for an empty Bearer (another rule).
    """
    entries = scene.derived(Entries)
    for step in login_steps(scene):
        scheme, schemes = scheme_of(step), offered(step)
        is_probe_for_bearer = scheme == "bearer" and not auth_of(step).get("is_complete")
        if step.status != UNAUTHORIZED or not scheme or not schemes or scheme in schemes or is_probe_for_bearer:
            continue
        if "x_ms_diagnostics" in step.http or entries.after(step) is not None:
            continue
        listed = ", ".join(dict.fromkeys(str(each["scheme"]) for each in auth_of(step)["offers"]))
        shown = auth_of(step)["scheme"]
        yield hit_at(
            step,
            f"{host_of(step)}{step.path} does not accept {shown}: it offers {listed}",
            step.asked(f"Authorization: {shown} ..."),
            answers_at(step, f"WWW-Authenticate: {listed}"),
        )


@rule(
    "http.no-auth-offered",
    Severity.ERROR,
    advice="Enable a scheme on the virtual directory; if one is enabled, look for the proxy that strips"
    " WWW-Authenticate.",
    source="RFC 9110 section 11.6.1",
    confidence=Confidence.LIKELY,
    suppresses=("mapi.auth-401",),
    spares_candidates=True,
)
def no_auth_offered(scene: Scene) -> Iterator[Hit]:
    """A 401 without WWW-Authenticate: nobody can tell how to log in.

    Only for the services of Exchange and AD FS that log in by HTTP. Silent where the client gets in later on that path,
    and where x-ms-diagnostics tells why.
    """
    entries = scene.derived(Entries)
    for step in unauthorized_steps(scene):
        if not _is_login_by_http(step):
            continue
        if "challenges" in step.http or "x_ms_diagnostics" in step.http or step.faults:
            continue
        if entries.after(step) is not None:
            continue
        yield hit_at(step, f"{host_of(step)} answers {step.verb} {step.path} with 401 and offers no way to log in")


def _is_login_by_http(step: Step) -> bool:
    """Whether a 401 must offer a scheme there: pages load parts by scripts that look at the status alone."""
    return step.service is not None and (step.service not in _OWN_RULES or step.path in _PAGES)


@rule(
    "http.basic-without-tls",
    Severity.ERROR,
    advice="Let the client use https, and require TLS on the virtual directory; the password of this account is known"
    " to whoever could read along.",
    source="RFC 7617 section 4",
)
def basic_without_tls(scene: Scene) -> Iterator[Hit]:
    """A password goes over the wire in clear text, by Basic without TLS.

    A warning where it is the inner leg behind a device that ends TLS: on the loopback, with X-Forwarded-For, or from an
    address that itself answers clients.
    """
    for step in login_steps(scene):
        if not step.is_clear or scheme_of(step) != "basic" or not auth_of(step).get("is_complete"):
            continue
        client, server = step.trace.client, step.trace.server
        is_inner = (
            client.address == server.address
            or "x_forwarded_for" in step.http
            or client.address.startswith("127.")
            or any(each.tls is not None or each.steps for each in scene.by_server.get(client.address, ()))
        )
        leg = f"{client.address} to {server}" + (" (the inner leg behind a device)" if is_inner else "")
        who = f" of {user_of(step)}" if user_of(step) else ""
        yield hit_at(
            step,
            f"The password{who} goes from {leg} in clear text, by Basic without TLS",
            step.asked(f"{step.verb} {step.path}, Authorization: Basic"),
            severity=Severity.WARNING if is_inner else None,
        )


@rule(
    "http.header-too-large",
    Severity.ERROR,
    advice="The account is in too many groups for the limits of the server: clean up its groups and SID history, or"
    " raise MaxFieldLength and MaxRequestBytes of http.sys (and the buffers of the device in front) and MaxTokenSize.",
    source="KB 2020943 (http.sys limits); RFC 6585 section 5",
    confidence=Confidence.LIKELY,
    protocols=("http",),
    is_for_failures=True,
)
def header_too_large(step: Step) -> Iterator[Hit]:
    """A request is refused as too long, and its ticket (Negotiate) is what makes it long.

    The answer is 431, or 400 with a text that says so, or 400 of http.sys to a ticket near its limit. Silent where the
    login is short: then cookies are to blame.
    """
    if step.status not in (_BAD_REQUEST, _FIELDS_TOO_LARGE):
        return
    auth = auth_of(step)
    size = auth.get("size", 0)
    if scheme_of(step) not in _TICKETS or size < LARGE:
        return
    text = str(step.http.get("error_text", "")).lower()
    says_so = step.status == _FIELDS_TOO_LARGE or any(each in text for each in _TOO_LONG)
    is_http_sys = "httpapi" in str(step.http.get("server", "")).lower()
    if not says_so and not (is_http_sys and size >= HUGE):
        return
    yield Hit(
        f"{host_of(step)} refuses a request whose login alone has {size:,} characters: the ticket is too large",
        (step.asked(f"Authorization: {auth['scheme']} ({size:,} characters)"), answers_at(step, text)),
        confidence=Confidence.CERTAIN if says_so and size >= HUGE else None,
    )


@rule(
    "http.legacy-basic-to-cloud",
    Severity.WARNING,
    advice="Update the client to one with modern authentication (OAuth): Exchange Online no longer takes Basic.",
    source="Deprecation of Basic authentication in Exchange Online",
    confidence=Confidence.LIKELY,
    protocols=("http",),
    suppresses=("http.auth-scheme-not-offered", "http.auth-loop"),
)
def basic_to_cloud(step: Step) -> Iterator[Hit]:
    """A client sends user name and password to Exchange Online by Basic.

    A hint where it is let in. Silent where Basic carries a token in place of the password.
    """
    if scheme_of(step) != "basic" or not auth_of(step).get("is_complete") or auth_of(step).get("carries_token"):
        return
    host = host_of(step)
    if is_microsoft(host) and host.endswith(_CLOUD_SUFFIXES):
        agent = step.http.get("user_agent", "a client")
        yield Hit(
            f"{agent} logs in to {host} by Basic, which Exchange Online has retired",
            step.evidence,
            confidence=Confidence.HINT if has_succeeded(step) else None,
        )
