"""Gates: pass, fail and not decided, by the interval; and that none ever passes in silence."""

import json

import pytest
from msgspec.structs import replace

from offline_worlds import made, report
from recsys.attribution.policy import Policy
from recsys.errors import InputError, UsageError
from recsys.evaluation import gates as judging
from recsys.evaluation import report_files
from recsys.evaluation.checks import checks
from recsys.evaluation.offline_config import Gate
from recsys.evaluation.render import text


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """Rows of 900 users and their report."""
    rows = made(900)
    return rows, report(tmp_path_factory.mktemp("before"), rows)


def test_the_same_logs_pass_exactly(before, tmp_path):
    """With no drop allowed at all, in all and in every slice, also crossed."""
    gates = [
        Gate(metric=metric, max_drop=0, slice_key=key)
        for metric in ("hitrate@10", "mrr@10|responded")
        for key in ("", "surface", "surface*device")
    ]
    gates += [Gate(metric=metric, max_drop=0) for metric in ("gini", "coverage@2", "novelty@10")]
    found = report(tmp_path, before[0], baseline=before[1], gates=gates)
    assert {gate.status for gate in found.gates} == {"pass"}
    assert len(found.gates) == 3 + 2 * (1 + 2 + 6)
    assert (found.summary.status, found.summary.reasons) == ("pass", [])
    assert "Of 21 gates 21 passed." in found.summary.headline


def test_a_drop_fails_and_a_close_call_is_not_decided(before, tmp_path):
    """A drop of 0.1 fails a gate of 0.01, is not decided by one at its own size, and passes one of 0.3."""
    rows = [{**row, "clicked": row["clicked"] if n % 5 else []} for n, row in enumerate(before[0])]
    drop = next(r.estimate.value for r in before[1].results) / 5
    statuses = {}
    for bound in (0.01, round(drop, 2), 0.3):
        found = report(tmp_path, rows, baseline=before[1], gates=[Gate(metric="hitrate@10", max_drop=bound)])
        statuses[bound] = (found.gates[0].status, found.summary.status)
    assert list(statuses.values()) == [("fail", "fail"), ("inconclusive", "hold"), ("pass", "pass")]


def test_any_gate_that_fails_fails_the_run(before, tmp_path):
    """Its name and why are the reason, in the report, in Markdown and HTML on top, and among the checks."""
    rows = [{**row, "clicked": [] if row["surface"] == "home" else row["clicked"]} for row in before[0]]
    gates = [Gate(metric="hitrate@10", max_drop=0.05, slice_key="surface"), Gate(metric="gini", max_drop=0.5)]
    found = report(tmp_path, rows, baseline=before[1], gates=gates)
    assert [(gate.slice_value, gate.status) for gate in found.gates] == [
        ("home", "fail"), ("search", "pass"), ("", "pass"),
    ]  # fmt: skip
    assert found.summary.status == "fail"
    [reason] = found.summary.reasons
    assert reason.startswith("gate: hitrate@10 in surface home may drop by 0.05; from -0.")
    markdown, page = text(found, "markdown"), text(found, "html")
    assert markdown.startswith("# Offline evaluation\n\n**FAIL")
    assert markdown.index("## Gates") < markdown.index("## Can the logs")
    assert page.index("<h2>Gates</h2>") < page.index("Can the logs")
    assert [check.status for check in checks(found)] == ["pass", "fail", "pass", "pass"]


def test_lower_is_better_for_gini(before, tmp_path):
    """Impressions spread less evenly than before: the gain is negative, and the gate fails."""
    rows = [{**row, "items": ["i0", *(i for i in row["items"] if i != "i0")]} for row in before[0]]
    base = [{**row, "items": row["items"] + ["i29"] * ("i0" not in row["items"])} for row in before[0]]
    base = [{**row, "items": list(dict.fromkeys(row["items"]))} for row in base]
    rows = [{**row, "items": row["items"][: len(b["items"])]} for row, b in zip(rows, base, strict=True)]
    base = [{**row, "items": row["items"][: len(r["items"])]} for row, r in zip(base, rows, strict=True)]
    gates = [Gate(metric="gini", max_drop=0.001)]
    found = report(tmp_path, rows, baseline=report(tmp_path / "b", base), gates=gates)
    [change] = [c.change for c in found.comparison.changes if c.metric == "gini" and not c.slice_key]
    assert change.low > 0 > found.gates[0].gain.high
    assert found.gates[0].status == "fail"


