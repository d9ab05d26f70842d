"""How long after a list its outcomes come, and how old the lists are: whether the youngest have been answered yet.

Times are counted in bins of whole seconds: bin 0 is under a second, bin b from 2^(b−1) to under 2^b seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recsys.attribution.join import Joined

MAX_BIN = 40
Bins = dict[int, int]
"""Bin → how many."""


@dataclass(frozen=True)
class Maturity:
    """Over what counts in the experiment. ``end_us``: the last instant of the logs, or of what is looked at of them;
    None of empty logs. ``delays``: arm → event type → attributed outcomes by their time after the list. ``ages``: arm →
    lists by their time before the end."""

    end_us: int | None
    delays: dict[str, dict[str, Bins]] = field(default_factory=dict)
    ages: dict[str, Bins] = field(default_factory=dict)


def maturity(joined: Joined) -> Maturity:
    """The relations of the experiment are there."""
    [(end,)] = joined.engine.rows(
        "WITH instants AS (SELECT max(ts_us) AS ts_us FROM exposures "
        "UNION ALL SELECT max(ts_us) AS ts_us FROM staged_outcomes), "
        "ends AS (SELECT max(ts_us) AS ts_us FROM instants) "
        "SELECT CASE WHEN x.as_of_us < e.ts_us THEN x.as_of_us ELSE e.ts_us END "
        "FROM ends AS e CROSS JOIN experiment AS x"
    )
    if end is None:
        return Maturity(None)
    delays: dict[str, dict[str, Bins]] = {}
    for arm, kind, place, n in joined.engine.rows(
        f"WITH delays AS (SELECT e.variant, o.event_type, {_bin('o.ts_us - e.ts_us')} AS bin FROM valued_outcomes AS o "
        "INNER JOIN experiment_exposures AS e ON o.request_id = e.request_id "
        "WHERE o.fate = 'attributed' AND e.standing = 'counts') "
        "SELECT variant, event_type, bin, count(*) FROM delays GROUP BY variant, event_type, bin "
        "ORDER BY variant, event_type, bin"
    ):
        delays.setdefault(arm, {}).setdefault(kind, {})[place] = n
    ages: dict[str, Bins] = {}
    for arm, place, n in joined.engine.rows(
        f"WITH ages AS (SELECT variant, {_bin(f'{end} - ts_us')} AS bin FROM experiment_exposures "
        "WHERE standing = 'counts') SELECT variant, bin, count(*) FROM ages GROUP BY variant, bin ORDER BY variant, bin"
    ):
        ages.setdefault(arm, {})[place] = n
    return Maturity(end, delays, ages)


def _bin(micros: str) -> str:
    """An SQL expression of the bin of a time, by comparison: a logarithm would be off at its edges."""
    whens = " ".join(f"WHEN {micros} < {2**place * 1_000_000} THEN {place}" for place in range(MAX_BIN))
    return f"CASE {whens} ELSE {MAX_BIN} END"
