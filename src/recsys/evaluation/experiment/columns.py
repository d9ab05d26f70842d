"""The columns that a unit has, and how the engine makes each of the rows of its exposures.

A column of ``measures`` is summed over the unit's exposures that count. With ``pre_`` before its name it is summed over
those before the unit's first assignment; beside these a unit has ``has_history``, ``covariate`` and ``has_covariate``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recsys.attribution.columns import quoted as quoted
from recsys.errors import ConfigError
from recsys.evaluation import metrics
from recsys.evaluation.experiment.measures import (
    CLICKS,
    CONVERSIONS,
    EMPTY,
    ERRORS,
    EXPOSURES,
    RESPONDED,
    REVENUE,
    UNCAPPED,
)
from recsys.evaluation.metrics.base import Scored

PRE = "pre_"
HAS_HISTORY, COVARIATE, HAS_COVARIATE = "has_history", "covariate", "has_covariate"
SCORE = "score:"
_OUTCOMES = {
    CLICKS: "count(*) FILTER (WHERE o.event_type = 'click')",
    CONVERSIONS: "count(*) FILTER (WHERE o.event_type = 'conversion')",
    REVENUE: "sum(o.value_micros)",
}
"""Column → its aggregate over the attributed outcomes ``o`` of one request."""
_SUMS = {
    EXPOSURES: "count(*)",
    ERRORS: "count(*) FILTER (WHERE e.error)",
    EMPTY: "count(*) FILTER (WHERE e.n_items = 0)",
    RESPONDED: "count(s.request_id)",
    CLICKS: "coalesce(sum(d.clicks), 0)",
    CONVERSIONS: "coalesce(sum(d.conversions), 0)",
    REVENUE: "coalesce(sum(d.revenue), 0)",
}
"""Column → its aggregate over the exposures ``e`` of a user, with their outcomes ``d`` and scores ``s``."""


@dataclass(frozen=True)
class Kinds:
    """The columns that are asked for, sorted by where they come from. ``shown``: of the exposures that count;
    ``before``: of those before the first assignment, without their ``pre_``; ``scored``: the metrics of both, in the
    order of ``y_0`` …."""

    shown: tuple[str, ...]
    before: tuple[str, ...]
    scored: tuple[Scored, ...]
    history: bool
    covariate: bool

    def sums(self, columns: Iterable[str]) -> str:
        """``, aggregate AS column`` of each of these."""
        return "".join(f", {self._sum(column)} AS {quoted(column)}" for column in columns)

    def _sum(self, column: str) -> str:
        if column.startswith(SCORE):
            return f"coalesce(sum(s.y_{[f'{SCORE}{metric}' for metric in self.scored].index(column)}), 0)"
        return _SUMS[column] if column == REVENUE else f"CAST({_SUMS[column]} AS BIGINT)"


def sort(columns: Iterable[str], *, covariate: bool) -> Kinds:
    """The kinds of these columns; ConfigError for one that no unit has. ``covariate``: whether there is one."""
    shown, before, scored = {EXPOSURES}, {EXPOSURES}, {}
    history = asked_covariate = False
    for column in sorted(columns):
        if column == HAS_HISTORY:
            history = True
        elif column in (COVARIATE, HAS_COVARIATE) and covariate:
            asked_covariate = True
        else:
            own = column.removeprefix(PRE)
            base = REVENUE if own == UNCAPPED and own == column else own
            if base.startswith(SCORE):
                scored[base] = metrics.parse(base.removeprefix(SCORE), "metrics")
            if not (base in _SUMS or isinstance(scored.get(base), Scored)):
                raise ConfigError("no such column of a unit", where="metrics", found=column)
            (shown if own == column else before).add(base)
            history = history or own != column
    return Kinds(tuple(sorted(shown)), tuple(sorted(before)), tuple(scored.values()), history, asked_covariate)


def is_wide(column: str) -> bool:
    """Whether a unit's sum may be so large that its square would not fit 128 bits."""
    own = column.removeprefix(PRE)
    return own in (REVENUE, UNCAPPED, COVARIATE) or own.startswith(SCORE)


def of_past(column: str) -> bool:
    """Whether it says what a unit was before the experiment, which is the same in all slices."""
    return column.startswith(PRE) or column in (HAS_HISTORY, COVARIATE, HAS_COVARIATE)


def outcomes(columns: Iterable[str]) -> str:
    """``, aggregate AS column`` of those of these columns that come from outcomes."""
    return "".join(f", {_OUTCOMES[column]} AS {column}" for column in columns if column in _OUTCOMES)


def joins(columns: Iterable[str], done: str) -> str:
    """The joins that the aggregates of these columns need: ``done`` is a relation of outcomes by request."""
    listed = tuple(columns)
    of_outcomes = f"LEFT JOIN {done} AS d ON e.request_id = d.request_id " if set(listed) & set(_OUTCOMES) else ""
    needs_scores = RESPONDED in listed or any(column.startswith(SCORE) for column in listed)
    return of_outcomes + ("LEFT JOIN scores AS s ON e.request_id = s.request_id " if needs_scores else "")


def needs_scores(kinds: Kinds) -> bool:
    """Whether the table of scores has to be made."""
    return bool(kinds.scored) or RESPONDED in (*kinds.shown, *kinds.before)
