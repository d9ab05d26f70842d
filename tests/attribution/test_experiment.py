"""The relations of experiments against their plain-Python twins, and who counts, by hand."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import experiment_oracle as oracle
from experiment_logs import CHOSEN, asked, logs, many
from recsys.attribution import experiment, relations
from recsys.attribution.policy import Policy
from recsys.statistics.moments import Moments

ALL = (*relations.EXPERIMENT_TABLES, *relations.EXPERIMENT_QUERIES)
STANDINGS = {
    "anonymous", "other_user", "before_assignment", "unassigned", "ambiguous", "too_recent", "counts",
}  # fmt: skip


def load(joined, params):
    """The parameters, as the twin has them, and the tables of the experiment."""
    joined.engine.load("experiment", dict(experiment.COLUMN_TYPES), [params.row])
    for name in relations.EXPERIMENT_TABLES:
        joined.engine.create(name, relations.text(name), view=name in relations.EXPERIMENT_VIEWS)


def whole(value):
    """Sums come as decimals from some columns."""
    return int(value) if type(value).__name__ == "Decimal" else value


def rows_of(joined, name):
    return Counter(tuple(map(whole, row)) for row in joined.engine.rows(relations.text(name)))


def test_every_relation_has_a_twin(joined):
    """None is left out of the comparison, and its columns are those of the twin, in order."""
    assert set(ALL) == set(oracle.RELATIONS) == set(oracle.COLUMNS)
    with joined([], []) as made:
        load(made, oracle.Asked("x"))
        for name in ALL:
            assert tuple(made.engine.columns(relations.text(name))) == oracle.COLUMNS[name], name


@settings(max_examples=8, deadline=None)
@given(logs, asked, st.integers(1, 3), st.randoms())
def test_every_relation_equals_its_twin(joined, found, params, cuts, shuffler):
    """Each has the rows of its twin, of one experiment and of the whole log, in any order and any cut into files."""
    compare(joined, found, params, cuts, shuffler)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=300, deadline=None)
@given(logs, asked, st.integers(1, 3), st.randoms())
def test_every_relation_equals_its_twin_on_more_logs(joined, found, params, cuts, shuffler):
    """The same, many times over."""
    compare(joined, found, params, cuts, shuffler)


@pytest.mark.parametrize("params", CHOSEN, ids=lambda params: params.scope)
def test_many_logs_at_once(joined, params):
    """So they have on many logs together, in which every standing occurs that the parameters allow."""
    found = many(150)
    standings = {row[-1] for row in oracle.experiment_exposures(found, params)}
    impossible = {"unassigned"} if params.scope == "user" else set()
    impossible |= set() if params.as_of_us else {"too_recent"}
    # What was assigned in the afternoon is later than the instants at which these look
    rare = {"before_assignment"} if params.as_of_us and params.tolerance_us else set()
    assert standings | rare == STANDINGS - impossible
    assert any(row[-1] for row in oracle.assigned_units(found, params))
    assert all(oracle.experiment_assignments(found, params)[0])
    compare(joined, found, params, 3, random.Random(4))


def compare(joined, found, params, cuts, shuffler):
    shuffled = [shuffler.sample(rows, len(rows)) for rows in (found.exposures, found.outcomes, found.assignments)]
    with joined(*shuffled, cuts=cuts) as made:
        load(made, params)
        for name in ALL:
            assert rows_of(made, name) == Counter(oracle.RELATIONS[name](found, params)), name
        check_moments(experiment.arms(made), oracle.experiment_unit_sums(found, params))
        experiment.settle_log(made)
        whole_log = oracle.Asked(experiment_id="")
        sums = oracle.experiment_unit_sums(found, whole_log, whole_log=True)
        assert Counter(made.engine.rows("SELECT * FROM experiment_unit_sums")) == Counter(sums)
        check_moments(experiment.arms(made), sums)
        for asked in (params, whole_log):
            made.engine.load("experiment", dict(experiment.COLUMN_TYPES), [asked.row])
            for name, twin in (("experiment_exposures", "log_exposures"), ("experiment_units", "log_units")):
                made.engine.create(name, relations.text(twin), view=twin in relations.EXPERIMENT_VIEWS)
                assert rows_of(made, twin) == Counter(getattr(oracle, twin)(found, asked)), twin


def check_moments(arms, units):
    """The moments of each figure, made of the parts of its sums, are exact sums over the units."""
    assert sorted(arms) == list(arms) == sorted({row[1] for row in units})
    for arm, sums in arms.items():
        own = [row for row in units if row[1] == arm]
        lists = [row[3] for row in own]
        for metric, totals in {
            "ctr": [row[4] for row in own],
            "conversion_rate": [row[5] for row in own],
            "revenue_per_exposure": [row[6] * 10**6 + row[7] for row in own],
        }.items():
            assert sums.moments[metric] == moments(totals, lists), metric
        assert sums.moments["exposures_per_user"] == moments(lists, [1] * len(own))
        assert sums.value_micros == sum(row[6] * 10**6 + row[7] for row in own)


def moments(y, n):
    return Moments(
        units=len(y), y=sum(y), n=sum(n), yy=sum(a * a for a in y),
        yn=sum(a * b for a, b in zip(y, n, strict=True)), nn=sum(b * b for b in n),
    )  # fmt: skip


START = datetime(2026, 2, 5, 10, tzinfo=UTC)


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat()


def shown(request, user, seconds=0, items=("a",), **more):
    listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
    return {"request_id": request, "user_id": user, "ts": at(seconds), "items": listed, **more}


def assigned(request, user, variant, seconds=0, name="x"):
    return {"experiment_id": name, "variant": variant, "request_id": request, "user_id": user, "ts": at(seconds)}


def done(request, user="u1", seconds=1, kind="click", item="a", **more):
    row = {"request_id": request, "user_id": user, "item_id": item, "event_type": kind, "ts": at(seconds)}
    return {**row, **more}


@pytest.fixture
def settled(joined):
    """The sums by arm, and the exposures by standing, of logs."""

    def of(exposures, outcomes, assignments, policy=None, **params):
        with joined(exposures, outcomes, assignments, policy=policy) as made:
            experiment.prepare(made)
            experiment.settle(made, experiment.Asked(experiment_id="x", **params))
            arms = experiment.arms(made)
            standings = Counter({part.standing: 0 for part in experiment.standings(made)})
            for part in experiment.standings(made):
                standings[part.standing] += part.n
        return arms, dict(standings)

    return of


def test_the_arm_is_that_of_the_first_assignment(settled):
    """A unit in two arms counts once, in the first by time, then by request id, with all that it was shown."""
    arms, standings = settled(
        [shown("r1", "u1", 10), shown("r2", "u1", 20), shown("r3", "u2", 0), shown("r4", "u2", 0)],
        [done("r2", seconds=21)],
        [assigned("r2", "u1", "A", 20), assigned("r1", "u1", "B", 10), assigned("r4", "u2", "A"),
         assigned("r3", "u2", "B")],
    )  # fmt: skip
    assert list(arms) == ["B"]
    assert (arms["B"].units, arms["B"].in_two_arms, arms["B"].exposures, arms["B"].clicks) == (2, 2, 4, 1)
    assert standings == {"counts": 4}


def test_a_repeated_assignment_counts_once(settled):
    """A redelivered row makes no second unit and no second exposure."""
    arms, _ = settled([shown("r1", "u1")], [done("r1")], [assigned("r1", "u1", "A")] * 3)
    assert (arms["A"].units, arms["A"].in_two_arms, arms["A"].exposures, arms["A"].clicks) == (1, 0, 1, 1)


def test_scope_request_and_scope_user(settled):
    """An exposure without an assignment row counts for its unit under scope user only, and never before the first."""
    logs_ = (
        [shown("r0", "u1", -60), shown("r1", "u1", 0), shown("r2", "u1", 60), shown("r3", "u9", 60)],
        [done("r2", seconds=61)],
        [assigned("r1", "u1", "A")],
    )
    arms, standings = settled(*logs_)
    assert (arms["A"].exposures, arms["A"].clicks) == (1, 0)
    assert standings == {"counts": 1, "unassigned": 1, "before_assignment": 1}
    arms, standings = settled(*logs_, scope="user")
    assert (arms["A"].exposures, arms["A"].clicks) == (2, 1)
    assert standings == {"counts": 2, "before_assignment": 1}


def test_clocks_may_differ_by_the_tolerance(settled):
    """An exposure that was stamped up to 5 s before its assignment is not before it; a policy without a limit for
    outcomes changes nothing about that."""
    logs_ = [shown("r1", "u1", 0), shown("r2", "u2", 0)], [done("r1")], [
        assigned("r1", "u1", "A", 5), assigned("r2", "u2", "A", 5.000001)
    ]  # fmt: skip
    for policy in (None, Policy(tolerance_s=None)):
        _, standings = settled(*logs_, policy=policy)
        assert standings == {"counts": 1, "before_assignment": 1}
    _, standings = settled(*logs_, policy=Policy(tolerance_s=0.0))
    assert standings == {"before_assignment": 2}


def test_empty_and_error_lists_stay_and_ambiguous_ones_leave(settled):
    """A list without items, or of a failed request, is in the denominator; of two lists under one id neither is."""
    arms, standings = settled(
        [shown("r1", "u1", items=()), shown("r2", "u1", error=True), shown("r3", "u1"), shown("r3", "u1", items="b")],
        [done("r1")],
        [assigned(request, "u1", "A") for request in ("r1", "r2", "r3")],
    )
    assert arms["A"].exposures == 2
    assert standings == {"counts": 2, "ambiguous": 2}


def test_the_outcome_belongs_to_the_exposures_user(settled):
    """Whoever the outcome names, the unit is the one that was shown the list."""
    arms, _ = settled(
        [shown("r1", "u1"), shown("r2", "u2")],
        [done("r1", user="u2"), done("r1", user="u1", kind="conversion", value=2.5)],
        [assigned("r1", "u1", "A"), assigned("r2", "u2", "B")],
    )
    assert (arms["A"].clicks, arms["A"].conversions, arms["A"].value_micros) == (1, 1, 2_500_000)
    assert (arms["B"].units, arms["B"].exposures, arms["B"].clicks) == (1, 1, 0)


def test_who_is_nobody_is_no_unit(settled):
    """A user_id that is only the request_id, and a request whose exposure is anonymous, make no unit."""
    arms, standings = settled(
        [shown("r1", "r1"), shown("r2", "u2", context={"anonymous": "true"}), shown("r3", "u3")],
        [done("r1"), done("r2")],
        [assigned("r1", "r1", "A"), assigned("r2", "u2", "A"), assigned("r3", "u3", "A")],
    )
    assert (arms["A"].units, arms["A"].exposures, arms["A"].clicks) == (1, 1, 0)
    assert standings == {"anonymous": 2, "counts": 1}


def test_a_request_of_another_user(settled):
    """An exposure whose request was assigned to somebody else, and one whose user was never assigned, do not count."""
    arms, standings = settled(
        [shown("r1", "u1"), shown("r2", "u9"), shown("r3", "u1")],
        [done("r2")],
        [assigned("r1", "u1", "A"), assigned("r2", "u2", "B"), assigned("r3", "u2", "B")],
    )
    assert (arms["A"].exposures, arms["B"].units, arms["B"].exposures) == (1, 1, 0)
    assert standings == {"counts": 1, "other_user": 2}


def test_what_is_too_recent_leaves_both_sides(settled):
    """As of an instant, a list whose window was still open then is in no denominator, and its outcomes in no sum."""
    logs_ = (
        [shown("r1", "u1", 0), shown("r2", "u1", 41), shown("r3", "u1", 40)],
        [done("r1", seconds=59), done("r2", seconds=42), done("r3", seconds=100.000001, kind="conversion"),
         done("r3", seconds=99)],
        [assigned(request, "u1", "A") for request in ("r1", "r2", "r3")],
    )  # fmt: skip
    policy = Policy(windows_s={"click": 60.0, "conversion": None})
    arms, standings = settled(*logs_, policy=policy, as_of=START + timedelta(seconds=100))
    assert standings == {"counts": 2, "too_recent": 1}
    assert (arms["A"].exposures, arms["A"].clicks, arms["A"].conversions) == (2, 2, 0)
    arms, standings = settled(*logs_, policy=policy)
    assert (standings, arms["A"].clicks, arms["A"].conversions) == ({"counts": 3}, 3, 1)


def test_values_are_exact_and_odd_ones_are_counted(settled):
    """Refunds subtract, ten times 0.1 is 1, a conversion without a value is one; what is no sum of money is told."""
    values = [0.1] * 10 + [-0.25, 1e12, -1e12, 2e12, -1e300]
    shop = [done("r1", seconds=n + 1, kind="conversion", value=value) for n, value in enumerate(values)]
    arms, _ = settled(
        [shown("r1", "u1")], [*shop, done("r1", seconds=90, kind="conversion"), done("r1", value=7.0)],
        [assigned("r1", "u1", "A")],
    )  # fmt: skip
    sums = arms["A"]
    assert sums.value_micros == 750_000
    assert (sums.conversions, sums.no_value, sums.odd_value, sums.clicks) == (16, 1, 2, 1)


def test_sums_of_large_values_do_not_overflow(settled):
    """A unit with 300 conversions of the largest value: its sum, and the sum of its square, are exact."""
    arms, _ = settled(
        [shown("r1", "u1")],
        [done("r1", seconds=n, kind="conversion", value=1e12 - n / 8) for n in range(300)],
        [assigned("r1", "u1", "A")],
    )
    total = sum(10**18 - n * 125_000 for n in range(300))
    moments_ = arms["A"].moments["revenue_per_exposure"]
    assert (moments_.y, moments_.yy, moments_.yn) == (total, total**2, total)


amounts = st.one_of(st.floats(-1e12, 1e12), st.floats(-100, 100), st.integers(-(10**14), 10**14).map(lambda n: n / 100))


@settings(max_examples=5, deadline=None)
@given(st.lists(amounts, min_size=200, max_size=200))
def test_a_value_is_rounded_to_the_nearest_millionth(joined, values):
    """No value is further from its fixed-point form than half a millionth, whatever its size, and the twin agrees."""
    outcomes = [done("r1", seconds=n, kind="conversion", value=value) for n, value in enumerate(values)]
    with joined([shown("r1", "u1")], outcomes) as made:
        experiment.settle_log(made)
        rounded = dict(made.engine.rows("SELECT ts_us, value_micros FROM valued_outcomes"))
    for row in outcomes:
        found = rounded[oracle.micros(row["ts"])]
        assert abs(found - Fraction(row["value"]) * 10**6) <= Fraction(1, 2) + Fraction(1, 10**9)
        assert found == oracle.fixed_point(row["value"])
