"""How the intervals of one look at the data are made: for this look alone, or for all looks there will ever be."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.statistics import sequential


@dataclass(frozen=True)
class Look:
    """``alpha``: the error that one interval may have, after the corrections that ``corrections`` tell in words.
    ``sequence``: the interval holds at every look, and is tightest at ``planned`` units of both arms."""

    sequence: bool
    alpha: float
    planned: int
    corrections: tuple[str, ...] = ()

    @property
    def level(self) -> float:
        """Of one interval."""
        return 1 - self.alpha

    @property
    def method(self) -> str:
        """In words."""
        if self.sequence:
            return f"asymptotic confidence sequence, tightest at {self.planned:,} units: holds at every look"
        return "Student's t, for one look at the end"

    def reach(self, units: int, degrees: float) -> float:
        """Standard errors to each side, with so many units in both arms and so many degrees of freedom."""
        if self.sequence:
            return sequential.reach(units, level=self.level, planned=self.planned)
        return sequential.fixed_reach(degrees, self.level)

    def p(self, standard_errors: float, units: int, degrees: float) -> float:
        """Of no effect, where so many standard errors were found: valid at every look under a sequence."""
        if self.sequence:
            return sequential.always_valid_p(standard_errors, units, level=self.level, planned=self.planned)
        from scipy.special import stdtr

        return float(2 * stdtr(degrees, -abs(standard_errors)))
