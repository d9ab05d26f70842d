"""A whole evaluation: what must hold in every report, whatever the logs, and that only the rows decide what it says."""

import json
import random
from datetime import UTC, datetime

import duckdb
import jsonschema
import msgspec
import pytest
from msgspec.structs import asdict, replace

import join_oracle as oracle
import troubled_logs
from recsys.attribution import sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.opening import DEFAULT_ENGINE
from recsys.attribution.policy import Policy
from recsys.contracts import schema
from recsys.contracts.report import Report
from recsys.evaluation import evaluate as conductor
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.metrics import parse
from recsys.evaluation.render import text

NOW = datetime(2026, 2, 7, tzinfo=UTC)
WINDOWS = {"click": 60.0, "conversion": 3600.0}
CONFIG = EvaluationConfig(attribution=Policy(windows_s={**WINDOWS}, min_match_rate=0.5))


def run(folder, shown, done, *, items=None, config=CONFIG, bad=0, engine=DEFAULT_ENGINE, **form) -> Report:
    """The report on these rows, written to ``folder`` in this form (see ``troubled_logs.write``)."""
    named = sources.from_options(
        troubled_logs.write(folder, "exposures", shown, bad=bad, **form),
        troubled_logs.write(folder, "outcomes", done, bad=bad, **form),
        items=None if items is None else troubled_logs.write(folder, "items", items)[0],
    )
    return conductor.evaluate(named, config, now=NOW, engine=engine).report


@pytest.fixture(scope="module", params=[1, 2])
def world(request, tmp_path_factory):
    """Logs of one seed, with three bad lines each, and their report."""
    shown, done = troubled_logs.make(request.param)
    folder = tmp_path_factory.mktemp("world")
    return shown, done, run(folder, shown, done, items=troubled_logs.CATALOGUE, bad=3)


def fate_counts(fates):
    return {name: getattr(fates, name) for name in oracle.FATES}


def test_the_fates_are_those_of_the_twin(world):
    """Every fate occurs, each is counted as the plain-Python twin counts it, and together they are all rows read."""
    shown, done, report = world
    windows_us = {kind: round(seconds * 1e6) for kind, seconds in WINDOWS.items()}
    expected = {
        **dict.fromkeys(oracle.FATES, 0),
        **oracle.fate_counts(shown, done, windows_us=windows_us),
        "invalid": 3,
    }
    assert {fate for fate, count in expected.items() if count == 0} == oracle.POLICY_FATES
    found = report.data_quality.fates
    assert fate_counts(found) == expected
    assert found.rows == sum(expected.values()) == len(done) + 3


def test_every_breakdown_adds_up_to_the_whole(world):
    """The fates and exposures of a key's values add up to all; by event type all exposures count in each."""
    _, _, report = world
    quality = report.data_quality
    for key in ("day", "event_type", "tenant_id", "surface"):
        parts = [part for part in quality.by if part.key == key]
        assert len({part.value for part in parts}) == len(parts) > 1
        for fate, total in fate_counts(quality.fates).items():
            assert sum(getattr(part.fates, fate) for part in parts) == total, (key, fate)
        if key != "event_type":
            assert sum(part.exposures for part in parts) == quality.exposures.distinct
        for part in parts:
            assert part.fates.rows == sum(fate_counts(part.fates).values())


def rates(value):
    """Every Rate anywhere in a document of plain values."""
    if isinstance(value, dict):
        if set(value) == {"value", "numerator", "denominator"}:
            yield value
        value = list(value.values())
    for part in value if isinstance(value, list) else []:
        yield from rates(part)


def test_every_rate_is_its_parts_and_a_share(world):
    """A rate is its numerator over its denominator, in [0, 1], and null exactly where the denominator is 0."""
    found = list(rates(json.loads(text(world[2], "json"))))
    assert len(found) > 40
    for rate in found:
        assert 0 <= rate["numerator"] <= rate["denominator"]
        expected = rate["numerator"] / rate["denominator"] if rate["denominator"] else None
        assert rate["value"] == expected


