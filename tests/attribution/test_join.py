"""The SQL join against its plain-Python twin, on small logs full of trouble and on planted faults."""

import itertools
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

import join_oracle as oracle
from recsys.attribution import quality
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.contracts.report import UNKNOWN

ITEMS = ["a", "b", "c", "é"]
MOMENTS = [
    "2026-02-05T10:00:00Z", "2026-02-05T10:00:00.000001Z", "2026-02-05t11:00:03z", "2026-02-05T10:00:20+00:00",
    "2026-02-05T09:59:54.999999Z", "2026-02-05T09:59:55Z", "2026-02-05T12:30:00Z", "2026-02-06T10:00:00+02:00",
]  # fmt: skip
contexts = st.dictionaries(st.sampled_from(["tenant_id", "surface"]), st.sampled_from(["demo", "home", ""]), max_size=2)


@st.composite
def exposures(draw):
    ranked = draw(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(ITEMS)), max_size=4))
    row = {
        "request_id": draw(st.sampled_from(["r1", "r2", "r3", "r4"])),
        "user_id": draw(st.sampled_from(["u1", "u2"])),
        "ts": draw(st.sampled_from(MOMENTS[:3])),
        "items": [{"rank": rank, "item_id": item} for rank, item in ranked],
    }
    if draw(st.booleans()):
        row["context"] = draw(contexts)
    if draw(st.booleans()):
        row["items"] = [{"rank": n, "item_id": item} for n, item in enumerate(ITEMS[: len(ranked)], 1)]
    return row


@st.composite
def outcomes(draw):
    row = {
        "request_id": draw(st.sampled_from(["r1", "r2", "r3", "r4", "r5"])),
        "user_id": draw(st.sampled_from(["u1", "u2"])),
        "item_id": draw(st.sampled_from(ITEMS)),
        "event_type": draw(st.sampled_from(["click", "conversion"])),
        "ts": draw(st.sampled_from(MOMENTS)),
    }
    if draw(st.booleans()):
        row["value"] = draw(st.sampled_from([0, 1.5, 49.9]))
    if draw(st.integers(0, 3)) == 0:
        row["event_id"] = draw(st.sampled_from(["e1", "e2"]))
    if draw(st.booleans()):
        row["context"] = draw(contexts)
    return row


logs = st.tuples(st.lists(exposures(), min_size=1, max_size=6), st.lists(outcomes(), min_size=1, max_size=10))
windows = st.fixed_dictionaries(
    {"click": st.sampled_from([None, 60.0, 3600.0]), "conversion": st.sampled_from([None, 0.000001, 86400.0])}
)


@settings(max_examples=30, deadline=None)
@given(logs, windows, st.sampled_from([0.0, 5.0]), st.integers(1, 3), st.randoms())
def test_every_fate_equals_the_twin(joined, log, windows_s, tolerance_s, cuts, shuffler):
    """Fates, ranks and join rate equal those of the twin, in any order of rows and any cut into files."""
    shown, done = log
    policy = Policy(tolerance_s=tolerance_s, windows_s=windows_s)
    windows_us = {kind: None if s is None else round(s * 1e6) for kind, s in windows_s.items()}
    expected = oracle.fates(shown, done, tolerance_us=round(tolerance_s * 1e6), windows_us=windows_us)
    rows = Counter(
        (row["request_id"], row["item_id"], row["event_type"], oracle.micros(row["ts"]), row["user_id"], fate, rank)
        for row, (fate, rank) in zip(done, expected, strict=True)
    )
    shuffled = shuffler.sample(shown, len(shown)), shuffler.sample(done, len(done))
    with joined(*shuffled, policy=policy, cuts=cuts) as found:
        fates = Counter(
            found.engine.rows(
                "SELECT request_id, item_id, event_type, ts_us, user_id, fate, "
                "CASE WHEN fate = 'attributed' THEN shown_rank END FROM outcome_fates"
            )
        )
        assert fates == rows
        described = quality.data_quality(found)
    assert (described.rates.join.numerator, described.rates.join.denominator) == oracle.join_rate(shown, done)
    assert described.exposures.redelivered == len(shown) - described.exposures.distinct
    _check_sums(described, len(done))


def _check_sums(described, rows):
    """The fates of every key's values add up to the rows read, and so do the exposures."""
    for key in ("day", "event_type", "tenant_id", "surface"):
        parts = [part for part in described.by if part.key == key]
        assert sum(part.fates.rows for part in parts) == rows
        if key != "event_type":
            assert sum(part.exposures for part in parts) == described.exposures.distinct
        for part in parts:
            fates = part.fates
            assert fates.rows == sum(getattr(fates, fate) for fate in oracle.FATES)


@settings(max_examples=15, deadline=None)
@given(logs, st.randoms())
def test_quality_does_not_depend_on_order_or_cut(quality_of, log, shuffler):
    """Two orders and two cuts of the same rows give the same description, to the last figure."""
    shown, done = log
    again = shuffler.sample(shown, len(shown)), shuffler.sample(done, len(done))
    assert quality_of(shown, done) == quality_of(*again, cuts=2)


def healthy(count=630, length=5):
    """Exposures of ``length`` items each, and a click on each second one, by request number."""
    shown, done = [], []
    for n in range(count):
        second = f"{n % 60:02d}"
        minute = f"{n // 60 % 60:02d}"
        shown.append(
            {
                "request_id": f"r{n}", "user_id": f"u{n % 40}", "ts": f"2026-02-05T10:{minute}:{second}Z",
                "items": [{"item_id": f"i{(n + k) % 50}", "rank": k + 1} for k in range(length)],
                "context": {"tenant_id": "demo", "surface": "home" if n % 3 else "cart"},
            }
        )  # fmt: skip
        if n % 2 == 0:
            done.append(
                {
                    "request_id": f"r{n}", "user_id": f"u{n % 40}", "item_id": f"i{(n + n % length) % 50}",
                    "event_type": "click" if n % 4 else "conversion", "ts": f"2026-02-05T10:{minute}:{second}.5Z",
                    "event_id": f"e{n}",
                }
            )  # fmt: skip
    return shown, done


