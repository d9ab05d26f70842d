"""Several policies over one join: figures against plain Python, and against a join of each policy's own."""

import itertools
import json
import math
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats

import join_oracle as oracle
from recsys.attribution import policy_sets, sources
from recsys.attribution.policy import REQUEST_ID_ONLY, Fallback, Policy
from recsys.contracts.report import Estimate
from recsys.errors import ConfigError
from recsys.evaluation import compare_verdict as verdicts
from recsys.evaluation.compare import compare

ITEMS = ["a", "b", "c"]
ARMS = {"u1": "A", "u2": "A", "u3": "B", "u4": "B"}
POLICIES = {
    "standard": Policy(),
    "windowed": Policy(windows_s={"click": 30.0, "conversion": 60.0}),
    "first_touch": Policy(touch="first"),
    "request_id_only": REQUEST_ID_ONLY,
    "last": Policy(fallback=Fallback(credit="last", window_s=120.0)),
    "all": Policy(fallback=Fallback(credit="all"), user_mismatch="refuse"),
}


@st.composite
def logs(draw):
    """Exposures of four users, some of an assigned experiment, and outcomes, of which some are orphans."""
    shown, assigned, done = [], [], []
    for n in range(draw(st.integers(4, 9))):
        user = draw(st.sampled_from(["u1", "u2", "u3", "u4"]))
        items = draw(st.permutations(ITEMS))[: draw(st.integers(1, 3))]
        ts = f"2026-02-05T10:0{n}:00Z"
        shown.append(
            {
                "request_id": f"r{n}", "user_id": user, "ts": ts,
                "items": [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)],
            }
        )  # fmt: skip
        assigned.append({"experiment_id": "x", "variant": ARMS[user], "request_id": f"r{n}", "user_id": user, "ts": ts})
    for _ in range(draw(st.integers(1, 16))):
        n = draw(st.integers(0, 10))
        done.append(
            {
                "request_id": f"r{n}", "user_id": draw(st.sampled_from(["u1", "u2", "u3"])),
                "item_id": draw(st.sampled_from(ITEMS)), "event_type": draw(st.sampled_from(["click", "conversion"])),
                "ts": f"2026-02-05T10:{min(n, 9):02d}:{draw(st.integers(0, 59)):02d}Z",
                **({"value": draw(st.sampled_from([2.5, -0.1, 19.99, 0.000001]))} if draw(st.booleans()) else {}),
            }
        )  # fmt: skip
    return shown, done, assigned


def compared(log, policies):
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for role, rows in zip("eoa", log, strict=True):
            paths.append(str(Path(name) / f"{role}.jsonl"))
            Path(paths[-1]).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return compare(sources.from_options(*([path] for path in paths)), policies).comparison


def credited(log, policy):
    """For each outcome that counts: (its row, the user of its exposure); and request → relevant ranks."""
    shown, done, _ = log
    windows_us = {kind: None if s is None else round(s * 1e6) for kind, s in policy.windows_s.items()}
    tolerance_us = None if policy.tolerance_s is None else round(policy.tolerance_s * 1e6)
    fates = oracle.fates(
        shown, done, tolerance_us=tolerance_us, windows_us=windows_us, not_in_list=policy.not_in_list,
        user_mismatch=policy.user_mismatch, touch=policy.touch,
    )  # fmt: skip
    given = [[] for _ in done]
    if policy.fallback is not None:
        window_s = policy.fallback.window_s
        given = oracle.credits(
            shown, done, credit=policy.fallback.credit, tolerance_us=tolerance_us, windows_us=windows_us,
            fallback_us=None if window_s is None else round(window_s * 1e6),
        )  # fmt: skip
    users = {row["request_id"]: row["user_id"] for row in shown}
    counting = []
    for row, (fate, _), listed in zip(done, fates, given, strict=True):
        if fate == "attributed":
            counting.append((row, users[row["request_id"]]))
        elif listed:
            counting.append((row, row["user_id"]))
    return fates, counting, oracle.relevant(done, fates, given)


