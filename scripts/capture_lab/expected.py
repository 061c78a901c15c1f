"""captures/expected.json: for each capture and its keys, what tshark says was in it, and the verdict to be given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from capture_lab.cases import MAIL_KEY
from capture_lab.frames import read_pcap, segment_of
from capture_lab.peer_cases import ALL_CASES, ALL_OTHER_KEYS
from capture_lab.truth import digest, observe

if TYPE_CHECKING:
    from pathlib import Path

    from capture_lab.cases import Case
    from capture_lab.truth import Connection, Key

HTTPS = 443
SIDES = (False, True)  # the client's, the server's
KEYS_THAT_FIT = "keys/mail"
SCHEMA = "tlsdecrypt-captures/1"


def _keys_for_tshark(case: Case) -> list[Key]:
    """The same secrets in forms that tshark reads: the mail key always as PEM, keys that fit nothing left out."""
    keys = case.truth_keys or case.keys
    fits = any((key.path or "").startswith(KEYS_THAT_FIT) for key in keys)
    return [key for key in keys if key.kind in {"keylog", "psk"}] + ([MAIL_KEY] if fits else [])


def _order(capture: Path) -> list[int]:
    """The client ports in the order of their first frames, by the frames themselves."""
    ports = (segment.source_port for segment in filter(None, map(segment_of, read_pcap(capture).frames)))
    return list(dict.fromkeys(port for port in ports if port != HTTPS))


def _observed(case: Case, root: Path, whole_records: dict[str, list[bool]]) -> list[Connection]:
    """The connections of a case; where the capture lacks records, only what the rest of the whole recording said."""
    captures = root / "captures"
    keys = _keys_for_tshark(case)
    if case.said:
        connections = observe(captures / case.capture, keys, root)
        for connection in connections:
            connection.said = list(zip(SIDES, case.said, strict=True))
        return connections
    if not case.truth_from:
        return observe(captures / case.capture, keys, root)
    by_port = {each.client[1]: each for each in observe(captures / case.truth_from, keys, root)}
    connections = [by_port[port] for port in _order(captures / case.capture)]
    for connection in connections:
        if case.capture in whole_records:
            whole = iter(whole_records[case.capture])
            connection.said = [each for each in connection.said if not each[0] or next(whole)]
    return connections


def _verdict(case: Case, connection: Connection) -> str | None:
    if not connection.is_tls:
        return None
    if connection.alert is not None:
        return "handshake-failed"
    if connection.said:
        return case.opened
    suite = connection.cipher_suite or "TLS_RSA_"
    return case.closed if suite.startswith("TLS_RSA_") else case.ephemeral


def _document(case: Case, connection: Connection) -> dict[str, Any]:
    """One connection, with the names that the JSON document of tlsdecrypt has."""
    decrypted = {
        of_server: connection.content(of_server=of_server) if connection.is_tls else b"" for of_server in SIDES
    }
    tls = {name: getattr(connection, name) for name in ("version", "cipher_suite", "server_name")}
    return {
        "client": dict(zip(("address", "port"), connection.client, strict=True)),
        "server": dict(zip(("address", "port"), connection.server, strict=True)),
        "tls": tls if connection.is_tls else None,
        "verdict": _verdict(case, connection),
        "application_data": {"client": digest(decrypted[False]), "server": digest(decrypted[True])},
        **({"exchanges": connection.exchanges()} if case.is_http else {}),
    }


def _truth(case: Case) -> str:
    """Where the expectation comes from, in words."""
    if case.said:
        return f"tshark on captures/{case.capture}, and what the peers were given to say"
    return f"tshark on captures/{case.truth_from or case.capture}"


def expected(root: Path, whole_records: dict[str, list[bool]]) -> dict[str, Any]:
    """The document. `whole_records`: of which of the server's records a damaged capture still has all bytes."""
    return {
        "schema": SCHEMA,
        "cases": [
            {
                "capture": f"captures/{case.capture}",
                "keys": [key.document() for key in case.keys],
                "refused": case.is_refused,
                "truth": _truth(case),
                **({"truth_keys": [key.document() for key in case.truth_keys]} if case.truth_keys else {}),
                "connections": []
                if case.is_refused
                else [_document(case, each) for each in _observed(case, root, whole_records)],
            }
            for case in (*ALL_CASES, *ALL_OTHER_KEYS)
        ],
    }


def write_expected(root: Path, whole_records: dict[str, list[bool]]) -> dict[str, Any]:
    """Write the document beside the captures; it comes back too."""
    document = expected(root, whole_records)
    (root / "captures" / "expected.json").write_text(json.dumps(document, indent=1) + "\n")
    return document
