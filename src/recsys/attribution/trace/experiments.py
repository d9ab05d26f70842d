"""The experiments of a request: the variant that its lists name, and the one that its assignment rows do."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.attribution.trace.rows import Row, instant
from recsys.contracts import trace as contract
from recsys.contracts.events import Assignment, Exposure


def told(exposures: Sequence[Exposure], assignments: Sequence[Row], has_log: bool) -> list[contract.TracedExperiment]:
    """Each experiment that either side names, by id. ``has_log``: whether an assignment log was given at all."""
    shown: dict[str, set[str]] = {}
    for record in exposures:
        context = record.context or {}
        if experiment := context.get("experiment_id"):
            shown.setdefault(experiment, set()).update(filter(None, [context.get("experiment_variant")]))
    assigned: dict[str, list[contract.Assigned]] = {}
    for row in assignments:
        if isinstance(row.record, Assignment):
            assigned.setdefault(row.record.experiment_id, []).append(
                contract.Assigned(
                    at=contract.Place(file=row.file, line=row.line), variant=row.record.variant,
                    ts=instant(row.ts_us), user_id=row.record.user_id,
                )
            )  # fmt: skip
    return [
        _told(experiment, sorted(shown.get(experiment, ())), assigned.get(experiment, []), bool(exposures), has_log)
        for experiment in sorted(shown.keys() | assigned.keys())
    ]


def _told(
    experiment: str, shown: list[str], assigned: list[contract.Assigned], has_list: bool, has_log: bool
) -> contract.TracedExperiment:
    variants = sorted({row.variant for row in assigned})
    agree = shown == variants and len(shown) == 1 if shown and variants else None
    if agree is not None:
        note = "list and assignment agree" if agree else "list and assignment do not agree"
        if len(shown) > 1 or len(variants) > 1:
            note = "several variants on one request"
    elif not variants:
        note = "no assignment row has this request_id" if has_log else "no assignment log was given"
    else:
        note = "the list names no variant" if has_list else "there is no list to compare with"
    return contract.TracedExperiment(experiment_id=experiment, shown=shown, assigned=assigned, agree=agree, note=note)
