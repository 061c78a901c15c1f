"""The detective: what it makes of hits, over real connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from packets import C, S, Scene, http_request, http_response

from tlsdecrypt.findings import detective as subject
from tlsdecrypt.findings.detective import MAX_EVIDENCE, TIMES_SHOWN, Detective
from tlsdecrypt.findings.finding import LONGEST_QUOTE, Confidence, Evidence, Severity, quote
from tlsdecrypt.findings.rule import Hit, Rule, all_rules, fits, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tlsdecrypt.findings.finding import Finding

SAID = [C(http_request("GET /owa/")), S(http_response("500 Error"))]


def a_rule(apply: Callable[[Any], Iterator[Hit]], rule_id: str = "test.one", **changed: Any) -> Rule:
    facts: dict[str, Any] = {
        "severity": Severity.ERROR,
        "confidence": Confidence.CERTAIN,
        "advice": "Mend it.",
        "source": "none",
        "scope": "step",
        "services": frozenset(),
        "protocols": frozenset({"http"}),
        "suppresses": (),
        "causes": (),
        "is_about_monitors": False,
    }
    return Rule(id=rule_id, apply=apply, **(facts | changed))


def on_errors(step: Any) -> Iterator[Hit]:
    if step.status == 500:
        yield Hit(f"{step.path} failed", step.evidence)


def findings(scene: Scene, *rules: Rule) -> tuple[Finding, ...]:
    found, _ = investigated(scene, *rules)
    return found


def investigated(scene: Scene, *rules: Rule) -> tuple[tuple[Finding, ...], Detective]:
    analysis = scene.analysis()
    detective = Detective(rules)
    for conversation in analysis.conversations:
        detective.take(conversation)
    return detective.finish(analysis.captures), detective


def scene(*dialogues: list[Any], **where: Any) -> Scene:
    made = Scene()
    for said in dialogues:
        made.dialogue(said, **where)
    return made


def test_the_same_fault_at_the_same_place_is_told_once_with_the_first_frames() -> None:
    (finding,) = findings(scene(*[SAID] * 5), a_rule(on_errors))
    assert finding.count == 5
    assert finding.connections == (1, 2, 3, 4, 5)
    assert len(finding.evidence) == 2 * TIMES_SHOWN
    assert finding.evidence[0].frame == 4
    assert (finding.client, finding.server, finding.place) == ("192.0.2.10", "198.51.100.20", "GET /owa/")


def test_faults_of_other_clients_and_paths_are_told_apart() -> None:
    made = scene(SAID)
    made.dialogue(SAID, client="192.0.2.11")
    made.dialogue([C(http_request("GET /ecp/")), SAID[1]])
    assert len(findings(made, a_rule(on_errors))) == 3


def test_the_gravest_of_several_hits_is_told() -> None:
    def grows(step: Any) -> Iterator[Hit]:
        severity = Severity.ERROR if step.trace.id == 2 else Severity.INFO
        yield Hit(f"seen on {step.trace.id}", (), severity=severity, connections=(step.trace.id,))

    (finding,) = findings(scene(SAID, SAID), a_rule(grows))
    assert (finding.severity, finding.summary, finding.count) == (Severity.ERROR, "seen on 2", 2)


def test_the_specific_suppresses_the_general_on_the_same_connection_only() -> None:
    general = a_rule(on_errors, "test.general")
    special = a_rule(
        lambda step: on_errors(step) if "owa" in step.path else iter(()), "test.special", suppresses=("test.g*",)
    )
    made = scene(SAID)
    made.dialogue([C(http_request("GET /ecp/")), SAID[1]], client="192.0.2.11")
    told = [(each.rule, each.place) for each in findings(made, general, special)]
    assert told == [("test.special", "GET /owa/"), ("test.general", "GET /ecp/")]


@pytest.mark.parametrize("is_apart", [True, False])
def test_the_specific_leaves_the_general_on_other_connections_of_the_same_hosts(*, is_apart: bool) -> None:
    general = a_rule(on_errors, "test.general")
    special = a_rule(
        lambda step: on_errors(step) if "owa" in step.path else iter(()), "test.special", suppresses=("test.g*",)
    )
    also = [C(http_request("GET /ecp/")), SAID[1]]
    made = scene(SAID, also) if is_apart else scene([*SAID, *also])
    told = {(each.rule, each.place) for each in findings(made, general, special)}
    assert told == {("test.special", "GET /owa/"), *([("test.general", "GET /ecp/")] if is_apart else [])}


def test_what_follows_from_another_finding_names_it_and_comes_last() -> None:
    follower = a_rule(on_errors, "a.follower")
    cause = a_rule(on_errors, "b.cause", causes=("a.follower",), severity=Severity.WARNING)
    told = [(each.rule, each.caused_by) for each in findings(scene(SAID), follower, cause)]
    assert told == [("b.cause", None), ("a.follower", "b.cause")]


def test_a_cause_that_the_rule_itself_names_counts_more_than_the_table() -> None:
    def explained(step: Any) -> Iterator[Hit]:
        yield Hit(f"{step.path} failed", step.evidence, caused_by="c.reason")

    rules = a_rule(explained, "a.follower"), a_rule(on_errors, "b.cause", causes=("a.follower",))
    told = {each.rule: each.caused_by for each in findings(scene(SAID), *rules, a_rule(on_errors, "c.reason"))}
    assert told == {"a.follower": "c.reason", "b.cause": None, "c.reason": None}
    told = {each.rule: each.caused_by for each in findings(scene(SAID), *rules)}
    assert told == {"a.follower": "b.cause", "b.cause": None}, "a cause that was not told is none"
    assert [each.caused_by for each in findings(scene(SAID), rules[0])] == [None]


def test_the_lower_layer_is_named_first_and_hints_after_what_is_sure() -> None:
    rules = [
        a_rule(on_errors, "ews.x"),
        a_rule(on_errors, "dns.x"),
        a_rule(on_errors, "tls.x"),
        a_rule(on_errors, "l2.x", confidence=Confidence.HINT),
        a_rule(on_errors, "tcp.x", severity=Severity.WARNING),
    ]
    assert [each.rule for each in findings(scene(SAID), *rules)] == ["dns.x", "tls.x", "ews.x", "l2.x", "tcp.x"]


def test_probes_of_monitors_get_notes_unless_they_are_the_subject() -> None:
    probe = [C(http_request("GET /owa/", ["User-Agent: AMProbe/Local"])), SAID[1]]
    rules = a_rule(on_errors), a_rule(on_errors, "test.monitors", is_about_monitors=True)
    assert {each.rule: each.severity for each in findings(scene(probe), *rules)} == {
        "test.one": Severity.INFO,
        "test.monitors": Severity.ERROR,
    }


def test_rules_of_connections_and_of_the_scene_see_all() -> None:
    def per_trace(trace: Any) -> Iterator[Hit]:
        yield Hit(f"{trace.server} with {len(trace.steps)}", (trace.opening,))

    def per_scene(scene: Any) -> Iterator[Hit]:
        yield Hit(f"{len(scene.traces)} connections, {len(scene.steps)} steps", (), client="", server="")

    rules = a_rule(per_trace, "test.trace", scope="trace"), a_rule(per_scene, "test.scene", scope="scene")
    told = {each.rule: each.summary for each in findings(scene(SAID, SAID), *rules)}
    assert told == {"test.trace": "198.51.100.20:80 with 1", "test.scene": "2 connections, 2 steps"}


def test_steps_are_given_only_to_rules_of_their_service() -> None:
    def always(step: Any) -> Iterator[Hit]:
        yield Hit("seen", step.evidence)

    rules = (
        a_rule(always, "test.ews", services=frozenset({"ews"})),
        a_rule(always, "test.owa", services=frozenset({"owa"})),
        a_rule(always, "test.smtp", protocols=frozenset({"smtp"})),
    )
    assert [each.rule for each in findings(scene(SAID), *rules)] == ["test.owa"]


def test_a_rule_that_fails_costs_only_itself_and_is_named() -> None:
    def fails(_step: Any) -> Iterator[Hit]:
        raise KeyError("x")
        yield

    found, detective = investigated(scene(SAID), a_rule(fails, "test.broken"), a_rule(on_errors))
    assert [each.rule for each in found] == ["test.one"]
    assert "test.broken" in detective.notes[0]
    assert "KeyError" in detective.notes[0]


def test_the_number_of_findings_is_bounded_and_the_rest_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_FINDINGS", 2)
    made = scene(*[[C(http_request(f"GET /{number}")), SAID[1]] for number in range(5)])
    found, detective = investigated(made, a_rule(on_errors))
    assert len(found) == 2
    assert "3 more findings" in detective.notes[0]


def test_the_number_of_connections_that_rules_see_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlsdecrypt.findings.scene.MAX_TRACES", 2)
    _, detective = investigated(scene(*[SAID] * 5), a_rule(on_errors))
    assert len(detective.scene.traces) == 2
    assert any("only the last 2" in note for note in detective.notes)


def test_evidence_is_bounded() -> None:
    def loud(step: Any) -> Iterator[Hit]:
        yield Hit("loud", tuple(Evidence(number, step.trace.id, "x") for number in range(100)))

    (finding,) = findings(scene(SAID), a_rule(loud))
    assert len(finding.evidence) == MAX_EVIDENCE
    assert len(quote("x " * 1_000)) <= LONGEST_QUOTE


def nothing(_what: Any) -> Iterator[Hit]:
    return iter(())


def test_a_rule_enters_the_table_once_and_says_what_it_looks_at() -> None:
    entered = rule("test.entered", Severity.INFO, advice="", source="")
    with pytest.raises(ValueError, match=r"test\.entered"):
        entered(nothing)
    with pytest.raises(ValueError, match="defined twice"):
        rule(next(iter(all_rules())), Severity.INFO, advice="", source="")(on_errors)


@pytest.mark.parametrize("each", all_rules().values(), ids=lambda each: each.id)
def test_every_rule_has_a_stable_id_an_explanation_advice_and_a_source(each: Rule) -> None:
    area, dot, fault = each.id.partition(".")
    assert area.isalnum()
    assert dot
    assert fault
    assert each.id == each.id.lower()
    assert len(each.explanation) > 40
    assert each.advice.endswith((".", "?", ")"))
    assert each.source
    assert all(any(fits(other, (pattern,)) for other in all_rules()) for pattern in (*each.suppresses, *each.causes)), (
        "suppresses or causes a rule that is none"
    )
