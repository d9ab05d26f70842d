"""What the two logs call the same slice: values spelt in several ways, or by other names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from recsys.attribution.doctor.breakdown import told_value
from recsys.attribution.doctor.case import Case, text
from recsys.attribution.doctor.spellings import canonical

SAME_NAME = 0.95
"""An own name of the outcomes stands for a value of the exposures if this share of its rows says so,"""
LEAST_ROWS = 5
"""in so many rows, and another name for another value. One name alone tells nothing: people who saw a list on one page
may buy on another."""


class Spelling(Struct, frozen=True):
    """``other`` is written for ``value`` in ``n`` rows, of which ``wrong`` are counted under ``other``."""

    value: str
    other: str
    n: int
    wrong: int

    def told(self, key: str) -> str:
        """In words; ``key``: whose values they are."""
        return f"{told_value(key, self.other)} for {told_value(key, self.value)} in {self.n:,} rows"


class Told(Struct, frozen=True):
    """What outcomes say of a key beside what their exposures say: ``pairs`` (exposure's value, own value) → rows;
    ``own`` value → rows, and those ``unmatched`` that have no exposure."""

    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[str] = field(default_factory=Counter)


def told(case: Case) -> dict[str, Told]:
    """Key → what outcomes say of it. A blank value is none."""
    case.table("slice_pairs")
    keys = [key for key, _ in case.slices]
    found = {key: Told() for key in keys}
    for number, matched, shown, own, n in case.rows(
        "SELECT key, matched, exposure_value, own_value, n FROM slice_pairs "
        "ORDER BY key, matched, exposure_value, own_value"
    ):
        if number > len(keys) or not own.strip():
            continue
        of_key = found[keys[number - 1]]
        of_key.own[own] += int(n)
        if not matched:
            of_key.unmatched[own] += int(n)
        elif shown is not None and shown.strip():
            of_key.pairs[shown, own] += int(n)
    return found


def shown_values(case: Case, column: str) -> Counter[str]:
    """The values of a slice column with their distinct exposures."""
    case.table("exposure_marks")
    rows = case.rows(f"SELECT {column}, sum(n) FROM exposure_marks WHERE {column} IS NOT NULL GROUP BY {column}")
    return Counter({value: int(n) for value, n in rows})


def within(values: Counter[str]) -> list[Spelling]:
    """Values of one log that are spelt in several ways: the rarer ones, each for the most frequent."""
    return [Spelling(first, other, values[other], values[other]) for first, *rest in _alike(values) for other in rest]


def between(shown: Counter[str], outcomes: Told) -> list[Spelling]:
    """Own values of outcomes that are no value of the exposures, but another spelling of one."""
    spelt = {canonical(value): value for value in sorted(shown, key=lambda value: (shown[value], value))}
    return [
        Spelling(spelt[canonical(own)], own, n, outcomes.unmatched[own])
        for own, n in sorted(outcomes.own.items())
        if own not in shown and canonical(own) in spelt
    ]


def renamed(shown: Counter[str], outcomes: Told) -> list[Spelling]:
    """Own values of outcomes that stand for values of the exposures by another name: one for one, two at least."""
    spelt = {canonical(value) for value in shown}
    by_own: dict[str, Counter[str]] = defaultdict(Counter)
    for (value, own), n in outcomes.pairs.items():
        if canonical(own) not in spelt:
            by_own[own][value] += n
    names = {}
    for own, values in by_own.items():
        [(value, n)] = values.most_common(1)
        if n >= max(LEAST_ROWS, SAME_NAME * values.total()):
            names[own] = value
    taken = Counter(names.values())
    return [
        Spelling(value, own, outcomes.own[own], outcomes.unmatched[own])
        for own, value in sorted(names.items())
        if len(taken) > 1 and taken[value] == 1
    ]


def contradicted(outcomes: Told, explained: Iterable[Spelling]) -> list[Spelling]:
    """Own values that are simply others than those of the exposures."""
    known = {each.other for each in explained}
    return [
        Spelling(value, own, n, n)
        for (value, own), n in sorted(outcomes.pairs.items())
        if value != own and own not in known
    ]


def outcomes_with(column: str, spellings: Iterable[Spelling]) -> str:
    """A query for the outcomes, no duplicates, whose own value of a slice column is one of these."""
    return (
        "SELECT o.row_number AS row FROM staged_outcomes AS o INNER JOIN outcome_fates AS f "
        f"ON o.row_number = f.row_number WHERE f.fate <> 'duplicate' AND o.{column} IN ({_listed(spellings)})"
    )


def outcomes_against(column: str, spellings: Iterable[Spelling]) -> str:
    """Those of ``outcomes_with`` whose exposure has another value."""
    return (
        f"{outcomes_with(column, spellings)} AND EXISTS (SELECT 1 FROM exposures AS e "
        f"WHERE e.request_id = o.request_id AND NOT e.ambiguous AND e.{column} <> o.{column})"
    )


def exposures_with(column: str, spellings: Iterable[Spelling]) -> str:
    """A query for the exposures whose value of a slice column is one of these."""
    return f"SELECT request_id AS row FROM exposures WHERE {column} IN ({_listed(spellings)})"


def _listed(spellings: Iterable[Spelling]) -> str:
    return ", ".join(sorted({text(each.other) for each in spellings}))


def _alike(values: Counter[str]) -> Iterator[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for value in sorted(values, key=lambda value: (-values[value], value)):
        if value.strip():
            groups[canonical(value)].append(value)
    return (group for group in groups.values() if len(group) > 1)
