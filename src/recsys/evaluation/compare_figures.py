"""The headline figures of the log under one policy, and how they differ from those under a reference."""

from __future__ import annotations

from recsys.attribution import experiment, quality, relations
from recsys.attribution.experiment import SCALES
from recsys.attribution.figures import BOUNDED, estimate, estimated
from recsys.attribution.join import Joined
from recsys.contracts.report import Estimate
from recsys.evaluation.metrics import reduce as reducing
from recsys.evaluation.metrics.hit_rate import HitRate
from recsys.evaluation.metrics.ndcg import NDCG
from recsys.evaluation.offline_scores import Lost, mean
from recsys.statistics.moments import Moments
from recsys.statistics.ratio import ratio

SCORES = (NDCG(10), HitRate(10))
NAMES = (*BOUNDED, *map(str, SCORES))
"""The figures, in the order in which they are shown."""
PAIRED = "delta method, the same users under both policies"


def figures(joined: Joined, *, inferred: bool) -> dict[str, Estimate]:
    """Each figure of the log as a whole, by name. ``inferred``: ``outcome_fates`` holds the credits of a fallback as
    attributions, and the scores are to hold them too. It leaves the sums of users behind as ``policy_unit_sums``."""
    experiment.settle_log(joined)
    joined.engine.create("policy_unit_sums", "SELECT * FROM experiment_unit_sums")
    joined.engine.create("experiment_unit_sums", "SELECT * FROM policy_unit_sums", view=True)
    sums = _of_all_users(joined)
    found = {metric: estimate(metric, sums.get(metric, Moments())) for metric in BOUNDED}
    return found | _scores(joined, "relevant_or_inferred" if inferred else "relevant")


def _of_all_users(joined: Joined) -> dict[str, Moments]:
    arms = experiment.arms(joined)
    return arms[""].moments if arms else {}


def _scores(joined: Joined, relevant: str) -> dict[str, Estimate]:
    reducing.score(joined.engine, SCORES, relevant)
    reducing.sum_by_user(joined.engine, len(SCORES), [])
    [moments] = reducing.score_moments(joined.engine, len(SCORES), None).values()
    lost = Lost(quality.lost(joined.dataset, "exposures"), quality.lost(joined.dataset, "outcomes"))
    return {str(metric): mean(both.overall, metric, lost) for metric, both in zip(SCORES, moments, strict=True)}


def keep_as_reference(joined: Joined) -> None:
    """Keep the sums of users that ``figures`` left behind, for ``changes`` under other policies."""
    joined.engine.create("reference_unit_sums", "SELECT * FROM policy_unit_sums")


def changes(joined: Joined) -> dict[str, Estimate]:
    """How much more each sum over outcomes is an exposure than under the reference, from the sums of users that
    ``figures`` left behind. The users are the same, so the interval is that of a paired difference."""
    joined.engine.create("experiment_unit_sums", relations.text("unit_differences"), view=True)
    return {metric: _change(moments, SCALES[metric]) for metric, moments in _of_all_users(joined).items()
            if metric in BOUNDED}  # fmt: skip


def _change(moments: Moments, scale: int) -> Estimate:
    return estimated(ratio(moments, scale=scale), moments.n, moments.units, PAIRED)
