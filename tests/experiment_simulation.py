"""Experiments as they run, with a known truth: users join over time, and what each does is added to the arm's sums.

``population`` draws users and what they do until each look, ``divide`` puts them into two arms, and ``looks`` gives the
sums of an arm at each look. Amounts are whole cents, so all sums are whole numbers, and exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from recsys.statistics.moments import Moments
from recsys.statistics.sequential import enough, reach
from recsys.statistics.srm_sequential import CONCENTRATION

LOOKS = 14
BUYERS = 0.02
CTR = 0.1
EMPTY = 0.005
SIGMA = 1.2
CAP = 0.99
MOST_LISTS = 200
TAIL = 1.3
LEVEL = 0.95


@dataclass(frozen=True)
class Population:
    """``joined``: the look by which each user is there of whom ``y`` (and ``n``) tells the sums at each look, [users ×
    looks]. ``idle``: how many join by each look and never do anything. ``n`` None: the figure is per user."""

    kind: str
    joined: np.ndarray
    idle: np.ndarray
    y: np.ndarray
    n: np.ndarray | None


@dataclass(frozen=True)
class Members:
    """One arm of a population: who of the users is in it, and how many of the idle."""

    inside: np.ndarray
    idle: np.ndarray


@dataclass(frozen=True)
class Looks:
    """Sums of one arm at each look."""

    units: np.ndarray
    y: np.ndarray
    n: np.ndarray
    yy: np.ndarray
    yn: np.ndarray
    nn: np.ndarray
    nonzero: np.ndarray

    def moments(self, look: int) -> Moments:
        """Of one look."""
        return Moments(*(int(column[look]) for column in (self.units, self.y, self.n, self.yy, self.yn, self.nn)))


def activity(rng, count: int) -> np.ndarray:
    """Lists that each user would be shown in a whole period: a long tail, up to 200."""
    return np.minimum(rng.pareto(TAIL, count) + 1, MOST_LISTS).astype(int)


def mean_activity() -> float:
    """Of ``activity``: the sum of the probabilities of at least k lists."""
    return float((np.arange(1, MOST_LISTS + 1.0) ** -TAIL).sum())


def _rows(rng, start: np.ndarray, lists: np.ndarray, looks: int) -> tuple[np.ndarray, np.ndarray]:
    """User and look of each list: the first when the user joins, the others over the period after that, of which the
    experiment sees what is before its end."""
    user = np.repeat(np.arange(len(start)), lists)
    time = start[user] + rng.random(len(user))
    first = np.cumsum(lists) - lists
    time[first] = start
    seen = time < 1
    return user[seen], (time[seen] * looks).astype(int)


def _until(user: np.ndarray, look: np.ndarray, users: int, looks: int, weights: np.ndarray | None = None) -> np.ndarray:
    """[users × looks] sums until each look."""
    counts = np.bincount(user * looks + look, weights=weights, minlength=users * looks)
    return np.cumsum(counts.reshape(users, looks), axis=1, dtype=float)


def population(rng, n: int, kind: str, *, looks: int = LOOKS, lift: float = 0.0, buyers: float = BUYERS) -> Population:
    """``n`` users. kind "ctr": clicks per list, each user with a rate of its own around 10 %, to which ``lift`` is
    added. "empty": lists that hold nothing, 0.5 % of them and ``lift``, which some users see much more often. And of
    users of whom the share ``buyers`` buys: "conversion", conversions per user, and "revenue", log-normal amounts."""
    if kind in ("ctr", "empty"):
        start = rng.random(n)
        user, look = _rows(rng, start, activity(rng, n), looks)
        rate = rng.beta(40 * CTR, 40 * (1 - CTR), n) + lift if kind == "ctr" else rng.beta(1, 1 / (EMPTY + lift) - 1, n)
        clicks = rng.random(len(user)) < rate[user]
        y, shown = _until(user[clicks], look[clicks], n, looks), _until(user, look, n, looks)
        return Population(kind, (start * looks).astype(int), np.zeros(looks, dtype=int), y, shown)
    active = rng.binomial(n, buyers)
    start = rng.random(active)
    idle = rng.multinomial(n - active, np.full(looks, 1 / looks))
    user, look = _rows(rng, start, activity(rng, active), looks)
    bought = rng.random(len(user)) < 0.5
    amount = np.rint(100 * rng.lognormal(3, SIGMA, int(bought.sum()))) if kind == "revenue" else None
    y = _until(user[bought], look[bought], active, looks, amount)
    return Population(kind, (start * looks).astype(int), idle, y, None)


def mean_conversions(looks: int = LOOKS, buyers: float = BUYERS) -> np.ndarray:
    """At each look, the expected conversions of a user who has joined: half of the lists that a buyer was shown."""
    passed = np.arange(1, looks + 1) / looks
    return buyers * 0.5 * (1 + (mean_activity() - 1) * passed / 2)


def capped(y: np.ndarray, share: float = CAP) -> np.ndarray:
    """At each look, values are cut at the pooled quantile of those that are not 0."""
    sorted_y, zeros = np.sort(y, axis=0), (y == 0).sum(axis=0)
    place = zeros + np.ceil(share * (len(y) - zeros)).astype(int) - 1
    cap = np.take_along_axis(sorted_y, np.clip(place, 0, len(y) - 1)[None], axis=0)
    return np.minimum(y, cap)


def divide(rng, people: Population, share: float) -> tuple[Members, Members]:
    """Control and candidate, who gets this share of the users."""
    chosen, idle = rng.random(len(people.joined)) < share, rng.binomial(people.idle, share)
    return Members(~chosen, people.idle - idle), Members(chosen, idle)


def whole(people: Population) -> Members:
    """All of them in one arm."""
    return Members(np.ones(len(people.joined), dtype=bool), people.idle)


def looks(people: Population, members: Members, y: np.ndarray | None = None) -> Looks:
    """Sums of the members; ``y`` stands for the population's, for instance ``capped``."""
    count = people.y.shape[1]
    joined = np.bincount(people.joined[members.inside], minlength=count) + members.idle
    units = np.cumsum(joined).astype(float)
    y = (people.y if y is None else y)[members.inside]
    total, squares, nonzero = y.sum(axis=0), np.einsum("ul,ul->l", y, y), (y != 0).sum(axis=0)
    if people.n is None:
        return Looks(units, total, units, squares, total, units, nonzero)
    n = people.n[members.inside]
    products = np.einsum("ul,ul->l", y, n), np.einsum("ul,ul->l", n, n)
    return Looks(units, total, n.sum(axis=0), squares, *products, nonzero)


