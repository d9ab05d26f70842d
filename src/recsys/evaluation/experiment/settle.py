"""The units of one experiment, made in the engine: their table, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.attribution.engine import Engine
from recsys.errors import ConfigError
from recsys.evaluation.experiment import cap as capping
from recsys.evaluation.experiment import columns as sorting
from recsys.evaluation.experiment import units
from recsys.evaluation.experiment.cap import Cap
from recsys.evaluation.experiment.columns import Kinds, quoted
from recsys.evaluation.experiment.measures import REVENUE, UNCAPPED
from recsys.evaluation.experiment.needs import Needs
from recsys.evaluation.experiment.products import Products

if TYPE_CHECKING:
    from recsys.attribution.join import Joined


@dataclass(frozen=True)
class Settled:
    """The units of one experiment in the engine: what is asked for, and how it is cut up. ``slices``: key → its
    slice column. ``by_day``: whether there is a slice column of the day."""

    engine: Engine
    needs: Needs
    kinds: Kinds
    slices: dict[str, str]
    buckets: int
    cap: Cap | None
    by_day: bool = False

    @property
    def products(self) -> Products:
        """The columns and pairs that are summed."""
        return Products.of(self.needs.columns, self.needs.pairs)


def settle_units(
    joined: Joined,
    needs: Needs,
    *,
    slices: Sequence[str] | None = None,
    covariate: str | None = None,
    buckets: int = units.BUCKETS,
    cap: int | None = None,
    by_day: bool = False,
) -> Settled:
    """Make the tables of the experiment's units; ``experiment.settle``, or ``settle_users``, comes first.

    ``slices``: some of the slice keys; None is all but ``covariate``, the one whose value at the first assignment is a
    number to adjust for. ``cap``: the most revenue of a unit that counts, in millionths; None is the 99th percentile.
    ``by_day``: the day of an exposure is a slice, too. ConfigError for a key that was not staged, for a number of
    buckets that does not divide the finest, and for a column that no unit has.
    """
    if buckets < 1 or units.FINE % buckets:
        raise ConfigError("no usable number of buckets", where="buckets", found=str(buckets), expected="a power of 2")
    if cap is not None and cap < 0:
        raise ConfigError("no usable cap of revenue", where="cap", found=str(cap), expected="0 or more")
    places = {key: place for place, key in enumerate(joined.slice_keys, start=1)}
    chosen = [key for key in joined.slice_keys if key != covariate] if slices is None else list(dict.fromkeys(slices))
    for key in (*chosen, *([covariate] if covariate is not None else [])):
        if key not in places:
            raise ConfigError("not a slice key", where="slices", found=key, expected=", ".join(places))
    kinds = sorting.sort(needs.columns, covariate=covariate is not None)
    own = {key: places[key] for key in chosen}
    number = places.get(covariate) if covariate is not None else None
    units.make(joined.engine, kinds, own, number, buckets, by_day=by_day)
    found = capping.cap(joined.engine, cap) if REVENUE in kinds.shown else None
    named = {key: f"slice_{place}" for key, place in own.items()}
    return Settled(joined.engine, needs, kinds, named, buckets, found, by_day)


def values(settled: Settled, cut: str | None) -> str:
    """A query of one row per unit, or per (value of a slice column, unit that was shown something there): ``slice``,
    ``variant``, ``fine``, ``bucket``, and the columns as ``c_0`` …, revenue cut at the cap."""
    columns = settled.products.columns
    if cut is None:
        listed = "".join(f", {_value(settled, column, 'u')} AS c_{n}" for n, column in enumerate(columns))
        return f"SELECT '' AS slice, u.user_id, u.variant, u.fine, u.bucket{listed} FROM unit_values AS u"
    own = {column: _base(column) in settled.kinds.shown for column in columns}
    summed = "".join(f", sum({quoted(column)}) AS {quoted(column)}" for column in settled.kinds.shown)
    listed = "".join(
        f", {_value(settled, column, 's' if own[column] else 'u')} AS c_{n}" for n, column in enumerate(columns)
    )
    return (
        f"SELECT s.slice, u.user_id, u.variant, u.fine, u.bucket{listed} "
        f"FROM (SELECT {cut} AS slice, user_id{summed} FROM slice_sums GROUP BY {cut}, user_id) AS s "
        "INNER JOIN unit_values AS u ON s.user_id = u.user_id INNER JOIN chosen_slices AS k ON s.slice = k.slice"
    )


def _base(column: str) -> str:
    return REVENUE if column == UNCAPPED else column


def _value(settled: Settled, column: str, table: str) -> str:
    expression = f"{table}.{quoted(_base(column))}"
    return capping.capped(expression, settled.cap) if column == REVENUE else expression
