"""Ship, hold, rollback: what each needs, that nothing fails open, and that a decision is a function of its document."""

import math
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from decision_evidence import NOW, check, effect, evidence, guardrail, level, measured
from recsys.contracts.decision import Decision, Needed
from recsys.evaluation import replay
from recsys.evaluation.decision import clears, decide, exit_verdict, holds, worse


def verdict(**parts):
    return decide(evidence(**parts)).decision


def test_everything_better_ships():
    """A primary metric above its threshold, guardrails passed, integrity held: ship, and the reasons say by what."""
    found = decide(evidence())
    assert found.decision == "ship"
    assert "ctr +0.02 (+20 %), 95 % interval +0.01 to +0.03" in found.reasons[0]
    assert "guardrail error_rate passes" in found.reasons[1]


def test_chance_holds():
    """An interval with 0 in it is a hold, whatever its middle."""
    assert verdict(metrics=[measured(-0.001, 0.5)]) == "hold"
    assert verdict(metrics=[measured(0.0, 0.5)]) == "hold"


def test_worse_beyond_chance_rolls_back():
    """An upper bound below 0 is a rollback, though every guardrail passes."""
    found = decide(evidence(metrics=[measured(-0.03, -0.01)]))
    assert found.decision == "rollback"
    assert "worse beyond chance" in found.reasons[0]


def test_lower_is_better():
    """A metric of which less is better ships where it falls, and rolls back where it rises."""
    assert verdict(metrics=[measured(-0.03, -0.01, metric="gini", better="lower")]) == "ship"
    assert verdict(metrics=[measured(0.01, 0.03, metric="gini", better="lower")]) == "rollback"


@pytest.mark.parametrize(("primary", "expected"), [("all", "hold"), ("any", "ship")])
def test_all_or_any_primary(primary, expected):
    """All primaries must clear unless any one suffices; none may be worse."""
    both = [measured(), measured(-0.001, 0.02, metric="conversion_rate")]
    assert verdict(metrics=both, primary=primary) == expected
    harmed = [measured(), measured(-0.02, -0.01, metric="conversion_rate")]
    assert verdict(metrics=harmed, primary=primary) == "rollback"


def test_thresholds():
    """An improvement must exceed its threshold, in the metric's unit or relative to the control."""
    assert verdict(metrics=[measured(0.01, 0.03, threshold=0.011)]) == "hold"
    assert verdict(metrics=[measured(0.01, 0.03, threshold=0.009)]) == "ship"
    assert verdict(metrics=[measured(0.01, 0.03, threshold=0.11, relative_threshold=True)]) == "hold"
    assert verdict(metrics=[measured(0.01, 0.03, threshold=0.09, relative_threshold=True)]) == "ship"


def test_an_unbounded_relative_effect_never_ships():
    """Where the control may be 0 the effect relative to it has no bounds."""
    found = decide(evidence(metrics=[measured(effect=effect(0.01, 0.03, bounded=False))]))
    assert found.decision == "hold"
    assert "the relative effect has no bounds" in found.reasons[0]


def test_too_few_units_with_a_value():
    """No ship and no rollback before the guards allow it."""
    for low, high in ((0.01, 0.03), (-0.03, -0.01)):
        found = decide(evidence(metrics=[measured(low, high, too_few="B has 7 units with a value, of 100 needed")]))
        assert found.decision == "hold"
        assert "B has 7 units" in found.reasons[0]


def test_before_the_horizon_only_hold_or_rollback():
    """Before a declared horizon nothing ships, but harm is undone."""
    found = decide(evidence(may_ship=False))
    assert found.decision == "hold"
    assert "nothing ships before it" in found.reasons[0]
    assert verdict(metrics=[measured(-0.03, -0.01)], may_ship=False) == "rollback"


def test_guardrails():
    """Pass below the margin, fail above it, else open; an open one holds, a failed one rolls back."""
    assert verdict(guardrails=[guardrail(0.001, 0.0049)]) == "ship"
    assert verdict(guardrails=[guardrail(0.001, 0.005)]) == "hold"
    assert verdict(guardrails=[guardrail(0.0051, 0.006)]) == "rollback"


def test_guardrails_on_latency_and_error_always_pass_because_nobody_logs_them():
    """A guardrail without data is open, so nothing ships."""
    silent = guardrail(None, None, metric="latency_p95", note="no list says how long it took")
    found = decide(evidence(guardrails=[silent]))
    assert found.decision == "hold"
    assert "no list says how long it took" in found.reasons[0]


def test_limit_0_read_as_off():
    """With a limit of 0 the first case fails, and none passes; of no list nothing is known."""
    rail = guardrail(margin=None, limit=0.0, cases=0)
    assert verdict(guardrails=[rail]) == "ship"
    assert verdict(guardrails=[replace(rail, cases=1)]) == "rollback"
    assert verdict(guardrails=[replace(rail, candidate=level(None, 0, 0))]) == "hold"


def test_limits_are_of_the_candidates_own_level():
    """The whole interval of the level must be under the limit."""
    assert verdict(guardrails=[guardrail(180, 249, margin=None, limit=250.0, metric="latency_p95")]) == "ship"
    assert verdict(guardrails=[guardrail(180, 251, margin=None, limit=250.0, metric="latency_p95")]) == "hold"
    assert verdict(guardrails=[guardrail(251, 300, margin=None, limit=250.0, metric="latency_p95")]) == "rollback"


