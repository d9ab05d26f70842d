"""What the logs hold of experiments, and the figures of the whole log, as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

from recsys.contracts.report import Estimate
from recsys.contracts.trial import Bounds, ExposureCounts, LogFigure, SampleRatio, Trial, Unjoined
from recsys.evaluation.quality_text import WIDTH, slice_value

NONE = "—"
LEFT_OUT = {
    "anonymous": "of nobody in particular",
    "other_user": "of a user that was not assigned, or not with that request",
    "before_assignment": "before their unit's first assignment",
    "unassigned": "of a unit, without an assignment row of their own",
    "ambiguous": "with another list under their request_id",
    "too_recent": "with a window that was still open",
}
"""Standings of exposures that do not count, in words."""


def render(trials: Sequence[Trial], figures: Sequence[LogFigure]) -> str:
    """The figures of the whole log with their bounds, then a section for each experiment."""
    out = StringIO()
    console = Console(file=out, width=WIDTH, highlight=False, markup=False)
    if figures:
        console.print(_log(figures))
    for trial in trials:
        _section(console, trial)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n" if out.getvalue() else ""


def _log(figures: Sequence[LogFigure]) -> Table:
    table = _table("The log as a whole", "figure", "value", "95 % interval", "with none to all of what did not join")
    for figure in figures:
        table.add_row(figure.metric, _number(figure.estimate.value), _interval(figure.estimate), _reach(figure.bounds))
    return table


def _section(console: Console, trial: Trial) -> None:
    console.print(f"Experiment {slice_value(trial.experiment_id)}: who counts")
    for line in _who(trial):
        console.print(f"  {line}", soft_wrap=True)
    console.print(_arms(trial))
    console.print(_figures(trial))


def _who(trial: Trial) -> list[str]:
    rows = trial.assignments
    as_of = "" if trial.as_of is None else f", as of {trial.as_of:%Y-%m-%d %H:%M:%S} UTC"
    lines = [
        f"scope {trial.scope}{as_of}; {trial.units:,} units, {trial.in_two_arms:,} of them in two arms",
        (
            f"{rows.rows:,} assignment rows: {rows.repeated:,} repeated, {rows.anonymous:,} anonymous; "
            f"{rows.requests:,} requests, {rows.without_exposure:,} without an exposure; "
            f"{rows.units_with_several:,} units have several"
        ),
        f"{trial.exposures.counts:,} exposures count",
        *_left_out(trial.exposures),
        _unjoined(trial.unjoined),
        _ratio(trial.sample_ratio),
    ]
    lines += [
        f"against {slice_value(pair.other)}: p = {pair.p:.3g} over {pair.units:,} units in both"
        for pair in trial.independence
        if pair.p is not None
    ]
    return [*lines, *(f"note: {note}" for note in [*trial.notes, *_without_interval(trial)])]


def _without_interval(trial: Trial) -> list[str]:
    """Why differences have none, by reason."""
    by_reason: dict[str, list[str]] = {}
    for effect in trial.effects:
        if effect.estimate.low is None:
            by_reason.setdefault(effect.estimate.note, []).append(f"{effect.metric} {slice_value(effect.label)}")
    return [f"no interval of {', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def _left_out(counts: ExposureCounts) -> list[str]:
    return [f"{count:,} do not: {words}" for name, words in LEFT_OUT.items() if (count := getattr(counts, name))]


def _unjoined(found: Unjoined) -> str:
    parts = {name: getattr(found, name) for name in ("orphan", "ambiguous", "invalid", "lost")}
    told = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    credited = f": {told}; all of them are credited to one arm, then to the other" if told else ""
    return f"{sum(parts.values()):,} outcomes did not join{credited}"


def _ratio(found: SampleRatio) -> str:
    if found.p is None:
        return f"units per arm: {found.note}"
    expected = "declared weights" if found.declared else "equal shares"
    note = f"; {found.note}" if found.note else ""
    return f"units per arm against {expected}: p = {found.p:.3g} ({found.method}){note}"


def _arms(trial: Trial) -> Table:
    table = _table(
        "Arms", "arm", "units", "expected", "in two arms", "exposed", "exposures", "empty", "error", "clicks", "conv.",
        "value",
    )  # fmt: skip
    for arm in trial.arms:
        expected = trial.sample_ratio.expected.get(arm.variant)
        counts = (arm.in_two_arms, arm.exposed, arm.exposures, arm.empty, arm.error, arm.clicks, arm.conversions)
        table.add_row(
            slice_value(arm.variant), f"{arm.units:,}", NONE if expected is None else f"{expected:,.1f}",
            *(f"{count:,}" for count in counts), f"{arm.value:,.2f}",
        )  # fmt: skip
    return table


def _figures(trial: Trial) -> Table:
    table = _table(
        "Figures", "figure", "arm", "value", "95 % interval", "credited to one arm, to the other", "sign turns at"
    )  # fmt: skip
    for arm in trial.arms:
        for metric, estimate in arm.estimates.items():
            table.add_row(metric, slice_value(arm.variant), _number(estimate.value), _interval(estimate), "", "")
    if trial.effects:
        table.add_section()
    for effect in trial.effects:
        table.add_row(
            effect.metric, slice_value(effect.label), _number(effect.estimate.value), _interval(effect.estimate),
            _reach(effect.bounds), _turn(effect.bounds),
        )  # fmt: skip
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE, title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in {"figure", "arm"} else "right")
    return table


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return NONE
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def _reach(bounds: Bounds | None) -> str:
    """The two ends, and the outermost limits of their intervals."""
    if bounds is None:
        return ""
    ends = f"{_number(bounds.low.value)} to {_number(bounds.high.value)}"
    if bounds.low.low is None or bounds.high.high is None:
        return ends
    return f"{ends} ({bounds.low.low:.4f} to {bounds.high.high:.4f})"


def _turn(bounds: Bounds | None) -> str:
    if bounds is None:
        return ""
    return "none can" if bounds.flips is None else f"{bounds.flips:.0%} of them"
