"""p-values of a family of questions, adjusted for their number.

A family is what was declared to be looked at together, each question once. One without a p-value (it had no data) is
not counted, stays without one, and is not dropped. An adjusted p is compared with the level that the family is to hold:

- **Bonferroni**: m·p. The chance of any false discovery.
- **Holm**: the same chance, with more power (Holm, Scandinavian Journal of Statistics 1979).
- **Benjamini-Hochberg**: the expected share of false ones among the discoveries (JRSS B 1995).
- **none**: p as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def adjust(p_values: Mapping[str, float | None], method: str) -> dict[str, float | None]:
    """The p-values of a family by question, adjusted by one of ``METHODS``; None where there was none. ValueError for
    another method, and for a p that is none."""
    if method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(METHODS)}; found {method!r}")
    for question, p in p_values.items():
        if p is not None and not 0 <= p <= 1:
            raise ValueError(f"a p-value is between 0 and 1; found {p} of {question!r}")
    ranked = sorted((p, question) for question, p in p_values.items() if p is not None)
    adjusted = METHODS[method]([p for p, _ in ranked])
    found = {question: value for (_, question), value in zip(ranked, adjusted, strict=True)}
    return {question: found.get(question) for question in p_values}


def bonferroni(ascending: Sequence[float]) -> list[float]:
    """m·p, at most 1."""
    return [min(len(ascending) * p, 1.0) for p in ascending]


def holm(ascending: Sequence[float]) -> list[float]:
    """(m − k)·p of the p with k below it, and no less than that of a smaller p."""
    m, least, adjusted = len(ascending), 0.0, []
    for k, p in enumerate(ascending):
        least = max(least, min((m - k) * p, 1.0))
        adjusted.append(least)
    return adjusted


def benjamini_hochberg(ascending: Sequence[float]) -> list[float]:
    """m/rank·p, and no more than that of a larger p."""
    m, most, adjusted = len(ascending), 1.0, []
    for rank in range(m, 0, -1):
        most = min(most, ascending[rank - 1] * m / rank)
        adjusted.append(most)
    return adjusted[::-1]


def unadjusted(ascending: Sequence[float]) -> list[float]:
    """p as it is."""
    return list(ascending)


METHODS: dict[str, Callable[[Sequence[float]], list[float]]] = {
    "bonferroni": bonferroni,
    "holm": holm,
    "benjamini_hochberg": benjamini_hochberg,
    "none": unadjusted,
}
