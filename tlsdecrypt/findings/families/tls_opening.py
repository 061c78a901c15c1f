"""Why sessions stay closed, as findings: what an administrator with a PFX has to know first."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from tlsdecrypt.findings.addresses import covers, is_microsoft
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.rule import Hit, rule
from tlsdecrypt.findings.tls_story import certificate_evidence, hello_frame, host_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.conversation import KeyFacts
    from tlsdecrypt.findings.scene import Scene, Trace


# Web and mail: what a certificate of Exchange is for, beside other services of its domain.
_SERVED = frozenset({25, 80, 110, 143, 443, 444, 465, 587, 993, 995, 2525, 8443})


def _closed(scene: Scene, code: str) -> Iterator[Trace]:
    """The connections that stayed closed for one reason, but for TLS between Exchange servers.

    Of the latter `tls.pfx-not-for-smtp-anonymoustls` tells.
    """
    for trace in scene.traces:
        if trace.tls is not None and trace.tls.verdict.code.value == code and not _is_between_hubs(trace):
            yield trace


def _without_key(scene: Scene, *, is_rsa: bool) -> Iterator[Trace]:
    """The connections that stayed closed for want of a secret: with RSA key exchange, or with forward secrecy.

    Where a key log was given too, they are among those that it knows nothing of.
    """
    yield from _closed(scene, "no-key" if is_rsa else "forward-secrecy")
    if any(key.spki_sha256 for key in scene.keys):
        yield from (trace for trace in _closed(scene, "no-secret") if _uses_rsa(trace) is is_rsa)


def _uses_rsa(trace: Trace) -> bool:
    return trace.tls is not None and (trace.tls.cipher_suite or "").startswith(("TLS_RSA_WITH_", "TLS_RSA_EXPORT"))


def _is_between_hubs(trace: Trace) -> bool:
    return trace.tls is not None and (trace.tls.started_by or "").startswith("X-ANONYMOUSTLS")


def _is_cloud(trace: Trace) -> bool:
    shown = trace.certificate.names if trace.certificate is not None else ()
    return is_microsoft(trace.server_name) or _are_microsofts(shown)


@lru_cache(maxsize=1024)
def _are_microsofts(names: tuple[str, ...]) -> bool:
    """Whether one of the names in a certificate is Microsoft's: the same few are shown by all connections."""
    return any(is_microsoft(name.removeprefix("*.")) for name in names)


def _if_keys_were_given(scene: Scene) -> Severity | None:
    """A session that stays closed is a fault only to those who have a key."""
    return None if any(key.spki_sha256 for key in scene.keys) else Severity.INFO


def _domain_of(common_name: str) -> str:
    """The domain whose hosts a certificate is for: that of `mail.contoso.com`, of `*.contoso.com`, `contoso.com`."""
    host = common_name.lower().removeprefix("*.")
    parent = host.partition(".")[2]
    return parent if "." in parent else host


def _is_meant(trace: Trace, given: list[KeyFacts], domains: set[str]) -> bool:
    """Whether one of the given keys is for this server, as far as names and keys can tell; yes in doubt.

    `domains` are those that the given certificates are for.
    """
    shown = trace.certificate
    if shown is not None and any(shown.spki_sha256 == key.spki_sha256 for key in given):
        return True
    if trace.server.port not in _SERVED:
        return False
    names = (*trace.names, *(shown.names if shown is not None else ()))
    if not names or any(key.subject is None and not key.connections for key in given):
        return True
    return any(name.lower() == domain or name.lower().endswith(f".{domain}") for name in names for domain in domains)


def _by_server(traces: Iterable[Trace]) -> dict[tuple[str, int], list[Trace]]:
    found: dict[tuple[str, int], list[Trace]] = defaultdict(list)
    for trace in traces:
        found[trace.server.address, trace.server.port].append(trace)
    return found


@rule(
    "tls.not-decryptable-pfs",
    Severity.WARNING,
    advice="Record a key log (SSLKEYLOGFILE) of the client or server, or let the server offer only RSA key exchange for"
    " a test.",
    source="RFC 5246 section 7.4.3; RFC 8446 section 2",
)
def not_decryptable(scene: Scene) -> Iterator[Hit]:
    """The session has forward secrecy, (EC)DHE or TLS 1.3: no private key of the server can open it.

    Only a note where no private key was given, or a key log, too; and for servers that none of the given keys is for:
    neither their certificate nor their names say so, or their port is that of another service. Silent where another
    secret opened it, and for servers of Microsoft's cloud, whose key nobody has.
    """
    has_keylog = any(key.kind == "key log" for key in scene.keys)
    given = [key for key in scene.keys if key.spki_sha256]
    domains = {_domain_of(name) for key in given for name in _names(key)}
    is_alone = bool(given) and len({trace.server for trace in scene.traces if trace.tls is not None}) == 1
    for trace in _without_key(scene, is_rsa=False):
        tls = trace.tls
        if tls is None or _is_cloud(trace):
            continue
        what = f"{tls.version} with {tls.cipher_suite}"
        is_fault = bool(given) and not has_keylog and (is_alone or _is_meant(trace, given, domains))
        yield Hit(
            f"the session with {host_of(trace)} has forward secrecy ({what}): a PFX cannot open it",
            (trace.saw(hello_frame(trace), f"{trace.client} to {trace.server}: {what}"),),
            severity=None if is_fault else Severity.INFO,
            client="",
            server=trace.server.address,
            place=str(trace.server.port),
        )