def user_sums(log, policy):
    """Figure → user → (Y, N), by loops."""
    shown, _, _ = log
    _, counting, relevant = credited(log, policy)
    sums = defaultdict(lambda: defaultdict(float))
    for row, user in counting:
        click = row["event_type"] == "click"
        sums["ctr"][user] += click
        sums["conversion_rate"][user] += not click
        sums["revenue_per_exposure"][user] += 0 if click else row.get("value", 0)
    for row in shown:
        ranks = relevant.get(row["request_id"], {})
        gain = sum(n / math.log2(rank + 1) for rank, n in ranks.items() if rank is not None)
        ideal = sum(1 / math.log2(place + 1) for place in range(1, sum(ranks.values()) + 1))
        sums["ndcg@10"][row["user_id"]] += gain / ideal if ranks else 0
        sums["hitrate@10"][row["user_id"]] += any(rank is not None for rank in ranks)
    counts = defaultdict(int)
    for row in shown:
        counts[row["user_id"]] += 1
    names = ("ctr", "conversion_rate", "revenue_per_exposure", "ndcg@10", "hitrate@10")
    return {name: {user: (sums[name][user], n) for user, n in sorted(counts.items())} for name in names}


def interval(pairs):
    """Mean and 95 % interval by the delta method, in floating point."""
    y, n = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    mean = y.sum() / n.sum()
    if len(y) < 2:
        return mean, None
    variance = ((y - mean * n) ** 2).sum() * len(y) / (len(y) - 1) / n.sum() ** 2
    return mean, stats.t.ppf(0.975, len(y) - 1) * math.sqrt(variance)


def check(estimate, pairs, lowest=-math.inf, highest=math.inf):
    mean, half = interval(pairs)
    assert estimate.value == pytest.approx(mean, abs=1e-9)
    assert (estimate.n, estimate.units) == (sum(n for _, n in pairs), len(pairs))
    if estimate.low is None:
        assert half is None or half == pytest.approx(0, abs=1e-6)
    else:
        assert estimate.low == pytest.approx(max(mean - half, lowest), abs=1e-9)
        assert estimate.high == pytest.approx(min(mean + half, highest), abs=1e-9)


def check_arms(effects, expected):
    """The difference between B and A of each sum over outcomes is that of their users."""
    users = {arm: [user for user in expected["ctr"] if ARMS[user] == arm] for arm in "AB"}
    both = users["A"] and users["B"]
    assert {effect.metric for effect in effects} == (set(list(expected)[:3]) if both else set())
    for effect in effects:
        sums = expected[effect.metric]
        first, second = (np.sum([sums[user] for user in users[arm]], axis=0) for arm in "AB")
        assert effect.label == "B − A"
        assert effect.estimate.value == pytest.approx(second[0] / second[1] - first[0] / first[1], abs=1e-9)


@settings(max_examples=4, deadline=None)
@given(logs())
def test_figures_and_changes_equal_plain_python(log):
    """Under every policy fates, figures and paired changes are what loops over the rows give."""
    found = compared(log, POLICIES)
    assert [result.name for result in found.policies] == list(POLICIES)
    reference = user_sums(log, POLICIES["standard"])
    for result in found.policies:
        policy = POLICIES[result.name]
        fates, _, _ = credited(log, policy)
        counts = {fate: sum(each == fate for each, _ in fates) for fate in oracle.FATES}
        assert {fate: getattr(result.fates, fate) for fate in oracle.FATES} == counts
        assert result.inferred == (policy.fallback is not None)
        expected = user_sums(log, policy)
        assert list(result.figures) == list(expected)
        for name, sums in expected.items():
            ends = (0.0, 1.0) if "@" in name else (-math.inf if name == "revenue_per_exposure" else 0.0, math.inf)
            check(result.figures[name], list(sums.values()), *ends)
        for name, change in result.changes.items():
            check(change, [(y - reference[name][user][0], n) for user, (y, n) in expected[name].items()])
        check_arms(result.effects, expected)
        assert set(result.changes) == (set() if result.name == "standard" else set(list(expected)[:3]))


