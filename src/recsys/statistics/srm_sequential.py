"""Sample ratio while an experiment runs: an e-value, which may be looked at as often as one likes.

The e-value is how much likelier the units' division among the arms is if each arm's probability was drawn once from a
Dirichlet distribution around the declared shares θ₀, of concentration k = 100, than if it is θ₀ (Lindon & Malek,
"Anytime-valid inference for multinomial count data", NeurIPS 2022). Of units n_a in the arms, n together:

    ln e = ln Γ(k) − ln Γ(k+n) + Σ_a [ ln Γ(kθ_a + n_a) − ln Γ(kθ_a) − n_a ln θ_a ]

If θ₀ is true then e is a martingale that starts at 1, so by Ville's inequality the probability that it is ever 1,000 or
more is at most 1 in 1,000.

As in ``srm`` the figures are over the declared arms; an arm that is absent, or was not declared, is found by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recsys.statistics.srm import declared_shares

ALARM = 1_000.0
CONCENTRATION = 100.0


@dataclass(frozen=True)
class RunningSampleRatio:
    """``expected``: units that each declared arm should have. ``log_e`` is 0, no evidence, where there is nothing to
    compare, and ``note`` says why."""

    observed: dict[str, int]
    expected: dict[str, float]
    log_e: float = 0.0
    absent: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def alarm(self) -> bool:
        """Whether the division speaks against the declared shares."""
        return self.log_e >= math.log(ALARM)

    @property
    def mismatch(self) -> bool:
        """Whether the arms are not what they should be, by their division or by name."""
        return self.alarm or bool(self.absent or self.unexpected)


def running_sample_ratio(counts: Mapping[str, int], weights: Mapping[str, float] | None = None) -> RunningSampleRatio:
    """Units by arm so far against the weights that the arms should have, in any unit; without weights all arms that
    were seen should be equal. ValueError for a weight that is not above 0 or not finite."""
    seen = {arm: count for arm, count in sorted(counts.items()) if count}
    shares = declared_shares(weights if weights is not None else dict.fromkeys(seen, 1.0))
    inside = [seen.get(arm, 0) for arm in shares]
    total = sum(inside)
    note = "there is no unit" if total == 0 else "there is one arm" if len(shares) < 2 else ""
    return RunningSampleRatio(
        observed=seen, expected={arm: total * share for arm, share in shares.items()},
        log_e=0.0 if note else _log_e(inside, list(shares.values())),
        absent=[arm for arm in shares if arm not in seen], unexpected=[arm for arm in seen if arm not in shares],
        note=note,
    )  # fmt: skip


def _log_e(counts: Sequence[int], shares: Sequence[float]) -> float:
    """ln e, see above."""
    arms = (
        math.lgamma(CONCENTRATION * share + n) - math.lgamma(CONCENTRATION * share) - n * math.log(share)
        for n, share in zip(counts, shares, strict=True)
    )
    return math.fsum((*arms, math.lgamma(CONCENTRATION), -math.lgamma(CONCENTRATION + sum(counts))))
