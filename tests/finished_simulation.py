"""Finished experiments with a known truth: users drawn from a large population, of which all sums are known.

A population is a matrix of whole numbers, a row per user. An experiment draws rows of it with replacement, so the truth
is the population's own ratio, to the last digit, and the users are independent. The candidate's population is the
control's after an effect: more clicks, more lists, larger amounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiment_simulation import BUYERS, CAP, CTR, activity
from recsys.evaluation.experiment.look import Look
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.comparison import Comparison, compare
from recsys.statistics.cuped import cuped
from recsys.statistics.moments import Moments

PEOPLE = 2**18
COLUMNS = ("units", "n", "clicks", "bought", "revenue", "capped", "pre_n", "pre_clicks", "pre_revenue", "has_past")
PLACE = {name: place for place, name in enumerate(COLUMNS)}
FIXED = Look(sequence=False, alpha=0.05, planned=5_000)


@dataclass(frozen=True)
class Figure:
    """Σy/Σn, adjusted by ``past``, a numerator and a denominator, where that is given."""

    words: str
    y: str
    n: str | None
    past: tuple[str, str] | None = None


REVENUES = (
    Figure("revenue per user", "revenue", None),
    Figure("revenue per user, capped", "capped", None),
    Figure("revenue per exposure", "revenue", "n"),
    Figure("revenue per exposure, CUPED", "revenue", "n", ("pre_revenue", "pre_n")),
)
FIGURES = (
    *REVENUES,
    Figure("ctr", "clicks", "n"),
    Figure("ctr, CUPED", "clicks", "n", ("pre_clicks", "pre_n")),
)  # fmt: skip


def populations(rng, sigma: float, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the control and of the candidate, where ``lift`` is the relative effect on clicks and amounts; 0 is none.

    Lists: Pareto(1.3) up to 200. Who sees more than ten clicks half as often. 2 % buy, for log-normal amounts. Most
    users have a past, of lists as many as now or of a number of its own, and of amounts that resemble those of now.
    """
    lists, has_past = activity(rng, PEOPLE), rng.random(PEOPLE) < 0.8
    pre_lists = np.where(rng.random(PEOPLE) < 0.7, lists, activity(rng, PEOPLE)) * has_past
    rate = rng.beta(40 * CTR, 40 * (1 - CTR), PEOPLE) * np.where(lists > 10, 0.5, 1.0)
    bought, usual = rng.random(PEOPLE) < BUYERS, rng.lognormal(5, sigma, PEOPLE)
    amount = np.rint(usual * bought)
    before = np.rint(usual * rng.lognormal(0, 0.5, PEOPLE)) * (rng.random(PEOPLE) < np.where(bought, 0.5, BUYERS))
    past = pre_lists, rng.binomial(pre_lists, rate), before * has_past, has_past
    more = lists + (rng.random(PEOPLE) < 0.05) if lift else lists
    ones = np.ones(PEOPLE)
    control = ones, lists, rng.binomial(lists, rate), bought, amount, amount, *past
    if not lift:
        return (same := np.column_stack(control).astype(float)), same
    larger = np.rint(amount * (1 + lift))
    candidate = ones, more, rng.binomial(more, rate * (1 + lift)), bought, larger, larger, *past
    return np.column_stack(control).astype(float), np.column_stack(candidate).astype(float)


def cap_of(*amounts: np.ndarray) -> float:
    """The 99th percentile of all amounts that are not 0."""
    pooled = np.sort(np.concatenate([each[each != 0] for each in amounts]))
    return float(pooled[max(int(np.ceil(CAP * len(pooled))) - 1, 0)]) if len(pooled) else 0.0


def capped(*arms: np.ndarray) -> None:
    """The column ``capped`` of all arms, in place."""
    cap = cap_of(*(arm[:, PLACE["revenue"]] for arm in arms))
    for arm in arms:
        arm[:, PLACE["capped"]] = np.minimum(arm[:, PLACE["revenue"]], cap)


def drawn(rng, people: np.ndarray, users: int) -> np.ndarray:
    """So many users of a population."""
    return people[rng.integers(len(people), size=users)]


def summed(users: np.ndarray) -> Aggregates:
    """Of these rows. All numbers are whole and under 2⁵³, so floats hold them exactly, in whatever order."""
    by_column = np.ascontiguousarray(users.T)
    squares = np.einsum("au,bu->ab", by_column, by_column).astype(np.int64).tolist()
    products = {(a, b): squares[PLACE[a]][PLACE[b]] for a in COLUMNS for b in COLUMNS if a <= b}
    return Aggregates(len(users), {name: squares[0][place] for name, place in PLACE.items()}, products)


def per_user(amounts: np.ndarray, users: int) -> Moments:
    """Of so many users, all of whom have nothing but for those who have these amounts."""
    total = int(amounts.sum())
    return Moments(users, total, users, int(np.einsum("u,u->", amounts, amounts)), total, users)


def compared(figure: Figure, control: Aggregates, candidate: Aggregates) -> Comparison:
    """As a report does, with the adjusted figure where it has a past."""
    if figure.past is None:
        return compare(control.moments(figure.y, figure.n), candidate.moments(figure.y, figure.n), scale=1)
    return cuped(control, candidate, figure.y, figure.n, *figure.past, "has_past", scale=1).adjusted


def holds(found: Comparison, difference: float, relative: float) -> tuple[bool, bool]:
    """Whether the intervals of one look hold the true difference, and the true relative effect. One without bounds
    holds everything."""
    assert found.degrees is not None
    reach = FIXED.reach(found.control.units + found.candidate.units, found.degrees)
    ends, ratio = found.interval(reach), found.relative(reach)
    assert ends is not None
    inside = ratio.low is None or ratio.high is None or ratio.low <= relative <= ratio.high
    return ends[0] <= difference <= ends[1], inside


def truth(figure: Figure, control: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    """Difference and relative effect of the populations."""
    below = figure.n or "units"
    before, after = (arm[:, PLACE[figure.y]].sum() / arm[:, PLACE[below]].sum() for arm in (control, candidate))
    return after - before, after / before - 1


def coverage(seed: int, runs: int, sizes: tuple[int, int], figures: tuple[Figure, ...], sigma: float, lift: float):
    """Figure → how many of so many experiments hold the true difference, and how many the true relative effect."""
    rng = np.random.default_rng([seed, 2])
    control, candidate = populations(rng, sigma, lift)
    _cap_populations(control, candidate, sizes)
    true = {figure: truth(figure, control, candidate) for figure in figures}
    counts = {figure: [0, 0] for figure in figures}
    for _ in range(runs):
        arms = drawn(rng, control, sizes[0]), drawn(rng, candidate, sizes[1])
        capped(*arms)
        sums = [summed(arm) for arm in arms]
        for figure in figures:
            for place, inside in enumerate(holds(compared(figure, *sums), *true[figure])):
                counts[figure][place] += int(inside)
    return counts


def _cap_populations(control: np.ndarray, candidate: np.ndarray, sizes: tuple[int, int]) -> None:
    """At what the cap tends to where the arms have these sizes."""
    smaller = min(sizes)
    arms = zip((control, candidate), sizes, strict=True)
    amounts = [np.repeat(arm[:, PLACE["revenue"]], size // smaller) for arm, size in arms]
    cap = cap_of(*amounts)
    for arm in (control, candidate):
        arm[:, PLACE["capped"]] = np.minimum(arm[:, PLACE["revenue"]], cap)