def test_gates_never_pass_in_silence(before, tmp_path):
    """Without a baseline, or with one that lacks the metric, they are an error; without the value or enough users of
    it they are not decided."""
    gate = Gate(metric="hitrate@10", max_drop=1)
    with pytest.raises(UsageError, match="gates need a baseline"):
        report(tmp_path, before[0], gates=[gate])
    with pytest.raises(UsageError, match="does not have the metric"):
        report(tmp_path, before[0], baseline=before[1], metrics=["mrr@5"], gates=[Gate(metric="mrr@5", max_drop=1)])
    home = [row for row in before[0] if row["surface"] == "home"]
    by_surface = Gate(metric="hitrate@10", max_drop=1, slice_key="surface")
    found = report(tmp_path, home, baseline=before[1], gates=[by_surface, replace(by_surface, min_users=5000)])
    told = {(gate.slice_value, gate.status): gate.told for gate in found.gates}
    assert told["search", "inconclusive"] == "it is missing in the candidate"
    assert told["", "inconclusive"] == "no value of surface has 5,000 users"
    assert found.summary.status == "hold"


def test_integrity_comes_before_gates(before, tmp_path):
    """A run whose logs do not join stays on hold, and its gates are skipped among the checks; a baseline on hold
    decides nothing."""
    gate = Gate(metric="hitrate@10", max_drop=0)
    silent = [{**row, "clicked": []} for row in before[0]]
    found = report(tmp_path, silent, baseline=before[1], gates=[gate])
    assert found.summary.status == "hold"
    assert not any(reason.startswith("gate") for reason in found.summary.reasons)
    assert [check.status for check in checks(found)] == ["error", "skip"]
    on_hold = report(tmp_path / "b", silent)
    found = report(tmp_path, before[0], baseline=on_hold, gates=[gate])
    assert (found.gates[0].status, found.summary.status) == ("inconclusive", "hold")
    assert "the baseline is on hold" in found.gates[0].told


def test_other_attribution_decides_no_gate(before, tmp_path):
    """Where other outcomes count, a change is no change of the ranking."""
    effective = {**before[1].effective_config, "attribution": Policy(not_in_list="count").effective()}
    other = replace(before[1], effective_config=effective)
    found = report(tmp_path, before[0], baseline=other, gates=[Gate(metric="hitrate@10", max_drop=1)])
    assert "attribution policies differ" in found.gates[0].told


def test_a_baseline_without_gates_is_shown_and_judges_nothing(before, tmp_path):
    """The comparison is in the report; the status is that of the logs."""
    found = report(tmp_path, before[0][:-1], baseline=before[1])
    assert found.comparison is not None
    assert (found.gates, found.summary.status) == ([], "pass")
    assert "## Against the baseline" in text(found, "markdown")
    assert "not a causal comparison" in text(found, "html")


def test_the_name_of_a_gate_holds_no_control_characters():
    """What a log brought is printable where it is told."""
    result = judging._result(Gate(metric="gini", max_drop=1, slice_key="surface"), "a\x1b[2J", "pass", None, "")
    assert judging.name(result) == "gini in surface a\\x1b[2J may drop by 1"


def test_values_beyond_the_cap_do_not_pass_in_silence(tmp_path):
    """Of 210 values 200 are reported; the gate is not decided, names the cap, and passes where the others are under its
    minimum, or the logs are the same."""
    rows = [{**row, "surface": f"s{n % 210}"} for n, row in enumerate(made(600))]
    base = report(tmp_path / "a", rows, metrics=["hitrate@10"])
    [cut] = [each for each in base.cut_slices if each.key == "surface"]
    assert (cut.values, cut.reported) == (210, 200)
    gates = [Gate(metric="hitrate@10", max_drop=0.9, slice_key="surface", min_users=users) for users in (1, 30)]
    again = [{**row, "request": f"x{row['request']}"} for row in rows]
    found = report(tmp_path / "b", again, metrics=["hitrate@10"], baseline=base, gates=gates)
    told = [gate.told for gate in found.gates if not gate.slice_value and "not judged" in gate.told]
    assert len(told) == 2  # of the baseline and the candidate, by the first gate alone
    assert "surface has 210 values in the baseline, of which the 200 with the most exposures are reported" in told[0]
    assert found.summary.status == "hold"
    same = report(tmp_path / "a", rows, metrics=["hitrate@10"], baseline=base, gates=gates[:1])
    assert ({gate.status for gate in same.gates}, same.summary.status) == ({"pass"}, "pass")


