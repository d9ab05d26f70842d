"""An interval of a mean over rows of which some are missing: the worst that these could do to it."""

from __future__ import annotations


def widened(
    low: float, high: float, n: int, *, lowest: float, highest: float, missing: int = 0, uncertain: int = 0
) -> tuple[float, float]:
    """Bounds of a mean over ``n`` rows and up to ``missing`` more, from bounds of the mean over the ``n``.

    All scores are within [``lowest``, ``highest``]. Up to ``uncertain`` of the ``n`` scores may be any other. The
    worst is that each of these goes from one end of the range to the other, and that all missing rows are there and
    stand at that end.
    """
    if n == 0:
        return (lowest, highest) if missing else (low, high)
    shift = min(uncertain, n) * (highest - lowest) / n if uncertain else 0.0
    low, high = max(low - shift, lowest), min(high + shift, highest)
    if not missing:
        return low, high
    return (n * low + missing * lowest) / (n + missing), (n * high + missing * highest) / (n + missing)
