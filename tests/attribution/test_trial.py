"""Experiments as they are reported: figures, differences, bounds, and the reasons not to rely on them."""

import dataclasses
import json
import random
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

import experiment_oracle as oracle
from doctor_world import world
from recsys.attribution import join, sources
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.attribution.trial import TrialOptions, log_figures, trials
from recsys.contracts import trial as contract
from recsys.contracts.report import KnownGap
from recsys.errors import UsageError
from recsys.statistics.bounds import Credit, Unjoined, difference_bounds, ratio_bounds
from recsys.statistics.difference import difference
from recsys.statistics.ratio import ratio
from unit_moments import moments

FIGURES = {"ctr": (4, 1), "conversion_rate": (5, 1), "revenue_per_exposure": (None, 10**6)}
"""Figure → the column of the twin's unit sums that it is of, and its scale."""


@pytest.fixture
def tried(joined):
    """The experiments of logs."""

    def of(exposures, outcomes, assignments, policy=None, **options):
        with joined(exposures, outcomes, assignments, policy=policy) as made:
            return trials(made, TrialOptions(**options))

    return of


@pytest.fixture(scope="module")
def shop():
    """The logs of a healthy shop with one experiment."""
    return world(3, requests=900, users=250)


def lose(outcomes, share, seed=1):
    """The same outcomes, of which a share have lost their request_id."""
    rng = random.Random(seed)
    return [{**row, "request_id": f"lost-{n}"} if rng.random() < share else row for n, row in enumerate(outcomes)]


def arms_of(logs):
    """The twin's moments by arm and figure."""
    units = oracle.experiment_unit_sums(oracle.Logs(*logs), oracle.Asked(experiment_id="exp-1"))
    return {
        arm: {
            metric: moments(
                [row[column] if column else row[6] * 10**6 + row[7] for row in units if row[1] == arm],
                [row[3] for row in units if row[1] == arm],
            )
            for metric, (column, _) in FIGURES.items()
        }
        for arm in ("A", "B")
    }


def test_a_healthy_experiment(tried, shop):
    """Every figure, difference and interval is the one of the units' sums, nothing is left out, nothing to hold."""
    [trial] = tried(*shop)
    arms = arms_of(shop)
    assert trial.reasons == []
    assert (trial.control, trial.control_named, trial.in_two_arms) == ("A", False, 0)
    assert trial.units == len({row["user_id"] for row in shop[2]}) == sum(arm.units for arm in trial.arms)
    assert trial.exposures.counts == len(shop[0]) == sum(arm.exposures for arm in trial.arms)
    assert Counter(row["event_type"] for row in shop[1]) == {
        "click": sum(arm.clicks for arm in trial.arms), "conversion": sum(arm.conversions for arm in trial.arms),
    }  # fmt: skip
    assert sum(arm.value for arm in trial.arms) == pytest.approx(sum(row.get("value", 0) for row in shop[1]))
    for arm in trial.arms:
        for metric, (_, scale) in FIGURES.items():
            expected, found = ratio(arms[arm.variant][metric], scale=scale), arm.estimates[metric]
            assert found.value == pytest.approx(expected.value)
            assert found.high == pytest.approx(expected.high)
    for effect in trial.effects[:3]:
        expected = difference(*(arms[arm][effect.metric] for arm in "AB"), scale=FIGURES[effect.metric][1])
        assert effect.label == "B − A"
        assert effect.bounds is None
        found = effect.estimate
        assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    per_user = trial.effects[3]
    counts = [Counter(row["user_id"] for row in shop[0] if row["context"]["experiment_variant"] == arm) for arm in "AB"]
    lists = [moments(arm.values(), [1] * len(arm)) for arm in counts]
    assert per_user.metric == "exposures_per_user"
    assert per_user.estimate.high == pytest.approx(difference(*lists, scale=1).high)


