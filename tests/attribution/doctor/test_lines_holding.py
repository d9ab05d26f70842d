"""Lines that hold a context value: in any spelling, behind refused lines, in any block and file, and no other lines."""

import json

import pytest

from doctor_findings import planted
from doctor_world import write
from recsys.attribution import sources
from recsys.attribution.doctor.lines_holding import FEW, places_holding
from recsys.attribution.doctor.symptoms import Place


class Opened:
    """As much of a case as the search reads."""

    def __init__(self, folder, *logs):
        paths = [write(folder / f"{number}.jsonl", log) for number, log in enumerate(logs)]
        outcomes = write(folder / "outcomes.jsonl", [])
        scratch = folder / "scratch"
        scratch.mkdir()
        self.joined = self
        self.dataset = sources.accept_dataset(sources.from_options(paths, [outcomes]), scratch)
        self.paths = paths


def row(number, **context):
    shown, _, _ = planted(requests=1, users=1)
    return {**shown[0], "request_id": f"r{number}", "context": context}


@pytest.mark.parametrize("value", ['ja"ne/\\ é', "jané", "jane@example.org"])
def test_a_value_in_any_spelling(tmp_path, value):
    """As it is, escaped, and in a second file; the same text under another key, or in another field, is not it."""
    plain = json.dumps(row(2, note=value), ensure_ascii=False)
    escaped = json.dumps(row(3, note=value)).replace("j", "\\u006a").replace("/", "\\/")
    other = [row(4, other=value), {**row(5, other="x"), "user_id": value}]
    case = Opened(tmp_path, [*other, plain], [row(6, note="another"), escaped])
    expected = {Place(case.paths[0], 3), Place(case.paths[1], 2)}
    assert places_holding(case, "exposures", "note", [value]) == expected


def test_any_value_of_a_key(tmp_path):
    """Without values all rows that have the key."""
    case = Opened(tmp_path, [row(1, other="note"), row(2, note="a"), {**row(3), "user_id": "note"}, row(4, note="")])
    assert places_holding(case, "exposures", "note", None) == {Place(case.paths[0], 2), Place(case.paths[0], 4)}


def test_lines_are_counted_through_blocks_and_refused_lines(tmp_path):
    """A file of several blocks, in which some lines are refused: the numbers are those of the file as it is."""
    rows = [row(number, pad="x" * 900) if number % 7 else "{" for number in range(4_000)]
    for number in (5, 2_600, 3_999):
        rows[number] = row(number, note="jane", pad="x" * 900)
    case = Opened(tmp_path, rows)
    found = places_holding(case, "exposures", "note", ["jane"])
    assert {place.line for place in found} == {6, 2_601, 4_000}


def test_a_few_are_enough(tmp_path):
    """No more than the first few are looked for, of no more than a few of the values."""
    case = Opened(tmp_path, [row(number, note=f"jane{number}") for number in range(40)])
    found = places_holding(case, "exposures", "note", [f"jane{number}" for number in range(40)])
    assert found == {Place(case.paths[0], line) for line in range(1, FEW + 1)}
    assert places_holding(case, "assignments", "note", ["jane1"]) == frozenset()
