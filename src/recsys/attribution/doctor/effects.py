"""What a fault does to the headline metric: the figure as it is logged, and as it would be without the fault."""

from __future__ import annotations

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Symptom
from recsys.contracts.diagnosis import Effect


def effect(case: Case, symptom: Symptom) -> Effect | None:
    """None where no figure depends on the symptom, or there is none."""
    if symptom.shift is None:
        return None
    metric, counted, shown = case.headline
    shift = symptom.shift
    with_all = counted + shift.clicks_found - shift.clicks_extra
    over_all = shown + shift.exposures_found - shift.exposures_extra
    as_logged = counted / shown if shown else None
    without = with_all / over_all if over_all > 0 else None
    if as_logged is None and without is None:
        return None
    if not shift.at_most:
        return Effect(metric=metric, as_logged=as_logged, without=without, note=shift.note)
    figures = " to ".join(f"{figure:.4f}" for figure in (as_logged, without) if figure is not None)
    return Effect(metric=metric, as_logged=as_logged, without=None, note=f"It is {figures}: {shift.note}")
