"""Logs that are written to while they are read: what was checked is what counts, whatever comes after it."""

import json

import pytest

from recsys.attribution import join, quality, sources
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.errors import InputError


def exposure(number):
    items = [{"item_id": item, "rank": rank} for rank, item in enumerate("abc", 1)]
    return {"request_id": f"r{number}", "user_id": f"u{number}", "ts": "2026-02-05T10:00:00Z", "items": items}


def click(number):
    return {
        "request_id": f"r{number}", "user_id": f"u{number}", "item_id": "b", "event_type": "click",
        "ts": "2026-02-05T10:00:07Z",
    }  # fmt: skip


def lines(make, numbers):
    return "".join(json.dumps(make(number)) + "\n" for number in numbers)


@pytest.fixture
def accepted(tmp_path):
    """Three exposures and two clicks, checked: (exposure log, outcome log, what was accepted, scratch)."""
    shown, done, scratch = tmp_path / "e.jsonl", tmp_path / "o.jsonl", tmp_path / "scratch"
    scratch.mkdir()
    shown.write_text(lines(exposure, range(3)))
    done.write_text(lines(click, range(2)))
    return shown, done, sources.accept_dataset(sources.from_options([str(shown)], [str(done)]), scratch), scratch


def found(dataset, scratch):
    joined = join.join(DuckDB(scratch), dataset, Policy(), scratch=scratch)
    try:
        return quality.data_quality(joined)
    finally:
        joined.engine.close()


MORE = ["", lines(exposure, range(3, 9)), json.dumps(exposure(3))[:-20], "no JSON\n", "\x00" * 50]


@pytest.mark.parametrize("more", MORE, ids=["nothing", "rows", "half-a-row", "noise", "zeros"])
def test_what_was_appended_after_the_check_is_not_read(accepted, more):
    """Rows, half a row, noise: the figures are those of what was checked."""
    shown, done, dataset, scratch = accepted
    for path, extra in ((shown, more), (done, more.replace('"items"', '"x"'))):
        with path.open("a") as log:
            log.write(extra)
    quality = found(dataset, scratch)
    assert (quality.exposures.rows, quality.exposures.distinct, quality.exposures.redelivered) == (3, 3, 0)
    assert (quality.fates.rows, quality.fates.attributed) == (2, 2)


def test_a_log_that_was_cut_off_after_the_check_is_refused(accepted):
    """It names the file: an evaluation of what is left would tell of rows that are gone."""
    shown, _, dataset, scratch = accepted
    shown.write_text(lines(exposure, range(1)))
    with pytest.raises(InputError, match=r"e\.jsonl: cut off while it was read \(found [\d,]+ bytes; expected"):
        found(dataset, scratch)