def test_planted_faults_are_counted_exactly(quality_of):
    """Dropped exposures, altered request ids, clicks moved off the list and repeated outcomes end where they must."""
    shown, done = healthy()
    shown = [row for n, row in enumerate(shown, 1) if n % 10]
    done = [{**row, "request_id": f"altered-{n}"} if n % 7 == 0 else row for n, row in enumerate(done, 1)]
    clicks = itertools.count(1)
    done = [
        {**row, "item_id": "never-shown"} if row["event_type"] == "click" and next(clicks) % 5 == 0 else row
        for row in done
    ]
    done = list(itertools.chain(*([row, row] if n % 9 == 0 else [row] for n, row in enumerate(done, 1))))
    expected = oracle.fate_counts(shown, done)
    assert {"duplicate", "orphan", "not_in_list", "attributed"} <= set(expected)
    assert expected["duplicate"] == 35
    shuffler = random.Random(3)
    for cuts in (1, 4):
        found = quality_of(shuffler.sample(shown, len(shown)), shuffler.sample(done, len(done)), cuts=cuts)
        assert {fate: n for fate in oracle.FATES if (n := getattr(found.fates, fate))} == dict(expected)
        assert found.fates.rows == len(done)


def test_a_healthy_log_is_all_attributed(quality_of):
    """Without a planted fault every outcome is attributed, and nothing is found."""
    shown, done = healthy()
    found = quality_of(shown, done)
    assert found.fates.attributed == len(done)
    assert found.rates.match.value == found.rates.attribution.value == found.rates.valid.value == 1.0
    assert found.rates.join.value == 0.5
    assert found.missing_keys == {"tenant_id": 0, "surface": 0}


def test_invalid_rows_are_counted_and_never_joined(joined, tmp_path):
    """A malformed outcome is ``invalid``, under ``unknown`` in every key, and the rest is joined."""
    from recsys.attribution import join, sources

    shown, done = healthy(20)
    paths = tmp_path / "e.jsonl", tmp_path / "o.jsonl"
    import json

    paths[0].write_text("".join(json.dumps(row) + "\n" for row in shown) + "{broken\n")
    paths[1].write_text('{"request_id":""}\n' + "".join(json.dumps(row) + "\n" for row in done) + "[]\n")
    accepted = sources.accept_dataset(sources.from_options([str(paths[0])], [str(paths[1])]), tmp_path)
    found = join.join(DuckDB(tmp_path), accepted, Policy(), scratch=tmp_path)
    described = quality.data_quality(found)
    found.engine.close()
    assert described.fates.invalid == 2
    assert described.fates.attributed == len(done)
    assert described.exposures.invalid == 1
    unknown = [part for part in described.by if part.key == "tenant_id" and part.value == UNKNOWN]
    assert [part.fates.invalid for part in unknown] == [2]
    assert described.rates.valid.numerator == len(done)


def test_slices_come_through_the_exposure_then_the_assignment_then_the_outcome(quality_of):
    """An outcome's slice is its exposure's; without exposure its assignment's; then its own; then unknown."""
    shown, _ = healthy(2)

    def click(request, **context):
        return {
            "request_id": request, "user_id": "u0", "item_id": "i0", "event_type": "click",
            "ts": "2026-02-05T10:00:01Z", "context": context,
        }  # fmt: skip

    assigned = [
        {
            "experiment_id": "x", "variant": "A", "request_id": "lost-1", "user_id": "u0",
            "ts": "2026-02-05T10:00:00Z", "context": {"surface": "from-assignment"},
        }
    ]  # fmt: skip
    done = [
        click("r0", surface="own"), click("lost-1", surface="own"), click("lost-2", surface="own"), click("lost-3"),
    ]  # fmt: skip
    found = quality_of(shown, done, assignments=assigned, slice_keys=("surface", "experiment_variant"))
    rows = {part.value: part.fates.rows for part in found.by if part.key == "surface"}
    assert rows == {"cart": 1, "home": 0, "from-assignment": 1, "own": 1, UNKNOWN: 1}
    variants = {part.value: part.fates.rows for part in found.by if part.key == "experiment_variant"}
    assert variants == {"A": 1, UNKNOWN: 3}


def test_conflicting_copies_are_counted(quality_of):
    """A repeated event whose value differs is a duplicate, and a conflicting one; an exact copy is not."""
    shown, done = healthy(4)
    first = {**done[0], "value": 1.0}
    found = quality_of(shown, [first, {**first, "value": 2.0}, first])
    assert (found.fates.duplicate, found.fates.attributed, found.conflicting_duplicates) == (2, 1, 1)


def test_hours_and_ranks(joined):
    """Points by hour add up to exposures and outcomes; clicks by rank to the attributed clicks."""
    shown, done = healthy()
    with joined(shown, done) as found:
        hours = quality.hours(found)
        ranks = quality.clicks_by_rank(found)
    assert sum(point.exposures for point in hours) == len(shown)
    assert sum(point.outcomes for point in hours) == len(done)
    clicks = Counter((n % 5) + 1 for n in range(0, 630, 2) if n % 4)
    assert {point.rank: point.clicks for point in ranks} == {rank: clicks.get(rank, 0) for rank in range(1, 6)}
    assert all(point.impressions == len(shown) for point in ranks)
