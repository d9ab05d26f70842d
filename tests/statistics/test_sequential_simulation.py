"""The sequence over running experiments: whenever one looks, a true null is not decided, and an effect is covered.

In the long form the upper end of a 99 % Clopper-Pearson interval of each rate is within its limit. The few runs of the
short form must only not refute the limit.
"""

import zlib

import numpy as np
import pytest
import scipy.stats

from experiment_simulation import LOOKS, capped, divide, estimate, looks, population
from recsys.statistics.sequential import enough, reach

SIZES = {
    ("ctr", 0.5): 4_000, ("ctr", 0.9): 40_000, ("ctr", 0.1): 40_000,
    ("conversion", 0.5): 40_000, ("conversion", 0.9): 500_000, ("conversion", 0.1): 500_000,
    ("revenue", 0.5): 40_000, ("revenue", 0.9): 500_000, ("revenue", 0.1): 500_000,
}  # fmt: skip
"""Users at the end, so that the guards open about a third of the way: the earliest looks are the hardest."""
ONE_SIDE, BOTH = 0.025, 0.05


def distances(rng, kind, share, users, lift=0.0):
    """At each look, how many reaches the difference is from the truth; 0 where the guards hold."""
    people = population(rng, users, kind)
    chosen = divide(rng, people, share)
    if lift:
        raised = population(rng, users, kind, lift=lift)
        control, candidate = looks(people, ~chosen), looks(raised, divide(rng, raised, share))
    else:
        y = capped(people.y) if kind == "revenue" else people.y
        control, candidate = looks(people, ~chosen, y), looks(people, chosen, y)
    (before, noise_before), (after, noise_after) = estimate(control), estimate(candidate)
    z = (after - before - lift) / np.sqrt(noise_before + noise_after)
    for look in range(len(z)):
        units = {"A": int(control.units[look]), "B": int(candidate.units[look])}
        nonzero = {"A": int(control.nonzero[look]), "B": int(candidate.nonzero[look])}
        allowed = not enough(nonzero, units)
        z[look] = z[look] / reach(sum(units.values()), level=0.95) if allowed else 0.0
    return z


def crossings(kind, share, users, runs, lift=0.0):
    """Of so many runs: how many crossed at any look above, below, and either; and the looks that were allowed."""
    rng = np.random.default_rng([zlib.crc32(f"{kind} {share} {lift}".encode()), 1])
    above = below = either = allowed = 0
    for _ in range(runs):
        z = distances(rng, kind, share, users, lift)
        above, below = above + int(z.max() > 1), below + int(z.min() < -1)
        either += int(np.abs(z).max() > 1)
        allowed += int(np.count_nonzero(z))
    return above, below, either, allowed / runs


def row(cell, count, runs, limit):
    """Prints the rate with its standard error; whether the upper end of its 99 % interval is within the limit."""
    rate = count / runs
    upper = scipy.stats.beta.ppf(0.995, count + 1, runs - count) if count < runs else 1.0
    error = np.sqrt(rate * (1 - rate) / runs)
    print(f"{cell:45} {runs:6} runs  {rate:8.4%} ± {error:.4%}  99 % upper end {upper:.4%}  limit {limit:.1%}")
    return upper <= limit


@pytest.mark.parametrize(("kind", "share"), [("ctr", 0.5), ("ctr", 0.1), ("revenue", 0.5)])
def test_a_null_is_rarely_decided_short(kind, share):
    """A few runs do not refute that each side is crossed in at most 2.5 % of true nulls."""
    runs = 80
    above, below, either, allowed = crossings(kind, share, SIZES[kind, share], runs)
    assert allowed > 2
    for count, limit in ((above, ONE_SIDE), (below, ONE_SIDE), (either, BOTH)):
        assert scipy.stats.binom.sf(count - 1, runs, limit) > 0.005


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("kind", "share"), SIZES)
def test_a_null_is_rarely_decided(kind, share):
    """Each side is crossed at any of 14 looks in at most 2.5 % of true nulls, and the sequence covers 0 in 95 %."""
    runs = 5_000
    above, below, either, allowed = crossings(kind, share, SIZES[kind, share], runs)
    cell = f"{kind} {1 - share:.0%}/{share:.0%}"
    print(f"\n{cell}: {allowed:.1f} of {LOOKS} looks allowed")
    within = [
        row(f"{cell}, lower > 0", above, runs, ONE_SIDE),
        row(f"{cell}, upper < 0", below, runs, ONE_SIDE),
        row(f"{cell}, misses 0 at any look", either, runs, BOTH),
    ]
    assert all(within)
    assert allowed > 4


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.1])
def test_an_effect_is_covered_at_all_looks(share):
    """With a true difference of click rates of 2 points, the sequence holds it at all looks in 95 % of the runs."""
    runs = 2_000
    _, _, either, _ = crossings("ctr", share, SIZES["ctr", share], runs, lift=0.02)
    assert row(f"ctr +2 points {share:.0%}, misses it", either, runs, BOTH)


def test_one_looks_interval_at_every_look_decides_true_nulls():
    """That the simulation can find a fault: with 1.96 errors at each look, far more than 5 % of nulls are decided."""
    rng, runs, wrong = np.random.default_rng(9), 400, 0
    for _ in range(runs):
        z = distances(rng, "ctr", 0.5, SIZES["ctr", 0.5])
        wrong += int((np.abs(z) * reach(3_000, level=0.95) > 1.96).any())
    print(f"\nwith 1.96 errors at each look {wrong / runs:.1%} of true nulls are decided")
    assert wrong / runs > 1.5 * BOTH
