"""Files of moments that cannot be: of each the contradiction is named, and nothing is concluded."""

import json
import sys

import msgspec
import pytest

import ab_logs
from ab_logs import World
from moment_parts import configured, evaluated, merged
from recsys.errors import InputError
from recsys.evaluation.experiment import moments_files, moments_sound


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Sound moments of which the decision is to ship."""
    folder = tmp_path_factory.mktemp("sound")
    logs = ab_logs.logs(World(users=4_000, seed=4).but(B={"click": 0.9}))
    moments = evaluated(ab_logs.write(logs, folder / "logs"), configured(), (1, 1)).moments
    assert moments is not None
    moments_files.write(moments, folder / "m.json")
    assert merged([folder / "m.json"]).summary.status == "ship"
    return (folder / "m.json").read_text()


def refused(path, text, told):
    path.write_text(text)
    with pytest.raises(InputError, match=told) as caught:
        merged([path])
    assert str(path) in str(caught.value)


def changed(text, where, value):
    """The document with one value in another's place; ``where`` is a path of keys and numbers."""
    document = json.loads(text)
    at = document
    *path, last = where.split(".")
    for step in path:
        at = at[int(step) if isinstance(at, list) else step]
    at[int(last) if isinstance(at, list) else last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        ("arms.A.units", -5, "Expected `int` >= 0"),
        ("arms.A.units", 10**9, "users of arm A contradict each other: 1,000,000,000 and"),
        ("who.arms.A.units", 0, "users cannot be in"),
        ("who.arms.A.units", 10**9, "users of arm A contradict each other"),
        ("arms.A.units", 3, "sums of arm A are too large for their squares"),
        ("arms.A.totals.0", 10**70, "a number is larger than any sum"),
        ("arms.A.nonzero.0", 10**9, "more users of arm A have a figure than there are"),
        ("arms.A.nonzero", [], "arm A has 0 counts of"),
        ("arms.Z", {"units": 0, "totals": [], "nonzero": [], "products": []}, "of other arms"),
        ("who.arms.A.moments", {}, "arm A lacks figures"),
        ("who.standings", [], "exposures of arm A contradict each other"),
        ("who.missing", [], "which rows are missing"),
        ("errors_known.A", 10**9, "than there are"),
        ("errors_known.Z", 1, "an arm has no units"),
        ("latency", None, "why there are no latencies"),
        ("latency.A.missing", 7, "exposures of arm A contradict each other"),
        ("latency.A.counts.0", 2**63, "Expected `int` <="),
        ("matched.arms.A", [100, 10**6, 10**6, 1, 1, 1], "too large for their squares"),
        ("matched.arms.A", [1, 1, 1], "length 6"),
        ("data_quality.lost_exposures", -1, "data quality is below 0"),
        ("data_quality.rates.match.value", 0.99, "the match rate is not that of its parts"),
        ("data_quality.fates.invalid", 900, "valid outcomes contradict each other"),
        ("slices.1.key", "device", "slice keys stand in it twice"),
        ("slices.0.values.1.value", "app", "values of device stand in it twice"),
        ("slices.0.values.0.arms.A.units", 10**6, "device app has users that arm A has not"),
        ("slices.0.values.0.buckets.A.0.0", -3, "fewer than none"),
        ("slices.0.values.0.buckets.A.0.0", 9_999, "do not add up"),
        ("slices.0.values.0.buckets", {}, "of other arms"),
        ("occupied", "0" * 1024, "users cannot be in 0 buckets"),
        ("shard", {"part": 2, "of": 2}, "users that part 2 of 2 has not"),
        ("shard", {"part": 7, "of": 5}, "no part 7 of 5"),
        ("shard", {"part": 0, "of": 0}, "Expected `int` >= 1"),
        ("times.by_end", {"1": {"A": {"1000000000": 5}}}, "Expected `int` <= 40"),
    ],
)
def test_numbers_that_contradict_each_other(text, tmp_path, where, value, told):
    """In a file that would ship."""
    refused(tmp_path / "m.json", changed(text, where, value), told)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda text: text[: len(text) // 2], "not a file of moments"),
        (lambda text: f'{text.rstrip()[:-1]}, "more": {"[" * 100_000}{"]" * 100_000}}}', "not a file of moments"),
        (lambda text: text.replace('"as_of":null', f'"as_of":{"[" * 100_000}'), "not a file of moments"),
        (lambda text: f'{text.rstrip()[:-1]}, "experiment_id": "exp-2"}}', "the key experiment_id stands twice"),
        (lambda text: text.replace('"missing":0', '"missing":1e400', 1), "Number out of range"),
        (lambda text: text.replace('"missing":0', '"missing":NaN', 1), "not a file of moments"),
    ],
    ids=["truncated", "deep", "deep and torn", "a key twice", "infinite", "no number"],
)
def test_what_is_damaged(text, tmp_path, made, told):
    """By name, and never with a traceback."""
    refused(tmp_path / "m.json", made(text), told)


def test_what_is_sound_is_left_alone(text):
    """The check gives nothing, and raises nothing."""
    assert moments_sound.check(msgspec.json.decode(text, type=moments_files.Moments)) is None


@pytest.mark.parametrize("slowest", [0, 5e-324, sys.float_info.max])
def test_every_latency_of_a_valid_log_is_sound(tmp_path, slowest):
    """Be it the largest number that there is."""
    logs = ab_logs.logs(World(users=600, seed=4))
    logs.exposures[0]["latency_ms"] = slowest
    moments = evaluated(ab_logs.write(logs, tmp_path / "logs"), configured()).moments
    moments_files.write(moments, tmp_path / "m.json")
    assert merged([tmp_path / "m.json"]).experiment is not None
    assert moments.latency is not None
