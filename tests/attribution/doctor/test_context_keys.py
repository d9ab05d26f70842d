"""Contexts with ever more keys: a warning, and what stands in them is looked at all the same."""

from doctor_findings import found, planted
from doctor_world import examine
from recsys.attribution.doctor.detectors import personal_data


def with_keys(rows, *, value="1"):
    for number, row in enumerate(rows):
        row["context"][f"search {number}"] = value
    return rows


def test_values_that_are_keys(tmp_path):
    """A key of its own in each exposure: all of these are counted, of all keys, and the first row is shown."""
    shown, done, assigned = planted()
    usual = len({key for row in shown for key in row["context"]})
    findings = examine(with_keys(shown), done, assigned, folder=tmp_path).findings
    assert [(each.detector, each.subject, each.severity) for each in findings] == [
        ("context_keys", "exposures", "warning")
    ]
    evidence = findings[0].evidence
    assert (evidence.rows, evidence.of, evidence.unit) == (len(shown), len(shown) + usual, "keys")
    assert [sample.line for sample in evidence.samples] == [1]
    assert "search" not in findings[0].cause


def test_many_keys_that_all_rows_have_are_none():
    """Three hundred features in each row are keys, if many."""
    shown, done, assigned = planted(requests=60, users=30)
    for row in shown:
        row["context"] |= {f"feature_{number}": "1" for number in range(300)}
    assert found(examine(shown, done, assigned), "context_keys") == {}


def test_personal_data_under_rare_keys(tmp_path):
    """Two addresses under keys of one row each, beside hundreds of such keys: found in the keys that few rows have."""
    shown, done, assigned = planted(requests=500)
    with_keys(shown)
    for line in (7, 9):
        shown[line - 1]["context"][f"search {line - 1}"] = f"jane{line}@example.org"
    told = examine(shown, done, assigned, folder=tmp_path)
    [finding] = found(told, "personal_data").values()
    assert (finding.evidence.rows, finding.evidence.of) == (2, 500)
    assert "exposures.context (all keys that few rows have)" in finding.subject
    assert [sample.line for sample in finding.evidence.samples] == [7, 9]


def test_the_work_does_not_grow_with_the_keys(monkeypatch):
    """A thousand keys are no thousand columns to search."""
    searched = []
    real = personal_data.ColumnSearch

    def counting(column, **options):
        searched.append(column)
        return real(column, **options)

    monkeypatch.setattr(personal_data, "ColumnSearch", counting)
    shown, done, _ = planted(requests=1_000)
    examine(with_keys(shown), done)
    assert "exposures.context" in searched
    assert len(searched) < 250
