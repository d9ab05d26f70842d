"""Lists that are not what a list should be: repeated ranks or items, gaps in ranks, and lists that are empty or
failed.

The join settles the first three (the best rank of an item counts, gaps are closed), but a producer that writes them has
another idea of a rank: any is a ``warning``, and from ``serious`` (5 %) on ranking metrics are of other lists than
those that were seen. Empty and failed lists stay in every denominator; from ``empty_warning`` (10 %) of them on it is
worth a look, and ``empty_serious`` is half.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor.breakdown import percent
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Symptom, graded

_SHAPES = {
    "repeated_rank": ("give one rank to several items", "Number the items of a list 1, 2, 3 … as they are shown."),
    "repeated_item": ("hold an item twice", "Take an item once into a list; its best rank counts."),
    "rank_gap": ("have gaps in their ranks", "Log every item that is shown, and number the items 1, 2, 3 …"),
    "empty": ("are empty", "See /metrics and the service's log for what filters everything out."),
    "error": ("failed", "See the service's log for their request_ids."),
}


def _look(case: Case, limits: Limits) -> list[Symptom]:
    of = case.quality.exposures.distinct
    symptoms = []
    for name, (what, fix) in _SHAPES.items():
        n = getattr(case.quality.exposures, name)
        severity = graded(n, of, limits, "empty" if name in {"empty", "error"} else "")
        if severity is not None:
            condition = "n_items = 0" if name == "empty" else name
            first, last = case.one(f"SELECT min(ts_us), max(ts_us) FROM exposures WHERE {condition}")
            symptoms.append(
                Symptom(
                    severity=severity,
                    cause=f"{n:,} lists ({percent(n / of)}) {what}.",
                    fix=fix,
                    log="exposures",
                    n=n,
                    of=of,
                    subject=name,
                    rows=Rows(query=f"SELECT request_id AS row FROM exposures WHERE {condition}"),
                    first_us=first,
                    last_us=last,
                )
            )
    return symptoms


LIST_SHAPES = Detector(
    name="list_shapes",
    question="Are lists numbered 1, 2, 3 …, each item once, and rarely empty?",
    look=_look,
    limits=MappingProxyType({"warning": 0.0, "serious": 0.05, "empty_warning": 0.1, "empty_serious": 0.5}),
)