def test_the_rates_follow_from_the_fates(world):
    """Match and attribution rate are over rows neither invalid nor repeated; the join rate is the twin's."""
    shown, done, report = world
    fates, rates = report.data_quality.fates, report.data_quality.rates
    countable = fates.rows - fates.invalid - fates.duplicate
    late_or_early = fates.not_in_list + fates.before_exposure + fates.after_window
    assert (rates.valid.numerator, rates.valid.denominator) == (fates.rows - 3, fates.rows)
    assert (rates.match.numerator, rates.match.denominator) == (fates.attributed + late_or_early, countable)
    assert (rates.attribution.numerator, rates.attribution.denominator) == (fates.attributed, countable)
    assert (rates.join.numerator, rates.join.denominator) == oracle.join_rate(shown, done)


def test_exposures_hours_and_ranks_add_up(world):
    """Rows of exposures, points by hour and impressions by rank are the same things counted in other ways."""
    shown, _, report = world
    found = report.data_quality.exposures
    distinct = [row for rows in oracle.distinct_exposures(shown).values() for row in rows]
    lists = [oracle.shown(row) for row in distinct]
    assert (found.rows, found.invalid) == (len(shown) + 3, 3)
    assert found.rows == found.invalid + found.redelivered + found.distinct
    assert (found.distinct, found.impressions) == (len(distinct), sum(map(len, lists)))
    assert (found.users, found.empty) == (len({row["user_id"] for row in distinct}), lists.count([]))
    fates = report.data_quality.fates
    assert sum(point.exposures for point in report.hours) == found.distinct
    assert sum(point.outcomes for point in report.hours) == fates.rows - fates.invalid - fates.duplicate
    assert [point.impressions for point in report.clicks_by_rank] == [
        sum(len(listed) >= rank for listed in lists) for rank in range(1, max(map(len, lists)) + 1)
    ]
    clicks = next(part for part in report.data_quality.by if part.value == "click").fates.attributed
    assert sum(point.clicks for point in report.clicks_by_rank) == clicks
    assert sum(point.share or 0 for point in report.clicks_by_rank) == pytest.approx(1)


def by_metric(report, key=""):
    """metric → its estimates in all slices of a key."""
    found = {}
    for result in report.results:
        if result.slice_key == key:
            found.setdefault(result.metric, []).append(result.estimate)
    return found


def test_every_interval_contains_its_estimate(world, tmp_path):
    """Where there is an interval it holds the estimate and stays in the metric's range; else the note says why."""
    check_intervals(world[2])
    cut = 0
    for count in range(3, 12):  # so few exposures that intervals reach the ends of the range
        report = run(tmp_path, *troubled_logs.make(count, count))
        check_intervals(report)
        cut += sum(result.estimate.high == 1 for result in report.results)
    assert cut


def check_intervals(report):
    for result in report.results:
        estimate, metric = result.estimate, parse(result.metric.split("|")[0])
        assert estimate.value is not None or estimate.note
        if estimate.low is None or estimate.high is None or estimate.value is None:
            assert (estimate.low, estimate.high, estimate.level, estimate.method) == (None, None, None, "")
            assert estimate.note
        else:
            assert metric.lowest <= estimate.low <= estimate.value <= estimate.high <= metric.highest
            assert estimate.low < estimate.high
            assert estimate.level == 0.95
            if estimate.units is None:
                assert estimate.method.startswith("delete-a-group jackknife, ")
            else:
                assert estimate.method == "delta method, users as units"
                assert 2 <= estimate.units <= estimate.n


SCORES = ("hitrate@10", "precision@10", "recall@10", "ndcg@10", "map@10", "mrr@10")


def test_means_of_slices_add_up_to_the_mean(world):
    """Of every score and key, exposures and sums over the slices are those of the whole: nothing is dropped."""
    report = world[2]
    overall = by_metric(report)
    assert overall["ndcg@10"][0].n == report.data_quality.exposures.distinct
    assert overall["ndcg@10"][0].units == report.data_quality.exposures.users
    for key in ("tenant_id", "surface"):
        slices = by_metric(report, key)
        for name in (*SCORES, *(f"{score}|responded" for score in SCORES)):
            [whole] = overall[name]
            assert sum(part.n for part in slices[name]) == whole.n
            total = sum(part.n * (part.value or 0) for part in slices[name])
            assert total == pytest.approx(whole.n * whole.value, rel=1e-9)


