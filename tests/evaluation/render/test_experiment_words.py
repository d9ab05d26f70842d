"""Figures and sentences of experiments."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import experiment_reports as reports
from decision_evidence import effect, guardrail, measured, rule
from recsys.contracts.decision import Needed
from recsys.contracts.experiment import Interaction
from recsys.evaluation import render
from recsys.evaluation.render import aa_check_words, digits, experiment_tables
from recsys.evaluation.render import experiment_words as words
from recsys.evaluation.render.cells import Result


@given(st.floats(min_value=1e-8, max_value=1e12), st.sampled_from([1, -1]))
def test_four_digits_matter(size, sign):
    """What is printed reads back as the figure to four digits, without an exponent."""
    shown = digits.number(sign * size)
    assert "e" not in shown
    assert float(shown.replace(",", "")) == pytest.approx(sign * size, rel=6e-4)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (math.nan, "—"), (math.inf, "—"), (0.0, "0"), (0.5, "+0.5"), (-0.012345, "-0.01235"),
     (12345.6, "+12,346"), (1e-12, "+1.000e-12"), (1000.0, "+1,000"), (99.996, "+100")],
)  # fmt: skip
def test_figures_have_signs_and_no_made_up_digits(value, shown):
    """What is no figure is a dash; a change has its sign."""
    assert digits.signed(value) == shown


def test_a_p_value_is_never_zero():
    """However small it is."""
    assert digits.p(0.0) == "< 0.0001"
    assert digits.p(0.04321) == "0.0432"
    assert digits.p(None) == "—"


@pytest.mark.parametrize(
    ("log_e", "told"),
    [(0.0, "1 to 1 against"), (math.log(12), "12 to 1 against"), (-math.log(8), "1 to 8, which is in favour of"),
     (5e4, "more than a million to 1 against"), (-5e4, "1 to more than a million, which is in favour of")],
)  # fmt: skip
def test_evidence_is_told_as_odds(log_e, told):
    """The logarithm says nothing to anybody, and a large one is over every float."""
    assert digits.odds(log_e) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(8, "8 s"), (90, "1.5 min"), (7_200, "2 h"), (604_800, "7 d"), (0.5, "0.5 s")]
)
def test_times_are_told_in_their_largest_unit(seconds, told):
    """Nobody reads 604,800 seconds."""
    assert digits.span(seconds) == told


def test_the_standing_of_a_primary_metric_is_that_of_the_decision():
    """Better only where the whole interval clears the threshold, and worse only where all of it is below 0."""
    assert words.standing(measured(0.01, 0.03)) == "better"
    assert words.standing(measured(0.01, 0.03, threshold=0.02)) == "open"
    assert words.standing(measured(-0.03, -0.01)) == "worse"
    assert words.standing(measured(-0.03, -0.01, better="lower")) == "better"
    assert words.standing(measured(0.01, 0.03, too_few="71 users")) == "open"


def test_what_does_not_decide_is_found_by_its_adjusted_p():
    """A change is no finding where its p is not under the level, and none is without a p."""
    assert words.found(0.03, 0.05, -1.0, "lower") == "better"
    assert words.found(0.03, 0.05, -1.0, "higher") == "worse"
    assert words.found(0.05, 0.05, 1.0, "higher") == "no change found"
    assert words.found(None, 0.05, 1.0, "higher") == "not tested"
    [candidate] = reports.ship().experiment.candidates
    likely = replace(measured(), effect=replace(effect(0.01, 0.03), p=0.01), adjusted_p=0.2)
    [row] = experiment_tables.described([likely], candidate.decision).rows
    assert row[1] == Result("no change found")


def test_an_interval_says_what_it_is_worth():
    """That of a sequence holds at every look, that of a horizon does not."""
    assert "holds at every look" in words.interval_words(rule())
    fixed = words.interval_words(rule(sequence=False))
    assert "this one look" in fixed
    assert "holds at every look" not in fixed


def test_the_error_is_told_with_what_shares_it():
    """Two candidates that share 5 % have 2.5 % each."""
    told = " ".join(words.rule_words(rule(candidates=2, alpha_each=0.025)))
    assert "Allowed error 5 %" in told
    assert "2.5 % of it, shared by 2 candidates" in told


def test_ways_of_making_intervals_are_told_once():
    """With the names of the metrics where there are several ways, and never for one that has no interval."""
    one, other = replace(effect(0, 1), corrections=["x"]), replace(effect(0, 1), corrections=["y"])
    none = replace(effect(0, 1), low=None, high=None)
    assert list(words.hows([("a", one), ("b", one), ("c", none)])) == ["95 % interval: a sequence. It contains: x."]
    told = list(words.hows([("a", one), ("b", other)]))
    assert told == ["a: 95 % interval: a sequence. It contains: x.", "b: 95 % interval: a sequence. It contains: y."]


def test_guardrails_say_what_is_allowed():
    """A margin of harm, in the unit or relative to the control, or a limit of the level."""
    assert words.allowed(guardrail(margin=0.005)) == "harm under 0.005"
    assert words.allowed(guardrail(margin=0.2, relative=True)) == "harm under 20 %"
    assert words.allowed(guardrail(margin=None, limit=0.0)) == "at most 0"


def test_an_unbounded_relative_effect_has_no_interval():
    """The absolute one stands, and of the other it is said that it has no bounds."""
    [candidate] = reports.ship().experiment.candidates
    loose = replace(effect(-0.01, 0.03, bounded=False), relative_low=None, relative_high=None)
    cells = experiment_tables.primary(replace(candidate.decision, metrics=[measured(effect=loose)]))
    assert cells.rows[0][cells.headings.index("relative interval")] == "no bounds"
    assert cells.rows[0][cells.headings.index("interval")] == "-0.01 to +0.03"


def test_the_sample_is_told_without_the_effect_that_was_seen():
    """What was declared, what it needs, what there is; and that nothing was declared where nothing was."""
    told = words.needed(Needed(metric="ctr", effect=0.02, power=0.8, units=8_400, have=5_000, minimum_effect=0.031))
    assert told == (
        "The declared effect of 2 % needs 8,400 users. With the 5,000 users that there are, an effect of 3.1 % is "
        "found with 80% power."
    )
    none = words.needed(Needed(metric="ctr", effect=None, power=0.8, units=None, have=0, minimum_effect=None))
    assert none == "There are 0 users. No effect was declared, so nothing says how many users it needs."


def test_slices_differ_by_the_adjusted_p():
    """Under the level they differ; without a test it is said that nothing can be."""
    each = Interaction(key="surface", metric="ctr", slices=3, p=0.02, adjusted_p=0.04)
    assert words.interaction(each, 0.05).startswith("It differs between the 3 values of surface")
    assert words.interaction(replace(each, adjusted_p=0.2), 0.05).startswith("No difference is shown")
    unknown = words.interaction(replace(each, p=None, adjusted_p=None, note="one value only"), 0.05)
    assert unknown == "Whether the effect differs by surface cannot be said: one value only."


def test_the_summary_is_a_few_lines_that_a_terminal_may_show():
    """Verdict and reasons of each candidate; harm where it is suspected; no escape of a name gets through."""
    assert words.summary(reports.two()).splitlines()[0] == "SHIP B against A in exp-1"
    assert "ROLLBACK C against A in exp-1\n  ctr -0.02" in words.summary(reports.two())
    assert "Harm is suspected" in words.summary(reports.unbelievable())
    assert words.summary(reports.empty()).startswith("HOLD: 0 exposures.\n  there is no valid exposure")
    hostile = words.summary(reports.hostile())
    assert all(char.isprintable() for line in hostile.splitlines() for char in line)
    assert len(hostile.splitlines()) < 20


def test_an_aa_check_says_what_its_verdict_means():
    """A failure is of our tests, not of an arm; what cannot be tested is told with its note."""
    assert "hold their error rate" in aa_check_words.meaning(reports.aa_check("fail"))
    assert aa_check_words.summary(reports.aa_check()) == "PASS: 3 metrics, 1,000 splits.\n"
    cells = aa_check_words.cells(reports.aa_check("fail").aa_check)
    assert [row[1].text for row in cells.rows] == ["pass", "FAIL", "unusable"]
    assert cells.rows[2][-1] == "no list says how long it took"


def test_without_a_decision_none_is_told():
    """Where none was asked for, no renderer says ship, hold or rollback as if it were one."""
    made = reports.ship()
    quiet = replace(made, summary=replace(made.summary, status="pass"))
    assert words.summary(quiet).startswith("NOT DECIDED B against A")
    assert "**NOT DECIDED** `B`" in render.text(quiet, "markdown")
    page = render.text(quiet, "html")
    assert "<b>NOT DECIDED</b>" in page
    assert "<b>SHIP</b>" not in page


def test_a_note_is_told_once():
    """What stands among the experiment's notes and among the report's is the same note."""
    made = reports.ship()
    notes = made.experiment.trial.notes
    assert words.notes(replace(made, warnings=[*made.warnings, *notes])) == [*notes, *made.warnings]
