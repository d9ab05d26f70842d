"""A landing page test with dirt in its log: what the converter, the doctor and the report say of it, by count."""

import csv
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import pytest
from statsmodels.stats.proportion import proportions_ztest

from recsys.contracts.report import Report
from recsys.contracts.trial import Served

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PAGE_OF = {"control": "old_page", "treatment": "new_page"}


def command(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def converted(log, folder, *options):
    script = EXAMPLES / "ab_landing.py"
    return command(script, log, "--out", folder, "--config", folder / "eval.yaml", *options)


def evaluation(folder, name, *options):
    logs = [f"--{role}={folder / role}.jsonl" for role in ("exposures", "outcomes", "assignments")]
    return command(Path(sys.executable).parent / "recsys-eval", name, *logs, *options)


def held(folder):
    """The report of the command, which must have ended with a hold."""
    ran = evaluation(folder, "run", "--config", folder / "eval.yaml", "--output", folder / "report.json")
    assert ran.returncode == 2, ran.stderr
    return msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)


@pytest.fixture(scope="module")
def whole_rows(real_data):
    """The rows that have all columns, read in the plainest way."""
    with (real_data("ab_landing") / "ab_data.csv").open(encoding="utf-8") as file:
        lines = [line.strip().strip('"').split(",") for line in file][1:]
    return [line for line in lines if len(line) == 5]


@pytest.fixture(scope="module")
def done(real_data, tmp_path_factory):
    """What the converter said, and the folder of its logs."""
    folder, data = tmp_path_factory.mktemp("landing"), real_data("ab_landing")
    return converted(data / "ab_data.csv", folder, "--countries", data / "countries.csv"), folder


@pytest.fixture(scope="module")
def report(done):
    return held(done[1])


def test_the_line_that_is_cut_off_is_told(done):
    """The converter names the one line that it left out, and writes all others."""
    told, _ = done
    assert told.returncode == 0
    assert "ab_data.csv: line 57830: found 3 columns, expected 5: left out\n" in told.stderr
    assert told.stdout == "57,828 exposures, 6,959 outcomes, 57,828 assignments; left out: 1\n"


def test_who_counts(report, whole_rows):
    """57,680 users, of which 148 came twice and 71 were put into both groups, as counted from the rows."""
    groups = defaultdict(list)
    for user, _, group, _, _ in whole_rows:
        groups[user].append(group)
    trial = report.experiment.trial
    assert trial.units == len(groups) == 57_680
    assert trial.assignments.units_with_several == sum(len(each) > 1 for each in groups.values()) == 148
    assert trial.in_two_arms == sum(len(set(each)) > 1 for each in groups.values()) == 71
    assert trial.exposures.counts == trial.assignments.rows == len(whole_rows) == 57_828


def test_lists_of_another_page_than_the_group_has_are_told(report, whole_rows):
    """791 of them: 385 of control show the new page and 406 of treatment the old one; by row, not by user."""
    seen = Counter((group, page) for _, _, group, page, _ in whole_rows)
    found = {(each.assigned, PAGE_OF[each.shown]): each.exposures for each in report.experiment.trial.served}
    assert found == seen
    assert Served(assigned="control", shown="treatment", exposures=385) in report.experiment.trial.served
    assert Served(assigned="treatment", shown="control", exposures=406) in report.experiment.trial.served
    assert any(
        "791 of 57,828 lists that name a variant name another than was assigned: 385 of control say treatment, "
        "406 of treatment say control." in note
        for note in report.warnings
    )


def test_it_is_held_for_them(report):
    """1.37 % of another arm is over 1 %, which 0.12 % of the users in two arms is not: that is the one reason."""
    [candidate] = report.experiment.candidates
    assert (report.summary.status, candidate.decision.decision) == ("hold", "hold")
    assert candidate.decision.reasons == [
        "791 of 57,828 lists name another variant than was assigned, which is 1.37%; at most 1.00% may be"
    ]
    checks = {check.name: check for check in candidate.decision.integrity}
    assert checks["units in two arms"].value == pytest.approx(71 / 57_680)
    assert checks["units in two arms"].limit == 0.01


def test_the_new_page_is_no_better(report, whole_rows):
    """Purchases a visit: users' first groups by hand, and an interval about as wide as that of visits alone."""
    first = {}
    for user, _, group, _, _ in sorted(whole_rows, key=lambda row: row[1]):
        first.setdefault(user, group)
    bought, visits = Counter(), Counter()
    for user, _, _, _, converted_ in whole_rows:
        visits[first[user]] += 1
        bought[first[user]] += int(converted_)
    [metric] = report.experiment.candidates[0].decision.metrics
    arms = ("treatment", "control")
    for level, arm in zip((metric.candidate, metric.control), arms, strict=True):
        assert (level.n, level.value) == (visits[arm], pytest.approx(bought[arm] / visits[arm], rel=1e-12))
    z, _ = proportions_ztest([bought[arm] for arm in arms], [visits[arm] for arm in arms])
    assert metric.effect.value / metric.effect.se == pytest.approx(z, rel=0.01)
    assert metric.effect.low < 0 < metric.effect.high


def test_the_doctor_finds_the_same(done):
    """791 exposures of another variant are serious, 71 users in two variants a warning, and nothing else is found."""
    _, folder = done
    ran = evaluation(folder, "doctor", "--format", "json")
    found = {
        each["detector"]: (each["severity"], each["evidence"]["rows"], each["evidence"]["of"])
        for each in msgspec.json.decode(ran.stdout)["findings"]
    }
    assert found == {
        "assignment_missing": ("serious", 791, 57_828), "two_variants": ("warning", 71, 57_680),
    }, ran.stderr  # fmt: skip


def test_more_than_one_percent_in_both_groups_is_a_reason(whole_rows, tmp_path):
    """A tenth of the log, and 60 more visits of its users in the other group, with its page: over 1 % are in two."""
    log, some = tmp_path / "more.csv", whole_rows[:5_000]
    other = {"control": "treatment", "treatment": "control"}
    more = [(user, "2017-01-24 14:00:00", other[group], PAGE_OF[other[group]], "0") for user, _, group, _, _ in some]
    rows = [*some, *more[:60]]
    with log.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["head"], *([",".join(row)] for row in rows)])
    assert converted(log, tmp_path).returncode == 0
    users, pairs = len({user for user, *_ in rows}), Counter(user for user, _ in {(row[0], row[2]) for row in rows})
    both = sum(n > 1 for n in pairs.values())
    reason = f"{both} of {users:,} units were assigned to two arms, which is {both / users:.2%}; at most 1.00% may be"
    assert reason in held(tmp_path).summary.reasons


def test_a_foreign_file_is_left_out_line_by_line(tmp_path):
    """What is no group, no page, no instant or no flag is told with its line; the rest is written."""
    log = tmp_path / "few.csv"
    log.write_text(
        '"user_id,timestamp,group,landing_page,converted"\n"1,2017-01-21 22:11:48,control,old_page,0"\n'
        '"2,2017-01-21 22:11:48,control,blue_page,0"\n"3,yesterday,control,old_page,1"\n'
        '"4,2017-01-21 22:11:48,treatment,new_page,1"\n'
    )
    told = converted(log, tmp_path)
    assert told.stdout == "2 exposures, 1 outcomes, 2 assignments; left out: 2\n"
    assert "line 3: found 'control', 'blue_page' and '0', expected a group, a page, and 0 or 1" in told.stderr
    assert "line 4: Invalid isoformat string: 'yesterday'" in told.stderr