def test_scores_keep_their_order(world):
    """An exposure without response scores 0, so both means have one sum; no score exceeds the hit rate."""
    for key in ("", "tenant_id", "surface"):
        found = by_metric(world[2], key)
        for place, hit in enumerate(found["hitrate@10"]):
            for name in SCORES:
                score, responded = found[name][place], found[f"{name}|responded"][place]
                assert score.value <= hit.value
                assert responded.n <= score.n == hit.n
                assert score.value * score.n == pytest.approx((responded.value or 0) * responded.n, rel=1e-9)


def test_a_report_obeys_its_schema_and_reads_back(world):
    """The JSON of a report holds against report.v1 and decodes to the same report; another key does not."""
    report = world[2]
    document = json.loads(text(report, "json"))
    validator = jsonschema.Draft202012Validator(
        schema.build("report.v1"), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    assert [error.message for error in validator.iter_errors(document)] == []
    assert msgspec.json.decode(text(report, "json"), type=Report) == report
    assert not validator.is_valid({**document, "verdict": "ship"})
    assert not validator.is_valid({key: value for key, value in document.items() if key != "summary"})


@pytest.mark.parametrize("form", ["json", "markdown", "html"])
def test_a_report_names_nobody(world, form):
    """No report in any form holds the id of a user, a request or an event."""
    content = text(world[2], form)
    assert not any(word in content for word in ("person-", "request-", "event-request", "lost-"))


FORMS = [
    {"cuts": 3}, {"pack": ".gz"}, {"cuts": 2, "pack": ".zst"}, {"threads": 1}, {"threads": 2, "cuts": 8},
    {"threads": 4, "cuts": 8},
]  # fmt: skip


def test_only_the_rows_decide(tmp_path):
    """Any order of rows, cut into files, packing and number of threads gives the same report, to the last digit."""
    shown, done = troubled_logs.make(3, count=900)
    shuffler = random.Random(4)

    def told(number, *rows, items=troubled_logs.CATALOGUE, threads=None, **form):
        engine = EngineChoice(threads=threads)
        report = run(tmp_path / str(number), *rows, items=items, bad=2, engine=engine, **form)
        return {**asdict(report), "run_id": "", "inputs": []}, report

    first, report = told(0, shown, done)
    assert report.created_at == NOW
    for number, form in enumerate(FORMS, 1):
        rows = [shuffler.sample(part, len(part)) for part in (shown, done, troubled_logs.CATALOGUE)]
        again, other = told(number, rows[0], rows[1], items=rows[2], **form)
        assert again == first, form
        assert other.run_id != report.run_id
        assert sum(part.rows for part in other.inputs) == sum(part.rows for part in report.inputs)


COLUMNS = {
    "exposures": {
        "request_id": "VARCHAR", "user_id": "VARCHAR", "ts": "TIMESTAMPTZ", "context": "MAP(VARCHAR, VARCHAR)",
        "items": "STRUCT(item_id VARCHAR, rank INTEGER, propensity DOUBLE)[]", "latency_ms": "DOUBLE",
        "error": "BOOLEAN",
    },
    "outcomes": {
        "request_id": "VARCHAR", "user_id": "VARCHAR", "item_id": "VARCHAR", "event_type": "VARCHAR",
        "ts": "TIMESTAMPTZ", "value": "DOUBLE", "event_id": "VARCHAR",
    },
}  # fmt: skip


def test_parquet_gives_the_same_report(tmp_path):
    """Logs turned to Parquet by DuckDB's own writer give the report that their JSONL gives."""
    shown, done = troubled_logs.make(5, count=120)
    first = run(tmp_path, shown, done)
    for role, columns in COLUMNS.items():
        log = tmp_path / role
        duckdb.execute(f"COPY (FROM read_json('{log}-0.jsonl', columns = {columns})) TO '{log}.parquet'")
    named = sources.from_options([f"{tmp_path}/exposures.parquet"], [f"{tmp_path}/outcomes.parquet"])
    again = conductor.evaluate(named, CONFIG, now=NOW).report
    assert replace(again, run_id=first.run_id, inputs=first.inputs) == first
