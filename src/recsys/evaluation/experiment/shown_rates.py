"""Which share of the requests that were assigned to an arm have an exposure. Where lists are missing, so are the people
who did nothing with them; where one arm lacks more of them than the other, all its figures are of other lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys.statistics.moments import Moments

if TYPE_CHECKING:
    from recsys.attribution.join import Joined


def shown_rates(joined: Joined) -> dict[str, Moments]:
    """By arm, over its units: ``y`` requests with an exposure of ``n`` that the unit was assigned, each once. The
    relations of the experiment are there."""
    rows = joined.engine.rows(
        "WITH own AS (SELECT DISTINCT u.variant, a.user_id, a.request_id FROM subject_assignments AS a "
        "INNER JOIN experiment AS x ON a.experiment_id = x.experiment_id "
        "INNER JOIN experiment_units AS u ON a.user_id = u.user_id WHERE NOT a.anonymous), "
        "shown AS (SELECT DISTINCT e.request_id FROM exposures AS e CROSS JOIN experiment AS x "
        "WHERE x.as_of_us IS NULL OR e.ts_us <= x.as_of_us), "
        "users AS (SELECT o.variant, o.user_id, "
        "CAST(count(s.request_id) AS HUGEINT) AS y, CAST(count(*) AS HUGEINT) AS n "
        "FROM own AS o LEFT JOIN shown AS s ON o.request_id = s.request_id GROUP BY o.variant, o.user_id) "
        "SELECT variant, count(*), sum(y), sum(n), sum(y * y), sum(y * n), sum(n * n) FROM users GROUP BY variant"
    )
    return {arm: Moments(*map(int, sums)) for arm, *sums in sorted(rows)}