@settings(max_examples=2, deadline=None)
@given(logs(), st.permutations(list(POLICIES)))
def test_deciding_anew_is_joining_anew(log, order):
    """A policy's result is the same alone and after any others: nothing of the one before is left."""
    together = compared(log, {name: POLICIES[name] for name in order}).policies
    for result in together[1:3]:
        [alone] = compared(log, {result.name: POLICIES[result.name]}).policies
        assert replace(result, changes={}) == alone


def estimated(value, low=None, high=None):
    return Estimate(value=value, n=10, low=low, high=high)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (estimated(0.5, 0.4, 0.6), estimated(0.55, 0.45, 0.65), True),
        (estimated(0.5, 0.4, 0.6), estimated(0.6, 0.5, 0.7), True),
        (estimated(0.5, 0.4, 0.6), estimated(0.61, 0.4, 0.9), False),  # outside of the first one's alone
        (estimated(0.5, 0.1, 0.9), estimated(0.61, 0.6, 0.62), False),
        (estimated(0.5), estimated(0.5, 0.4, 0.6), True),
        (estimated(0.5), estimated(0.51, 0.4, 0.6), True),  # the one interval that there is holds it
        (estimated(0.0), estimated(0.5, 0.4, 0.6), False),
        (estimated(0.5), estimated(0.6), False),
        (estimated(None), estimated(None), True),
        (estimated(None), estimated(0.5, 0.4, 0.6), False),
    ],
)
def test_when_two_figures_are_compatible(first, second, expected):
    """Each must lie in the interval of the other; of two without one nobody knows how far chance reaches."""
    assert verdicts.compatible(first, second) == verdicts.compatible(second, first) == expected


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (estimated(0.1, 0.01, 0.2), "above 0"), (estimated(-0.1, -0.2, -0.01), "below 0"),
        (estimated(0.1, -0.1, 0.3), "undecided"), (estimated(0.1), "without an interval"),
        (estimated(0.1, 0.0, 0.2), "undecided"),
    ],
)  # fmt: skip
def test_the_direction_of_a_difference(estimate, expected):
    """Above or below 0 where the whole interval is; undecided else."""
    assert verdicts.direction(estimate) == expected


def arms(double_clicks):
    """60 users, one exposure each, in two arms; a click by each second user, twice by those of B if so asked."""
    shown, done, assigned = [], [], []
    for n in range(60):
        arm = "AB"[n % 2]
        row = {"request_id": f"r{n}", "user_id": f"u{n}", "ts": "2026-02-05T10:00:00Z"}
        shown.append({**row, "items": [{"item_id": "a", "rank": 1}]})
        assigned.append({**row, "experiment_id": "x", "variant": arm})
        if n % 4 < 2:
            click = {**row, "item_id": "a", "event_type": "click"}
            done += [
                {**click, "ts": f"2026-02-05T10:00:0{s}Z"} for s in range(1, 4 if arm == "B" and double_clicks else 2)
            ]
    return shown, done, assigned


def test_policies_that_agree():
    """Where no outcome is decided otherwise the verdict says so, and every difference is 0."""
    found = compared(arms(False), policy_sets.usual(Policy()))
    assert (found.agree, found.status, found.disagreements) == (True, "pass", [])
    assert found.verdict == "All 4 policies lead to the same conclusion: they decide every outcome alike."
    assert [change.value for result in found.policies[1:] for change in result.changes.values()] == [0.0] * 9


def test_a_conclusion_that_depends_on_the_policy():
    """Clicks that one arm's people make three times: B is better, unless the first touch alone counts."""
    found = compared(arms(True), policy_sets.usual(Policy()))
    assert (found.agree, found.status) == (False, "pass")
    about = {each.about: each for each in found.disagreements}
    assert set(about) == {"ctr", "x: ctr B − A"}
    assert about["ctr"].told == (
        "ctr is 1 (0.6809 to 1.319) under standard, and 0.5 (0.3697 to 0.6303) under first_touch: "
        "further apart than chance"
    )
    assert about["x: ctr B − A"].told == (
        "x: ctr B − A is above 0 under standard, windowed and request_id_only, and undecided under first_touch"
    )
    assert set(about["ctr"].policies) == {"standard", "windowed", "first_touch", "request_id_only"}
    assert found.verdict == "The conclusion depends on the policy: on ctr and x: ctr B − A."