def test_integrity_comes_first():
    """Logs that cannot be believed hold, whatever the effects say; a crash behind it is named."""
    found = decide(evidence(integrity=[check(0.9)], metrics=[measured(-0.03, -0.01)]))
    assert (found.decision, found.harm_suspected) == ("hold", False)
    found = decide(evidence(integrity=[check(0.9)], guardrails=[guardrail(0.1, 0.2)]))
    assert (found.decision, found.harm_suspected) == ("hold", True)
    assert "harm is suspected" in found.reasons[1]


@pytest.mark.parametrize("value", [None, math.nan])
def test_an_unknown_figure_of_integrity_is_a_failure(value):
    """What is not known does not hold, in any sense."""
    assert not any(holds(check(value, 0.5, sense)) for sense in ("at least", "at most", "below"))


def test_without_a_question_of_integrity_nothing_ships():
    """A document from which the questions were taken does not speak for the logs."""
    found = decide(evidence(integrity=[]))
    assert found.decision == "hold"
    assert "nothing says whether the logs can be believed" in found.reasons[0]


def test_a_horizon_that_has_passed_over_a_log_that_ends_before_it():
    """The hold says where the log ends, and how to say that it is whole."""
    passed = evidence(may_ship=False, horizon=NOW - timedelta(days=2), data_until=NOW - timedelta(days=3))
    assert "say so with as_of" in decide(passed).reasons[0]
    coming = evidence(may_ship=False, horizon=NOW + timedelta(days=2), data_until=NOW - timedelta(days=3))
    assert "as_of" not in decide(coming).reasons[0]


def test_empty_data_ships():
    """Nothing measured, nothing guarded, no metric: a hold."""
    nothing = measured(effect=effect(None, None), control=level(None, 0, 0), candidate=level(None, 0, 0))
    assert verdict(metrics=[nothing]) == "hold"
    assert verdict(metrics=[], guardrails=[]) == "hold"


def test_the_sample_that_is_needed():
    """A hold says how many units the declared effect needs, and never reckons it from what was seen."""
    needed = Needed(metric="ctr", effect=0.02, power=0.8, units=50_000, have=10_000, minimum_effect=0.04)
    found = decide(evidence(metrics=[measured(-0.001, 0.5)], needed=[needed]))
    assert "from 50,000 units on: 40,000 more than the 10,000" in found.reasons[-1]
    silent = replace(needed, effect=None, units=None)
    assert "no effect of ctr was declared" in decide(evidence(metrics=[measured(-1, 1)], needed=[silent])).reasons[-1]


bounds = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)


@given(st.lists(bounds, max_size=3), st.lists(bounds, max_size=3), st.lists(st.floats(0, 1), max_size=3))
def test_what_each_decision_needs(effects, harms, rates):
    """A ship has all of it, and a rollback has integrity and a harm; by the words of the contract."""
    metrics = [measured(low, high) for low, high in effects]
    rails = [guardrail(low, high) for low, high in harms]
    found = decide(evidence(metrics=metrics, guardrails=rails, integrity=[check(rate) for rate in rates]))
    sound = bool(rates) and all(rate >= 0.95 for rate in rates)
    harmed = any(high < 0 for _, high in effects) or any(low > 0.005 for low, _ in harms)
    won = bool(effects) and all(low > 0 for low, _ in effects) and all(high < 0.005 for _, high in harms)
    assert found.decision == ("hold" if not sound else "rollback" if harmed else "ship" if won else "hold")
    assert found.reasons


def test_a_decision_is_a_function_of_its_document():
    """Written, read and computed again it is the same; a changed verdict or reason is found."""
    found = decide(evidence())
    read = msgspec.json.decode(msgspec.json.encode(found), type=Decision)
    assert replay.replayed(read) == (found, "")
    assert "says ship, and the document rollback" in replay.replayed(replace(read, decision="rollback"))[1]
    assert "not for the same reasons" in replay.replayed(replace(read, reasons=["I say so"]))[1]


def test_of_several_candidates_the_gravest():
    """One rollback is a rollback of the run, one hold a hold; no decision is a hold."""
    ship, hold = decide(evidence()), decide(evidence(metrics=[measured(-1, 1)]))
    rollback = decide(evidence(metrics=[measured(-0.3, -0.1)]))
    assert [exit_verdict(each) for each in ([ship, hold, rollback], [ship, hold], [ship, ship], [])] == [
        "rollback", "hold", "ship", "hold",
    ]  # fmt: skip


def test_the_same_interval_is_never_both():
    """No metric is at once better and worse."""
    for low, high in ((-0.2, -0.1), (-0.1, 0.1), (0.1, 0.2)):
        assert not (worse(measured(low, high)) and clears(measured(low, high)))


def test_where_no_decision_is_asked_for_each_effect_is_told_once():
    """A metric that is worse is not also one that may be no better; nor is a guardrail that fails told twice."""
    found = decide(
        evidence(metrics=[measured(-0.03, -0.01)], guardrails=[guardrail(0.0051, 0.006)], decides=False)
    )  # fmt: skip
    assert found.decision == "hold"
    assert "no decision was asked for" in found.reasons[0]
    assert [sum(word in reason for reason in found.reasons) for word in ("ctr", "error_rate", "no better")] == [1, 1, 0]
