"""The table of error rates in the documents: its rows, computed by seeded simulations with a known truth.

``.venv/bin/python tests/error_rates.py`` writes the tables of docs/explanation/error-rates.md anew, in some minutes.
The page holds a table under each heading that is a key of ``GROUPS``.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import scipy.stats

import finished_simulation as finished
import planned_simulation as planned
from experiment_simulation import BUYERS, LOOKS, distances, divisions, lifted, log_e_values, null
from recsys.evaluation.experiment.measures import RATIOS
from recsys.statistics.comparison import compare
from recsys.statistics.srm_sequential import ALARM

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "error-rates.md"
COMMAND = ".venv/bin/python tests/error_rates.py"
HEAD = ("| Cell | Runs | Rate | Standard error | Bound |", "| --- | ---: | ---: | ---: | --- |")
ONE_SIDE, BOTH, FALSE_ALARMS = 0.025, 0.05, 0.002


@dataclass(frozen=True)
class Row:
    """How often something happened in so many runs. ``low``, ``high``: where the rate must be, if it is bounded. Where
    only one of them is given, the end of a 99 % interval (Clopper & Pearson) must be there too."""

    cell: str
    count: int
    runs: int
    low: float | None = None
    high: float | None = None

    @property
    def rate(self) -> float:
        """Of the runs."""
        return self.count / self.runs

    def within(self) -> bool:
        """Whether the rate is where it must be."""
        low, high = self.low or 0.0, 1.0 if self.high is None else self.high
        if self.low is not None and self.high is not None:
            return low <= self.rate <= high
        sure = scipy.stats.binomtest(self.count, self.runs).proportion_ci(0.99, "exact")
        return (self.low is None or sure.low >= low) and (self.high is None or sure.high <= high)

    def __str__(self) -> str:
        error = math.sqrt(self.rate * (1 - self.rate) / self.runs)
        bound = {
            (False, False): "none", (True, False): f"at least {_percent(self.low)}",
            (False, True): f"at most {_percent(self.high)}",
            (True, True): f"{_percent(self.low)} to {_percent(self.high)}",
        }[self.low is not None, self.high is not None]  # fmt: skip
        return f"| {self.cell} | {self.runs:,} | {self.rate:.2%} | {error:.2%} | {bound} |".replace("%", " %")


def _percent(value: float | None) -> str:
    return f"{(value or 0) * 100:.4g}%"


def covered(runs: int, sizes: tuple[int, int], sigma: float, lift: float, *, bounded: bool = True) -> list[Row]:
    """How often the intervals of one look hold the truth; of revenue alone where only its tail is another."""
    figures = finished.FIGURES if sigma == 1.2 else finished.REVENUES
    counts = finished.coverage(zlib.crc32(f"{sizes} {sigma} {lift}".encode()), runs, sizes, figures, sigma, lift)
    limits = (0.94, 0.96) if bounded else (None, None)
    return [
        Row(f"{figure.words}, {interval}", count, runs, *limits)
        for figure, both in counts.items()
        for interval, count in zip(("difference", "relative"), both, strict=True)
    ]


def covered_with_buyers(runs: int) -> list[Row]:
    """Nothing differs between 180,000 users and 20,000, of whom about 400 buy: as many as a small arm needs."""
    rng, sizes = np.random.default_rng(8), (180_000, 20_000)
    counts = {"revenue per user": 0, "revenue per user, capped": 0}
    for _ in range(runs):
        amounts = [np.rint(rng.lognormal(5, 1.2, rng.binomial(size, BUYERS))) for size in sizes]
        cap = finished.cap_of(*amounts)
        for name, limit in zip(counts, (math.inf, cap), strict=True):
            arms = [finished.per_user(np.minimum(each, limit), n) for each, n in zip(amounts, sizes, strict=True)]
            counts[name] += int(finished.holds(compare(*arms, scale=1), 0.0, 0.0)[0])
    bounds = (None, None), (0.94, 0.96)
    return [Row(name, count, runs, *bound) for (name, count), bound in zip(counts.items(), bounds, strict=True)]


@dataclass(frozen=True)
class Crossings:
    """In how many runs the sequence lay above, or below, the truth at some look, and where it did either."""

    above: int
    below: int
    either: int
    allowed: float


def crossings(kind: str, share: float, users: int, runs: int, lift: float = 0.0) -> Crossings:
    """Of so many experiments with 14 looks, of which ``allowed`` have units enough for a decision, in the mean."""
    rng = np.random.default_rng([zlib.crc32(f"{kind} {share} {lift}".encode()), 1])
    all_z = np.array([
        distances(*(lifted(rng, kind, share, users, lift) if lift else null(rng, kind, share, users)))
        for _ in range(runs)
    ])  # fmt: skip
    above, below = all_z.max(axis=1) > 1, all_z.min(axis=1) < -1
    return Crossings(int(above.sum()), int(below.sum()), int((above | below).sum()), np.count_nonzero(all_z) / runs)


SIZES = {
    ("ctr", 0.5): 4_000, ("ctr", 0.9): 40_000, ("ctr", 0.1): 40_000,
    ("conversion", 0.5): 40_000, ("conversion", 0.9): 500_000, ("conversion", 0.1): 500_000,
    ("revenue", 0.5): 40_000, ("revenue", 0.9): 500_000, ("revenue", 0.1): 500_000,
}  # fmt: skip
"""Users at the end, so that there are enough for a decision from about a third of the looks on: the first that are
allowed are the hardest."""


def undecided(kind: str, even: int, uneven: int) -> list[Row]:
    """Nothing differs. An uneven split is simulated once: with the names exchanged, what ships is what rolls back."""
    half, most = crossings(kind, 0.5, SIZES[kind, 0.5], even), crossings(kind, 0.1, SIZES[kind, 0.1], uneven)
    return [
        Row("50/50 ships", half.above, even, high=ONE_SIDE),
        Row("50/50 rolls back", half.below, even, high=ONE_SIDE),
        Row("50/50, all intervals hold 0", even - half.either, even, low=1 - BOTH),
        Row("90/10 ships; 10/90 rolls back", most.above, uneven, high=ONE_SIDE),
        Row("90/10 rolls back; 10/90 ships", most.below, uneven, high=ONE_SIDE),
        Row("90/10 and 10/90, all intervals hold 0", uneven - most.either, uneven, low=1 - BOTH),
    ]


def held(kind: str, lift: float, even: int, uneven: int) -> list[Row]:
    """There is an effect: how often all intervals hold it."""
    rows = []
    for share, runs in ((0.5, even), (0.1, uneven), (0.9, uneven)):
        found = crossings(kind, share, SIZES[kind, share], runs, lift)
        rows.append(Row(f"{(1 - share) * 100:.0f}/{share * 100:.0f}", runs - found.either, runs, low=1 - BOTH))
    return rows


def shipped(runs: int) -> list[Row]:
    """How often the planned effect ships under the sequence."""
    rows = []
    for place, plan in enumerate(planned.PLANS):
        rng, here = np.random.default_rng([place, 4]), planned.world(plan)
        units = here.units(5_000)
        count = sum(planned.verdicts(rng, here, units) == "ship" for _ in range(runs))
        rows.append(Row(f"{plan.metric} {plan.lift:+.0%}, {units:,} users", count, runs, low=0.77))
    return rows


def found(runs: int) -> list[Row]:
    """How often the one interval at a horizon finds the planned effect."""
    rows = []
    for place, plan in enumerate(planned.PLANS):
        rng, here = np.random.default_rng([place, 5]), planned.world(plan)
        units = here.units(None)
        count = sum(planned.found_at_the_end(rng, here, units) for _ in range(runs))
        rows.append(Row(f"{plan.metric} {plan.lift:+.0%}, {units:,} users", count, runs, low=0.77, high=0.83))
    return rows


def alarms(users: int, share: float, declared: float, runs: int) -> int:
    """In how many of so many experiments with 14 looks the sample ratio raises the alarm."""
    rng = np.random.default_rng([zlib.crc32(f"{users} {share} {declared}".encode()), 6])
    return int((log_e_values(*divisions(rng, runs, users, share), declared) >= math.log(ALARM)).any(axis=1).sum())


def alarmed() -> list[Row]:
    """The sample ratio, while running."""
    runs, rows = 100_000, []
    for users, share in ((500, 0.5), (20_000, 0.5), (20_000, 0.9), (1_000_000, 0.1)):
        cell = f"{users:,} users, {(1 - share) * 100:.0f}/{share * 100:.0f} as declared: false alarm"
        rows.append(Row(cell, alarms(users, share, share, runs), runs, high=FALSE_ALARMS))
    for share, least in ((0.52, 0.85), (0.55, 0.999)):
        cell = f"20,000 users, {(1 - share) * 100:.0f}/{share * 100:.0f} instead of 50/50: caught"
        rows.append(Row(cell, alarms(20_000, share, 0.5, 10_000), 10_000, low=least))
    return rows


def guarded(runs: int) -> list[Row]:
    """The default guardrail on empty lists: without harm, and where the candidate is worse by just the margin."""
    rows = []
    for share, users in ((0.5, 10_000), (0.1, 20_000), (0.9, 20_000)):
        split = f"{(1 - share) * 100:.0f}/{share * 100:.0f}"
        harmless, marginal = statuses(share, users, 0.0, runs), statuses(share, users, 0.01, runs)
        rows += [
            Row(f"{split}, no harm: fails", harmless["fail"], runs, high=ONE_SIDE),
            Row(f"{split}, no harm: passes", harmless["pass"], runs),
            Row(f"{split}, worse by the margin: passes", marginal["pass"], runs, high=ONE_SIDE),
            Row(f"{split}, worse by the margin: fails", marginal["fail"], runs, high=ONE_SIDE),
        ]
    return rows


def statuses(share: float, users: int, harm: float, runs: int) -> Counter[str]:
    """In how many of so many experiments the guardrail on empty lists had each status at any of 14 looks."""
    rng = np.random.default_rng([zlib.crc32(f"{share} {users} {harm}".encode()), 7])
    measure, counts = RATIOS["empty_rate"], Counter()
    for _ in range(runs):
        arms = lifted(rng, "empty", share, users, harm)[:2]
        seen = {
            planned.status_of_empty(*(planned.of_moments(measure, arm.moments(look), 0) for arm in arms))
            for look in range(LOOKS)
        }
        counts.update(seen)
    return counts


GROUPS: dict[str, Callable[[], list[Row]]] = {
    "One look, nothing differs, 50/50": partial(covered, 10_000, (5_000, 5_000), 1.2, 0.0),
    "One look, 20 % more, 50/50": partial(covered, 10_000, (5_000, 5_000), 1.2, 0.2),
    "One look, 20 % more, 90/10": partial(covered, 3_000, (9_000, 1_000), 1.2, 0.2, bounded=False),
    "One look, nothing differs, 90/10 with 400 buyers": partial(covered_with_buyers, 10_000),
    "One look, 20 % more, a heavier tail": partial(covered, 3_000, (5_000, 5_000), 2.5, 0.2, bounded=False),
    "Fourteen looks, nothing differs: click rate": partial(undecided, "ctr", 5_000, 1_000),
    "Fourteen looks, nothing differs: conversions per user": partial(undecided, "conversion", 5_000, 3_000),
    "Fourteen looks, nothing differs: capped revenue per user": partial(undecided, "revenue", 5_000, 3_000),
    "Fourteen looks, click rate 2 points higher": partial(held, "ctr", 0.02, 2_000, 500),
    "Fourteen looks, a quarter more buyers": partial(held, "conversion", 0.25, 2_000, 2_000),
    "Power of the sequence": partial(shipped, 600),
    "Power at a horizon": partial(found, 2_000),
    "Guardrail on empty lists, fourteen looks": partial(guarded, 400),
    "Sample ratio while running": alarmed,
}
"""Heading → rows."""


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    return "\n".join([*HEAD, *map(str, rows)])


def sections(page: str) -> dict[str, str]:
    """Heading → the table under it."""
    found = re.findall(r"^### (.*)\n\n((?:^\|.*\n)+)", page, flags=re.MULTILINE)
    return {title: text.rstrip("\n") for title, text in found}


def written(page: str, title: str, rows: Sequence[Row]) -> str:
    """The page with this table under its heading, in place of the one that is there."""
    before, heading, after = page.partition(f"### {title}\n\n")
    if not heading:
        raise ValueError(f"the page has no heading ### {title}")
    rest = re.sub(r"\A(\|.*\n)*\n?", "", after)
    return before + heading + table(rows) + "\n" + (f"\n{rest}" if rest else "")


def main() -> None:
    """Compute all rows and write the page."""
    with ProcessPoolExecutor(2) as pool:
        for title, job in {title: pool.submit(group) for title, group in GROUPS.items()}.items():
            rows = job.result()
            print(f"\n{title}\n{table(rows)}")
            PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), title, rows), encoding="utf-8")
            for row in rows:
                if not row.within():
                    print(f"OUT OF BOUND: {row}")


if __name__ == "__main__":
    main()
