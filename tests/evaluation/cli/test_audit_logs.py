"""recsys-eval on logs of service_v1, and on logs in which both formats stand: what converting first would give."""

import gzip
import json

import msgspec
import pytest

from recsys.contracts.report import Report


@pytest.fixture
def audit(exposure):
    """Line n of the service's audit log; converted, it is exposure n with a release in its context."""

    def record(number, **changes):
        shown = exposure(number)
        return {
            "schema_version": "v1", "timestamp": shown["ts"], "request_id": shown["request_id"], **shown["context"],
            "release": "l-1", "subject": {"user_id_hash": shown["user_id"]},
            "items": [{**item, "score": 0.5} for item in shown["items"]], **changes,
        }  # fmt: skip

    return record


def run(recsys_eval, exposures, outcomes):
    done = recsys_eval("run", "--exposures", exposures, "--outcomes", outcomes, "--output-format", "json")
    assert done.status == 0, done.err
    report = msgspec.json.decode(done.out, type=Report)
    return report.results, report.data_quality, report.inputs


def test_the_same_report_as_of_the_converted_log(recsys_eval, write, audit, exposure, outcome, tmp_path):
    """Audit log, a log that changes its format, a folder of both, packed: the figures of the converted log."""
    outcomes = write("o.jsonl", *(outcome(n, item_id="abc"[n % 3]) for n in range(0, 60, 4)))
    audits, plain = [audit(n) for n in range(60)], [exposure(n) for n in range(60)]
    source = write("audit.jsonl", *audits)
    assert recsys_eval("convert", "--input", source, "--output", tmp_path / "converted.jsonl").status == 0
    wanted = run(recsys_eval, tmp_path / "converted.jsonl", outcomes)[:2]
    (tmp_path / "both").mkdir()
    write("both/1.jsonl", *plain[:30])
    (tmp_path / "both" / "2.jsonl.gz").write_bytes(gzip.compress((write("rest", *audits[30:])).read_bytes()))
    for log in (source, write("mixed.jsonl", *plain[:20], *audits[20:40], *plain[40:]), tmp_path / "both"):
        *found, inputs = run(recsys_eval, log, outcomes)
        assert found == list(wanted), log
        assert sum(part.rows for part in inputs if part.role == "exposures") == 60


@pytest.mark.parametrize("command", ["run", "join", "validate"])
def test_bad_lines_of_both_formats(recsys_eval, write, audit, exposure, outcome, command):
    """Each is told by file and line of the log, as what it looks like; the others count."""
    bad = [audit(90, tenant_id=5), exposure(91, user_id=5), audit(92, scope="x"), json.dumps(audit(93))[:-9]]
    log = write("log.jsonl", audit(1), bad[0], exposure(2), bad[1], audit(3), bad[2], bad[3], exposure(4))
    outcomes = write("o.jsonl", *map(outcome, range(1, 5)))
    done = recsys_eval(command, "--exposures", log, "--outcomes", outcomes)
    assert done.status == (1 if command == "validate" else 0)
    told = [line for line in (done.out + done.err).splitlines() if line.startswith(f"{log}:") and ": found " in line]
    assert [line.removeprefix(f"{log}:").partition(": found")[0] for line in told] == [
        "2: $.tenant_id: type", "4: $.user_id: type", "6: $.scope: unknown-field", "7: $: json",
    ]  # fmt: skip


def test_validate_says_what_it_reads(recsys_eval, write, audit, outcome):
    """Both logs of a fresh installation, whose service writes service_v1, pass the early join test as they are."""
    log, outcomes = write("e.jsonl", *map(audit, range(9))), write("o.jsonl", *map(outcome, range(9)))
    done = recsys_eval("validate", "--exposures", log, "--outcomes", outcomes)
    assert (done.status, done.err) == (0, "")
    assert f"{log}: exposures: 9 rows, all valid\n" in done.out
    assert "slicing keys missing: none\n" in done.out
