"""The section ``experiment`` of a YAML: what it says is what is run, and a mistake is named where it stands."""

from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.evaluation.experiment import measures, read_settings
from recsys.evaluation.experiment.guardrails import DEFAULT_GUARDRAILS, GuardrailRule
from recsys.evaluation.experiment.settings import ExperimentConfig, Threshold

instants = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))
names = st.sampled_from([*measures.RATIOS, "latency_p95", "latency_p99.9", "ndcg@10", "mrr@5|responded", "gini"])
sections = st.fixed_dictionaries(
    {},
    optional={
        "experiment_id": st.just("exp-1"),
        "as_of": instants.map(datetime.isoformat),
        "scope": st.sampled_from(["request", "user"]),
        "primary_metrics": st.lists(names, min_size=1, max_size=3, unique=True),
        "primary_rule": st.sampled_from(["all", "any"]),
        "secondary_metrics": st.just([]),
        "guardrails": st.lists(
            st.sampled_from(
                [{"metric": "error_rate", "margin": 0.01}, {"metric": "latency_p99", "margin": "12.5%"},
                 {"max_empty_rate": 0}, {"metric": "error_rate", "limit": 0.5}]
            ), unique_by=str, max_size=4,
        ),
        "cuped": st.sampled_from([{"enabled": True, "covariate_key": "history"}, {"enabled": True}, {}]),
        "srm": st.sampled_from([{"expected": {"A": 9, "B": 1}}, {"enabled": False, "alpha": 0.01}]),
        "sequential": st.fixed_dictionaries({"planned_units": st.integers(100, 10**9)}),
        "power": st.sampled_from([{"effect": 0.02}, {"effect": "5%", "power": 0.9}]),
        "bootstrap": st.fixed_dictionaries({"seed": st.integers(0, 2**62), "buckets": st.sampled_from([16, 4096])}),
        "revenue_cap": st.floats(0.01, 1e9),
        "decision": st.sampled_from([{"enabled": False}, {}]),
    },
)  # fmt: skip


@given(sections)
def test_what_is_run_reads_back_the_same(section):
    """What a report says was run, put into a YAML, is read as the same settings."""
    chosen = read_settings.read(yaml.safe_load(yaml.safe_dump(section)), "experiment")
    again = yaml.safe_load(yaml.safe_dump(chosen.effective()))
    assert read_settings.read(again, "experiment") == chosen


def test_defaults():
    """Nothing said: one primary metric, the guardrails of the contract, a sequence, no horizon."""
    chosen = read_settings.read({}, "experiment")
    assert chosen == ExperimentConfig()
    assert chosen.primary_metrics == ["ctr"]
    assert [rule.effective() for rule in chosen.guardrails] == [
        {"metric": "error_rate", "margin": 0.005}, {"metric": "empty_rate", "margin": 0.01},
        {"metric": "latency_p95", "margin": "20%"},
    ]  # fmt: skip
    assert chosen.arms is None


def test_an_empty_list_of_guardrails_is_none_and_no_list_is_the_default():
    """Guardrails are taken away on purpose only."""
    assert read_settings.read({"guardrails": []}, "e").guardrails == []
    assert read_settings.read({"guardrails": None}, "e").guardrails == list(DEFAULT_GUARDRAILS)


def test_limits_and_thresholds():
    """Both spellings of a limit, and thresholds in the unit of the metric or relative to the control."""
    mapping = read_settings.read({"guardrails": {"max_latency_p95_ms": 250}}, "e")
    assert mapping.guardrails == [GuardrailRule(metric="latency_p95", limit=250.0)]
    chosen = read_settings.read({"thresholds": {"ctr": "1.5%"}}, "e")
    assert chosen.thresholds == {"ctr": Threshold(value=0.015, relative=True)}


def test_declared_arms():
    """Arms are those that are expected, or the control with its candidates in equal shares."""
    assert read_settings.read({"srm": {"expected": {"A": 9, "B": 1}}}, "e").arms == {"A": 9.0, "B": 1.0}
    both = {"control_variant": "A", "candidate_variant": ["B", "C"]}
    assert read_settings.read(both, "e").arms == {"A": 1.0, "B": 1.0, "C": 1.0}