@rule(
    "tls.cloud-side-not-decryptable",
    Severity.INFO,
    advice="Look at the other side: what the cloud answers is in the logs of the client, or in a key log of it.",
    source="the private key of Microsoft's certificates is Microsoft's alone",
)
def cloud_side(scene: Scene) -> Iterator[Hit]:
    """The server belongs to Microsoft's cloud: a certificate of one's own can never open its sessions."""
    for trace in scene.traces:
        if trace.tls is not None and not trace.is_opened and _is_cloud(trace):
            yield Hit(
                f"{host_of(trace)} is Microsoft's: no PFX of one's own can open its TLS",
                (trace.saw(hello_frame(trace), f"{trace.client} to {host_of(trace)}"),),
                client="",
                server=trace.server.address,
                place=host_of(trace),
            )


def _names(key: KeyFacts) -> tuple[str, ...]:
    """The names in the certificate of a key, its common name among them."""
    parts = (key.subject or "").split(",")
    return key.names or tuple(part.strip()[3:] for part in parts if part.strip().upper().startswith("CN="))


def _is_for_one_of(key: KeyFacts, hosts: set[str]) -> bool:
    """Whether the certificate of a key names one of these hosts (or patterns)."""
    return any(covers(name, host) or name.lower() == host.lower() for name in _names(key) for host in hosts)


def _is_only_candidate(scene: Scene, given: list[KeyFacts]) -> bool:
    """Keys without a certificate that opened nothing, and one server that wants a key: they were meant for it."""
    is_idle = all(key.subject is None and not key.connections for key in given)
    return is_idle and len({trace.server for trace in _without_key(scene, is_rsa=True)}) == 1


@rule(
    "tls.pfx-key-mismatch",
    Severity.WARNING,
    advice="Export the certificate that the server shows, with its private key, and give that PFX.",
    source="RFC 5280 section 4.1.2.7",
)
def key_mismatch(scene: Scene) -> Iterator[Hit]:
    """The server shows another certificate than that of the private key that was given.

    RSA key exchange only: the right key would open it. Only a note for servers that the given certificate does not
    name (a key without certificate is meant for the only server that wants one), and for Microsoft's. Silent where no
    private key was given.
    """
    given = [key for key in scene.keys if key.spki_sha256]
    for (address, port), traces in _by_server(_without_key(scene, is_rsa=True)).items():
        trace = traces[0]
        shown = trace.certificate
        if not given or shown is None or shown.spki_sha256 in {key.spki_sha256 for key in given}:
            continue
        names = {*shown.names, *(name for each in traces for name in each.names)}
        namesakes = [key for key in given if _is_for_one_of(key, names)]
        is_meant = bool(namesakes) or _is_only_candidate(scene, given)
        severity = None if is_meant and not _is_cloud(trace) else Severity.INFO
        told = namesakes or given
        keys = "; ".join(f"{key.subject or 'a key without certificate'} (SPKI {key.spki_sha256})" for key in told[:3])
        if namesakes:
            keys += (
                ". It is for the same host, with another key: a certificate that was renewed, or one of another server"
            )
        yield Hit(
            f"{host_of(trace)} shows the certificate {shown.subject} (serial {shown.serial}, SHA-1"
            f" {shown.sha1_thumbprint}), and none of the given keys is its: {keys}",
            (certificate_evidence(trace, shown),),
            severity=severity,
            client="",
            server=address,
            place=str(port),
            connections=tuple(each.id for each in traces[:100]),
        )


@rule(
    "tls.resumed-no-handshake",
    Severity.WARNING,
    advice="Start the capture before the client connects for the first time, or restart the client while it runs.",
    source="RFC 5246 section 7.3; RFC 5077",
)
def resumed_without_handshake(scene: Scene) -> Iterator[Hit]:
    """The session resumes an earlier one whose handshake is not in the capture, so that its keys are not known.

    Only a note where no private key was given.
    """
    severity = _if_keys_were_given(scene)
    for trace in _closed(scene, "resumed-parent-missing"):
        how = trace.tls.resumption if trace.tls is not None else None
        yield Hit(
            f"the session with {host_of(trace)} resumes an earlier one that the capture does not hold",
            (trace.saw(hello_frame(trace), f"resumed by {(how or 'session id').replace('_', ' ')}"),),
            severity=severity,
            client=trace.client.address,
            server=trace.server.address,
            place=str(trace.server.port),
        )


@rule(
    "tls.capture-starts-mid-session",
    Severity.WARNING,
    advice="Start the capture before the client connects, or restart the client while it runs.",
    source="RFC 5246 section 7.3",
)
def starts_mid_session(scene: Scene) -> Iterator[Hit]:
    """The capture begins after the handshake: without it no key opens the session.

    Only a note where no private key was given, and where other sessions could be opened.
    """
    is_all = not any(trace.is_opened for trace in scene.traces)
    severity = _if_keys_were_given(scene) if is_all else Severity.INFO
    for trace in _closed(scene, "handshake-missing"):
        if not trace.has_syn and trace.is_two_sided:
            yield Hit(
                f"the connection with {trace.server} had begun before the capture did: its handshake is missing",
                (trace.saw(trace.span.first_frame, "the first frame of the connection is no SYN"),),
                severity=severity,
                client=trace.client.address,
                server=trace.server.address,
                place=str(trace.server.port),
            )
