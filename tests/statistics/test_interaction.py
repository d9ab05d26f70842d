"""Effects that differ between slices: against statsmodels on the rows, Cochran's Q, and simulated nulls and effects."""

import numpy as np
import pytest
import scipy.stats
import statsmodels.api

from recsys.statistics.interaction import Interaction, SliceSums, interaction

BUCKETS = 256


def rows(rng, users=3_000, slices=4, effects=(0.02, 0.02, 0.02, 0.02), shared=True):
    """Lists of users in two arms: bucket, arm, slice and click of each. Users have a taste of their own, and are in
    several slices or in one."""
    user = np.repeat(np.arange(users), np.minimum(rng.pareto(1.3, users) + 1, 40).astype(int))
    arm, bucket = rng.integers(0, 2, users)[user], rng.integers(0, BUCKETS, users)[user]
    own = rng.integers(0, slices, users)[user]
    part = np.where(rng.random(len(user)) < 0.5, rng.integers(0, slices, len(user)), own) if shared else own
    rate = rng.beta(2, 8, users)[user] + 0.05 * part + arm * np.asarray(effects)[part]
    return bucket, arm, part, (rng.random(len(user)) < rate).astype(int)


def sums(bucket, arm, part, click):
    """Of each slice and arm, by bucket."""

    def of(chosen, values):
        return np.bincount(bucket[chosen], weights=values[chosen], minlength=BUCKETS).astype(np.int64)

    ones = np.ones(len(click))
    return {
        f"slice {s}": SliceSums(*(of((part == s) & (arm == a), v) for a in (0, 1) for v in (click, ones)))
        for s in np.unique(part)
    }


def test_it_is_a_wald_test_of_a_clustered_regression():
    """Effects and statistic are those of a regression on the rows, an effect for each slice, clustered by bucket."""
    bucket, arm, part, click = rows(np.random.default_rng(1))
    found = interaction(sums(bucket, arm, part, click))
    design = np.stack([(part == s) & (arm == a) for a in (0, 1) for s in range(4)], axis=1).astype(float)
    fit = statsmodels.api.OLS(click, design).fit(
        cov_type="cluster", cov_kwds={"groups": bucket, "use_correction": False}
    )
    effect = np.hstack([-np.eye(4), np.eye(4)])
    contrasts = effect[1:] - effect[:1]
    wald = fit.wald_test(contrasts, use_f=False, scalar=True).statistic * (BUCKETS - 1) / BUCKETS
    assert list(found.effects.values()) == pytest.approx(list(effect @ fit.params), rel=1e-9)
    assert found.degrees == (3, BUCKETS - 3)
    assert found.statistic == pytest.approx(wald * (BUCKETS - 3) / (3 * (BUCKETS - 1)), rel=1e-8)
    assert found.p == pytest.approx(scipy.stats.f.sf(found.statistic, 3, BUCKETS - 3), rel=1e-9)


def test_of_separate_users_it_is_about_cochrans_q():
    """Slices that share nobody: p is near that of the chi-square of the effects weighted by their precision."""
    for seed in range(5):
        bucket, arm, part, click = rows(np.random.default_rng(seed), users=12_000, shared=False)
        found = interaction(sums(bucket, arm, part, click))
        effects, variances = np.array(list(found.effects.values())), []
        for s in range(4):
            variance = 0.0
            for a in (0, 1):
                here = (part == s) & (arm == a)
                residual = np.bincount(bucket[here], weights=click[here] - click[here].mean())
                variance += (residual**2).sum() / here.sum() ** 2
            variances.append(variance)
        weights = 1 / np.array(variances)
        q = (weights * (effects - (weights * effects).sum() / weights.sum()) ** 2).sum()
        assert np.sqrt(found.statistic * 3) == pytest.approx(np.sqrt(q), abs=0.35)


def rejected(seed, runs, **world):
    """How often p is under 0.05."""
    rng = np.random.default_rng(seed)
    return sum(interaction(sums(*rows(rng, **world))).p < 0.05 for _ in range(runs))


def test_equal_effects_are_rarely_told_apart_short():
    """A few runs with shared users do not refute a rate of 5 %."""
    assert scipy.stats.binom.sf(rejected(3, 150) - 1, 150, 0.05) > 0.005


@pytest.mark.long
def test_equal_effects_are_rarely_told_apart():
    """With shared users, equal effects are told apart in 5 % of the runs, within three standard errors."""
    runs = 4_000
    rate, error = rejected(44, runs) / runs, np.sqrt(0.05 * 0.95 / runs)
    print(f"\nequal effects are told apart in {rate:.2%} ± {error:.2%} of {runs} runs")
    assert abs(rate - 0.05) < 3 * error


def test_an_effect_in_one_slice_is_found():
    """+20 points in one of four slices and none elsewhere."""
    assert rejected(5, 40, effects=(0, 0, 0.2, 0)) >= 38


def test_slices_that_cannot_be_compared_are_named():
    """Few buckets or no variance: left out with a reason, and the others are compared as if it were not there."""
    bucket, arm, part, click = rows(np.random.default_rng(6))
    good = sums(bucket, arm, part, click)
    few = np.zeros(BUCKETS, np.int64)
    few[:29] = 3
    full = good["slice 0"]
    bad = {
        "few": SliceSums(few, few * 2, full.y_candidate, full.n_candidate),
        "still": SliceSums(full.y_control, full.n_control, full.n_candidate, full.n_candidate),
    }
    found = interaction(bad | good)
    assert found.left_out == {
        "few": "the control is in 29 buckets of users, of 30 needed",
        "still": "users of the candidate do not differ",
    }
    assert (found.statistic, found.p, found.effects) == (
        interaction(good).statistic, interaction(good).p, interaction(good).effects
    )  # fmt: skip
    assert interaction({"slice 0": full} | bad).note == "fewer than two slices can be compared"
    assert interaction({}) == Interaction(note="fewer than two slices can be compared")


def test_too_many_slices_or_the_same_twice_are_not_tested():
    """At most one slice for 20 buckets; a slice beside itself has no difference; a sum of others is no other."""
    many = sums(*rows(np.random.default_rng(7), users=20_000, slices=14, effects=[0] * 14))
    assert interaction(many).note == "14 slices are too many for 256 occupied buckets; at most 12"
    assert interaction(dict(list(many.items())[:12])).p is not None
    one, other = many["slice 0"], many["slice 1"]
    assert "the same" in interaction({"one": one, "again": one}).note
    assert "entirely" in interaction({"one": one, "other": other, "again": other}).note
    short = SliceSums(*(column[:128] for column in (one.y_control, one.n_control, one.y_candidate, one.n_candidate)))
    with pytest.raises(ValueError, match="same buckets"):
        interaction({"one": one, "short": short})


def test_a_scale_is_a_unit():
    """Amounts in millionths: effects in whole ones, and the same p."""
    plain = sums(*rows(np.random.default_rng(8)))
    fine = {
        name: SliceSums(s.y_control * 10**6, s.n_control, s.y_candidate * 10**6, s.n_candidate)
        for name, s in plain.items()
    }
    found, scaled = interaction(plain), interaction(fine, scale=10**6)
    assert list(scaled.effects.values()) == pytest.approx(list(found.effects.values()))
    assert scaled.p == pytest.approx(found.p)
