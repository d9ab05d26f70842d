"""Experiments as they run, with a known truth: users join over time, and what each does is added to the arm's sums.

``population`` draws users and what they do until each look, ``divide`` puts them into two arms, and ``looks`` gives the
sums of an arm at each look. Sums are floats: they are whole numbers or amounts, and no test here needs more digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.statistics.moments import Moments

LOOKS = 14
BUYERS = 0.02
CTR = 0.1
SIGMA = 1.2
CAP = 0.99


@dataclass(frozen=True)
class Population:
    """``joined``: the look by which each user is there. ``active``: users of whom ``y`` (and ``n``) tells the sums at
    each look, [active × looks]; the others have 0. ``n`` None: the figure is per user."""

    kind: str
    joined: np.ndarray
    active: np.ndarray
    y: np.ndarray
    n: np.ndarray | None


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
        """Of one look; exact for whole numbers."""
        return Moments(*(int(column[look]) for column in (self.units, self.y, self.n, self.yy, self.yn, self.nn)))


def activity(rng, count: int) -> np.ndarray:
    """Lists that each user would be shown in a whole period: a long tail, up to 200."""
    return np.minimum(rng.pareto(1.3, count) + 1, 200).astype(int)


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


def population(rng, n: int, kind: str, *, looks: int = LOOKS, lift: np.ndarray | float = 0.0) -> Population:
    """``n`` users. kind "ctr": clicks per list, each user with a rate of its own around 10 %. "conversion": conversions
    per user, of which 2 % are buyers. "revenue": the same with log-normal amounts. "conversion_rate": conversions per
    list. ``lift`` is added to each user's rate of clicks."""
    start = rng.random(n)
    joined = (start * looks).astype(int)
    if kind == "ctr":
        user, look = _rows(rng, start, activity(rng, n), looks)
        rate = rng.beta(40 * CTR, 40 * (1 - CTR), n) + lift
        clicks = rng.random(len(user)) < rate[user]
        y, shown = _until(user[clicks], look[clicks], n, looks), _until(user, look, n, looks)
        return Population(kind, joined, np.arange(n), y, shown)
    if kind == "conversion_rate":
        user, look = _rows(rng, start, activity(rng, n), looks)
        bought = (rng.random(n) < BUYERS)[user] & (rng.random(len(user)) < 0.5)
        y, shown = _until(user[bought], look[bought], n, looks), _until(user, look, n, looks)
        return Population(kind, joined, np.arange(n), y, shown)
    buyers = np.flatnonzero(rng.random(n) < BUYERS)
    user, look = _rows(rng, start[buyers], activity(rng, len(buyers)), looks)
    bought = rng.random(len(user)) < 0.5
    amount = rng.lognormal(3, SIGMA, int(bought.sum())) if kind == "revenue" else None
    return Population(kind, joined, buyers, _until(user[bought], look[bought], len(buyers), looks, amount), None)


def capped(y: np.ndarray, share: float = CAP) -> np.ndarray:
    """At each look, values are cut at the pooled quantile of those that are not 0."""
    sorted_y, zeros = np.sort(y, axis=0), (y == 0).sum(axis=0)
    place = zeros + np.ceil(share * (len(y) - zeros)).astype(int) - 1
    cap = np.take_along_axis(sorted_y, np.clip(place, 0, len(y) - 1)[None], axis=0)
    return np.minimum(y, cap)


def divide(rng, people: Population, share: float) -> np.ndarray:
    """Whether each user is in the candidate's arm, which gets this share of them."""
    return rng.random(len(people.joined)) < share


def looks(people: Population, in_arm: np.ndarray, y: np.ndarray | None = None) -> Looks:
    """The arm of the users where ``in_arm``; ``y`` stands for the population's, for instance ``capped``."""
    y = people.y if y is None else y
    here = in_arm[people.active]
    count = y.shape[1]
    units = np.cumsum(np.bincount(people.joined[in_arm], minlength=count)).astype(float)
    y = y[here]
    total, squares, nonzero = y.sum(axis=0), np.einsum("ul,ul->l", y, y), (y != 0).sum(axis=0)
    if people.n is None:
        return Looks(units, total, units, squares, total, units, nonzero)
    n = people.n[here]
    products = np.einsum("ul,ul->l", y, n), np.einsum("ul,ul->l", n, n)
    return Looks(units, total, n.sum(axis=0), squares, *products, nonzero)


def estimate(arm: Looks) -> tuple[np.ndarray, np.ndarray]:
    """Ratio and squared standard error at each look, by the delta method; where there is none the error is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = arm.y / arm.n
        squares = arm.yy - 2 * ratio * arm.yn + ratio**2 * arm.nn
        variance = squares * arm.units / ((arm.units - 1) * arm.n**2)
    return np.nan_to_num(ratio), np.where(np.isfinite(variance) & (variance > 0), variance, np.inf)
