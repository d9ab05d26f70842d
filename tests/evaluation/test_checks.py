"""Checks of a run in the forms of CI systems: well-formed whatever the text, and never over the limit."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from decision_evidence import check, evidence
from experiment_reports import ALL
from offline_worlds import made, report
from recsys.errors import StorageError
from recsys.evaluation import junit, step_summary
from recsys.evaluation.checks import Check, checks
from recsys.evaluation.decision import decide


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A report."""
    return report(tmp_path_factory.mktemp("logs"), made(30))


@given(st.text(), st.text())
def test_junit_is_well_formed_for_any_text(found, name, told):
    """Control characters, markup, lone surrogates: each status is its element, and parses."""
    listed = [Check("gates", name, status, told) for status in ("pass", "fail", "error", "skip")]
    suite = ElementTree.fromstring(junit.render(listed, found).encode("utf-8"))[0]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    inside = [case[0].tag for case in suite.iter("testcase")]
    assert inside == ["system-out", "failure", "error", "skipped"]


def test_plain_text_reads_back_as_it_is(found):
    """What XML can hold is not escaped twice."""
    text = 'a < b & "c" \U0001f600 é'
    case = ElementTree.fromstring(junit.render([Check("g", text, "fail", text)], found).encode()).find(".//testcase")
    assert (case.get("name"), case[0].text, case[0].get("message")) == (text, text, text)


def test_a_report_of_any_mode_has_checks(found):
    """Ship passes, rollback fails, hold is an error; there is always one."""
    expected = {"ship": "pass", "rollback": "fail", "hold": "error"}
    assert [check.status for check in checks(found)] == ["pass"]
    for name, made_report in ALL.items():
        listed = checks(made_report())
        assert listed, name
        experiment = made_report().experiment
        if experiment is not None and experiment.candidates:
            decisions = [each.decision.decision for each in experiment.candidates]
            assert [check.status for check in listed] == [expected[decision] for decision in decisions]


def test_a_decision_that_nobody_asked_for_is_skipped():
    """It is no error; but where the logs cannot be believed it is one."""
    for integrity, status in ((None, "skip"), ([check(0.5)], "error")):
        decision = decide(evidence(integrity=integrity, decides=False))
        whole = ALL["ship"]()
        [first, *_] = whole.experiment.candidates
        experiment = replace(whole.experiment, candidates=[replace(first, decision=decision)])
        assert [each.status for each in checks(replace(whole, experiment=experiment))] == [status]


def test_a_step_summary_is_appended(tmp_path):
    """What others wrote stays before it, and it begins on a line of its own."""
    path = tmp_path / "summary.md"
    path.write_text("before")
    step_summary.append("# Report\n", path)
    assert path.read_text() == "before\n# Report\n"
    with pytest.raises(StorageError):
        step_summary.append("x", tmp_path)


@pytest.mark.parametrize("already", [0, 1000, 1024 * 1024 - 5, 1024 * 1024 + 5])
def test_a_step_summary_never_exceeds_its_limit(tmp_path, already):
    """It ends at the end of a line, says that it is cut, and is valid UTF-8."""
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * already)
    step_summary.append("é line\n" * 300_000, path)
    raw = path.read_bytes()
    assert len(raw) <= max(step_summary.MOST_BYTES, already)
    added = raw[already:].decode()
    if already <= 1000:
        assert added.endswith(step_summary.CUT)
        assert len(raw) > step_summary.MOST_BYTES - 10
        assert set(added.removesuffix(step_summary.CUT).splitlines()) - {""} == {"é line"}
    else:
        assert added == ""
