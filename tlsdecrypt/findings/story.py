"""Story: what happened over several steps or connections, told leg by leg in the order of time."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tlsdecrypt.value import Value

State: TypeAlias = Literal["good", "bad", "goes on", "unknown"]

MAX_LEGS = 100  # of one story; `left_out` counts the rest
MAX_STORIES = 500  # of one kind


class Leg(Value, frozen=True):
    """One part of a story: what was tried (`what`), and how it ended (`outcome`).

    `state` is `good` or `bad` where that is plain, `goes on` for a redirect or a first leg, `unknown` where nobody can
    tell (a connection that stays encrypted). `connection` is an id; `first_frame` and `last_frame` are None where
    nothing was captured of it. `time_ns` is when it began, nanoseconds since 1970.
    """

    time_ns: int
    what: str
    outcome: str
    state: State
    connection: int | None = None
    first_frame: int | None = None
    last_frame: int | None = None


class Story(Value, frozen=True):
    """`kind` is a word for programs (`autodiscover`, `free-busy`, `authentication`), `title` names whose story it is.

    `verdict` says in one sentence how it ended, `state` as a word. `client` is an address.
    """

    kind: str
    title: str
    client: str
    verdict: str
    state: State
    legs: tuple[Leg, ...]
    left_out: int = 0

    @property
    def connections(self) -> tuple[int, ...]:
        """The ids of all connections in it, each once, in their order."""
        return tuple(dict.fromkeys(leg.connection for leg in self.legs if leg.connection is not None))
