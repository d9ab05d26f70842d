"""How much a rank by itself is looked at, where the log can tell; and what the click rate is without that."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path

from recsys.attribution import propensities, sources
from recsys.attribution.figures import estimated
from recsys.attribution.join import Joined
from recsys.contracts.report import PositionBias, PositionPoint
from recsys.evaluation.metrics import positions
from recsys.statistics import position
from recsys.statistics.ratio import LEVEL

METHOD = "intervention harvesting, adjacent ranks; delete-a-group jackknife"
RATE_METHOD = "delete-a-group jackknife"
NO_PROPENSITIES = "no propensities are logged, so it is not known where chance put an item at its rank"
NO_CHANCE = "no propensity lies between 0 and 1, so chance put no item at its rank"
ONE_RANK = "no item stands at two ranks for the same query by chance"
_KINDS = ("conditional", "joint")


def position_bias(joined: Joined, *, level: float = LEVEL) -> PositionBias:
    """The curve of the log, or why there is none. A query is the values of the slice keys."""
    if not propensities.may_be_logged(joined.dataset.exposures):
        return _unknown(NO_PROPENSITIES)
    _stage(joined)
    kinds = positions.kinds(joined.engine)
    reason = _refused(kinds)
    if reason:
        return _unknown(reason)
    positions.count(joined.engine, len(joined.slice_keys))
    parts = [position.pair_sums(*cells) for cells in positions.strata(joined.engine)]
    if not parts:
        return _unknown(ONE_RANK)
    curve = position.examination(reduce(add, parts), level=level)
    if not curve.points:
        return _unknown(f"too little varied by chance: {curve.ended}")
    return _identified(joined, curve, kinds, level)


def _stage(joined: Joined) -> None:
    """Stage the items of the lines that were checked, where a log has grown since."""
    with tempfile.TemporaryDirectory(prefix="recsys-") as scratch:
        exposures = sources.as_checked(joined.dataset.exposures, Path(scratch))
        joined.engine.stage_item_propensities("item_propensities", exposures)


def _refused(kinds: Sequence[positions.Kind]) -> str:
    """Why these propensities do not tell where chance put an item; empty where they do."""
    if not kinds:
        return NO_PROPENSITIES
    marginal = [kind for kind in kinds if kind.name == positions.MARGINAL]
    if not marginal:
        return (
            f"propensities are of the kind {_named(kinds)}, and only {positions.MARGINAL} ones say how likely an item "
            "was at its rank"
        )
    return "" if marginal[0].uncertain else NO_CHANCE


def _named(kinds: Sequence[positions.Kind]) -> str:
    """The kinds by name; a name that is none of the contract's stays in the log."""
    names = [kind.name if kind.name in _KINDS else "that propensity_kind does not know" for kind in kinds]
    return " and ".join(dict.fromkeys(names))


def _unknown(reason: str) -> PositionBias:
    return PositionBias(status="not identified", reason=reason)


def _identified(joined: Joined, curve: position.Curve, kinds: Sequence[positions.Kind], level: float) -> PositionBias:
    impressions, clicks = positions.totals(joined.engine)
    plain, corrected = position.click_rates(curve, impressions, clicks, level=level)
    n = int(impressions[: len(curve.points)].sum())
    others = [kind for kind in kinds if kind.name != positions.MARGINAL]
    notes = (
        f"the curve ends at rank {len(curve.points)}: {curve.ended}" if curve.ended else "",
        f"{sum(kind.known for kind in others):,} propensities of the kind {_named(others)} are not used"
        if others else "",
    )  # fmt: skip
    return PositionBias(
        status="identified",
        points=[_point(point) for point in curve.points],
        click_rate=estimated(plain, n, None, RATE_METHOD, level=level),
        corrected_click_rate=estimated(corrected, n, None, METHOD, level=level),
        level=level,
        note="; ".join(filter(None, notes)),
    )


def _point(point: position.Point) -> PositionPoint:
    found = point.examination
    assert found.value is not None, "a point has a value"  # noqa: S101 - of our own making
    return PositionPoint(
        rank=point.rank, examination=found.value, low=found.low, high=found.high, impressions=point.impressions,
        strata=point.strata, note=found.note,
    )  # fmt: skip
