"""Who counts in an experiment, and what they did: the relations of one experiment, reduced to counts and moments.

Units are the experiment's assigned subjects, each in the arm of its first assignment. The same reduction serves the log
as a whole, in which every user is a unit of one arm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from recsys.attribution import relations
from recsys.attribution.policy import DEFAULT_TOLERANCE_S, EVENT_TYPES, Policy
from recsys.statistics.bounds import Credit, Unjoined
from recsys.statistics.moments import Moments

if TYPE_CHECKING:
    from recsys.attribution.join import Joined

Scope = Literal["request", "user"]
SCOPES: tuple[Scope, ...] = ("request", "user")
MICRO = 1_000_000
SCALES = MappingProxyType({"ctr": 1, "conversion_rate": 1, "revenue_per_exposure": MICRO, "exposures_per_user": 1})
"""The figures, with the unit of ``y`` in their moments: 1/scale."""
EXACT_COLUMNS = (
    "units", "in_two_arms", "exposed", "no_value", "odd_value",
    "n", "nn", "c", "cc", "cn", "v", "vv", "vn", "w", "p", "ww", "wp", "pp", "wn", "pn",
)  # fmt: skip
"""Columns of ``experiment_moments`` after the variant."""
OF_ALL = ("nameless_requests", "subject_assignments", "assigned_units")
"""Relations that do not depend on which experiment is looked at."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMN_TYPES = MappingProxyType(
    {
        "experiment_id": "VARCHAR",
        "scope": "VARCHAR",
        "as_of_us": "BIGINT",
        "window_us": "BIGINT",
        "tolerance_us": "BIGINT",
    }
)
"""Columns of the table ``experiment``, with their types."""


class Asked(Struct, frozen=True, kw_only=True):
    """One experiment, as the relations need it. ``scope``: whether an exposure needs an assignment row of its own, or
    that of its unit is enough. ``as_of``: nothing later is looked at; None is the end of the log."""

    experiment_id: str
    scope: Scope = "request"
    as_of: datetime | None = None

    def table(self, policy: Policy) -> tuple[Mapping[str, str], list[tuple[Any, ...]]]:
        """The table ``experiment`` of the relations: its columns with their types, and its one row."""
        as_of = None if self.as_of is None else (self.as_of - _EPOCH) // timedelta(microseconds=1)
        tolerance = DEFAULT_TOLERANCE_S if policy.tolerance_s is None else policy.tolerance_s
        window = observed_s(policy)
        return COLUMN_TYPES, [(self.experiment_id, self.scope, as_of, round(window * MICRO), round(tolerance * MICRO))]


def observed_s(policy: Policy) -> float:
    """How many seconds before ``as_of`` an exposure must have been shown: the longest window that is limited."""
    return max((policy.windows_s.get(kind) or 0.0 for kind in EVENT_TYPES), default=0.0)


@dataclass(frozen=True)
class ArmSums:
    """Sums over the units of an arm. ``exposed``: units with an exposure that counts; ``no_value``, ``odd_value``:
    conversions without a value, or with one that is no sum of money; ``moments``: by figure, see ``SCALES``."""

    units: int
    in_two_arms: int
    exposed: int
    no_value: int
    odd_value: int
    exposures: int
    clicks: int
    conversions: int
    value_micros: int
    moments: dict[str, Moments]

    def __add__(self, other: ArmSums) -> ArmSums:
        counts = {
            part.name: getattr(self, part.name) + getattr(other, part.name)
            for part in fields(self)
            if part.name != "moments"
        }  # fmt: skip
        return ArmSums(**counts, moments={name: own + other.moments[name] for name, own in self.moments.items()})


@dataclass(frozen=True)
class Standing:
    """Exposures of one arm (None: of no unit) in one standing."""

    variant: str | None
    standing: str
    n: int
    empty: int
    error: int


@dataclass(frozen=True)
class Unread:
    """Outcomes of which nothing is known: ``invalid`` lines, and those that are ``lost``, in no log."""

    invalid: int
    lost: int

    def __add__(self, other: Unread) -> Unread:
        return Unread(self.invalid + other.invalid, self.lost + other.lost)