def test_bounds_are_those_of_what_did_not_join(tried, shop):
    """The ends are made of all orphans, with the spread over the users whom they name; the whole log's are inside."""
    shown, outcomes, assigned = shop
    altered = lose(outcomes, 0.2)
    [trial], [whole] = tried(shown, altered, assigned), tried(*shop)
    orphans = [row for row in altered if row["request_id"].startswith("lost")]
    assert trial.unjoined.orphan == len(orphans)
    arms = arms_of((shown, altered, assigned))
    for kind, metric, place in (("click", "ctr", 0), ("conversion", "conversion_rate", 1)):
        users = Counter(row["user_id"] for row in orphans if row["event_type"] == kind)
        credit = Credit(named=users.total(), squares=sum(n * n for n in users.values()))
        expected = difference_bounds(*(arms[arm][metric] for arm in "AB"), Unjoined(credit), scale=1)
        found = trial.effects[place].bounds
        for end, wanted in ((found.low, expected.low), (found.high, expected.high)):
            assert (end.value, end.low, end.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
        assert found.flips == expected.flips
    for before, after in zip(whole.effects[:3], trial.effects[:3], strict=True):
        assert after.bounds.low.value <= before.estimate.value <= after.bounds.high.value
        assert after.bounds.low.low <= before.estimate.low
        assert before.estimate.high <= after.bounds.high.high


def test_refunds_and_large_values_in_the_bounds(joined, shop):
    """Of orphans with values the gains are credited to one side, the refunds to the other."""
    shown, outcomes, _ = shop
    purchase = {"request_id": "gone", "user_id": "p", "item_id": "a", "event_type": "conversion"}
    extra = [
        {**purchase, "ts": row["ts"], "value": value}
        for row, value in zip(outcomes[:4], (5.5, -2.25, 1.75, -1.0), strict=True)
    ]
    with joined(shown, [*outcomes, *extra]) as made:
        found = log_figures(made)[2]
    units = oracle.experiment_unit_sums(
        oracle.Logs(shown, outcomes, []), oracle.Asked(experiment_id=""), whole_log=True
    )
    sums = moments([row[6] * 10**6 + row[7] for row in units], [row[3] for row in units])
    credits = Unjoined(Credit(7_250_000, 7_250_000**2), Credit(3_250_000, 3_250_000**2))
    expected = ratio_bounds(sums, credits, scale=10**6)
    assert found.estimate.value == pytest.approx(ratio(sums, scale=10**6).value)
    assert (found.bounds.low.value, found.bounds.high.value) == pytest.approx((expected.low.value, expected.high.value))
    assert (found.bounds.low.low, found.bounds.high.high) == pytest.approx((expected.low.low, expected.high.high))


def test_lines_that_cannot_be_read_are_in_the_bounds(shop, joined_files):
    """An invalid line may be a click, or a conversion of the largest value that was read; the bounds say so."""
    trial, figures = joined_files(*shop, broken=3)
    assert trial.unjoined.invalid == 3
    ctr, _, revenue = figures
    assert ctr.bounds.high.value == pytest.approx(ctr.estimate.value + 3 / ctr.estimate.n)
    assert "3 outcomes that cannot be read are each taken for one" in ctr.bounds.note
    largest = max(row.get("value", 0) for row in shop[1])
    assert revenue.bounds.high.value == pytest.approx(revenue.estimate.value + 3 * largest / revenue.estimate.n)
    assert f"the largest value that was read, {largest:g}" in revenue.bounds.note
    assert trial.effects[0].bounds is not None


@pytest.fixture
def joined_files(tmp_path):
    """The first experiment, and the figures of the log, of logs with so many broken lines among the outcomes."""

    def of(exposures, outcomes, assignments, broken):
        paths = []
        for name, rows in (("e", exposures), ("o", outcomes), ("a", assignments)):
            paths.append(tmp_path / f"{name}.jsonl")
            paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
        with paths[1].open("a") as log:
            log.write('{"request_id":"r1","user_id":\n' * broken)
        named = sources.from_options(*([str(path)] for path in paths))
        with closing(DuckDB(tmp_path)) as engine:
            made = join.join(engine, sources.accept_dataset(named, tmp_path), Policy(), scratch=tmp_path)
            return trials(made)[0], log_figures(made)

    return of


def test_bounds_hold_what_a_first_touch_displaces(tried, shop):
    """Where the first touch counts, a purchase that did not join would have been counted in the place of a later one of
    the same item: the revenue of the whole data is within the bounds, though it is on the other side of 0."""
    shown, _, assigned = shop
    arm_of = {row["request_id"]: row["variant"] for row in assigned}
    outcomes = []
    for number, row in enumerate(shown):
        arm, ts = arm_of[row["request_id"]], datetime.fromisoformat(row["ts"])
        both = ((1.0, 10), (100.0, 70)) if arm == "B" and number % 3 == 0 else ((2.0 + number % 2, 10),)
        outcomes += [
            {"request_id": row["request_id"], "user_id": row["user_id"], "item_id": row["items"][0]["item_id"],
             "event_type": "conversion", "value": value, "ts": (ts + timedelta(seconds=late)).isoformat()}
            for value, late in both
        ]  # fmt: skip
    rng = random.Random(7)
    lost = [
        {**row, "request_id": f"lost-{n}"} if row["value"] == 1.0 and rng.random() < 0.3 else row
        for n, row in enumerate(outcomes)
    ]
    first = Policy(touch="first")
    [whole], [seen] = tried(shown, outcomes, assigned, first), tried(shown, lost, assigned, first)
    truth, found = (next(e for e in t.effects if e.metric == "revenue_per_exposure") for t in (whole, seen))
    assert truth.estimate.value < 0 < found.estimate.value
    assert found.bounds.low.value <= truth.estimate.value <= found.bounds.high.value
    assert found.bounds.low.low <= truth.estimate.low
    assert truth.estimate.high <= found.bounds.high.high
    assert "in the place of one worth as much as 100" in found.bounds.note


@pytest.mark.parametrize(("log", "what"), [("exposures", "lists shown"), ("assignments", "assignments")])
@pytest.mark.parametrize("unread", [True, False], ids=["unread", "lost"])
def test_what_no_bounds_hold_is_a_reason_above_one_percent(joined, shop, log, what, unread):
    """Lists and assignments that cannot be read, or are in no log, may all be of one arm."""
    at, rows = datetime(2026, 2, 2, tzinfo=UTC), len(shop[0 if log == "exposures" else 2])

    def look(count):
        with joined(*shop) as made:
            accepted = getattr(made.dataset, log)
            change = {log: msgspec.structs.replace(accepted, rows=rows + count, invalid=count)} if unread else {
                "gaps": [KnownGap(log=log, file="f", lost=count, refused=0, first=at, last=at, reason="disk full")]
            }  # fmt: skip
            [trial] = trials(dataclasses.replace(made, dataset=msgspec.structs.replace(made.dataset, **change)))
        return trial

    words = "cannot be read" if unread else "are in no log"
    few, many = look(rows // 100), look(rows // 50)
    assert few.reasons == []
    assert any(note.startswith(f"Of {rows + rows // 100:,} {what} {rows // 100} {words}: ") for note in few.notes)
    [reason] = many.reasons
    assert reason.startswith(
        f"of {rows + rows // 50:,} {what} {rows // 50} {words}, which is 1.96%, over the limit of 1"
    )


def test_what_is_known_to_be_lost_is_in_the_bounds(joined, shop):
    """Outcomes that a log says it lost may be anybody's; lists that it lost are told, and are in no figure."""
    at = datetime(2026, 2, 2, tzinfo=UTC)

    def gap(log, lost):
        return KnownGap(log=log, file="f", lost=lost, refused=0, first=at, last=at, reason="disk full")

    with joined(*shop) as made:
        gaps = [gap("outcomes", 4), gap("outcomes", 3), gap("exposures", 9)]
        dataset = msgspec.structs.replace(made.dataset, gaps=gaps)
        [trial] = trials(dataclasses.replace(made, dataset=dataset))
    assert trial.unjoined == contract.Unjoined(orphan=0, ambiguous=0, invalid=0, lost=7)
    arms = {arm.variant: arm for arm in trial.arms}
    ctr = trial.effects[0]
    assert ctr.bounds.high.value == pytest.approx(ctr.estimate.value + 7 / arms["B"].exposures)
    assert ctr.bounds.low.value == pytest.approx(ctr.estimate.value - 7 / arms["A"].exposures)
    assert any(f"Of {len(shop[0]) + 9:,} lists shown 9 are in no log" in note for note in trial.notes)
    assert trial.reasons == []


def test_the_control_is_named_or_the_first(tried, shop):
    """A named control turns the sign and the label; one that is misspelt is refused, and so is an experiment."""
    [trial] = tried(*shop, control="B")
    [plain] = tried(*shop)
    assert (trial.effects[0].label, trial.control_named) == ("A − B", True)
    assert trial.effects[0].estimate.value == pytest.approx(-plain.effects[0].estimate.value)
    with pytest.raises(UsageError, match=r"--control: no such arm in experiment exp-1 \(found b\)\. Did you mean 'B'"):
        tried(*shop, control="b")
    with pytest.raises(UsageError, match=r"no such experiment \(found exp1\)\. Did you mean 'exp-1'"):
        tried(*shop, experiment_id="exp1")


@pytest.mark.parametrize("scope", ["request", "user"])
def test_as_of_an_instant_is_the_log_until_then(tried, shop, scope):
    """Of all three logs nothing later is looked at: it is as if they had been cut off there."""
    shown, outcomes, assigned = shop
    instant = datetime.fromisoformat(sorted(row["ts"] for row in shown)[len(shown) // 2])
    latecomers = [
        {**row, "variant": "B", "request_id": f"late-{n}", "user_id": f"late-{n}" if n % 2 else row["user_id"]}
        for n, row in enumerate(assigned)
        if datetime.fromisoformat(row["ts"]) > instant
    ]
    later = [{**row, "experiment_id": "later"} for row in latecomers]
    logs = [shown, outcomes, [*assigned, *latecomers, *later]]
    cut = [[row for row in rows if datetime.fromisoformat(row["ts"]) <= instant] for rows in logs]
    [found], [expected] = tried(*logs, scope=scope, as_of=instant), tried(*cut, scope=scope)
    assert 0 < found.units < len({row["user_id"] for row in assigned})
    assert found.notes[-1].startswith("There is no window")
    assert msgspec.structs.replace(found, as_of=None, notes=found.notes[:-1]) == expected
    with pytest.raises(UsageError, match="no such experiment"):
        tried(*logs, experiment_id="later", as_of=instant)


def test_the_order_of_rows_and_hashes_changes_nothing(tried, shop):
    """Whatever the order of rows, the report is the same, to the last figure."""
    shuffler = random.Random(2)
    again = [shuffler.sample(rows, len(rows)) for rows in shop]
    assert tried(*again) == tried(*shop)


def test_units_in_two_arms_are_a_reason_above_one_percent(tried, shop):
    """2 of 250 units in two arms are told; 3 are a reason to hold. They stay in their first arm."""
    shown, outcomes, assigned = shop
    users = sorted({row["user_id"] for row in assigned})
    for count, held in ((2, False), (3, True)):
        again = [
            {**row, "variant": "AB"[row["variant"] == "A"], "ts": "2026-03-01T00:00:00Z"}
            for row in {row["user_id"]: row for row in assigned if row["user_id"] in users[:count]}.values()
        ]
        [trial] = tried(shown, outcomes, [*assigned, *again])
        assert (trial.in_two_arms, len(users)) == (count, trial.units)
        assert any("assigned to two arms" in reason for reason in trial.reasons) == held
        assert trial.units // 100 == 2


def test_a_sample_ratio_mismatch_is_a_reason(tried, shop):
    """When most units of an arm are gone, p is far under 0.001 and the reason gives the counts; the declared weights
    that fit them are none."""
    shown, outcomes, assigned = shop
    b = sorted({row["user_id"] for row in assigned if row["variant"] == "B"})
    fewer = [row for row in assigned if row["user_id"] not in b[: len(b) * 2 // 3]]
    [trial] = tried(shown, outcomes, fewer)
    counts = Counter(arm for _, arm in {(row["user_id"], row["variant"]) for row in fewer})
    assert trial.sample_ratio.observed == dict(counts)
    assert trial.sample_ratio.p < 1e-6
    [reason] = trial.reasons
    assert f"A {counts['A']}, B {counts['B']} in place of" in reason
    [fitting] = tried(shown, outcomes, fewer, experiment_id="exp-1", arms={"A": counts["A"], "B": counts["B"]})
    assert fitting.reasons == []
    assert fitting.sample_ratio.declared


def test_absent_unexpected_and_single_arms_are_reasons(tried, shop):
    """A declared arm without units, a unit in an arm that was not declared, one arm alone, and nobody: each by name."""
    shown, outcomes, assigned = shop
    [absent] = tried(*shop, experiment_id="exp-1", arms={"A": 1, "B": 1, "C": 1})
    assert "no unit is in arm C, which was declared" in absent.reasons
    stray = {**assigned[0], "user_id": "u-new", "request_id": "q", "variant": "b"}
    [unexpected] = tried(shown, outcomes, [*assigned, stray], experiment_id="exp-1", arms={"A": 1, "B": 1})
    assert unexpected.reasons == ["1 unit is in arm b, which was not declared"]
    [single] = tried(shown, outcomes, [row for row in assigned if row["variant"] == "A"])
    assert single.reasons == ["all units are in arm A: there is no arm to compare it with"]
    assert single.effects == []
    [nobody] = tried(shown, outcomes, [{**row, "user_id": row["request_id"]} for row in assigned[:5]])
    assert nobody.reasons == ["no assignment names a subject: all 5 that differ are of anonymous requests"]
    assert (nobody.control, nobody.arms, nobody.effects) == (None, [], [])


def test_two_experiments_are_one_at_a_time(tried, shop):
    """Independent arms pass; arms that follow those of the other experiment are found, whichever is looked at."""
    shown, outcomes, assigned = shop
    rng = random.Random(5)
    of_users = {user: rng.choice("XY") for user in sorted({row["user_id"] for row in assigned})}
    other = [{**row, "experiment_id": "exp-2", "variant": of_users[row["user_id"]]} for row in assigned]
    first, second = tried(shown, outcomes, [*assigned, *other])
    assert (first.experiment_id, second.experiment_id) == ("exp-1", "exp-2")
    assert first == tried(shown, outcomes, assigned)[0].__replace__(independence=first.independence)
    [pair] = first.independence
    assert (pair.other, pair.units, pair.degrees) == ("exp-2", len(of_users), 1)
    assert pair.p == second.independence[0].p > 0.001
    same = [{**row, "experiment_id": "exp-2"} for row in assigned]
    bound = tried(shown, outcomes, [*assigned, *same])
    for trial, name in zip(bound, ("exp-2", "exp-1"), strict=True):
        assert trial.independence[0].p < 1e-9
        assert any(f"depend on those of {name}" in note for note in trial.notes)


def test_an_empty_log_has_no_figures(joined):
    """Without an exposure there is nothing to divide by, and no made-up number."""
    with joined([], []) as made:
        assert log_figures(made) == []
        assert trials(made) == []