def test_a_baseline_that_failed_decides_nothing(before, tmp_path):
    """To be held to a failed run would accept its loss; one whose own gates are only undecided is as good as any."""
    gate = Gate(metric="hitrate@10", max_drop=0.9)
    for status, expected in (("fail", "inconclusive"), ("hold", "pass")):
        summary = replace(before[1].summary, status=status, reasons=[f"{judging.GATE}gini may drop by 0; it did"])
        found = report(tmp_path, before[0][:-1], baseline=replace(before[1], summary=summary), gates=[gate])
        assert found.gates[0].status == expected
        assert ("the baseline failed its own gates" in found.gates[0].told) == (status == "fail")
    summary = replace(before[1].summary, status="hold", reasons=[])
    found = report(tmp_path, before[0][:-1], baseline=replace(before[1], summary=summary), gates=[gate])
    assert "on hold: it does not say why" in found.gates[0].told


def test_a_baseline_of_another_version_decides_nothing(before, tmp_path):
    """What a metric counts may have changed; one of before there were sums says that and not that users are few."""
    gate = Gate(metric="hitrate@10", max_drop=0.9)
    found = report(tmp_path, before[0][:-1], baseline=replace(before[1], version="0.0.9"), gates=[gate])
    assert (found.gates[0].status, found.summary.status) == ("inconclusive", "hold")
    assert "make the baseline anew" in found.gates[0].told
    found = report(tmp_path, before[0][:-1], baseline=replace(before[1], buckets=None), gates=[gate])
    assert "was made by an earlier version" in found.gates[0].told
    assert "too few" not in found.gates[0].told


def test_limits_of_a_hold_are_no_other_attribution(before, tmp_path):
    """A minimum of the match rate changes no figure; the notes tell it."""
    effective = {**before[1].effective_config, "attribution": Policy(min_match_rate=0.5).effective()}
    other = replace(before[1], effective_config=effective)
    found = report(tmp_path, before[0][:-1], baseline=other, gates=[Gate(metric="hitrate@10", max_drop=0.9)])
    assert found.gates[0].status == "pass"
    assert any("attribution.min_match_rate was 0.5 in the baseline" in note for note in found.comparison.notes)


def test_a_gate_that_other_logs_never_decide_says_what_to_use(before, tmp_path):
    """Spreads by slice, and at unequal impressions; hit rate of lists that were responded to, which is 1."""
    gates = [
        Gate(metric="gini", max_drop=0.9), Gate(metric="gini", max_drop=0.9, slice_key="surface"),
        Gate(metric="hitrate@10|responded", max_drop=0.9),
    ]  # fmt: skip
    found = report(tmp_path, made(900, seed=2), baseline=before[1], gates=gates)
    assert {gate.status for gate in found.gates} == {"inconclusive"}
    told = {(gate.metric, gate.slice_value): gate.told for gate in found.gates}
    assert "at equal numbers of impressions only" in told["gini", ""]
    assert "gate gini without a slice_key" in told["gini", "home"]
    assert "gate hitrate@10 over all lists" in told["hitrate@10|responded", ""]


@pytest.mark.parametrize(
    "change",
    [lambda d: d["buckets"]["slices"][0].update(count=3),
     lambda d: d["buckets"]["slices"][1]["n"].update(exposures=[1]),
     lambda d: d["effective_config"]["offline"].update(bootstrap=[]),
     lambda d: d["effective_config"]["offline"].update(bootstrap={"level": "x"}),
     lambda d: d["effective_config"].update(offline=[]), lambda d: d["effective_config"].update(attribution=3)],
)  # fmt: skip
def test_a_baseline_that_was_changed_by_hand_is_refused(before, tmp_path, change):
    """Never a traceback: it says what cannot be."""
    document = json.loads(text(before[1], "json"))
    change(document)
    path = tmp_path / "base.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="not a report that a run writes"):
        report_files.read_offline(path)
