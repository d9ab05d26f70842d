"""The evaluation YAML: what it says is what is run, and a mistake in it is named with the nearest known word."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recsys.attribution.policies import CHOICES, CREDITS
from recsys.attribution.policy import MAX_DURATION_S, REQUEST_ID_ONLY, Fallback, Policy
from recsys.errors import ConfigError
from recsys.evaluation import config
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.metrics import DEFAULT_PACK, KINDS
from recsys.evaluation.offline_config import Gate, OfflineConfig


def read(folder, text):
    path = folder / "evaluation.yaml"
    path.write_text(text)
    return config.read(str(path))


seconds = st.one_of(
    st.floats(0, MAX_DURATION_S), st.integers(0, int(MAX_DURATION_S)).map(float), st.sampled_from([1e-6, 2_592_000.0])
)
names = st.one_of(
    st.just("gini"), st.builds("{}@{}".format, st.sampled_from(sorted({*KINDS} - {"gini"})), st.integers(1, 1000))
)
slice_keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(str.strip)
configs = st.builds(
    EvaluationConfig,
    slice_keys=st.lists(slice_keys, max_size=8, unique=True),
    attribution=st.builds(
        Policy,
        tolerance_s=st.none() | seconds,
        windows_s=st.fixed_dictionaries({kind: st.none() | seconds for kind in ("click", "conversion")}),
        **{key: st.sampled_from(known) for key, known in CHOICES.items()},
        fallback=st.none() | st.builds(Fallback, credit=st.sampled_from(CREDITS), window_s=st.none() | seconds),
        min_match_rate=st.floats(0, 1),
        max_lost_rate=st.floats(0, 1),
    ).filter(lambda policy: policy.fallback is None or policy.tolerance_s is not None)
    | st.just(REQUEST_ID_ONLY),
    metrics=st.lists(names, min_size=1, max_size=5, unique=True),
)


@given(configs)
def test_the_effective_configuration_reads_back_the_same(tmp_path_factory, chosen):
    """What a report says was run, put into a YAML, is read as the same configuration, to the last digit."""
    text = yaml.safe_dump(chosen.effective(), allow_unicode=True)
    assert read(tmp_path_factory.getbasetemp(), text) == chosen


@pytest.mark.parametrize(
    "text", ["", "mode: offline", "attribution:", "offline: {}", "offline: {metrics: }", "attribution: {windows: }"]
)
def test_every_key_has_its_stated_default(tmp_path, text):
    """What is not said has its default: the pack, the slices tenant_id and surface, 5 s, no windows, 95 %."""
    assert read(tmp_path, text).effective() == {
        "mode": "offline",
        "slice_keys": ["tenant_id", "surface"],
        "attribution": {
            "policy": "standard", "tolerance": "5s", "windows": {"click": None, "conversion": None},
            "not_in_list": "refuse", "user_mismatch": "count", "touch": "every", "fallback": "none",
            "min_match_rate": 0.95, "max_lost_rate": 0.01,
        },
        "offline": {
            "metrics": [
                "hitrate@10", "precision@10", "recall@10", "ndcg@10", "map@10", "mrr@10", "coverage@10", "novelty@10",
                "gini", "intra_list_diversity@10",
            ],
            "gates": [], "bootstrap": {"level": 0.95}, "crossed_slices": [],
        },
    }  # fmt: skip
    assert read(tmp_path, text) == EvaluationConfig()


def test_every_key_is_read(tmp_path):
    """Each key changes what it names and nothing else."""
    found = read(
        tmp_path,
        """
        mode: offline
        slice_keys: surface
        attribution: {tolerance: 500ms, windows: {click: 1h, conversion: 7d}, min_match_rate: 0}
        offline: {metrics: [ndcg@5, {name: mrr, k: 3}, {name: gini}]}
        """,
    )
    assert found == EvaluationConfig(
        slice_keys=["surface"],
        attribution=Policy(tolerance_s=0.5, windows_s={"click": 3600.0, "conversion": 604_800.0}, min_match_rate=0.0),
        metrics=["ndcg@5", "mrr@3", "gini"],
    )
    assert [str(metric) for metric in found.parsed_metrics()] == found.metrics
    assert read(tmp_path, "attribution: {windows: {click: 30}}").attribution.windows_s == {
        "click": 30.0, "conversion": None,
    }  # fmt: skip


MISSPELT = [
    ("slicekeys: [a]", "", "slice_keys"),
    ("modes: offline", "", "mode"),
    ("Mode: offline", "", "mode"),
    ("attributions: {}", "", "attribution"),
    ("mode: ofline", ": mode", "offline"),
    ("attribution: {tolerence: 5s}", ": attribution", "tolerance"),
    ("attribution: {window: {}}", ": attribution", "windows"),
    ("attribution: {min_match: 0.9}", ": attribution", "min_match_rate"),
    ("attribution: {windows: {clicks: 1h}}", ": attribution.windows", "click"),
    ("attribution: {policy: request_id}", ": attribution.policy", "request_id_only"),
    ("attribution: {not_in_list: counts}", ": attribution.not_in_list", "count"),
    ("attribution: {user_mismatch: refused}", ": attribution.user_mismatch", "refuse"),
    ("attribution: {touch: First}", ": attribution.touch", "first"),
    ("attribution: {fallback: user_items}", ": attribution.fallback", "user_item"),
    ("attribution: {fallback: user_item, credit: lst}", ": attribution.credit", "last"),
    ("attribution: {touches: first}", ": attribution", "touch"),
    ("offline: {metric: [gini]}", ": offline", "metrics"),
    ("offline: {metrics: [ncdg@10]}", ": offline.metrics[0]", "ndcg"),
    ("offline: {metrics: [gini, recal@5]}", ": offline.metrics[1]", "recall"),
    ("offline: {metrics: [NDCG@10, gini]}", ": offline.metrics[0]", "ndcg"),
    ("offline: {metrics: [MAP@10]}", ": offline.metrics[0]", "map"),
    ("offline: {metrics: [{name: presicion, k: 5}]}", ": offline.metrics[0]", "precision"),
    ("offline: {metrics: [{nam: ndcg, k: 5}]}", ": offline.metrics[0]", "name"),
]


@pytest.mark.parametrize(("text", "place", "nearest"), MISSPELT)
def test_a_misspelt_word_names_the_nearest(tmp_path, text, place, nearest):
    """A misspelt key, mode or metric is one error with its place and the nearest known word; nothing is run."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert refused.value.where == f"{tmp_path / 'evaluation.yaml'}{place}"
    assert refused.value.hint == f"Did you mean {nearest!r}?"


