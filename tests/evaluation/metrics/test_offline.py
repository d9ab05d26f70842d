"""The offline results of whole logs against plain Python and statsmodels."""

import itertools
import json
import math
import resource
from collections import Counter

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.attribution import sources
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.evaluate import evaluate

ITEMS = [f"i{n}" for n in range(8)]
TAGS = dict(zip(ITEMS, ([], ["x"], ["x", "y"], ["y"], ["z"], ["x", "z"], [], ["y"]), strict=True))

exposure = st.tuples(
    st.integers(0, 5), st.permutations(ITEMS), st.integers(0, 8), st.sets(st.integers(0, 7), max_size=3),
    st.sampled_from(["home", "cart", None]),
)  # fmt: skip


def run(folder, rows, *, items=True, metrics=None):
    """The report on exposures (user, order, length, clicked places, surface), by (slice value, metric)."""
    shown, done = [], []
    for n, (user, order, length, clicked, surface) in enumerate(rows):
        listed = order[:length]
        context = {} if surface is None else {"surface": surface}
        shown.append(
            {
                "request_id": f"r{n}", "user_id": f"u{user}", "ts": "2026-02-05T10:00:00Z", "context": context,
                "items": [{"item_id": item, "rank": rank} for rank, item in enumerate(listed, 1)],
            }
        )  # fmt: skip
        done += [
            {
                "request_id": f"r{n}", "user_id": f"u{user}", "item_id": listed[place], "event_type": "click",
                "ts": "2026-02-05T10:00:09Z",
            }
            for place in clicked
            if place < length
        ]  # fmt: skip
    done.append(_orphan())
    for name, part in (("e", shown), ("o", done), ("i", [{"item_id": i, "tags": t} for i, t in TAGS.items()])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    named = sources.from_options(
        [str(folder / "e.jsonl")], [str(folder / "o.jsonl")], items=str(folder / "i.jsonl") if items else None
    )
    config = EvaluationConfig(slice_keys=["surface"], **({"metrics": metrics} if metrics else {}))
    report = evaluate(named, config).report
    return {(result.slice_value, result.metric): result.estimate for result in report.results}


def _orphan():
    return {
        "request_id": "nowhere", "user_id": "u0", "item_id": "i0", "event_type": "click", "ts": "2026-02-05T10:00:09Z",
    }  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(st.lists(exposure, min_size=1, max_size=12))
def test_means_and_spreads_equal_plain_python(tmp_path_factory, rows):
    """Every metric over all exposures and per surface is what a loop over the rows gives."""
    metrics = ["precision@3", "mrr@8", "coverage@2", "novelty@2", "gini", "intra_list_diversity@3"]
    found = run(tmp_path_factory.mktemp("run"), rows, metrics=metrics)
    slices = {"": rows}
    for row in rows:
        slices.setdefault(row[4] or "unknown", []).append(row)
    overall = Counter(item for _, order, length, _, _ in rows for item in order[:length])
    for value, part in slices.items():
        _check_scores(found, value, part)
        _check_spread(found, value, part, overall)


def _check_scores(found, value, part):
    precision, reciprocal, diversity = [], [], []
    for _, order, length, clicked, _ in part:
        places = sorted(place for place in clicked if place < length)
        precision.append(sum(place < 3 for place in places) / 3)
        reciprocal.append(1 / (places[0] + 1) if places else 0.0)
        pairs = list(itertools.combinations([set(TAGS[item]) for item in order[: min(length, 3)] if TAGS[item]], 2))
        if pairs:
            diversity.append(sum(1 - len(a & b) / len(a | b) for a, b in pairs) / len(pairs))
    assert found[value, "precision@3"].value == pytest.approx(np.mean(precision), abs=1e-9)
    assert found[value, "mrr@8"].value == pytest.approx(np.mean(reciprocal), abs=1e-9)
    responded = [score for score in reciprocal if score]
    if responded:
        assert found[value, "mrr@8|responded"].value == pytest.approx(np.mean(responded), abs=1e-9)
    else:
        assert found[value, "mrr@8|responded"].value is None
    if diversity:
        assert found[value, "intra_list_diversity@3"].value == pytest.approx(np.mean(diversity), abs=1e-9)
        assert found[value, "intra_list_diversity@3"].n == len(diversity)


def _check_spread(found, value, part, overall):
    top = Counter(item for _, order, length, _, _ in part for item in order[: min(length, 2)])
    every = Counter(item for _, order, length, _, _ in part for item in order[:length])
    if not every:
        return
    assert found[value, "coverage@2"].value == pytest.approx(len(top) / len(ITEMS))
    bits = [-math.log2(overall[item] / overall.total()) for item in top.elements()]
    assert found[value, "novelty@2"].value == pytest.approx(np.mean(bits), abs=1e-12)
    counts = [every.get(item, 0) for item in ITEMS]
    differences = sum(abs(a - b) for a in counts for b in counts)
    assert found[value, "gini"].value == pytest.approx(differences / (2 * len(counts) * sum(counts)))


def test_intervals_equal_cluster_robust_regression(tmp_path):
    """The interval's standard error is statsmodels' cluster-robust one (no small-sample correction, × n/(n−1))."""
    rng = np.random.default_rng(4)
    rows = [
        (
            int(user),
            list(rng.permutation(ITEMS)),
            8,
            {int(place) for place in rng.integers(0, 8, 2) if user % 2},
            "home",
        )
        for user in rng.zipf(1.6, 400).clip(1, 60)
    ]
    estimate = run(tmp_path, rows, metrics=["mrr@8"])["", "mrr@8"]
    scores = np.array([1 / (min(clicked) + 1) if clicked else 0.0 for _, _, _, clicked, _ in rows])
    users = np.array([row[0] for row in rows])
    fitted = sm.OLS(scores, np.ones_like(scores)).fit(
        cov_type="cluster", cov_kwds={"groups": users, "use_correction": False}
    )
    units = len(set(users.tolist()))
    se = fitted.bse[0] * math.sqrt(units / (units - 1))
    from scipy import stats

    half = stats.t.ppf(0.975, units - 1) * se
    assert estimate.units == units
    assert estimate.n == len(rows)
    assert estimate.value == pytest.approx(fitted.params[0], rel=1e-9)
    assert estimate.low == pytest.approx(fitted.params[0] - half, rel=1e-9)
    assert estimate.high == pytest.approx(fitted.params[0] + half, rel=1e-9)


def test_nothing_relevant_has_no_interval(tmp_path):
    """Where no user has a relevant item the mean is 0 and no interval is made up; the responded mean is null."""
    rows = [(n, ITEMS, 8, set(), "home") for n in range(5)]
    found = run(tmp_path, rows, items=False)
    estimate = found["", "ndcg@10"]
    assert (estimate.value, estimate.low, estimate.high) == (0.0, None, None)
    assert "users do not differ" in estimate.note
    assert found["", "ndcg@10|responded"].value is None
    assert found["", "intra_list_diversity@10"].value is None
    assert "unavailable" in found["", "intra_list_diversity@10"].note


def test_slice_values_are_kept_as_they_are(tmp_path):
    """Values that differ in NULs alone are slices of their own, and a long one costs no more room than it has."""
    values = ["a", "a\0", "\0", "a\0b", "", "long " * 40_000]
    found = run(
        tmp_path, [(n, ITEMS, 2 + n % 2, {0}, value) for n, value in enumerate(values)], metrics=["coverage@10"]
    )
    for n, value in enumerate(values):
        assert (found[value, "coverage@10"].n, found[value, "coverage@10"].value) == (
            2 + n % 2,
            (2 + n % 2) / len(ITEMS),
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = [(n, ITEMS[n % 8 :] + ITEMS[: n % 8], 8, {0}, values[n % 6]) for n in range(600)]
    assert run(tmp_path, rows)[values[-1], "hitrate@10"].n == 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 300_000  # KiB


def test_no_exposure_gives_figures_that_are_not_known(tmp_path):
    """Every metric is there, and null; of the catalogue nothing was shown."""
    found = run(tmp_path, [])
    assert {name.split("|")[0] for _, name in found} == set(map(str, EvaluationConfig().parsed_metrics()))
    assert found.pop(("", "coverage@10")).value == 0
    assert all((estimate.value, estimate.n) == (None, 0) and estimate.note for estimate in found.values())
