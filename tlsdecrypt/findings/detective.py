"""Detective: applies the rules while connections end, and tells the findings at last."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tlsdecrypt.findings.autodiscover_answers import spared_connections
from tlsdecrypt.findings.finding import Confidence, Finding, Severity
from tlsdecrypt.findings.monitors import is_monitor, is_probe
from tlsdecrypt.findings.rule import Rule, all_rules, fits
from tlsdecrypt.findings.scene import Scene, Trace
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tlsdecrypt.conversation import CaptureFacts, Conversation, KeyFacts
    from tlsdecrypt.findings.rule import Hit
    from tlsdecrypt.findings.scene import Step
    from tlsdecrypt.findings.story import Story

MAX_FINDINGS = 2_000  # different ones; what comes then is only counted
MAX_EVIDENCE = 12  # pieces that are kept of one finding
TIMES_SHOWN = 3  # of a fault that comes again, the first ones give evidence
MAX_CONNECTIONS = 1_000  # whose ids a finding keeps
FIRST_FAILURE = 400  # as HTTP and SMTP both have it


class _Sighting:
    """A fault at a place, as often as it was seen."""

    __slots__ = ("connections", "count", "finding")

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        self.count = 0
        self.connections: dict[int, None] = {}

    def add(self, finding: Finding) -> None:
        is_first = self.count == 0
        self.count += finding.count
        for connection in finding.connections:
            if len(self.connections) < MAX_CONNECTIONS:
                self.connections[connection] = None
        known = self.finding
        if not is_first and self.count <= TIMES_SHOWN:
            evidence = tuple(dict.fromkeys((*known.evidence, *finding.evidence)))[:MAX_EVIDENCE]
            known = replace(known, evidence=evidence)
        if (finding.severity, finding.confidence) > (known.severity, known.confidence):
            known = replace(finding, evidence=known.evidence)
        self.finding = known

    def told(self) -> Finding:
        return replace(self.finding, count=self.count, connections=tuple(self.connections))


class Detective:
    """Takes conversations as they end; `finish` gives the findings, the gravest first."""

    def __init__(self, rules: Iterable[Rule] | None = None) -> None:
        """`rules` are those to apply: all that there are where None."""
        self.scene = Scene()
        self.uncounted = 0
        self.faults: dict[str, str] = {}  # rules that failed, a fault of theirs: what happened
        self._rules = {each.id: each for each in (all_rules().values() if rules is None else rules)}
        self._monitors: set[int] = set()  # connections of monitors only
        self._sightings: dict[tuple[str, str, str, str], _Sighting] = {}
        self._trace_rules = [each for each in self._rules.values() if each.scope == "trace"]
        self._scene_rules = [each for each in self._rules.values() if each.scope == "scene"]
        self._step_rules = [each for each in self._rules.values() if each.scope == "step"]
        self._naming: dict[tuple[str, str], list[str]] = {}
        self._by_kind: dict[tuple[str, str | None, bool], list[Rule]] = {}

    def take(self, conversation: Conversation) -> None:
        """A conversation that is over."""
        trace = Trace(conversation)
        for step in trace.steps:
            rules = self._rules_for(step)
            if rules:
                self._apply_to_step(rules, step)
        is_lenient = is_monitor(trace)
        for rule, hit in _hits(self._trace_rules, trace, self.faults):
            self._add(rule, hit, trace.pair, str(trace.server.port), is_lenient=is_lenient)
        if is_lenient:
            self._monitors.add(trace.id)
        trace.settle()
        self.scene.add(trace)

    def finish(
        self, captures: Iterable[CaptureFacts] = (), surroundings: Any = None, keys: tuple[KeyFacts, ...] = ()
    ) -> tuple[Finding, ...]:
        """All findings. `captures` tell when they began and ended; `surroundings` is what was seen beside TCP."""
        scene = self.scene
        times = [(each.start_ns, each.end_ns) for each in captures]
        scene.start_ns = min((start for start, _ in times if start is not None), default=None)
        scene.end_ns = max((end for _, end in times if end is not None), default=None)
        scene.surroundings, scene.keys = surroundings, keys
        scene.arrange()
        for rule, hit in _hits(self._scene_rules, scene, self.faults):
            self._add(rule, hit, ("", ""), "", is_lenient=self._concerns_monitors(hit))
        return self._told()

    def stories(self) -> tuple[Story, ...]:
        """What belongs together over connections; to be asked after `finish`."""
        from tlsdecrypt.findings.storytellers import tell_stories  # noqa: PLC0415 - beside the rules, not below them

        try:
            return tell_stories(self.scene)
        except Exception as fault:  # noqa: BLE001 - as for rules: it must not cost the findings
            self.faults["stories"] = type(fault).__name__
            return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know about the findings."""
        notes = [f"the rule {each} failed, please report it: {what}" for each, what in sorted(self.faults.items())]
        if self.uncounted:
            notes.append(
                f"{self.uncounted:,} more findings of {MAX_FINDINGS:,} different kinds and places are not told"
            )
        if self.scene.forgotten:
            notes.append(f"rules over several connections saw only the last {len(self.scene.traces):,} of them")
        return tuple(notes)

    def _concerns_monitors(self, hit: Hit) -> bool:
        seen_on = {each.connection for each in hit.evidence if each.connection is not None}
        return bool(seen_on) and seen_on <= self._monitors

    def _rules_for(self, step: Step) -> list[Rule]:
        kind = step.protocol, step.service, step.status is not None and step.status >= FIRST_FAILURE
        rules = self._by_kind.get(kind)
        if rules is None:
            rules = self._by_kind[kind] = [each for each in self._step_rules if _concerns(each, *kind)]
        return rules

    def _apply_to_step(self, rules: list[Rule], step: Step) -> None:
        is_lenient: bool | None = None
        for rule, hit in _hits(rules, step, self.faults):
            if is_lenient is None:
                is_lenient = is_probe(step)
            self._add(rule, hit, step.trace.pair, step.place, is_lenient=is_lenient)

    def _add(self, rule: Rule, hit: Hit, pair: tuple[str, str], place: str, *, is_lenient: bool) -> None:
        severity = rule.severity if hit.severity is None else hit.severity
        if is_lenient and not rule.is_about_monitors:
            severity = Severity.INFO
        seen_on = (each.connection for each in hit.evidence if each.connection is not None)
        finding = Finding(
            rule=rule.id,
            severity=severity,
            confidence=rule.confidence if hit.confidence is None else hit.confidence,
            summary=hit.summary,
            advice=rule.advice if hit.advice is None else hit.advice,
            evidence=hit.evidence[:MAX_EVIDENCE],
            client=pair[0] if hit.client is None else hit.client,
            server=pair[1] if hit.server is None else hit.server,
            place=place if hit.place is None else hit.place,
            connections=tuple(dict.fromkeys((*seen_on, *hit.connections))),
            count=hit.count,
            caused_by=hit.caused_by,
        )
        key = finding.rule, finding.client, finding.server, finding.place
        sighting = self._sightings.get(key)
        if sighting is None:
            if len(self._sightings) >= MAX_FINDINGS:
                self.uncounted += 1
                return
            sighting = self._sightings[key] = _Sighting(finding)
        sighting.add(finding)

    def _told(self) -> tuple[Finding, ...]:
        findings = [self._spared(each.told()) for each in self._sightings.values()]
        by_rule = _by_rule(findings)
        findings = [each for each in findings if not self._speaking_over(each, by_rule, "suppresses")]
        by_rule = _by_rule(findings)
        for index, each in enumerate(findings):
            if each.caused_by in by_rule:
                continue
            findings[index] = replace(each, caused_by=None)  # what a rule named may not have been told after all
            cause = self._speaking_over(each, by_rule, "causes")
            if cause is not None:
                findings[index] = replace(each, caused_by=cause.rule)
        return tuple(sorted(findings, key=_gravest_first))

    def _spared(self, finding: Finding) -> Finding:
        """A note only, where all that is wrong is that Autodiscover found its settings elsewhere (guard 3)."""
        if finding.severity is Severity.INFO or not self._rules[finding.rule].spares_candidates:
            return finding
        spared = self.scene.derived(spared_connections)
        is_spared = bool(finding.connections) and spared.issuperset(finding.connections)
        return replace(finding, severity=Severity.INFO) if is_spared else finding

    def _speaking_over(self, finding: Finding, by_rule: dict[str, list[Finding]], column: str) -> Finding | None:
        """The finding of the same whose rule names that of `finding` in one of its columns."""
        concern = _concern_the_same if column == "causes" else _are_the_same
        for rule in self._rules_naming(finding.rule, column):
            for other in by_rule.get(rule, ()):
                if concern(finding, other):
                    return other
        return None

    def _rules_naming(self, rule_id: str, column: str) -> list[str]:
        key = rule_id, column
        found = self._naming.get(key)
        if found is None:
            rules = self._rules.values()
            found = self._naming[key] = [each.id for each in rules if fits(rule_id, getattr(each, column))]
        return found