LATER = [
    *((f"mode: {mode}", ": mode", mode) for mode in ("ope", "interleaving")),
    *((f"{section}: {{}}", "", section) for section in ("ope", "interleaving")),
]


@pytest.mark.parametrize(("text", "place", "word"), LATER)
def test_what_comes_later_is_refused_by_name(tmp_path, text, place, word):
    """A mode, section or key of a later version is refused by its name, and never read and ignored."""
    with pytest.raises(ConfigError, match="not available in this version") as refused:
        read(tmp_path, text)
    assert refused.value.where == f"{tmp_path / 'evaluation.yaml'}{place}"
    assert refused.value.found.strip("'") == word


WRONG = [
    ("mode:", ": mode", "no such mode"),
    ("mode: [offline]", ": mode", "no such mode"),
    ("slice_keys: 5", ": slice_keys", "not a list of words"),
    ("slice_keys: [a, 5]", ": slice_keys", "not a list of words"),
    ("slice_keys: ['']", ": slice_keys", "not a list of words"),
    ("attribution: 5s", ": attribution", "not a section"),
    ("attribution: {windows: 1h}", ": attribution: windows", "not a section"),
    ("attribution: {tolerance: }", ": attribution.tolerance", "not a duration"),
    ("attribution: {tolerance: [5s]}", ": attribution.tolerance", "not a duration"),
    ("attribution: {tolerance: 2026-02-05}", ": attribution.tolerance", "not a duration"),
    ("attribution: {tolerance: true}", ": attribution.tolerance", "not a duration"),
    ("attribution: {tolerance: -1}", ": attribution.tolerance", "out of range"),
    ("attribution: {tolerance: .inf}", ": attribution.tolerance", "out of range"),
    (f"attribution: {{tolerance: 1{'0' * 400}}}", ": attribution.tolerance", "out of range"),
    ("attribution: {windows: {click: 1 hour}}", ": attribution.windows.click", "not a duration"),
    ("attribution: {windows: {conversion: -7d}}", ": attribution.windows.conversion", "not a duration"),
    ("attribution: {windows: {click: never}}", ": attribution.windows.click", "not a duration"),
    ("attribution: {touch: }", ": attribution.touch", "found nothing; expected every, first"),
    ("attribution: {not_in_list: true}", ": attribution.not_in_list", "expected refuse, count"),
    ("attribution: {policy: 1}", ": attribution.policy", "expected standard, request_id_only"),
    ("attribution: {fallback: [user_item]}", ": attribution.fallback", "expected none, user_item"),
    ("attribution: {credit: last}", ": attribution.credit", "this says nothing without a fallback"),
    ("attribution: {fallback: none, fallback_window: 1d}", ": attribution.fallback_window", "without a fallback"),
    ("attribution: {fallback: user_item, fallback_window: none}", ": attribution.fallback_window", "not a duration"),
    ("attribution: {fallback: user_item, tolerance: none}", ": attribution.tolerance", "a fallback needs a tolerance"),
    *(
        (f"attribution: {{policy: request_id_only, {knob}}}", f": attribution.{key}", f"contradicts this ({told})")
        for knob, key, told in (
            ("tolerance: 5s", "tolerance", "found '5s'; expected none"),
            ("windows: {click: 1h}", "windows", "found {'click': '1h'}; expected none for every event type"),
            ("not_in_list: refuse", "not_in_list", "found 'refuse'; expected count"),
            ("user_mismatch: refuse", "user_mismatch", "found 'refuse'; expected count"),
            ("touch: first", "touch", "found 'first'; expected every"),
            ("fallback: user_item", "fallback", "found 'user_item'; expected none"),
        )
    ),
    ("attribution: {max_lost_rate: 1.5}", ": attribution.max_lost_rate", "expected a number 0 to 1"),
    ("attribution: {min_match_rate: 95}", ": attribution.min_match_rate", "expected a number 0 to 1"),
    ("attribution: {min_match_rate: -0.1}", ": attribution.min_match_rate", "expected a number 0 to 1"),
    ("attribution: {min_match_rate: .nan}", ": attribution.min_match_rate", "expected a number 0 to 1"),
    ("attribution: {min_match_rate: '0.9'}", ": attribution.min_match_rate", "expected a number 0 to 1"),
    ("attribution: {min_match_rate: }", ": attribution.min_match_rate", "expected a number 0 to 1"),
    ("offline: [gini]", ": offline", "not a section"),
    ("offline: {metrics: gini}", ": offline.metrics", "not a list of metrics"),
    ("offline: {metrics: []}", ": offline.metrics", "not a list of metrics"),
    ("offline: {metrics: [5]}", ": offline.metrics[0]", "not a metric"),
    ("offline: {metrics: [null]}", ": offline.metrics[0]", "not a metric"),
    ("offline: {metrics: [{k: 5}]}", ": offline.metrics[0]", "a metric needs a name"),
    ("offline: {metrics: [{name: 5}]}", ": offline.metrics[0]", "a metric needs a name"),
    ("offline: {metrics: [gini, ndcg]}", ": offline.metrics[1]", "a cut is needed"),
    ("offline: {metrics: [ndcg@1001]}", ": offline.metrics[0]", "k from 1 to 1000"),
    ("offline: {metrics: [ndcg@0]}", ": offline.metrics[0]", "the cut cannot be read"),
    ("offline: {metrics: [ndcg@ten]}", ": offline.metrics[0]", "the cut cannot be read"),
    ("offline: {metrics: [{name: ndcg, k: 5.0}]}", ": offline.metrics[0]", "the cut cannot be read"),
    ("offline: {metrics: [{name: ndcg@5, k: 5}]}", ": offline.metrics[0]", "the cut cannot be read"),
    ("offline: {metrics: [gini@5]}", ": offline.metrics[0]", "has no cut"),
    ("offline: {metrics: [{name: gini, k: 5}]}", ": offline.metrics[0]", "has no cut"),
    ("offline: {metrics: [ndcg@5, {name: ndcg, k: 5}]}", ": offline.metrics", "named twice"),
    ("mode: offline\nmode: offline", ":2:1", "the key 'mode' is given twice"),
]


