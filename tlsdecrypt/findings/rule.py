"""Rules: what they are, how one is written, and the table of all.

A rule is a function in a module of `findings/families/`; writing it there is all that is needed:

    @rule("ews.server-busy", Severity.WARNING, advice="Wait as the server says.", source="...", services=("ews",))
    def server_busy(step: Step) -> Iterator[Hit]:
        \"\"\"The server asks the client to wait. Throttled clients are told so inside of HTTP 200, too.\"\"\"
        if "ErrorServerBusy" in step.about("ews").get("response_codes", ()):
            yield Hit(f"{step.trace.client} is throttled", (step.answered("ErrorServerBusy"),))

The name of its first parameter says what it looks at: a `step` (one exchange), a `trace` (one connection, when it is
over) or the `scene` (all of them, at the end). Rules of steps and traces run while the capture is read, and must not
look at other connections. The docstring is what `--explain-rule` tells: what it means and when it stays silent.

The engine knows client, server and place of a step or trace; a rule of the scene names them in the `Hit`. The same
fault at the same place is told once, with a count.
"""

from __future__ import annotations

import inspect
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tlsdecrypt.findings import families
from tlsdecrypt.findings.finding import Confidence, Evidence, Severity
from tlsdecrypt.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCOPES = ("step", "trace", "scene")


class Hit(Value, frozen=True):
    """That a rule applies: a sentence, and its evidence.

    What is left out is that of the rule. `client`, `server` (addresses) and `place` tell hits apart that are not the
    same fault. `connections` are those that it concerns besides those of the evidence; `count` says how often it was
    seen. `caused_by` is the rule whose finding explains this one, where the rule knows better than the table can.
    """

    summary: str
    evidence: tuple[Evidence, ...]
    severity: Severity | None = None
    confidence: Confidence | None = None
    advice: str | None = None
    client: str | None = None
    server: str | None = None
    place: str | None = None
    connections: tuple[int, ...] = ()
    count: int = 1
    caused_by: str | None = None


Apply: TypeAlias = "Callable[[Any], Iterator[Hit]]"
ApplyT = TypeVar("ApplyT", bound="Callable[[Any], Iterator[Hit]]")


class Rule(Value, frozen=True):
    """One rule of the table.

    `services` (of HTTP, see `app.endpoint`) and `protocols` limit which steps it looks at; empty: all. `suppresses` are
    rules (or patterns: `smtp.*`) that say less of the same fault: their findings on the same connections, or between
    the same addresses, are not told. `causes` are rules whose findings there are followers: they are told, with their
    cause. `is_about_monitors`: probes of monitoring are its subject, and no reason to be lenient. `is_for_failures`: it
    looks only at steps whose status says that they failed (400 and more). `spares_candidates`: no more than a note on
    connections where Autodiscover only tried one place of several, and a later one gave the settings.
    """

    id: str
    severity: Severity
    confidence: Confidence
    advice: str
    source: str
    scope: str
    apply: Apply
    services: frozenset[str]
    protocols: frozenset[str]
    suppresses: tuple[str, ...]
    causes: tuple[str, ...]
    is_about_monitors: bool
    is_for_failures: bool = False
    spares_candidates: bool = False

    @property
    def explanation(self) -> str:
        """What it means, on what evidence, and when it stays silent."""
        return inspect.getdoc(self.apply) or ""

    @property
    def title(self) -> str:
        """The first sentence of the explanation."""
        return " ".join(self.explanation.split()).partition(". ")[0].rstrip(".")

    @property
    def family(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]


_RULES: dict[str, Rule] = {}


def rule(  # noqa: PLR0913 - one keyword for each column of the table
    rule_id: str,
    severity: Severity,
    *,
    advice: str,
    source: str,
    confidence: Confidence = Confidence.CERTAIN,
    services: tuple[str, ...] = (),
    protocols: tuple[str, ...] = (),
    suppresses: tuple[str, ...] = (),
    causes: tuple[str, ...] = (),
    is_about_monitors: bool = False,
    is_for_failures: bool = False,
    spares_candidates: bool = False,
) -> Callable[[ApplyT], ApplyT]:
    """Enter a function into the table of rules. Ids are stable: never rename one, only add.

    Raises ValueError where the id is taken, or the function's first parameter is none of `SCOPES`.
    """

    def enter(apply: ApplyT) -> ApplyT:
        scope = apply.__code__.co_varnames[0]
        if scope not in SCOPES or rule_id in _RULES:
            raise ValueError(f"rule {rule_id}: first parameter {scope}, or defined twice")
        _RULES[rule_id] = Rule(
            rule_id,
            severity,
            confidence,
            advice,
            source,
            scope,
            apply,
            frozenset(services),
            frozenset(protocols or (("http",) if services else ())),
            suppresses,
            causes,
            is_about_monitors,
            is_for_failures,
            spares_candidates,
        )
        return apply

    return enter


@lru_cache(maxsize=1)
def all_rules() -> dict[str, Rule]:
    """The table of all rules, by id."""
    for module in iter_modules(families.__path__):
        import_module(f"{families.__name__}.{module.name}")
    return dict(sorted(_RULES.items()))


def fits(rule_id: str, patterns: tuple[str, ...]) -> bool:
    """Whether a rule is one of those that `patterns` name."""
    return any(fnmatchcase(rule_id, pattern) for pattern in patterns)
