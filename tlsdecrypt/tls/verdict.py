"""Why a session is open or closed: the closed list of verdicts, each with one sentence and one remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class VerdictCode(Enum):
    """The closed list."""

    DECRYPTED = "decrypted"
    PARTLY_DECRYPTED = "partly-decrypted"
    NO_KEY = "no-key"
    FORWARD_SECRECY = "forward-secrecy"
    NO_SECRET = "no-secret"  # noqa: S105 - the name of a verdict
    WRONG_KEY = "wrong-key"
    RESUMED_PARENT_MISSING = "resumed-parent-missing"
    HANDSHAKE_MISSING = "handshake-missing"
    HANDSHAKE_FAILED = "handshake-failed"
    TRUNCATED = "truncated"
    UNSUPPORTED_SUITE = "unsupported-suite"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence why, and one what would open the session (None where nothing is to be done)."""

    code: VerdictCode
    summary: str
    remedy: str | None = None
