"""Where and when a fault is: the context values that have it while others have not, the stretch of time that has it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from recsys.attribution.doctor.identifiers.chance import tail
from recsys.attribution.doctor.secrets import issued, named_secret, random
from recsys.attribution.doctor.spellings import words
from recsys.text import printable

ABSENT = None
INSIDE = 0.9
"""A key's values are where a fault is if they hold this share of it,"""
TIMES_RARER = 5
"""it is so many times rarer in the others,"""
CHANCE = 1e-6
"""and chance puts so much of it there with a probability under this."""
MOST_VALUES = 4
"""More values are too many to name as the place of a fault."""
STEP = 20.0
"""How much more likely (natural logarithm) two rates must be than one. There are up to 240²/2 stretches to choose from,
which chance has a try at: e⁻²⁰ times that is 6 in 100,000."""

_ERRORS = 4

_TELLABLE = re.compile(r"[\w .:/+-]{1,40}")
_SOMEBODYS = re.compile(r"(?:[0-9][ .-]?){8,}|[0-9]+(?:\.[0-9]+){3}|:.*:")
"""A long number, a dotted quad, several colons: a phone, a card, an account, an address."""
_DATE = re.compile(r"20[0-9]{2}([-.])[0-9]{2}\1[0-9]{2}")
_PERSONAL = frozenset({"email", "mail", "phone", "tel", "login", "username", "surname", "ip", "addr", "address"})
_PEOPLE = frozenset({"user", "account", "customer", "person", "contact", "member"})
_NAMES = frozenset({"name", "id", "no", "number", "key", "hash"})


class Cell(NamedTuple):
    """Rows of one bucket of time and one value of each key (None: absent): ``n``, of which ``hit`` have the fault."""

    bucket_us: int
    values: tuple[str | None, ...]
    n: int
    hit: int


class Counted(NamedTuple):
    """``hit`` of ``n`` rows."""

    hit: int
    n: int

    @property
    def share(self) -> float:
        """``hit`` ÷ ``n``, 0 over nothing."""
        return self.hit / self.n if self.n else 0.0


class Where(NamedTuple):
    """The fault is where ``key`` has one of ``values`` (None: is absent), and hardly elsewhere."""

    key: str
    values: tuple[str | None, ...]
    inside: Counted
    outside: Counted

    def __str__(self) -> str:
        named = [value for value in self.values if value is not None]
        parts = [f"{tellable(self.key)}={' or '.join(told_value(self.key, value) for value in named)}"] if named else []
        parts += [f"no {tellable(self.key)}"] if ABSENT in self.values else []
        return " or ".join(parts)


class Stretch(NamedTuple):
    """The fault is in the buckets from ``since_us`` up to and without ``until_us`` (None: from the beginning, to the
    end), and hardly before and after."""

    since_us: int | None
    until_us: int | None
    inside: Counted
    outside: Counted


def cells(rows: Iterable[Sequence[Any]], keys: int) -> list[Cell]:
    """Cells of rows (bucket, ``keys`` values, n, hit)."""
    return [Cell(row[0], tuple(row[1 : 1 + keys]), int(row[1 + keys]), int(row[2 + keys])) for row in rows]


def by_value(found: Iterable[Cell], place: int) -> dict[str | None, Counted]:
    """The counts of each value of the key at ``place``."""
    counts: dict[str | None, Counted] = {}
    for cell in found:
        before = counts.get(cell.values[place], Counted(0, 0))
        counts[cell.values[place]] = Counted(before.hit + cell.hit, before.n + cell.n)
    return counts


def total(found: Iterable[Counted | Cell]) -> Counted:
    """The sum."""
    hit = n = 0
    for each in found:
        hit, n = hit + each.hit, n + each.n
    return Counted(hit, n)


def where(found: Sequence[Cell], keys: Sequence[str]) -> Where | None:
    """The key, and its values, that set the fault apart best; the earlier key of two that do it alike. None where the
    fault is in all rows, or nowhere in particular."""
    best: Where | None = None
    for place, key in enumerate(keys):
        here = _values(key, by_value(found, place))
        if here and (best is None or _contrast(here) > _contrast(best) + 0.01):
            best = here
    return best


def _contrast(place: Where) -> float:
    return place.inside.share - place.outside.share


def _values(key: str, counts: Mapping[str | None, Counted]) -> Where | None:
    """The values that have the fault at least half as often as the one that has most of it."""
    most = max(counts.values(), default=Counted(0, 0))
    chosen = [value for value, each in counts.items() if each.hit and each.share >= most.share / 2]
    inside = total(counts[value] for value in chosen)
    outside = total(each for value, each in counts.items() if value not in chosen)
    all_hits, all_rows = inside.hit + outside.hit, inside.n + outside.n
    if not 0 < len(chosen) <= MOST_VALUES or not outside.n or inside.hit < INSIDE * all_hits:
        return None
    if outside.share * TIMES_RARER > inside.share or tail(inside.hit, all_hits, inside.n / all_rows) > CHANCE:
        return None
    chosen.sort(key=lambda value: (value is None, -counts[value].hit, value or ""))
    return Where(key, tuple(chosen), inside, outside)


def within(found: Iterable[Cell], keys: Sequence[str], place: Where) -> list[Cell]:
    """The cells of these values."""
    column = list(keys).index(place.key)
    return [cell for cell in found if cell.values[column] in place.values]


