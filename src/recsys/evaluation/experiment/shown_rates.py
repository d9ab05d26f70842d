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
    # Mostly a request has one list, which was shown to whom it was assigned: the others are looked up one by one
    joined.engine.create(
        "odd_requests",
        "SELECT request_id FROM assigned_requests WHERE shared UNION SELECT request_id FROM experiment_exposures "
        "WHERE assigned AND (ambiguous OR assigned_variant IS NULL OR standing = 'anonymous')",
    )
    rows = joined.engine.rows(
        "WITH odd_shown AS (SELECT DISTINCT e.request_id FROM experiment_exposures AS e "
        "INNER JOIN odd_requests AS o ON e.request_id = o.request_id), "
        "found AS (SELECT user_id, count(*) AS y FROM ("
        "SELECT e.user_id FROM experiment_exposures AS e "
        "WHERE e.assigned AND NOT EXISTS (SELECT 1 FROM odd_requests AS o WHERE o.request_id = e.request_id) "
        "UNION ALL SELECT a.user_id FROM assigned_requests AS a "
        "INNER JOIN odd_shown AS s ON a.request_id = s.request_id WHERE NOT a.anonymous) AS each GROUP BY user_id), "
        "asked AS (SELECT user_id, count(*) AS n FROM assigned_requests WHERE NOT anonymous GROUP BY user_id), "
        "users AS (SELECT u.variant, CAST(coalesce(f.y, 0) AS HUGEINT) AS y, CAST(a.n AS HUGEINT) AS n "
        "FROM experiment_units AS u INNER JOIN asked AS a ON u.user_id = a.user_id "
        "LEFT JOIN found AS f ON u.user_id = f.user_id) "
        "SELECT variant, count(*), sum(y), sum(n), sum(y * y), sum(y * n), sum(n * n) FROM users GROUP BY variant"
    )
    return {arm: Moments(*map(int, sums)) for arm, *sums in sorted(rows)}
