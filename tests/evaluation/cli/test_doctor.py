"""`recsys-eval doctor` as a person runs it: the bill, files, exit statuses, limits, a baseline, and what is refused."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

import doctor_world
from recsys.contracts import schema
from recsys.contracts.diagnosis import Diagnosis

RAW = "raw-customer"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """The options that name a healthy shop's logs."""
    return options(tmp_path_factory.mktemp("healthy"), *doctor_world.world(8, requests=400))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The same logs with raw users in a third of the outcomes."""
    exposures, outcomes, assignments = doctor_world.world(8, requests=400)
    rows = [{**row, "user_id": f"{RAW}-{place}"} if place % 3 == 0 else row for place, row in enumerate(outcomes)]
    return options(tmp_path_factory.mktemp("faulty"), exposures, rows, assignments)


def options(folder, exposures, outcomes, assignments):
    words = ["--now", doctor_world.stamp(doctor_world.NOW)]
    for role, rows in (("exposures", exposures), ("outcomes", outcomes), ("assignments", assignments)):
        words += [f"--{role}", doctor_world.write(folder / f"{role}.jsonl", rows)]
    return words


def test_a_clean_bill_is_one_line(recsys_eval_process, healthy):
    """Exit status 0, and one line."""
    done = recsys_eval_process("doctor", *healthy)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("A clean bill: nothing found in 400 exposures, ")
    assert done.out.count("\n") == 1


def test_serious_findings(recsys_eval, recsys_eval_process, faulty, tmp_path):
    """Exit status 3; every format tells cause, lines and fix, and none of the raw ids; JSON is the contract."""
    outputs = [tmp_path / f"diagnosis.{suffix}" for suffix in ("json", "md", "html")]
    done = recsys_eval_process("doctor", *faulty, *(word for path in outputs for word in ("--output", path)))
    assert (done.status, done.err) == (3, "")
    texts = [done.out, *(path.read_text() for path in outputs)]
    for text in texts:
        assert "carry raw user ids" in text
        assert "outcomes.jsonl" in text
        assert RAW not in text
    document = json.loads(texts[1])
    jsonschema.validate(document, schema.build("diagnosis.v1"))
    found = msgspec.convert(document, Diagnosis)
    assert [finding.detector for finding in found.findings] == ["user_mismatch"]
    [sample, *_] = found.findings[0].evidence.samples
    line = Path(sample.file).read_text().splitlines()[sample.line - 1]
    assert json.loads(line)["user_id"].startswith(RAW)
    assert json.loads(recsys_eval("doctor", *faulty, "--format", "json").out)["findings"] == document["findings"]


def test_warnings(recsys_eval, faulty, tmp_path):
    """With gentler limits the same finding is a warning: 2; turned off, a clean bill: 0, which says so in JSON."""
    limits = tmp_path / "limits.yaml"
    limits.write_text("user_mismatch: {raw_serious: 0.9}\n")
    done = recsys_eval("doctor", *faulty, "--thresholds", limits)
    assert done.status == 2
    assert "1 warning finding" in done.out
    limits.write_text("user_mismatch: {enabled: false}\n")
    done = recsys_eval("doctor", *faulty, "--thresholds", limits, "--format", "json")
    assert done.status == 0
    [check] = [check for check in json.loads(done.out)["checks"] if check["detector"] == "user_mismatch"]
    assert check["unable"] == "turned off"


def test_no_clean_bill_of_nothing(recsys_eval, faulty, tmp_path):
    """Detectors that were turned off are told apart from those that cannot look; where none looked there is an error:
    1, and no bill."""
    limits = tmp_path / "limits.yaml"
    listed = recsys_eval("doctor", "--list").out
    off = listed.replace("enabled: true", "enabled: false")
    names = [line.rstrip(":") for line in listed.splitlines() if line.endswith(":") and not line.startswith(" ")]
    limits.write_text(off)
    done = recsys_eval("doctor", *faulty, "--thresholds", str(limits))
    assert (done.status, done.out) == (1, "")
    assert "limits.yaml: all detectors are turned off" in done.err
    limits.write_text(off.replace("propensities:\n  enabled: false", "propensities:\n  enabled: true"))
    done = recsys_eval("doctor", *faulty, "--thresholds", str(limits))
    assert (done.status, done.out) == (1, "")
    assert "no detector had anything to look at (found propensities: no list has propensities)" in done.err
    limits.write_text("".join(f"{name}: {{enabled: {name in {'bots', 'propensities'}}}}\n" for name in names))
    done = recsys_eval("doctor", *faulty, "--thresholds", str(limits))
    assert done.status == 0
    bill = " ".join(done.out.split())
    assert f"of {len(names)} detectors 1 had nothing to look at and {len(names) - 2} were turned off." in bill


def test_the_list_is_what_thresholds_read(recsys_eval, faulty, tmp_path):
    """`--list` prints every detector with its limits, as YAML that changes nothing."""
    listed = recsys_eval("doctor", "--list")
    assert listed.status == 0
    limits = tmp_path / "limits.yaml"
    limits.write_text(listed.out)
    both = [recsys_eval("doctor", *faulty, *more) for more in ((), ("--thresholds", limits))]
    assert both[0] == both[1]


def test_a_baseline(recsys_eval, faulty, healthy, tmp_path):
    """A finding that was there is as in the baseline; one that is not any more is gone; the status is that of today."""
    before = tmp_path / "before.json"
    recsys_eval("doctor", *faulty, "--output", before)
    again = recsys_eval("doctor", *faulty, "--baseline", before)
    assert again.status == 3
    assert "as in the baseline" in again.out
    mended = recsys_eval("doctor", *healthy, "--baseline", before)
    assert mended.status == 0
    assert "Gone since the baseline: user_mismatch raw_outcome." in mended.out
    document = json.loads(before.read_text())
    before.write_text(json.dumps({**document, "findings": []}))
    assert "new since the baseline" in recsys_eval("doctor", *faulty, "--baseline", before).out


REFUSED = {
    "user_mismatc: {serious: 0.1}\n": "Did you mean 'user_mismatch'?",
    "user_mismatch: {seriou: 0.1}\n": "Did you mean 'serious'?",
    "user_mismatch: {serious: many}\n": "user_mismatch.serious: not a usable value",
    "user_mismatch: {enabled: perhaps}\n": "user_mismatch.enabled: neither on nor off",
    "- a\n": "not a configuration",
}


@pytest.mark.parametrize("text", REFUSED)
def test_limits_that_are_refused(recsys_eval, healthy, tmp_path, text):
    """Unknown detectors and limits, and values that are none: 1, with the nearest word."""
    limits = tmp_path / "limits.yaml"
    limits.write_text(text)
    done = recsys_eval("doctor", *healthy, "--thresholds", limits)
    assert (done.status, done.out) == (1, "")
    assert REFUSED[text] in done.err


def test_what_else_is_refused(recsys_eval, healthy, tmp_path):
    """A baseline that is none, an instant without offset, a suffix without format, no logs: 1, before logs are read."""
    other = tmp_path / "other.json"
    other.write_text('{"schema_version": "report.v1"}')
    for words, told in {
        ("--baseline", other): "not a diagnosis",
        ("--baseline", tmp_path / "none.json"): "cannot be read",
        ("--output", tmp_path / "diagnosis.txt"): "the suffix names no report format",
    }.items():
        done = recsys_eval("doctor", *healthy, *words)
        assert (done.status, done.out) == (1, "")
        assert told in done.err
    done = recsys_eval("doctor", *healthy[2:], "--now", "2026-03-01T00:00:00")
    assert (done.status, done.out) == (1, "")
    assert "--now: not an instant" in done.err
    assert recsys_eval("doctor").status == 1
