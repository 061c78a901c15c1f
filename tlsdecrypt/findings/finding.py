"""Finding: one thing that is wrong, or worth knowing, with its evidence and what to do about it."""

from __future__ import annotations

from enum import IntEnum

from tlsdecrypt.value import Value

LONGEST_QUOTE = 200  # characters of an element, a field or a line that evidence quotes
# Words that begin summaries; whatever else does may be the name of a user or program.
_OPENING_WORDS = frozenset({"a", "an", "the", "front", "nobody", "somebody", "uploads", "user"})


class Severity(IntEnum):
    """How bad it is. `ERROR`: it failed, and the cause is named; `WARNING`: a likely cause, or a failure to come."""

    INFO = 0
    WARNING = 1
    ERROR = 2

    @property
    def label(self) -> str:
        """As documents spell it."""
        return self.name.lower()


class Confidence(IntEnum):
    """How sure it is. `CERTAIN`: a protocol element states it; `LIKELY`: two signs or more; `HINT`: one sign."""

    HINT = 0
    LIKELY = 1
    CERTAIN = 2

    @property
    def label(self) -> str:
        """As documents spell it."""
        return self.name.lower()


class Evidence(Value, frozen=True):
    """What was seen, in which frame (None: in none, as for what never came) and on which connection (its id)."""

    frame: int | None
    connection: int | None
    what: str


class Finding(Value, frozen=True):
    """What a rule says of a capture.

    The same fault between the same client and server, at the same place, is told once: `count` says how often it was
    seen, `evidence` holds that of the first times. `client` and `server` are addresses, empty where it concerns none in
    particular. `connections` are the ids of all connections that it was seen on. `caused_by` is the id of the rule
    whose finding explains this one.
    """

    rule: str
    severity: Severity
    confidence: Confidence
    summary: str
    advice: str
    evidence: tuple[Evidence, ...]
    count: int = 1
    client: str = ""
    server: str = ""
    place: str = ""
    connections: tuple[int, ...] = ()
    caused_by: str | None = None

    @property
    def headline(self) -> str:
        """The summary as all are told: a capital at its start, and no full stop behind a single sentence.

        Names of users and programs at its start stay as they are spelt.
        """
        is_word = self.summary.partition(" ")[0] in _OPENING_WORDS
        told = self.summary[0].upper() + self.summary[1:] if is_word else self.summary
        return told if ". " in told else told.removesuffix(".")


def quote(text: object) -> str:
    """`text` as evidence quotes it: one line of bounded length."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 3]}..."
