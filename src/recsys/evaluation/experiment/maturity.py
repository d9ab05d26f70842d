"""How long after a list its outcomes come, and how old the lists are: whether the youngest have been answered yet.

Times are counted in bins of whole seconds: bin 0 is under a second, bin b from 2^(b−1) to under 2^b seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recsys.attribution.shards import last_instant

if TYPE_CHECKING:
    from recsys.attribution.join import Joined

MAX_BIN = 40
Bins = dict[int, int]
"""Bin → how many."""


@dataclass(frozen=True)
class Maturity:
    """Over what counts in the experiment. ``delays``: arm → event type → attributed outcomes by their time after the
    list. ``by_end``: the last instant of the logs, or of what is looked at of them → arm → lists by their time before
    it. There is one such instant, or of logs that were looked at in parts one of each; none of empty logs."""

    delays: dict[str, dict[str, Bins]] = field(default_factory=dict)
    by_end: dict[int, dict[str, Bins]] = field(default_factory=dict)

    @property
    def end_us(self) -> int | None:
        """The last instant of all; None of empty logs."""
        return max(self.by_end, default=None)

    @property
    def ages(self) -> dict[str, Bins]:
        """Arm → lists by their time before that. What was counted until an earlier instant is taken to be as young as
        its bin allows."""
        found: dict[str, Counter[int]] = {}
        for end, arms in self.by_end.items():
            shift = max(self.by_end) - end
            for arm, bins in arms.items():
                moved = found.setdefault(arm, Counter())
                for place, n in bins.items():
                    moved[_moved(place, shift)] += n
        return {arm: dict(bins) for arm, bins in sorted(found.items())}

    def __add__(self, other: Maturity) -> Maturity:
        return Maturity(_added(self.delays, other.delays), _added(self.by_end, other.by_end))


def _added(one: Mapping, other: Mapping) -> dict:
    """Two tables of tables of bins as one."""
    return {key: _bins_added(one.get(key, {}), other.get(key, {})) for key in sorted({*one, *other})}


def _bins_added(one: Mapping[str, Bins], other: Mapping[str, Bins]) -> dict[str, Bins]:
    return {
        key: dict(Counter(one.get(key, {})) + Counter(other.get(key, {}))) for key in sorted({*one, *other})
    }  # fmt: skip


def _moved(place: int, shift_us: int) -> int:
    """The bin of what is so much older than the youngest of a bin."""
    youngest = 1_000_000 * 2 ** (place - 1) if place else 0
    return min(max((youngest + shift_us) // 1_000_000, 0).bit_length(), MAX_BIN) if shift_us else place


def maturity(joined: Joined) -> Maturity:
    """The relations of the experiment are there."""
    last = last_instant(joined.engine) if joined.shard is None else joined.end_us
    [(as_of,)] = joined.engine.rows("SELECT as_of_us FROM experiment")
    if last is None:
        return Maturity()
    end = last if as_of is None else min(last, as_of)
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
    return Maturity(delays, {end: ages})


def _bin(micros: str) -> str:
    """An SQL expression of the bin of a time, by comparison: a logarithm would be off at its edges."""
    whens = " ".join(f"WHEN {micros} < {2**place * 1_000_000} THEN {place}" for place in range(MAX_BIN))
    return f"CASE {whens} ELSE {MAX_BIN} END"