def where_and_when(found: Sequence[Cell], keys: Sequence[str]) -> tuple[Where | None, Stretch | None]:
    """The place of a fault, and the stretch of time in which it is there."""
    place = where(found, keys)
    return place, stretch(found if place is None else within(found, keys, place))


def stretch(found: Sequence[Cell], times: float = TIMES_RARER) -> Stretch | None:
    """The stretch of time with the highest likelihood, where it and the rest differ beyond chance, and the fault is
    ``times`` times rarer in the rest; None else."""
    import numpy as np

    buckets = sorted({cell.bucket_us for cell in found})
    place = {bucket: number for number, bucket in enumerate(buckets)}
    n, hit = np.zeros(len(buckets) + 1), np.zeros(len(buckets) + 1)
    for cell in found:
        n[place[cell.bucket_us] + 1] += cell.n
        hit[place[cell.bucket_us] + 1] += cell.hit
    n, hit = n.cumsum(), hit.cumsum()
    inside_n, inside_hit = n[None, :] - n[:, None], hit[None, :] - hit[:, None]
    outside_n, outside_hit = n[-1] - inside_n, hit[-1] - inside_hit
    higher = (inside_n > 0) & (outside_n > 0) & (inside_hit * outside_n > outside_hit * inside_n)
    gain = np.where(higher, _fit(inside_hit, inside_n) + _fit(outside_hit, outside_n), -np.inf)
    since, until = np.unravel_index(np.argmax(gain), gain.shape)
    inside = Counted(int(inside_hit[since, until]), int(inside_n[since, until]))
    outside = Counted(int(outside_hit[since, until]), int(outside_n[since, until]))
    if gain[since, until] - _fit(hit[-1:], n[-1:])[0] < STEP or outside.share * times > inside.share:
        return None
    return Stretch(buckets[since] if since else None, buckets[until] if until < len(buckets) else None, inside, outside)


def _fit(hit: Any, n: Any) -> Any:
    """The logarithm of the likelihood of ``hit`` of ``n`` at their own rate."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        yes = np.where(hit > 0, hit * np.log(hit / n), 0.0)
        no = np.where(hit < n, (n - hit) * np.log((n - hit) / n), 0.0)
    return np.where(n > 0, yes + no, 0.0)


def told_by_key(found: Sequence[Cell], keys: Sequence[str], most: int = 3) -> list[str]:
    """Facts: the counts by value of the keys that part the fault most, each in words; of keys whose values differ by
    chance alone nothing is told."""
    spread: list[tuple[float, int, str]] = []
    for place, key in enumerate(keys):
        counts = {value: each for value, each in by_value(found, place).items() if each.n}
        if len(counts) > 1 and _differ(*_extremes(list(counts.values()))):
            low, high = _extremes(list(counts.values()))
            spread.append((-round(high.share - low.share, 2), place, _told(key, counts)))
    return [text for _, _, text in sorted(spread)[:most]]


def _extremes(counts: list[Counted]) -> tuple[Counted, Counted]:
    ordered = sorted(counts, key=lambda each: (each.share, each.n))
    return ordered[0], ordered[-1]


def _differ(low: Counted, high: Counted) -> bool:
    """Whether two shares are four standard errors apart."""
    both = Counted(low.hit + high.hit, low.n + high.n)
    error = math.sqrt(both.share * (1 - both.share) * (1 / low.n + 1 / high.n))
    return high.share - low.share > _ERRORS * error


def _told(key: str, counts: Mapping[str | None, Counted]) -> str:
    order = sorted(counts.items(), key=lambda item: (-item[1].hit, -item[1].n, item[0] is None, item[0] or ""))
    parts = [
        f"{'none' if value is None else told_value(key, value)} {each.hit:,} of {each.n:,}"
        for value, each in order[: 2 * MOST_VALUES]
    ]
    more = f", and {len(order) - len(parts)} more" if len(order) > len(parts) else ""
    return f"By {tellable(key)}: {', '.join(parts)}{more}."


def tellable(value: str) -> str:
    """A context value in words; of one that could be somebody's, or a secret, only its length."""
    if not value.strip():
        return "(blank)"
    plain = _TELLABLE.fullmatch(value) and (_DATE.fullmatch(value) or not _SOMEBODYS.search(value))
    return printable(value) if plain and not issued(value) else _withheld(value)


def told_value(key: str, value: str) -> str:
    """``tellable``; no value is of a key named after people or secrets, such as ``email``, ``customer_no``, ``api_key``
    or ``session``, and none that is long and random."""
    if _named_after_people(words(key)) or named_secret(key) or random(key, value):
        return _withheld(value)
    return tellable(value)


def _withheld(value: str) -> str:
    return f"(a value of {len(value)} characters)"


def _named_after_people(parts: Sequence[str]) -> bool:
    named = bool(parts) and (parts[-1] in _PEOPLE or (parts[-1] in _NAMES and bool(_PEOPLE & set(parts))))
    return (
        named
        or bool(_PERSONAL & set(parts))
        or parts in (["name"], ["first", "name"], ["last", "name"], ["full", "name"])
    )


def instant(micros: int) -> str:
    """An instant in words, to the second."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def percent(share: float) -> str:
    """A share in words, never 0 % or 100 % where it is not."""
    if share in (0, 1):
        return f"{share:.0%}"
    digits = min(6, max(1, math.ceil(-math.log10(min(share, 1 - share))) - 1))
    return f"{share * 100:.{digits}f} %"