WRONG = [
    ({"primary_metric": "ctr"}, "e", "Did you mean 'primary_metrics'"),
    ({"primary_metrics": ["ctrr"]}, "e.primary_metrics[0]", "Did you mean 'ctr'"),
    ({"primary_metrics": []}, "e.primary_metrics", "needs a primary metric"),
    ({"primary_metrics": ["ctr", "ctr"]}, "e.primary_metrics", "named twice"),
    ({"primary_metrics": ["latency_p100"]}, "e.primary_metrics[0]", "no such metric"),
    ({"primary_metrics": ["gini|responded"]}, "e.primary_metrics[0]", "not a metric of an experiment"),
    ({"primary_metrics": ["intra_list_diversity@5"]}, "e.primary_metrics[0]", "not a metric of an experiment"),
    ({"secondary_metrics": ["ctr"]}, "e.secondary_metrics", "a primary one already"),
    ({"guardrails": [{"metric": "error_rate", "margin": 0}]}, "e.guardrails[0].margin", "margin of 0 cannot be passed"),
    ({"guardrails": [{"metric": "error_rate"}]}, "e.guardrails[0]", "a margin or a limit"),
    ({"guardrails": [{"metric": "ctr", "margin": 1, "limit": 1}]}, "e.guardrails[0]", "a margin or a limit"),
    ({"guardrails": [{"max_error_rate": -1}]}, "e.guardrails[0].max_error_rate", "not a usable value"),
    ({"guardrails": [{"metric": "ctr", "limit": 0.6}]}, "e.guardrails[0].limit", "more is better"),
    ({"guardrails": {"max_eror_rate": 1}}, "e.guardrails[0]", "Did you mean 'max_error_rate'"),
    ({"thresholds": {"cvr": 0.1}}, "e.thresholds", "for a primary metric"),
    ({"thresholds": {"ctr": -0.1}}, "e.thresholds.ctr", "not a usable value"),
    ({"srm": {"expected": {"A": 1}}}, "e.srm.expected", "two arms or more"),
    ({"srm": {"expected": {"A": 1, "B": 0}}}, "e.srm.expected.B", "not a usable value"),
    ({"control_variant": "C", "srm": {"expected": {"A": 1, "B": 1}}}, "e.srm", "not among those expected"),
    ({"control_variant": "A", "candidate_variant": "A"}, "e.candidate_variant", "named twice"),
    ({"cuped": {"covariate_key": "x"}}, "e.cuped.covariate_key", "says nothing without CUPED"),
    ({"sequential": {"horizon": "tomorrow"}}, "e.sequential.horizon", "not an instant"),
    ({"sequential": {"horizon": datetime(2026, 1, 1)}}, "e.sequential.horizon", "with an offset"),
    ({"bootstrap": {"buckets": 1000}}, "e.bootstrap.buckets", "power of two"),
    ({"power": {"effect": 0}}, "e.power.effect", "cannot be found"),
    ({"multiple_comparisons": {"alpha": 1}}, "e.multiple_comparisons.alpha", "not a usable value"),
    ({"power": {"power": 0.1}}, "e.power.power", "not a usable value"),
    (
        {"sequential": {"enabled": False, "horizon": "2026-01-01T00:00:00Z"}},
        "e.sequential.enabled",
        "needs the sequence",
    ),
    ({"decision": {"enabled": "yes"}}, "e.decision.enabled", "true or false"),
]


@pytest.mark.parametrize(("section", "place", "word"), WRONG, ids=[str(case[0])[:60] for case in WRONG])
def test_mistakes(section, place, word):
    """Where it stands, what was found, and what to write instead."""
    with pytest.raises(ConfigError) as refused:
        read_settings.read(section, "e")
    assert refused.value.where == place
    assert word in str(refused.value)


@given(names)
def test_a_name_parses_to_its_measure_and_prints_from_it(name):
    """``str(parse(name)) == name``."""
    assert str(measures.parse(name, "here")) == name