@pytest.mark.parametrize(("text", "place", "message"), WRONG)
def test_a_value_that_cannot_be_used_is_named(tmp_path, text, place, message):
    """A value of another type or out of range is one error with its place and what was expected, never a default."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert refused.value.where == f"{tmp_path / 'evaluation.yaml'}{place}"
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_every_choice_of_an_attribution_is_read(tmp_path):
    """Each key of the section changes what it names; a preset may be repeated in words, and its gates set."""
    given = "tolerance: none, windows: {click: none, conversion: 7d}, not_in_list: count, user_mismatch: refuse"
    assert read(tmp_path, f"attribution: {{{given}, touch: first}}").attribution == Policy(
        tolerance_s=None, windows_s={"click": None, "conversion": 604_800.0}, not_in_list="count",
        user_mismatch="refuse", touch="first",
    )  # fmt: skip
    given = "fallback: user_item, credit: all, fallback_window: 2h"
    assert read(tmp_path, f"attribution: {{{given}}}").attribution.fallback == Fallback(credit="all", window_s=7200.0)
    assert read(tmp_path, "attribution: {fallback: user_item}").attribution.fallback == Fallback()
    plain = "policy: request_id_only, tolerance: none, windows: {click: none}, touch: every, min_match_rate: 0.5"
    assert read(tmp_path, f"attribution: {{{plain}}}").attribution == Policy(
        tolerance_s=None, not_in_list="count", min_match_rate=0.5
    )


@pytest.mark.parametrize("keys", ["[a, b, a]", "[' ']", "[day]", "[event_type]", "[a, b, c, d, e, f, g, h, i]"])
def test_slice_keys_are_checked_when_they_are_read(tmp_path, keys):
    """Keys that no join could use are refused before any log is read."""
    with pytest.raises(ConfigError, match="slice_keys"):
        read(tmp_path, f"slice_keys: {keys}")


def test_the_number_of_metrics_is_bounded(tmp_path):
    """A hundred metrics are fine, and one more is refused."""
    listed = [f"ndcg@{k}" for k in range(1, 102)]
    assert read(tmp_path, f"offline: {{metrics: [{', '.join(listed[:100])}]}}").metrics == listed[:100]
    with pytest.raises(ConfigError, match="found 101 metrics; expected 1 to 100 names"):
        read(tmp_path, f"offline: {{metrics: [{', '.join(listed)}]}}")


def test_the_default_pack_can_be_asked_for_by_name(tmp_path):
    """Every default metric's name, written into the YAML, is the default."""
    assert read(tmp_path, f"offline: {{metrics: [{', '.join(DEFAULT_PACK)}]}}") == EvaluationConfig()


