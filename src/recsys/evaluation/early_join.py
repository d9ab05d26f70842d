"""The early join test: before any figure is believed, do both logs hold, and do they join?"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from recsys.attribution import quality, sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.opening import DEFAULT_ENGINE, joined_logs
from recsys.attribution.policy import Policy
from recsys.contracts.report import DataQuality, Input
from recsys.evaluation import integrity
from recsys.evaluation.quality_text import gaps, percent
from recsys.eventlog.faults import Fault
from recsys.eventlog.validation import Progress


class EarlyJoin(Struct, frozen=True, kw_only=True):
    """What the test found. ``sound``: both logs have lines, all lines are valid, and the match rate is high enough."""

    sound: bool
    inputs: list[Input]
    faults: list[Fault]
    quality: DataQuality
    reasons: list[str]
    notes: list[str]


def check(
    exposures: list[str] | None,
    outcomes: list[str] | None,
    assignments: list[str] | None,
    dataset: str | None,
    *,
    slice_keys: list[str] | None = None,
    engine: EngineChoice = DEFAULT_ENGINE,
    max_faults: int = 20,
    on_progress: Progress | None = None,
) -> EarlyJoin:
    """Validate the logs and join them. ``max_faults`` of each file are kept; all are counted."""
    named = sources.from_options(exposures, outcomes, assignments, dataset)
    policy = Policy()
    keys = slice_keys or sources.DEFAULT_SLICE_KEYS
    with joined_logs(
        named, policy, slice_keys=keys, engine=engine, max_faults=max_faults, on_progress=on_progress
    ) as joined:
        accepted, found = joined.dataset, quality.data_quality(joined)
    reasons = integrity.reasons_to_hold(found, policy)
    invalid = sum(part.invalid for part in accepted.inputs)
    return EarlyJoin(
        sound=not reasons and not invalid,
        inputs=accepted.inputs,
        faults=accepted.faults,
        quality=found,
        reasons=reasons,
        notes=integrity.warnings(found),
    )


def as_json(result: EarlyJoin) -> str:
    """Everything that was found, as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(result)).decode() + "\n"


def as_text(result: EarlyJoin) -> str:
    """The faults, then match rate, join rate and missing slicing keys in a few lines."""
    lines = [str(fault) for fault in result.faults]
    untold = sum(part.invalid for part in result.inputs) - len({(fault.file, fault.line) for fault in result.faults})
    if untold > 0:
        lines.append(f"({untold:,} more rows are invalid: raise --max-errors to see why)")
    for part in result.inputs:
        verdict = f"{part.invalid:,} invalid" if part.invalid else "all valid"
        lines.append(f"{part.path}: {part.role}: {part.rows:,} rows, {verdict}")
    rates = result.quality.rates
    for name, rate, meaning in (
        ("match rate", rates.match, "outcomes that found their exposure"),
        ("join rate", rates.join, "exposures with at least one outcome"),
    ):
        lines.append(f"{name:<11}{percent(rate):>9}   {rate.numerator:,} of {rate.denominator:,} {meaning}")
    missing = [key for key, count in result.quality.missing_keys.items() if count]
    lines.append(f"slicing keys missing: {', '.join(missing) if missing else 'none'}")
    lines += [f"gap: {gap}" for gap in gaps(result.quality)]
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"not sound: {reason}" for reason in result.reasons]
    if result.sound:
        lines.append("The logs join.")
    return "\n".join(lines) + "\n"
