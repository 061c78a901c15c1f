"""Findings as plain values, for the JSON document and every other output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsdecrypt.findings.finding import Evidence, Finding
    from tlsdecrypt.redact import Redactor


def finding_document(finding: Finding, redactor: Redactor) -> dict[str, Any]:
    """One finding, all its texts masked.

    `count` says how often the fault was seen; `evidence` holds that of the first times. `connections` are the ids of
    all that it was seen on. `caused_by` names the rule whose finding explains this one, null where none does.
    """
    return {
        "rule": finding.rule,
        "severity": finding.severity.label,
        "confidence": finding.confidence.label,
        "summary": redactor.text(finding.headline),
        "advice": redactor.text(finding.advice),
        "evidence": [_evidence(each, redactor) for each in finding.evidence],
        "count": finding.count,
        "client": finding.client or None,
        "server": finding.server or None,
        "connections": list(finding.connections),
        "caused_by": finding.caused_by,
    }


def _evidence(evidence: Evidence, redactor: Redactor) -> dict[str, Any]:
    return {"frame": evidence.frame, "connection": evidence.connection, "what": redactor.text(evidence.what)}