def test_the_offline_section_is_read(tmp_path):
    """Gates, crossed slices and the level, and back from the effective configuration."""
    found = read(
        tmp_path,
        """
        slice_keys: [surface, device]
        offline:
          metrics: [ndcg@10, gini]
          crossed_slices: [[surface, device]]
          bootstrap: {level: 0.9}
          gates:
            - {metric: ndcg@10, max_drop: 0}
            - {metric: ndcg@10|responded, max_drop: 0.01, slice_key: surface*device, min_users: 500}
            - {metric: gini, max_drop: 0.1, slice_key: surface}
        """,
    )
    assert found.offline == OfflineConfig(
        gates=[
            Gate(metric="ndcg@10", max_drop=0.0),
            Gate(metric="ndcg@10|responded", max_drop=0.01, slice_key="surface*device", min_users=500),
            Gate(metric="gini", max_drop=0.1, slice_key="surface", min_users=100),
        ],
        level=0.9,
        crossed=[("surface", "device")],
    )
    assert read(tmp_path, json.dumps(found.effective())) == found


NO_GATE = [
    ("gates: {}", ".gates", "not a list of gates"),
    ("gates: [gini]", ".gates[0]", "not a gate"),
    ("gates: [{metric: gini}]", ".gates[0]", "a gate needs max_drop"),
    ("gates: [{max_drop: 1}]", ".gates[0]", "a gate needs metric"),
    ("gates: [{metric: gini, max_drop: -0.1}]", ".gates[0].max_drop", "not a usable value"),
    ("gates: [{metric: gini, max_drop: .inf}]", ".gates[0].max_drop", "would let everything pass"),
    ("gates: [{metric: gini, max_drop: 1}]", ".gates[0].max_drop", "would let everything pass"),
    ("gates: [{metric: gini, max_drop: 5}]", ".gates[0].max_drop", "a drop by 5 percentage points is 0.05"),
    ("gates: [{metric: gini, max_drop: .nan}]", ".gates[0].max_drop", "not a usable value"),
    ("gates: [{metric: mrr@3, max_drop: 1}]", ".gates[0].metric", "not computed"),
    ("gates: [{metric: gini|responded, max_drop: 1}]", ".gates[0].metric", "no mean over those that responded"),
    ("gates: [{metric: gin, max_drop: 1}]", ".gates[0].metric", "no such metric"),
    ("gates: [{metric: gini, max_drop: 0.1, min_users: 5}]", ".gates[0].min_users", "no effect"),
    ("gates: [{metric: gini, max_drop: 0.1, slice_key: device}]", ".gates[0].slice_key", "sliced by no such key"),
    ("gates: [{metric: gini, max_drop: 0.1}, {metric: gini, max_drop: 0.2}]", ".gates[1]", "a second gate on the same"),
    ("bootstrap: {seed: 1}", ".bootstrap.seed", "no offline figure is bootstrapped"),
    ("bootstrap: {replicates: 100}", ".bootstrap.replicates", "no offline figure is bootstrapped"),
    ("bootstrap: {level: 95}", ".bootstrap.level", "not a usable value"),
    ("crossed_slices: [surface]", ".crossed_slices[0]", "not two slice keys"),
    ("crossed_slices: [[surface, device]]", ".crossed_slices[0]", "sliced by no such key"),
    ("crossed_slices: [[surface, surface]]", ".crossed_slices[0]", "crossed with itself"),
    ("crossed_slices: [[surface, tenant_id], [tenant_id, surface]]", ".crossed_slices[1]", "there twice"),
]


@pytest.mark.parametrize(("text", "place", "told"), NO_GATE)
def test_a_gate_that_could_not_be_judged_is_refused(tmp_path, text, place, told):
    """Each wrong gate, level or pair is one error with its place; what would have no effect is refused, not ignored."""
    with pytest.raises(ConfigError, match=told) as refused:
        read(tmp_path, f"offline: {{{text}}}")
    assert refused.value.where == f"{tmp_path / 'evaluation.yaml'}: offline{place}"
