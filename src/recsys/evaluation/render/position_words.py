"""What a report says of position bias, in words and rows."""

from __future__ import annotations

from recsys.contracts.report import PositionBias
from recsys.text import level_of

HEADINGS = ("rank", "examination", "interval", "impressions", "items", "note")


def sentences(bias: PositionBias) -> list[str]:
    """What was found, and what follows for the click rate; or why nothing was."""
    if bias.status == "not identified":
        return [f"Not identified: {bias.reason}."]
    told = [_curve(bias), *_rates(bias)]
    return [*told, *([f"{bias.note[0].upper()}{bias.note[1:]}."] if bias.note else [])]


def _curve(bias: PositionBias) -> str:
    last = bias.points[-1]
    interval = _interval(last.low, last.high, bias.level, ".2f")
    return (
        f"Where chance put the same items at different ranks, rank {last.rank} was looked at "
        f"{last.examination:.2f} times as often as rank 1{interval}."
    )


def _rates(bias: PositionBias) -> list[str]:
    plain, corrected = bias.click_rate, bias.corrected_click_rate
    if plain is None or corrected is None or plain.value is None or corrected.value is None:
        return []
    intervals = [_interval(each.low, each.high, each.level, ".4f") for each in (plain, corrected)]
    told = (
        f"Clicks per impression at ranks 1 to {bias.points[-1].rank}: {plain.value:.4f}{intervals[0]}. "
        f"Were all of these ranks looked at as rank 1 is, it would be {corrected.value:.4f}{intervals[1]}."
    )
    return [told]


def _interval(low: float | None, high: float | None, level: float | None, digits: str) -> str:
    if low is None or high is None:
        return ", without an interval"
    return f" ({level_of(level)} interval {low:{digits}} to {high:{digits}})"


def rows(bias: PositionBias) -> list[list[str]]:
    """The points, under ``HEADINGS``."""
    return [
        [
            str(point.rank), f"{point.examination:.3f}",
            "—" if point.low is None or point.high is None else f"{point.low:.3f} to {point.high:.3f}",
            f"{point.impressions:,}", f"{point.strata:,}", point.note,
        ]
        for point in bias.points
    ]  # fmt: skip
