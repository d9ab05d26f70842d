"""Which share of each arm's outcomes matched a list. Where arms differ in it, figures made of what matched do too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys.statistics.moments import Moments

if TYPE_CHECKING:
    from recsys.attribution.join import Joined

EXPERIMENT_KEY, VARIANT_KEY = "experiment_id", "experiment_variant"
_CASTS = "CAST(sum(matched) AS HUGEINT) AS y, CAST(count(*) AS HUGEINT) AS n"


@dataclass(frozen=True)
class MatchRates:
    """``arms``: arm → over the users that its outcomes name, ``y`` those that matched of ``n``. ``unknown``: outcomes
    that did not match, and of which no arm is known."""

    arms: dict[str, Moments]
    unknown: int


def match_rates(joined: Joined) -> MatchRates:
    """Of all outcomes that are no duplicates, until the experiment's ``as_of``.

    An outcome has the arm of the list that has its request_id, in the experiment; else that of the unit whose
    assignment has it. One that did not match may also have the arm that its own context names, where ``experiment_id``
    and ``experiment_variant`` are slice keys. Whose it is by its user_id alone is not asked: what a unit did elsewhere
    would count as not matched, and weigh less in the arm that did more here.
    """
    query = (
        f"WITH judged AS ({_judged(joined)}), "
        f"users AS (SELECT variant, user_id, {_CASTS} FROM judged GROUP BY variant, user_id) "
        "SELECT variant, count(*), sum(y), sum(n), sum(y * y), sum(y * n), sum(n * n) FROM users GROUP BY variant"
    )
    found = {arm: Moments(*map(int, sums)) for arm, *sums in joined.engine.rows(query)}
    of_none = found.pop(None, Moments())
    return MatchRates({arm: found[arm] for arm in sorted(found)}, of_none.n - of_none.y)


def _judged(joined: Joined) -> str:
    """One row per outcome: its arm, its user, and whether it matched."""
    keys = joined.slice_keys
    context, own = "", ""
    if EXPERIMENT_KEY in keys and VARIANT_KEY in keys:
        named, arm = (f"o.slice_{keys.index(key) + 1}" for key in (EXPERIMENT_KEY, VARIANT_KEY))
        context = f"LEFT JOIN arms AS k ON o.unmatched AND {named} = x.experiment_id AND {arm} = k.variant "
        own = ", k.variant"
    return (
        "WITH done AS (SELECT f.*, f.fate IN ('orphan', 'ambiguous') AS unmatched FROM outcome_fates AS f "
        "CROSS JOIN experiment AS x WHERE f.fate <> 'duplicate' AND (x.as_of_us IS NULL OR f.ts_us <= x.as_of_us)), "
        # Few lists have an outcome: only those are looked up
        "shown AS (SELECT request_id, min(variant) AS variant FROM experiment_exposures "
        "WHERE variant IS NOT NULL AND standing IN ('counts', 'too_recent', 'ambiguous') "
        "AND request_id IN (SELECT request_id FROM done) "
        "GROUP BY request_id HAVING min(variant) = max(variant)), "
        "named AS (SELECT a.request_id, min(u.variant) AS variant FROM subject_assignments AS a "
        "INNER JOIN experiment AS x ON a.experiment_id = x.experiment_id "
        "INNER JOIN experiment_units AS u ON a.user_id = u.user_id WHERE NOT a.anonymous "
        "AND a.request_id IN (SELECT request_id FROM done) "
        "GROUP BY a.request_id HAVING min(u.variant) = max(u.variant)), "
        "arms AS (SELECT DISTINCT variant FROM experiment_units) "
        f"SELECT coalesce(s.variant, n.variant{own}) AS variant, o.user_id, "
        "CASE WHEN o.unmatched THEN 0 ELSE 1 END AS matched "
        "FROM done AS o CROSS JOIN experiment AS x LEFT JOIN shown AS s ON o.request_id = s.request_id "
        f"LEFT JOIN named AS n ON o.request_id = n.request_id {context}"
    )
