"""recsys-eval join: its numbers equal a plain count, its exit status says whether to rely on them."""

import gzip
import json
from collections import Counter

import pyarrow.parquet
import pytest
import zstandard

FATES = (
    "invalid", "duplicate", "orphan", "ambiguous", "not_in_list", "before_exposure", "after_window", "user_mismatch",
    "later_touch", "attributed",
)  # fmt: skip


@pytest.fixture
def world(exposure, outcome, write):
    """Logs in which each outcome's fate is known because it was made so: (options, [(outcome or None, fate), …])."""
    exposures = [exposure(number) for number in range(60)]
    shared = [exposure(70), exposure(70, items=[{"item_id": "z", "rank": 1}])]
    made = [(outcome(number), "attributed") for number in range(30)]
    made += [(outcome(number, item_id="b", event_type="conversion", value=2.5), "attributed") for number in range(9)]
    made += [(outcome(number), "duplicate") for number in range(4)]
    made += [(outcome(number), "orphan") for number in range(100, 103)]
    made += [(outcome(number, item_id="q"), "not_in_list") for number in range(40, 45)]
    made += [(outcome(number, ts="2026-02-05T09:59:54Z"), "before_exposure") for number in range(45, 47)]
    made += [(outcome(number, ts="2026-02-05T11:00:01Z"), "after_window") for number in range(47, 53)]
    made += [(outcome(70), "ambiguous")]
    paths = (
        write("exposures.jsonl", *exposures, *shared, exposures[0], "{"),
        write("outcomes.jsonl", *[record for record, _ in made], outcome(1, ts="2026-02-05 10:00")),
    )
    return ["--exposures", paths[0], "--outcomes", paths[1]], [*made, (None, "invalid")]


def plain_count(made):
    """The fates of the rows, counted."""
    counts = Counter(fate for _, fate in made)
    return {"rows": len(made), **{fate: counts[fate] for fate in FATES}}


def test_json_equals_a_plain_count(recsys_eval, world, tmp_path):
    """--format json and the joined Parquet hold the fates, rates and slices that counting the rows by hand gives."""
    options, made = world
    joined = tmp_path / "joined.parquet"
    done = recsys_eval(
        "join", *options, "--click-window", "1h", "--min-match-rate", "0.9", "--format", "json", "--output", joined
    )
    assert done.status == 0, done.err
    found = json.loads(done.out)
    counts = plain_count(made)
    assert found["fates"] == counts
    valid = counts["rows"] - counts["invalid"]
    asked = {record["request_id"] for record, _ in made if record is not None}
    shown = [f"r{number}" for number in [*range(60), 70, 70]]
    judged = valid - counts["duplicate"]
    for name, above, below in (
        ("valid", valid, counts["rows"]),
        ("match", judged - counts["orphan"] - counts["ambiguous"], judged),
        ("attribution", counts["attributed"], judged),
    ):
        rate = found["rates"][name]
        assert (rate["numerator"], rate["denominator"]) == (above, below), name
        assert rate["value"] == pytest.approx(above / below)
    joined_rate = found["rates"]["join"]
    assert joined_rate["numerator"] == sum(request in asked for request in shown)
    assert joined_rate["denominator"] == len(shown)
    assert found["exposures"]["rows"] == 64
    assert found["exposures"]["invalid"] == found["exposures"]["redelivered"] == 1
    surfaces = {part["value"]: part["fates"]["attributed"] for part in found["by"] if part["key"] == "surface"}
    assert surfaces["search"] == 10 + 3
    assert surfaces["home"] == 20 + 6
    assert "exposures.jsonl:64: $: json" in done.err
    assert "outcomes.jsonl:61: $.ts: timestamp" in done.err

    rows = pyarrow.parquet.read_table(joined).to_pylist()
    keys = ("request_id", "user_id", "item_id", "event_type", "fate")
    assert Counter(tuple(row[key] for key in keys) for row in rows) == Counter(
        (*(record[key] for key in keys[:-1]), fate) for record, fate in made if record is not None
    )
    assert {row["shown_rank"] for row in rows if row["fate"] == "attributed"} == {1, 2}
    assert {"tenant_id", "surface"} <= rows[0].keys()


def test_text_shows_the_same_numbers(recsys_eval, world):
    """The table on stdout counts each fate; a match rate under its minimum is exit status 2, and says so."""
    options, made = world
    done = recsys_eval("join", *options, "--click-window", "1h")
    assert done.status == 2
    told = {words[0]: words[1] for words in map(str.split, done.out.splitlines()) if len(words) > 1}
    counts = plain_count(made)
    assert {fate: told.get(fate, "0") for fate in FATES} == {fate: str(counts[fate]) for fate in FATES}
    assert not {"user_mismatch", "later_touch"} & set(told)  # what this policy cannot give is not spoken of
    [reason] = [line for line in done.err.splitlines() if "hold" in line]
    assert "match rate is 92.86% (52 of 56 outcomes" in reason
    assert "under its minimum of 95.00%" in reason


