"""The simulations count crossings of many looks at once; the product decides look by look. They say the same."""

import numpy as np
import pytest

from experiment_simulation import LOOKS, distances, lifted, null
from planned_simulation import CENTS, of_moments, verdict
from recsys.evaluation.experiment.measures import RATIOS

METRICS = {"ctr": "ctr", "conversion": "conversions_per_user", "revenue": "revenue_per_user"}
USERS = {"ctr": 4_000, "conversion": 40_000, "revenue": 40_000}


def verdicts(kind, control, candidate):
    """Of the real rule, look and decision, at each look."""
    measure, scale = RATIOS[METRICS[kind]], CENTS if kind == "revenue" else 1
    return [
        verdict(measure, *(of_moments(measure, arm.moments(look), int(arm.nonzero[look]), scale) for arm in arms))
        for arms in [(control, candidate)]
        for look in range(LOOKS)
    ]


def counted(z):
    """What the simulations take for a decision."""
    return ["ship" if far > 1 else "rollback" if far < -1 else "hold" for far in z]


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_true_null_is_decided_as_counted(kind, share):
    """Fifty experiments in which nothing differs."""
    rng = np.random.default_rng(13)
    for _ in range(50):
        arms = null(rng, kind, share, USERS[kind])
        assert verdicts(kind, *arms) == counted(distances(*arms))


@pytest.mark.parametrize(("kind", "lift"), [("ctr", 0.04), ("conversion", 0.6), ("ctr", -0.04), ("conversion", -0.6)])
def test_an_effect_is_decided_as_counted(kind, lift):
    """Fifty experiments in which the candidate is so much better, or worse, that most are decided at some look."""
    rng, seen = np.random.default_rng(14), []
    for _ in range(50):
        control, candidate, _ = lifted(rng, kind, 0.5, USERS[kind], lift)
        said = verdicts(kind, control, candidate)
        assert said == counted(distances(control, candidate))
        seen += said
    assert {"hold", "ship" if lift > 0 else "rollback"} == set(seen)