@dataclass(frozen=True)
class UnjoinedOutcomes:
    """What did not join: how many of each kind; over the users whom they name the sums of the squares of their clicks
    and conversions; what their values would raise and lower revenue by (without what is not read).

    ``largest_micros``: the largest value of a conversion that could be read; ``displacing``: each may have been the
    first touch, in the place of another outcome of any value up to that. All but these two add."""

    orphan_clicks: int
    ambiguous_clicks: int
    orphan_conversions: int
    ambiguous_conversions: int
    click_squares: int
    conversion_squares: int
    raising: Credit
    lowering: Credit
    unread: Unread
    largest_micros: int
    displacing: bool

    @property
    def orphan(self) -> int:
        """Outcomes whose request_id no exposure has."""
        return self.orphan_clicks + self.orphan_conversions

    @property
    def ambiguous(self) -> int:
        """Outcomes whose request_id several lists have."""
        return self.ambiguous_clicks + self.ambiguous_conversions

    @property
    def credits(self) -> dict[str, Unjoined]:
        """What they may add to each figure, in the unit of its moments. An outcome that cannot be read may be a click,
        or a conversion of the largest value that was read.

        Where the first touch alone counts, a conversion may have been it in the place of one that was counted: how many
        there are stays as it is, which the bounds hold too, but what they are worth may fall by that value.
        """
        unknown = self.unread.invalid + self.unread.lost
        conversions, largest = self.orphan_conversions + self.ambiguous_conversions, self.largest_micros
        lowering = self.lowering
        if self.displacing:
            # by the triangle inequality, over the users
            norm = math.sqrt(lowering.squares) + largest * math.sqrt(self.conversion_squares)
            lowering = Credit(lowering.named + conversions * largest, math.ceil(norm**2), unknown * largest)
        clicks = self.orphan_clicks + self.ambiguous_clicks
        return {
            "ctr": Unjoined(Credit(clicks, self.click_squares, unknown)),
            "conversion_rate": Unjoined(Credit(conversions, self.conversion_squares, unknown)),
            "revenue_per_exposure": Unjoined(
                Credit(self.raising.named, self.raising.squares, unknown * largest), lowering
            ),
        }

    def __add__(self, other: UnjoinedOutcomes) -> UnjoinedOutcomes:
        return UnjoinedOutcomes(
            orphan_clicks=self.orphan_clicks + other.orphan_clicks,
            ambiguous_clicks=self.ambiguous_clicks + other.ambiguous_clicks,
            orphan_conversions=self.orphan_conversions + other.orphan_conversions,
            ambiguous_conversions=self.ambiguous_conversions + other.ambiguous_conversions,
            click_squares=self.click_squares + other.click_squares,
            conversion_squares=self.conversion_squares + other.conversion_squares,
            raising=_credits_added(self.raising, other.raising),
            lowering=_credits_added(self.lowering, other.lowering),
            unread=self.unread + other.unread,
            largest_micros=max(self.largest_micros, other.largest_micros),
            displacing=self.displacing or other.displacing,
        )


def _credits_added(one: Credit, other: Credit) -> Credit:
    return Credit(one.named + other.named, one.squares + other.squares, one.unnamed + other.unnamed)


def names(joined: Joined) -> list[str]:
    """The experiments that the assignment log names, in order; ``prepare`` comes first."""
    return [name for (name,) in joined.rows("experiment_names")]


def prepare(joined: Joined, as_of: datetime | None = None) -> None:
    """Make the relations that all experiments of the log share, of what is not later than ``as_of``."""
    joined.engine.load("experiment", *Asked(experiment_id="", as_of=as_of).table(joined.policy))
    for name in OF_ALL:
        _create(joined, name, name)


def settle(joined: Joined, asked: Asked) -> None:
    """Make the relations of the experiment, in place of those of the one before; ``prepare`` comes first, with the same
    ``as_of``."""
    joined.engine.load("experiment", *asked.table(joined.policy))
    for name in relations.EXPERIMENT_TABLES:
        if name not in OF_ALL:
            _create(joined, name, name)


