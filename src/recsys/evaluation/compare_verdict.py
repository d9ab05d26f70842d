"""Whether several attribution policies lead to the same conclusion about the same logs, and on what they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from recsys.contracts.comparison import Disagreement, PolicyResult
from recsys.contracts.report import Estimate
from recsys.text import printable

METHOD = (
    "All policies look at the same exposures of the same users, so that their noise is shared, and no test can ask "
    "whether they differ: they do by construction. What counts is whether the difference matters. Two policies "
    "disagree on a figure where it lies outside the 95 % interval that the other one gives it, for then the choice of "
    "the policy moves it further than chance does; on a difference between arms where one finds it above 0, below 0 "
    "or undecided and the other one does not, or where one that can be given no interval lies outside the other one's; "
    "and where the logs pass under one and are on hold under the other. The "
    "change against the first policy is a paired difference, users as units."
)

ABOVE, BELOW, UNDECIDED, WITHOUT = "above 0", "below 0", "undecided", "without an interval"
Pair = tuple[PolicyResult, PolicyResult]


def disagreements(results: Sequence[PolicyResult]) -> list[Disagreement]:
    """On what some of the policies disagree: their status, each figure, each difference between arms."""
    pairs = list(combinations(results, 2))
    return [*_of_status(results, pairs), *_of_figures(results, pairs), *_of_effects(results, pairs)]


def verdict(results: Sequence[PolicyResult], differing: Sequence[Disagreement]) -> str:
    """One or two sentences."""
    held = [result.name for result in results if result.status == "hold"]
    relied = f" The figures cannot be relied on under {named(held)}." if held else ""
    if differing:
        return f"The conclusion depends on the policy: on {named([each.about for each in differing])}.{relied}"
    if _alike(results):
        return f"All {len(results)} policies lead to the same conclusion: they decide every outcome alike.{relied}"
    arms = ", and the arms of every experiment differ alike" if any(result.effects for result in results) else ""
    return (
        f"All {len(results)} policies lead to the same conclusion: no figure lies outside the 95 % interval that "
        f"another policy gives it{arms}.{relied}"
    )


def _alike(results: Sequence[PolicyResult]) -> bool:
    """Whether no policy counts an outcome that another one does not, and none infers anything."""
    return all(
        r.fates == results[0].fates and not r.inferred_outcomes and r.figures == results[0].figures for r in results
    )


def named(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    shown = [printable(word) for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _members(pairs: Sequence[Pair]) -> list[str]:
    return list(dict.fromkeys(result.name for pair in pairs for result in pair))


def _of_status(results: Sequence[PolicyResult], pairs: Sequence[Pair]) -> list[Disagreement]:
    if not any(first.status != second.status for first, second in pairs):
        return []
    by_status = {status: [r.name for r in results if r.status == status] for status in ("pass", "hold")}
    told = f"the logs pass under {named(by_status['pass'])}, and are on hold under {named(by_status['hold'])}"
    return [Disagreement(about="status", policies=[result.name for result in results], told=told)]


def _of_figures(results: Sequence[PolicyResult], pairs: Sequence[Pair]) -> list[Disagreement]:
    found = []
    for figure in results[0].figures:
        apart = [pair for pair in pairs if not compatible(*(result.figures[figure] for result in pair))]
        if apart:
            pair = max(apart, key=lambda pair: _distance(*(result.figures[figure] for result in pair)))
            told = ", and ".join(f"{shown(r.figures[figure])} under {printable(r.name)}" for r in pair)
            found.append(
                Disagreement(
                    about=figure, policies=_members(apart), told=f"{figure} is {told}: further apart than chance"
                )
            )
    return found


def compatible(first: Estimate, second: Estimate) -> bool:
    """Whether each lies within the interval of the other, where that has one; without any, whether they are equal."""
    if first.value is None or second.value is None:
        return first.value == second.value
    known = [_within(value, other) for value, other in ((first, second), (second, first)) if other.low is not None]
    return all(known) if known else first.value == second.value


def _within(value: Estimate, interval: Estimate) -> bool:
    assert value.value is not None, "asked for figures that are"  # noqa: S101 - the caller looked
    assert interval.low is not None, "asked for those that have one"  # noqa: S101 - the caller looked
    assert interval.high is not None, "an interval has both ends"  # noqa: S101 - the contract says so
    return interval.low <= value.value <= interval.high


def _distance(first: Estimate, second: Estimate) -> float:
    return abs((first.value or 0.0) - (second.value or 0.0))


def _of_effects(results: Sequence[PolicyResult], pairs: Sequence[Pair]) -> list[Disagreement]:
    by_policy = {
        result.name: {(e.experiment_id, e.metric, e.label): e.estimate for e in result.effects} for result in results
    }
    found = []
    for key in dict.fromkeys(key for effects in by_policy.values() for key in effects):
        seen = {name: effects.get(key, Estimate(value=None, n=0)) for name, effects in by_policy.items()}
        apart = [pair for pair in pairs if _contrary(seen[pair[0].name], seen[pair[1].name])]
        if apart:
            about = " ".join((f"{key[0]}: {key[1]}", key[2]))
            told = _directions({name: direction(estimate) for name, estimate in seen.items()})
            found.append(Disagreement(about=about, policies=_members(apart), told=f"{about} is {told}"))
    return found


def _contrary(first: Estimate, second: Estimate) -> bool:
    """Whether two policies say different things of a difference between arms."""
    directions = {direction(first), direction(second)}
    if WITHOUT not in directions:
        return len(directions) == 2
    return bool(directions & {ABOVE, BELOW}) and not compatible(first, second)


def direction(estimate: Estimate) -> str:
    """``above 0``, ``below 0``, ``undecided`` where its interval holds 0, or ``without an interval``."""
    if estimate.low is None or estimate.high is None:
        return WITHOUT
    if estimate.low > 0:
        return ABOVE
    return BELOW if estimate.high < 0 else UNDECIDED


def _directions(seen: Mapping[str, str]) -> str:
    words = dict.fromkeys(seen.values())
    return ", and ".join(f"{word} under {named([n for n, each in seen.items() if each == word])}" for word in words)


def shown(estimate: Estimate) -> str:
    """``0.1034 (0.1001 to 0.1067)``."""
    if estimate.value is None:
        return "not known"
    interval = "" if estimate.low is None else f" ({estimate.low:.4g} to {estimate.high:.4g})"
    return f"{estimate.value:.4g}{interval}"
