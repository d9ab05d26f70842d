"""A folder of reports: nothing is overwritten, nothing half-written, foreign files are told."""

import msgspec
import pytest
from msgspec.structs import replace

from offline_worlds import made, report
from recsys.contracts.history import RunHistory
from recsys.errors import InputError, StorageError, UsageError
from recsys.evaluation import history, render


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A report."""
    return report(tmp_path_factory.mktemp("logs"), made(300))


def later(found, days: int, run_id: str):
    """The report of a run so many days later."""
    return replace(found, created_at=found.created_at.replace(day=1 + days), run_id=run_id)


def test_reports_are_kept_and_read_back_in_the_order_of_their_runs(found, tmp_path):
    """By time, whatever order they were written in; nothing else stands in the folder."""
    for days in (2, 0, 1):
        history.keep(later(found, days, f"run{days}"), tmp_path)
    past = history.read(tmp_path)
    assert [run.run_id for run in past.runs] == ["run0", "run1", "run2"]
    assert len(list(tmp_path.iterdir())) == 3
    assert past.runs[0].figures["hitrate@10"] == found.results[0].estimate
    assert {run.inputs for run in past.runs} == {history.inputs_hash(found)}
    assert [run.run_id for run in history.read(tmp_path, limit=2).runs] == ["run1", "run2"]
    assert history.read(tmp_path, mode="experiment").runs == []
    only = history.read(tmp_path, metric="gini")
    assert {name for run in only.runs for name in run.figures} == {"gini"}


def test_no_report_is_ever_overwritten(found, tmp_path):
    """A name that is taken is an error, and what stands there stays."""
    path = history.keep(found, tmp_path)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="there is such a report already"):
        history.keep(replace(found, warnings=["another"]), tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_foreign_files_are_told_and_do_not_stop_it(found, tmp_path):
    """Text, half a report, another document, and a file in writing by another run."""
    history.keep(found, tmp_path)
    whole = render.text(found, "json")
    (tmp_path / "half.json").write_text(whole[: len(whole) // 2])
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / ".20260101.json.5.part").write_text("")
    (tmp_path / "folder").mkdir()
    past = history.read(tmp_path)
    assert len(past.runs) == 1
    assert [told.split(":")[0] for told in past.unreadable] == ["half.json", "notes.txt", "other.json"]
    for form in ("markdown", "html"):
        assert "other.json" in render.history(past, form)


def test_an_unknown_metric_or_folder_is_an_error(found, tmp_path):
    """It names the nearest figure that a run has; a folder that is not there is told."""
    history.keep(found, tmp_path)
    with pytest.raises(UsageError, match="Did you mean 'hitrate@10'"):
        history.read(tmp_path, metric="hitrat@10")
    with pytest.raises(InputError):
        history.read(tmp_path / "none")
    (tmp_path / "file").write_text("")
    for name in ("file", "file/deep"):
        with pytest.raises(StorageError):
            history.check(tmp_path / name)
    history.check(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()


def test_the_page_draws_each_figure_and_asks_nobody(found, tmp_path):
    """A trend of each metric, the runs with their verdicts, no script, no request; the JSON reads back."""
    for days in range(3):
        history.keep(later(found, days, f"run{days}"), tmp_path)
    past = history.read(tmp_path)
    page = render.history(past, "html")
    assert page.count("<svg") == len(past.runs[0].figures)
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert msgspec.json.decode(render.history(past, "json"), type=RunHistory) == past
    assert "hitrate@10" in render.history(past, "markdown")


def test_an_empty_folder_has_no_runs(tmp_path):
    """It is no error, and every form says so."""
    past = history.read(tmp_path)
    assert past.runs == []
    assert render.history(past, "markdown") == "# 0 runs\n"
    assert "0 runs" in render.history(past, "html")
