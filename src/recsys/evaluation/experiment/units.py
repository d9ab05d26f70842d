"""The table of an experiment's units: each with its arm, its bucket and its sums, and the same sums by slice.

A bucket is a number that the variant has no part in: a hash of the user's id under a salt of our own.
"""

from __future__ import annotations

from collections.abc import Mapping

from recsys.attribution.engine import Engine
from recsys.attribution.shards import FINE as FINE
from recsys.attribution.shards import fine
from recsys.contracts.report import UNKNOWN
from recsys.evaluation.experiment import columns as units
from recsys.evaluation.experiment import utc_days
from recsys.evaluation.experiment.columns import COVARIATE, HAS_COVARIATE, HAS_HISTORY, PRE, Kinds, quoted
from recsys.evaluation.metrics import reduce as metric_sums

BUCKETS = 1024
DAY = "slice_day"
"""The slice column of the day."""
LARGEST = "1e12"
"""A covariate beyond this is taken for no number, as the value of a conversion is."""
_NUMBER = "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?"


def make(
    engine: Engine,
    kinds: Kinds,
    slices: Mapping[str, int],
    covariate: int | None,
    buckets: int,
    *,
    by_day: bool = False,
) -> None:
    """Make the tables ``slice_sums``, one row per (slices, user), and ``unit_values``, one row per unit. ``slices`` and
    ``covariate`` are places of slice columns. ``by_day``: the day of the exposure is a slice too."""
    if units.needs_scores(kinds):
        metric_sums.score(engine, kinds.scored, "experiment_relevant")
    _slice_sums(engine, kinds, slices, by_day=by_day)
    if kinds.history:
        _history(engine, kinds)
    if kinds.covariate and covariate is not None:
        _covariates(engine, covariate)
    _unit_values(engine, kinds, buckets)


def _slice_sums(engine: Engine, kinds: Kinds, slices: Mapping[str, int], *, by_day: bool) -> None:
    """Sums over the exposures that count."""
    cut = {f"slice_{place}": f"coalesce(e.slice_{place}, '{UNKNOWN}')" for place in slices.values()}
    if by_day:
        cut[DAY] = f"CAST({utc_days.number('e.ts_us')} AS VARCHAR)"
    named = "".join(f", {value} AS {name}" for name, value in cut.items())
    by = "".join(f", {value}" for value in cut.values())
    engine.create(
        "slice_sums",
        f"WITH done AS (SELECT o.request_id{units.outcomes(kinds.shown)} FROM valued_outcomes AS o "
        "WHERE o.fate = 'attributed' GROUP BY o.request_id) "
        f"SELECT e.user_id{named}{kinds.sums(kinds.shown)} FROM experiment_exposures AS e "
        f"{units.joins(kinds.shown, 'done')}WHERE e.standing = 'counts' GROUP BY e.user_id{by}",
    )


def _history(engine: Engine, kinds: Kinds) -> None:
    """Sums over the exposures before the first assignment, by more than the clocks of the logs may differ: a list
    that may have been answered by an arm is no history. Neither is what was done to one after that."""
    engine.create(
        "unit_histories",
        "WITH earlier AS ("
        "SELECT e.request_id, e.user_id, e.error, e.n_items, u.first_ts_us - x.tolerance_us AS end_us "
        "FROM experiment_exposures AS e INNER JOIN experiment_units AS u ON e.user_id = u.user_id "
        "CROSS JOIN experiment AS x WHERE e.standing = 'before_assignment' AND NOT e.ambiguous), "
        f"done AS (SELECT o.request_id{units.outcomes(kinds.before)} FROM valued_outcomes AS o "
        "INNER JOIN earlier AS e ON o.request_id = e.request_id "
        "WHERE o.fate = 'attributed' AND o.ts_us < e.end_us GROUP BY o.request_id) "
        f"SELECT e.user_id{kinds.sums(kinds.before)} FROM earlier AS e "
        f"{units.joins(kinds.before, 'done')}GROUP BY e.user_id",
    )


def _covariates(engine: Engine, place: int) -> None:
    """The number that stands in a slice column of the first assignment, in millionths, halves away from 0. Other text
    is no number: each engine would read some of it as one."""
    value = f"f.slice_{place}"
    engine.create(
        "unit_covariates",
        f"WITH read AS (SELECT f.user_id, TRY_CAST({value} AS DOUBLE) AS value FROM first_assignments AS f "
        f"WHERE {value} <> '' AND regexp_replace({value}, '{_NUMBER}', '') = ''), "
        "sized AS (SELECT user_id, value, floor(abs(value)) AS whole, (abs(value) - floor(abs(value))) * 1e6 AS part "
        f"FROM read WHERE abs(value) <= {LARGEST}), "
        "rounded AS (SELECT user_id, value, CAST(whole AS BIGINT) * 1000000 + CAST(floor(part) AS BIGINT) "
        "+ CASE WHEN part - floor(part) >= 0.5 THEN 1 ELSE 0 END AS size FROM sized) "
        "SELECT user_id, CASE WHEN value < 0 THEN -size ELSE size END AS covariate FROM rounded",
    )


def _unit_values(engine: Engine, kinds: Kinds, buckets: int) -> None:
    sums = "".join(f", sum({quoted(column)}) AS {quoted(column)}" for column in kinds.shown)
    chosen = [f"coalesce(s.{quoted(column)}, 0) AS {quoted(column)}" for column in kinds.shown]
    joined = f"LEFT JOIN (SELECT user_id{sums} FROM slice_sums GROUP BY user_id) AS s ON u.user_id = s.user_id "
    if kinds.history:
        chosen += [f"coalesce(h.{quoted(column)}, 0) AS {quoted(PRE + column)}" for column in kinds.before]
        chosen.append(f"CASE WHEN h.user_id IS NULL THEN 0 ELSE 1 END AS {HAS_HISTORY}")
        joined += "LEFT JOIN unit_histories AS h ON u.user_id = h.user_id "
    if kinds.covariate:
        chosen.append(f"coalesce(v.covariate, 0) AS {COVARIATE}")
        chosen.append(f"CASE WHEN v.user_id IS NULL THEN 0 ELSE 1 END AS {HAS_COVARIATE}")
        joined += "LEFT JOIN unit_covariates AS v ON u.user_id = v.user_id "
    engine.create(
        "unit_values",
        f"WITH placed AS (SELECT u.user_id, u.variant, {fine('u.user_id')} AS fine FROM experiment_units AS u) "
        f"SELECT u.user_id, u.variant, u.fine, u.fine % {buckets} AS bucket, {', '.join(chosen)} "
        f"FROM placed AS u {joined}",
    )