def _by_rule(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = defaultdict(list)
    for each in findings:
        found[each.rule].append(each)
    return found


def _hits(rules: list[Rule], subject: Step | Trace | Scene, faults: dict[str, str]) -> Iterator[tuple[Rule, Hit]]:
    """What rules say. One that fails is a fault of this program, and must not cost the others' findings."""
    for rule in rules:
        try:
            for hit in rule.apply(subject):
                yield rule, hit
        except Exception as fault:  # noqa: BLE001 - whatever it is
            faults.setdefault(rule.id, f"{type(fault).__name__} on {subject!r:.60}")


def _concerns(rule: Rule, protocol: str, service: str | None, is_failed: bool) -> bool:  # noqa: FBT001 - one key
    is_for_it = (not rule.protocols or protocol in rule.protocols) and (not rule.services or service in rule.services)
    return is_for_it and (is_failed or not rule.is_for_failures)


def _concern_the_same(finding: Finding, other: Finding) -> bool:
    """Whether two findings are of the same connections, or between the same addresses (empty: any)."""
    if finding is other or (finding.rule == other.rule):
        return False
    if not {*finding.connections}.isdisjoint(other.connections):
        return True
    ends = ((finding.client, other.client), (finding.server, other.server))
    return finding.server != "" and all(theirs in (mine, "") for mine, theirs in ends)


def _are_the_same(finding: Finding, other: Finding) -> bool:
    """Whether two findings may tell one fault: between the same addresses, but not on different connections."""
    if finding.connections and other.connections and {*finding.connections}.isdisjoint(other.connections):
        return False
    return _concern_the_same(finding, other)


_LAYERS = ("l2", "icmp", "dns", "tcp", "lb", "tls", "http", "proxy", "oauth", "wstrust", "adfs")  # then applications


def _gravest_first(finding: Finding) -> tuple[bool, int, bool, int, int, int]:
    """Causes before followers; of these the gravest, hints last; then the lowest layer, the surest, the first."""
    first = min((each.frame for each in finding.evidence if each.frame is not None), default=0)
    family = finding.rule.partition(".")[0]
    layer = _LAYERS.index(family) if family in _LAYERS else len(_LAYERS)
    is_hint = finding.confidence is Confidence.HINT
    return finding.caused_by is not None, -finding.severity, is_hint, layer, -finding.confidence, first
