"""Moments: parts of the users add to the whole, exactly; nothing over few users leaves; what does not is refused."""

import json

import msgspec
import pytest

import ab_logs
import moment_parts
from ab_logs import World
from moment_parts import bucket, comparable, configured, cut, evaluated, merged
from recsys.contracts.moments import Moments
from recsys.errors import InputError, UsageError
from recsys.evaluation import config as configs
from recsys.evaluation.experiment import moments_files

WORLD = World(users=10_000, seed=4).but(B={"click": 0.6, "empty": 0.01})


@pytest.fixture(scope="module")
def logs():
    return ab_logs.logs(WORLD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("moments")


@pytest.fixture(scope="module")
def whole(logs, folder):
    """What is made of all rows at once."""
    return evaluated(ab_logs.write(logs, folder / "logs"), configured())


@pytest.fixture(scope="module")
def parts(whole, folder):
    """Five files, each of one part that the command cut."""
    options = {role: [str(folder / "logs" / f"{role}-*.jsonl")] for role in ("exposures", "outcomes", "assignments")}
    return [
        written(evaluated(options, configured(), (part, 5)).moments, folder / f"part-{part}.json")
        for part in range(1, 6)
    ]  # fmt: skip


def written(moments, path):
    moments_files.write(moments, path)
    return path


def but(path, target, **changes):
    """The same moments with some fields changed."""
    moments = msgspec.json.decode(path.read_bytes(), type=Moments)
    return written(msgspec.structs.replace(moments, **changes), target)


def test_five_parts_are_the_whole(whole, parts):
    """Metrics, decision, slices, days, interactions, findings and quality are equal to the last bit, in any order."""
    assert comparable(merged(parts)) == comparable(whole.report)
    assert comparable(merged(parts[::-1])) == comparable(whole.report)
    (candidate,) = whole.report.experiment.candidates
    assert candidate.decision.decision == "ship"
    assert len(candidate.days) > 7


def test_files_cut_by_a_hash_of_ones_own(whole, logs, tmp_path):
    """Logs that somebody cut before us, by the documented hash: the same results. No part is recorded."""
    paths = []
    end = {
        "as_of": "2026-01-18T12:00:00Z", "bootstrap": {"buckets": 64},
        "cuped": {"enabled": True, "covariate_key": "loyalty"},
    }  # fmt: skip
    for part in range(2):
        own = cut(logs, lambda row, part=part: bucket(row["user_id"]) % 2 == part)
        options = ab_logs.write(own, tmp_path / f"own-{part}")
        paths.append(written(evaluated(options, configured(end)).moments, tmp_path / f"{part}.json"))
    found = merged(paths)
    options = ab_logs.write(logs, tmp_path / "all")
    expected = evaluated(options, configured(end), moments=False).report
    assert comparable(found, inputs=False) == comparable(expected, inputs=False)
    (candidate,), (other,) = found.experiment.candidates, whole.report.experiment.candidates
    assert candidate.decision.metrics != other.decision.metrics
    assert candidate.decision.metrics[0].cuped.used
    assert all(each.p is not None for each in candidate.interactions)


def test_parts_cut_by_day_are_refused(logs, tmp_path):
    """Users who came on both sides are in both files: their squares would be wrong, and so it is said."""
    noon = "2026-01-12T00:00:00Z"
    for name, own in (("a", cut(logs, lambda row: row["ts"] < noon)), ("b", cut(logs, lambda row: row["ts"] >= noon))):
        written(evaluated(ab_logs.write(own, tmp_path / name), configured()).moments, tmp_path / f"{name}.json")
    with pytest.raises(InputError, match=r"users of the same buckets.*in common.*not by day.*squares"):
        merged([tmp_path / "a.json", tmp_path / "b.json"])


def test_no_cell_is_of_fewer_than_ten_users(parts):
    """Every number of users of a cell is 0 or at least 10; nothing looks like an id."""
    for path in parts:
        document = json.loads(path.read_bytes())
        assert [count for count in _users(document) if 0 < count < 10] == []
        assert len(list(_users(document))) > 200
        text = path.read_text()
        assert '"user_id"' not in text
        assert '"r-4-' not in text


def _users(document):
    """Every count of the users of a cell, wherever it stands."""
    for cell in document["arms"].values():
        yield cell["units"]
    for keyed in (*document["slices"], document["days"]):
        for value in keyed["values"]:
            yield from (cell["units"] for cell in value["arms"].values())
            yield from (users for table in (value["buckets"] or {}).values() for users in table[0])
    yield from (arm["units"] for arm in document["who"]["arms"].values())
    for table in (document["matched"]["arms"], document["shown"]):
        yield from (six[0] for six in table.values())
    yield from (units for key in document["origins"] for arms in key["values"].values() for units in arms.values())
    yield from (cell[2] for crossed in document["who"]["crossed"] for cell in crossed["cells"])


def test_what_is_of_few_users_is_left_out_and_told(tmp_path):
    """Days and values of few users, and all that is by bucket; the guardrail on latency is open, and says why."""
    options = ab_logs.write(ab_logs.logs(World(users=400, days=90)), tmp_path / "logs")
    done = evaluated(options, configured({"bootstrap": {"buckets": 1024}}))
    moments = done.moments
    assert moments.latency is None
    assert all(value.buckets is None for each in moments.slices for value in each.values)
    assert moments.days.left_out > 30
    assert all(count == 0 or count >= 10 for count in _users(json.loads(msgspec.json.encode(moments))))
    assert any("Latencies are withheld" in note for note in moments.notes)
    assert any("values of day" in note for note in moments.notes)
    found = merged([written(moments, tmp_path / "few.json")])
    (rail,) = [rail for rail in found.experiment.candidates[0].decision.guardrails if rail.metric == "latency_p95"]
    assert rail.status == "inconclusive"
    assert "withheld" in rail.note
    assert set(moments.notes) <= set(found.warnings)


def test_days_before_the_last_are_not_had_by_subtraction(tmp_path):
    """Three users came on the first of 61 days, of which the last 60 are told: but for one of these, of more users."""
    found = ab_logs.logs(World(users=6_000, days=60, seed=2))
    early = [row["request_id"] for row in found.assignments if row["variant"] == "A"][:3]
    moved = [
        {**row, "ts": row["ts"].replace(row["ts"][:10], "2026-01-04")} if row["request_id"] in early else row
        for row in (*found.exposures, *found.assignments)
    ]
    exposures = len(found.exposures)
    logs = ab_logs.Logs(moved[:exposures], [], moved[exposures:])
    days = evaluated(ab_logs.write(logs, tmp_path / "logs"), configured()).moments.days
    assert days.left_out >= 2
    assert "2026-01-04" not in {day.value for day in days.values}
    assert len(days.values) + days.left_out == 61


def test_a_number_of_buckets_that_would_do_is_named(whole, logs, tmp_path):
    """With 1,024 buckets too few users are in each; the number that is named has none of fewer than 10."""
    done = evaluated(ab_logs.write(logs, tmp_path / "logs"), configured({"bootstrap": {"buckets": 1024}}))
    named = {int(note.split("buckets: ")[1].split()[0]) for note in done.moments.notes if "would do" in note}
    users = {}
    for row in logs.assignments:
        users.setdefault(row["variant"], set()).add(row["user_id"])
    counts = [[0] * max(named) for _ in users]
    for own, count in zip(users.values(), counts, strict=True):
        for user in own:
            count[bucket(user) % max(named)] += 1
    assert min(map(min, counts)) >= 10
    assert whole.moments.latency is not None


def test_an_arm_of_few_users_is_refused_by_name(logs, tmp_path):
    """One row of a third arm: nothing is written, for the rest would say what is in it."""
    row = {**logs.assignments[0], "user_id": "f" * 64, "request_id": "r-x", "variant": "Z"}
    rare = ab_logs.Logs(logs.exposures, logs.outcomes, [*logs.assignments, row])
    with pytest.raises(InputError, match=r"arm Z: .*too few users.*found 1; expected 10"):
        evaluated(ab_logs.write(rare, tmp_path / "logs"), configured())


def test_a_part_without_users_of_an_arm(logs, tmp_path):
    """It holds, for want of the arm, and adds to the others; an arm that no part has is misspelt."""
    arms = {row["user_id"]: row["variant"] for row in logs.assignments}
    for arm in ("A", "B"):
        own = cut(logs, lambda row, arm=arm: bucket(row["user_id"]) % 2 == 0 or arms[row["user_id"]] != arm)
        options = ab_logs.write(own, tmp_path / arm)
        parts = [evaluated(options, configured(), (part, 2)) for part in (1, 2)]
        assert parts[1].report.summary.status == "hold"
        paths = [written(each.moments, tmp_path / f"{arm}-{n}.json") for n, each in enumerate(parts)]
        assert comparable(merged(paths)) == comparable(evaluated(options, configured(), moments=False).report)
    misspelt = evaluated(options, configured({"candidate_variant": "b"}), (1, 1))
    assert misspelt.report.summary.status == "hold"
    with pytest.raises(UsageError, match=r"no such variant.*found b"):
        merged([written(misspelt.moments, tmp_path / "misspelt.json")])


def test_a_part_without_users(logs, tmp_path):
    """There is nothing to sum, and what to do is said."""
    options = ab_logs.write(cut(logs, lambda row: bucket(row["user_id"]) % 2 == 0), tmp_path / "logs")
    with pytest.raises(UsageError, match=r"no experiment to make moments of .found none in part 2 of 2.*fewer parts"):
        evaluated(options, configured(), (2, 2))


def test_the_configuration_reads_back(whole):
    """What moments say of the configuration is the configuration."""
    told = whole.moments.effective_config
    assert configs.parsed(told, "moments").effective() == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"experiment_id": "exp-2"}, "two experiments"),
        ({"version": "0"}, r"two versions .*0\.1.*Make both with one version"),
        ({"inputs": []}, "cut of different logs .*exposures sha256:.*none in.*Cut all parts of the same logs"),
        ({"effective_config": {"mode": "experiment"}}, "configurations differ in slice_keys"),
        ({"as_of": moment_parts.NOW}, "until different instants"),
        ({"cap": None}, r"capped differently.*experiment\.revenue_cap"),
        ({"shard": None}, r"parts of different cuts.*one n of --shard k/n"),
        ({"occupied": "0" * 10}, "not sound moments"),
        ({"columns": ["x", "conversions", "errors", "exposures", "revenue", "revenue_uncapped"]}, "other sums"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_add_is_refused(parts, tmp_path, changes, told):
    """Each with its reason, and both files named."""
    other = but(parts[1], tmp_path / "other.json", **changes)
    with pytest.raises(InputError, match=told):
        merged([parts[0], other, *parts[2:]])


def test_parts_of_logs_that_are_not_the_same(logs, tmp_path):
    """One part of one week and the other of the next: no user is in both, and the figures would be of nobody. Logs that
    grew from part to part are fine until an instant that had passed when the first was made."""
    noon = "2026-01-12T00:00:00Z"
    weeks = cut(logs, lambda row: row["ts"] < noon), cut(logs, lambda row: row["ts"] >= noon)
    grown = cut(logs, lambda row: row["ts"] < "2026-01-15T00:00:00Z"), logs
    times = moment_parts.NOW.replace(month=1, day=16), moment_parts.NOW
    for name, two, end in (("weeks", weeks, None), ("late", grown, "2026-01-17T00:00:00Z"), ("past", grown, noon)):
        settings = configured({} if end is None else {"as_of": end})
        paths, options = [], {}
        for part, (own, now) in enumerate(zip(two, times, strict=True), start=1):
            options = ab_logs.write(own, tmp_path / f"{name}-{part}")
            found = evaluated(options, settings, (part, 2), now=now).moments
            paths.append(written(found, tmp_path / f"{name}-{part}.json"))
        if name != "past":
            with pytest.raises(InputError, match=r"cut of different logs.*of logs that grow"):
                merged(paths)
            continue
        expected = evaluated(options, settings, moments=False).report
        (one,), (other,) = merged(paths).experiment.candidates, expected.experiment.candidates
        assert one.decision.metrics == other.decision.metrics


def test_missing_repeated_and_foreign_files(parts, tmp_path):
    """A cut that was recorded must be complete; no file counts twice; what is no file of moments is told so."""
    with pytest.raises(InputError, match=r"2 of 5 parts are missing.*Give part 2, 4 too"):
        merged([parts[0], parts[2], parts[4]])
    with pytest.raises(InputError, match=r"given twice.*each file once"):
        merged([*parts, parts[0]])
    with pytest.raises(InputError, match=r"part 1 of 5 is given twice.*each part once"):
        merged([*parts, but(parts[0], tmp_path / "again.json", created_at=moment_parts.NOW.replace(hour=1))])
    odd = {
        "{}": "not a file of moments", "no JSON": "not a file of moments",
        '{"schema_version": "moments.v2"}': "expected moments.v1", '{"schema_version": "moments.v1"}': "not sound",
    }  # fmt: skip
    for text, told in odd.items():
        (tmp_path / "odd.json").write_text(text)
        with pytest.raises(InputError, match=told):
            merged([tmp_path / "odd.json"])


def test_a_file_without_the_sums_that_are_asked_for(whole, tmp_path):
    """As one that another version made: told, and nothing is concluded of the rest."""
    columns = ["x" if name == "clicks" else name for name in whole.moments.columns]
    path = written(msgspec.structs.replace(whole.moments, columns=columns), tmp_path / "old.json")
    with pytest.raises(InputError, match=r"old\.json: sums are missing .found none of clicks"):
        merged([path])
    damaged = msgspec.structs.replace(
        whole.moments, matched=msgspec.structs.replace(whole.moments.matched, arms={"A": [1] * 9})
    )
    with pytest.raises(InputError, match="not sound moments"):
        merged([written(damaged, tmp_path / "damaged.json")])


def test_the_percentile_of_a_part_is_not_that_of_the_whole(logs, tmp_path):
    """Without a declared cap parts have one of their own each: refused, with what to do."""
    options = ab_logs.write(logs, tmp_path / "logs")
    paths = [
        written(evaluated(options, configured({"revenue_cap": None}), (part, 2)).moments, tmp_path / f"{part}.json")
        for part in (1, 2)
    ]
    with pytest.raises(InputError, match=r"capped differently.*Declare one"):
        merged(paths)


def test_nothing_of_the_past_is_told_by_slice(tmp_path):
    """Three users of an arm were shown nothing: what they were before would be the whole less all devices. It is in the
    whole alone, and the parts are the whole still."""
    found = ab_logs.logs(WORLD)
    unseen = {row["user_id"] for row in [row for row in found.assignments if row["variant"] == "A"][:3]}
    shown = [row for row in found.exposures if row["user_id"] not in unseen]
    done = [row for row in found.outcomes if row["user_id"] not in unseen]
    options = ab_logs.write(ab_logs.Logs(shown, done, found.assignments), tmp_path / "logs")
    settings = configured({"cuped": {"enabled": True, "covariate_key": "loyalty"}})
    moments = evaluated(options, settings).moments
    cells = [value.arms["A"] for key in moments.slices for value in key.values if key.key == "device"]
    assert 0 < moments.arms["A"].units - sum(cell.units for cell in cells) < 10
    assert {"covariate", "has_covariate"} <= {*moments.columns}
    told = {len(cell.totals) for cell in cells} | {len(cell.nonzero) for cell in cells}
    assert told == {sum("covariate" not in column for column in moments.columns)}
    paths = [
        written(evaluated(options, settings, (part, 2)).moments, tmp_path / f"{part}.json") for part in (1, 2)
    ]  # fmt: skip
    assert comparable(merged(paths)) == comparable(evaluated(options, settings, moments=False).report)