def settle_log(joined: Joined) -> None:
    """Make the relations of the log as a whole, in place of those of an experiment."""
    joined.engine.load("experiment", *Asked(experiment_id="", scope="user").table(joined.policy))
    _create(joined, "valued_outcomes", "valued_outcomes")
    _create(joined, "experiment_lists", "log_lists")
    _create(joined, "experiment_outcomes", "log_outcomes")
    _create(joined, "experiment_unit_sums", "experiment_unit_sums")


def settle_users(joined: Joined, as_of: datetime | None = None) -> None:
    """Make those relations of an experiment that say who counts and what was done, with all users of the log as the
    units of one arm, ''."""
    joined.engine.load("experiment", *Asked(experiment_id="", scope="user", as_of=as_of).table(joined.policy))
    _create(joined, "valued_outcomes", "valued_outcomes")
    _create(joined, "experiment_exposures", "log_exposures")
    _create(joined, "experiment_units", "log_units")
    _create(joined, "experiment_relevant", "experiment_relevant")


def _create(joined: Joined, name: str, relation: str) -> None:
    joined.engine.create(name, relations.text(relation), view=relation in relations.EXPERIMENT_VIEWS)


def arms(joined: Joined) -> dict[str, ArmSums]:
    """Sums by arm, in the order of the arms' names. Of the whole log there is one arm, ''; none where it is empty."""
    found = {}
    for variant, *values in joined.rows("experiment_moments"):
        found[variant] = _sums(dict(zip(EXACT_COLUMNS, map(int, values), strict=True)))
    return dict(sorted(found.items()))


def _sums(row: Mapping[str, int]) -> ArmSums:
    units, n, nn = row["units"], row["n"], row["nn"]
    value, value_n = _joined_parts(row["w"], row["p"]), _joined_parts(row["wn"], row["pn"])
    value_2 = _squared_parts(row["ww"], row["wp"], row["pp"])
    return ArmSums(
        units=units, in_two_arms=row["in_two_arms"], exposed=row["exposed"], no_value=row["no_value"],
        odd_value=row["odd_value"], exposures=n, clicks=row["c"], conversions=row["v"], value_micros=value,
        moments={
            "ctr": Moments(units, row["c"], n, row["cc"], row["cn"], nn),
            "conversion_rate": Moments(units, row["v"], n, row["vv"], row["vn"], nn),
            "revenue_per_exposure": Moments(units, value, n, value_2, value_n, nn),
            "exposures_per_user": Moments(units, n, units, nn, n, units),
        },
    )  # fmt: skip


def _joined_parts(whole: int, part: int) -> int:
    return whole * MICRO + part


def _squared_parts(whole: int, cross: int, part: int) -> int:
    """(whole · MICRO + part)², of sums of the squares and of the product."""
    return whole * MICRO * MICRO + 2 * cross * MICRO + part


def standings(joined: Joined) -> list[Standing]:
    """Exposures that have to do with the experiment, by arm and standing."""
    return [Standing(*row) for row in joined.rows("experiment_standings")]


def unjoined(joined: Joined, unread: Unread) -> UnjoinedOutcomes:
    """What did not join."""
    (row,) = joined.rows("unjoined_outcomes")
    (orphan_clicks, ambiguous_clicks, orphan_conversions, ambiguous_conversions, cc, vv,
     rw, rp, rwrw, rwrp, rprp, lw, lp, lwlw, lwlp, lplp, largest) = map(int, row)  # fmt: skip
    return UnjoinedOutcomes(
        orphan_clicks=orphan_clicks,
        ambiguous_clicks=ambiguous_clicks,
        orphan_conversions=orphan_conversions,
        ambiguous_conversions=ambiguous_conversions,
        click_squares=cc,
        conversion_squares=vv,
        raising=Credit(_joined_parts(rw, rp), _squared_parts(rwrw, rwrp, rprp)),
        lowering=Credit(_joined_parts(lw, lp), _squared_parts(lwlw, lwlp, lplp)),
        unread=unread,
        largest_micros=largest,
        displacing=joined.policy.touch == "first",
    )
