"""Where the rows of a symptom stand: a few of them, as file and line."""

from __future__ import annotations

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Place, Symptom

SAMPLES = 3


def samples(case: Case, symptoms: list[Symptom]) -> list[list[Place]]:
    """Of each symptom the places of its first rows, in order of time."""
    return [sorted(symptom.rows.places)[:SAMPLES] if symptom.rows is not None else [] for symptom in symptoms]
