"""How likely it is that chance alone makes so many values look right."""

from __future__ import annotations

import math
from dataclasses import dataclass

ERROR = 1e-6


@dataclass
class Share:
    """Of ``seen`` values that have the outer form, ``valid`` also obey the inner rule, which random ones obey with
    probability ``chance``."""

    chance: float
    seen: int = 0
    valid: int = 0

    def add(self, valid: bool) -> None:
        """Counts one value."""
        self.seen += 1
        self.valid += valid

    def __add__(self, other: Share) -> Share:
        return Share(self.chance, self.seen + other.seen, self.valid + other.valid)

    @property
    def rate(self) -> float:
        """The share of valid ones, 0 over nothing."""
        return self.valid / self.seen if self.seen else 0.0

    def is_beyond_chance(self, error: float = ERROR) -> bool:
        """Whether chance gives as many valid ones with a probability of at most ``error`` (10⁻⁶)."""
        return tail(self.valid, self.seen, self.chance) <= error * (1 + 1e-9)  # 0.1⁶ is 10⁻⁶ but for rounding

    @property
    def by_chance(self) -> float:
        """How many of the valid ones are expected to be random: as many as the invalid ones, which are, suggest."""
        return (self.seen - self.valid) * self.chance / (1 - self.chance)

    def mostly(self, share: float) -> bool:
        """Whether at most 1 − ``share`` of those with the outer form are random, as far as the invalid ones tell."""
        return bool(self.valid) and self.seen - self.valid <= (1 - share) * (1 - self.chance) * self.seen


def tail(valid: int, seen: int, chance: float) -> float:
    """A bound from above of P(K ≥ ``valid``) for K ~ Binomial(``seen``, ``chance``): exp(−seen · KL(share ‖ chance)).

    Chernoff's bound (Hoeffding, "Probability inequalities for sums of bounded random variables", 1963, theorem 1), so
    an error rate that it promises holds at every sample size. It is exact where all are valid.
    """
    if not seen or valid <= seen * chance:
        return 1.0
    share = valid / seen
    divergence = share * math.log(share / chance)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - chance))
    return math.exp(-seen * divergence)