def estimate(arm: Looks) -> tuple[np.ndarray, np.ndarray]:
    """Ratio and squared standard error at each look, by the delta method; where there is none the error is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = arm.y / arm.n
        squares = arm.yy - 2 * ratio * arm.yn + ratio**2 * arm.nn
        variance = squares * arm.units / ((arm.units - 1) * arm.n**2)
    return np.nan_to_num(ratio), np.where(np.isfinite(variance) & (variance > 0), variance, np.inf)


def null(rng, kind: str, share: float, users: int) -> tuple[Looks, Looks]:
    """Control and candidate of an experiment in which nothing differs; revenue is capped as it is in a report."""
    people = population(rng, users, kind)
    y = capped(people.y) if kind == "revenue" else people.y
    control, candidate = (looks(people, members, y) for members in divide(rng, people, share))
    return control, candidate


def lifted(rng, kind: str, share: float, users: int, lift: float) -> tuple[Looks, Looks, np.ndarray]:
    """Control and candidate, and the true difference at each look: ``lift`` of the rate of clicks or empty lists, or of
    the conversions by so large a share of more buyers."""
    more = int(rng.binomial(users, share))
    before = population(rng, users - more, kind)
    if kind in ("ctr", "empty"):
        after, truth = population(rng, more, kind, lift=lift), np.full(LOOKS, lift)
    else:
        after = population(rng, more, kind, buyers=BUYERS * (1 + lift))
        truth = mean_conversions() * lift
    return looks(before, whole(before)), looks(after, whole(after)), truth


def distances(control: Looks, candidate: Looks, truth: np.ndarray | float = 0.0) -> np.ndarray:
    """At each look, how many reaches of the default sequence the difference is from the truth; 0 where there are too
    few units with a value for a decision."""
    (before, noise_before), (after, noise_after) = estimate(control), estimate(candidate)
    z = (after - before - truth) / np.sqrt(noise_before + noise_after)
    for look in range(len(z)):
        units = {"A": int(control.units[look]), "B": int(candidate.units[look])}
        nonzero = {"A": int(control.nonzero[look]), "B": int(candidate.nonzero[look])}
        z[look] = 0.0 if enough(nonzero, units) else z[look] / reach(sum(units.values()), level=LEVEL)
    return z


def divisions(rng, runs: int, users: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """[runs × looks] users of A and of B, which gets this share of them, in so many experiments."""
    joined = rng.multinomial(users, np.full(LOOKS, 1 / LOOKS), size=runs)
    b = np.cumsum(rng.binomial(joined, share), axis=1)
    return np.cumsum(joined, axis=1) - b, b


def log_e_values(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """``running_sample_ratio(...).log_e`` of many divisions at once, of which B should have this share."""
    parts = ((a, 1 - share), (b, share))
    arms = sum(gammaln(CONCENTRATION * p + n) - gammaln(CONCENTRATION * p) - n * np.log(p) for n, p in parts)
    return arms + gammaln(CONCENTRATION) - gammaln(CONCENTRATION + a + b)