def test_a_hold_under_one_policy_alone():
    """A gate that one policy alone does not pass is a disagreement, and a hold of the whole."""
    shown, done, assigned = arms(False)
    done[0]["request_id"] = "gone"
    strict = Policy(min_match_rate=1.0)
    found = compared((shown, done, assigned), {"standard": Policy(), "strict": strict})
    assert (found.agree, found.status) == (False, "hold")
    assert [each.about for each in found.disagreements] == ["status"]
    assert found.verdict.endswith("on status. The figures cannot be relied on under strict.")
    [reason] = found.policies[1].reasons
    assert "under its minimum of 100.00%" in reason


def test_the_usual_policies():
    """Four of the standard policy; another one that is chosen stands first, one with a fallback first and last."""
    four = ["standard", "windowed", "first_touch", "request_id_only"]
    assert list(policy_sets.usual(Policy())) == four
    assert list(policy_sets.usual(Policy(touch="first"))) == ["first_touch", "standard", "windowed", "request_id_only"]
    assert list(policy_sets.usual(Policy(user_mismatch="refuse"))) == ["chosen", *four]
    chosen = Policy(fallback=Fallback(), min_match_rate=0.5)
    found = policy_sets.usual(chosen)
    assert list(found) == [*four, "standard+user_item"]
    assert found["standard+user_item"] == chosen
    assert {policy.min_match_rate for policy in found.values()} == {0.5}
    assert [name for name, policy in found.items() if policy.fallback] == ["standard+user_item"]


def read(folder, text, chosen=Policy()):  # noqa: B008 - a frozen value
    path = folder / "policies.yaml"
    path.write_text(text)
    return policy_sets.read(str(path), chosen)


def test_policies_of_ones_own(tmp_path):
    """Each section of the YAML is a policy beside the chosen one; a gate that it does not set is the chosen one's."""
    text = "policies: {strict: {windows: {click: 1m}, min_match_rate: 0.9}, plain: {policy: request_id_only}, same: }"
    found = read(tmp_path, text, Policy(touch="first", min_match_rate=0.5))
    assert found == {
        "first_touch": Policy(touch="first", min_match_rate=0.5),
        "strict": Policy(windows_s={"click": 60.0, "conversion": None}, min_match_rate=0.9),
        "plain": replace(REQUEST_ID_ONLY, min_match_rate=0.5),
        "same": Policy(min_match_rate=0.5),
    }


WRONG = [
    ("policies: {}", "1 to 11 of them"),
    ("policies: {" + ", ".join(f"p{n}: {{}}" for n in range(12)) + "}", "found 12"),
    ("policy: {a: {}}", "Did you mean 'policies'?"),
    ("policies: [a]", "not a section"),
    ("policies: {a: first}", "policies.a: not a section (found text"),
    ("policies: {a: {touches: first}}", "policies.a: unknown key (found 'touches'). Did you mean 'touch'?"),
    ("policies: {a: {touch: one}}", "policies.a.touch: no such choice"),
    ("policies: {standard: {touch: first}}", "the name is taken (found 'standard')"),
    ("policies: {' ': {}}", "not a name of a policy"),
    ("policies: {" + "n" * 41 + ": {}}", "up to 40 printable characters"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_policies_that_cannot_be_read(tmp_path, text, told):
    """A YAML with none, too many, misspelt or nameless policies is an error that names the place."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert told in str(refused.value)


def test_empty_logs_hold_under_every_policy():
    """Without an exposure or an outcome there is no figure, no interval, and a hold."""
    shown, done, assigned = arms(False)
    for log in (([], [], []), (shown, [], assigned), ([], done, assigned)):
        found = compared(log, POLICIES)
        assert (found.status, found.agree) == ("hold", True)
        values = [estimate.value for result in found.policies for estimate in result.figures.values()]
        assert set(values) == ({None} if not log[0] else {0.0})
    assert list(itertools.chain(*(result.changes for result in found.policies))) == []