def test_the_same_logs_in_any_wrapping(recsys_eval_process, world, tmp_path):
    """Packed files, a folder, a glob, stdin and a dataset YAML give the same document as the plain files."""
    (_, exposures, _, outcomes), _ = world
    plain = recsys_eval_process("join", "--exposures", exposures, "--outcomes", outcomes, "--format", "json")
    packed, folder = tmp_path / "e.jsonl.gz", tmp_path / "days"
    packed.write_bytes(gzip.compress(exposures.read_bytes()))
    folder.mkdir()
    for number, line in enumerate(outcomes.read_bytes().splitlines(keepends=True)):
        with (folder / f"day-{number % 3}.jsonl.zst").open("ab") as day:
            day.write(zstandard.compress(line))
    (tmp_path / "logs.yaml").write_text(
        f"exposures: {packed.name}\noutcomes: {{type: jsonl, path: [days/day-*.zst]}}\n"
    )
    for words, content in (
        (["--exposures", packed, "--outcomes", folder], b""),
        (["--exposures", "-", "--outcomes", tmp_path / "days" / "*"], exposures.read_bytes()),
        (["--dataset", tmp_path / "logs.yaml"], b""),
    ):
        done = recsys_eval_process("join", *words, "--format", "json", stdin=content)
        assert (done.status, json.loads(done.out)) == (plain.status, json.loads(plain.out)), words


def test_slice_keys_and_policy(recsys_eval, logs):
    """Another slicing key, an unlimited tolerance and a window are obeyed."""
    done = recsys_eval("join", *logs, "--slice-key", "country", "--click-window", "5s", "--format", "json")
    found = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert found["fates"]["after_window"] == found["fates"]["rows"] == 10
    assert found["missing_keys"] == {"country": 40}
    assert {part["key"] for part in found["by"]} == {"day", "event_type", "country"}


@pytest.mark.parametrize("empty", ["exposures", "outcomes"])
def test_nothing_to_join_is_a_hold(recsys_eval, logs, write, empty):
    """An empty log is exit status 2 with one reason, and the table is still printed."""
    write(f"{empty}.jsonl")
    done = recsys_eval("join", *logs)
    assert done.status == 2
    assert done.err == (
        f"recsys-eval: hold: there is no valid {empty[:-1]}: "
        "the log is empty; nothing was logged, or it is not the right file\n"
    )
    assert "Fates of the outcomes" in done.out


def test_outputs_that_cannot_be_written(recsys_eval, logs, write, tmp_path):
    """A path under a file, a folder, a missing folder, another format, an input: refused before any work, named."""
    (tmp_path / "folder.parquet").mkdir()
    taken = write("taken", "old")
    for path, words in {
        taken / "joined.parquet": "no such folder",
        tmp_path / "no" / "joined.parquet": "no such folder",
        tmp_path / "folder.parquet": "found a folder",
        tmp_path / "joined.csv": "expected .parquet",
        "-": "expected .parquet",
        "": "found a folder",
    }.items():
        done = recsys_eval("join", *logs, "--output", path)
        assert (done.status, done.out) == (1, ""), done
        [line] = done.err.splitlines()
        assert line.startswith(f"recsys-eval: {path or '.'}: ")
        assert words in line
    assert taken.read_text() == "old\n"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"exposures.jsonl", "outcomes.jsonl", "folder.parquet", "taken"}


def test_an_output_is_replaced_and_an_input_is_not(recsys_eval, logs, tmp_path):
    """An older Parquet file is replaced whole; the log that is read is refused as output and stays as it is."""
    joined = tmp_path / "joined.parquet"
    joined.write_text("old")
    assert recsys_eval("join", *logs, "--output", joined).status == 0
    table = pyarrow.parquet.read_table(joined)
    log = tmp_path / "log.parquet"
    kept = ["request_id", "user_id", "item_id", "event_type", "ts"]
    pyarrow.parquet.write_table(table.select(kept), log)
    before = log.read_bytes()
    done = recsys_eval("join", *logs[:2], "--outcomes", log, "--output", log)
    assert (done.status, done.out) == (1, "")
    assert "it would overwrite what is read" in done.err
    assert log.read_bytes() == before


def test_usage_errors_exit_1(in_turn, logs):
    """Missing or misspelt options and values out of range: status 1, one line that says what would be right."""
    cases = {
        (): "--exposures is missing",
        ("--exposures", "x"): "--outcomes is missing",
        (*logs, "--dataset", "d.yaml"): "Give one or the other",
        (*logs, "--tolerance", "5x"): "expected a duration such as",
        (*logs, "--min-match-rate", "2"): "--min-match-rate",
        (*logs, "--format", "xml"): "'text', 'json'",
        (*logs, "--outptu", "x"): "Try `recsys-eval join --help`",
        (*logs, "--slice-key", "day"): "not a usable slice key",
    }
    for done, told in zip(in_turn(*[["join", *words] for words in cases]), cases.values(), strict=True):
        assert (done.status, done.out) == (1, ""), told
        assert len(done.err.splitlines()) == 1
        assert told in done.err


def test_what_a_terminal_obeys_is_shown_and_not_sent(recsys_eval, logs, exposure, write):
    """A slice value cannot clear the screen or change its colours, nor fill it."""
    hostile = {"tenant_id": "\x1b[31mred\u202e", "surface": "s" * 100_000}
    shown = write("hostile.jsonl", exposure(0, context=hostile))
    done = recsys_eval("join", "--exposures", shown, *logs[2:])
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert r"\x1b[31mred\u202e" in done.out
    assert len(done.out) < 10_000
