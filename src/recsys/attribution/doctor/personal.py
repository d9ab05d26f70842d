"""Personal identifiers in a column of values: e-mail addresses, phone numbers, payment cards, IBANs, IP addresses.

One ``ColumnSearch`` a column takes batches of its distinct values and then says what it found. Some kinds (cards,
bare dotted quads, grouped digits) cannot be told by one value, so they are judged over the column; the rules, and how
often they err, stand with each kind in ``identifiers``. Values are compared in a plain spelling
(``identifiers.plain_text``). Text that one kind has claimed is not seen by the kinds after it: a mailbox named by a
phone number is one thing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from recsys.attribution.doctor.identifiers.cards import Cards
from recsys.attribution.doctor.identifiers.column import Column
from recsys.attribution.doctor.identifiers.emails import Emails
from recsys.attribution.doctor.identifiers.ibans import Ibans
from recsys.attribution.doctor.identifiers.ipv4 import Ipv4s
from recsys.attribution.doctor.identifiers.ipv6 import Ipv6s
from recsys.attribution.doctor.identifiers.phones import Phones
from recsys.attribution.doctor.identifiers.plain_text import plain, suspects
from recsys.attribution.doctor.identifiers.sighting import Finder, Kind, Page, Sighting, masked

__all__ = ["EXAMPLES", "ColumnSearch", "Kind", "Match"]

EXAMPLES = 20
_ORDER = tuple(Kind)


@dataclass(frozen=True)
class Match:
    """Identifiers of one kind in one column.

    ``values`` distinct values hold them, in ``rows`` rows; ``by_chance`` of the values are expected to only look so.
    ``examples`` are a few of the values, as given, for their lines to be found: they are personal data, so they stand
    in no repr and are to be printed nowhere.
    """

    column: str
    kind: Kind
    values: int
    rows: int
    by_chance: float
    examples: tuple[str, ...] = field(repr=False)


@dataclass
class _Tally:
    values: int = 0
    rows: int = 0
    examples: list[str] = field(default_factory=list, repr=False)


class ColumnSearch:
    """Looks for identifiers in the values of a column, such as ``exposures.user_id`` or ``outcomes.context.email``.

    The words of its name count: a version is no address, an item id no phone number. ``examples``: how many to keep.
    """

    def __init__(self, column: str, *, examples: int = EXAMPLES) -> None:
        named = Column(column)
        self.column = column
        self._examples = examples
        self._finders: tuple[Finder, ...] = (
            Emails(), Ibans(), Ipv6s(named), Ipv4s(named), Cards(named), Phones(named),
        )  # fmt: skip
        self._tallies: dict[Kind, dict[Hashable, _Tally]] = {finder.kind: {} for finder in self._finders}

    def add(self, values: Sequence[str], row_counts: Sequence[int]) -> None:
        """Looks through a batch of values, each with the number of rows it stands in. A value is to come only once."""
        spelt = plain(values)
        lines = list(dict.fromkeys(suspects(spelt)))
        page, places = Page(lines), None
        for finder in self._finders if lines else ():
            picked = finder.pick(page)
            seen = _by_line(picked, finder.look(picked)) if picked.lines else {}
            if seen:
                places = places or _Places(spelt)
                for number, sightings in seen.items():
                    tally = self._tally(finder.kind, sightings)
                    for place in places.of(lines[number]):
                        tally.values += 1
                        tally.rows += row_counts[place]
                        if len(tally.examples) < self._examples:
                            tally.examples.append(values[place])
                page = _without(page, seen)

    def _tally(self, kind: Kind, sightings: list[Sighting]) -> _Tally:
        """The tally of values that hold sightings of these groups: one group, or a set of them."""
        groups = sightings[0][2] if len(sightings) == 1 else frozenset(group for _, _, group in sightings)
        tallies = self._tallies[kind]
        tally = tallies.get(groups)
        if tally is None:
            tally = tallies[groups] = _Tally()
        return tally

    def found(self) -> list[Match]:
        """What the column holds, one Match a kind, in the order of ``Kind``; nothing where it holds no identifier."""
        matches = (self._match(finder) for finder in self._finders)
        return sorted((match for match in matches if match.values), key=lambda match: _ORDER.index(match.kind))

    def _match(self, finder: Finder) -> Match:
        accepted = finder.accepted()
        tallies = [
            tally
            for groups, tally in self._tallies[finder.kind].items()
            if (groups & accepted.keys() if isinstance(groups, frozenset) else groups in accepted)
        ]
        values = sum(tally.values for tally in tallies)
        return Match(
            self.column,
            finder.kind,
            values,
            sum(tally.rows for tally in tallies),
            min(values, sum(accepted.values())),
            tuple(value for tally in tallies for value in tally.examples)[: self._examples],
        )


class _Places:
    """Where in a batch each plain value stands: several do, where values differ in their spelling only."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._one = dict(zip(lines, range(len(lines)), strict=True))
        self._all: dict[str, list[int]] = {}
        if len(self._one) < len(lines):
            for place, line in enumerate(lines):
                self._all.setdefault(line, []).append(place)

    def of(self, line: str) -> Sequence[int]:
        return self._all[line] if self._all else (self._one[line],)


def _by_line(page: Page, sightings: Iterable[Sighting]) -> dict[int, list[Sighting]]:
    """The sightings of each line, with places in that line, by its number in the page that ``page`` is taken from."""
    text, line, begin, end = page.text, -1, 0, 0
    found: dict[int, list[Sighting]] = {}
    of_line: list[Sighting] = []
    for start, stop, group in sightings:
        if start >= end:
            line += text.count("\n", begin, start)
            begin = text.rindex("\n", 0, start) + 1
            end = text.index("\n", begin)
            found[page.numbers[line]] = of_line = []
        of_line.append((start - begin, stop - begin, group))
    return found


def _without(page: Page, seen: dict[int, list[Sighting]]) -> Page:
    lines = list(page.lines)
    for number, sightings in seen.items():
        lines[number] = masked(lines[number], sightings)
    return Page(lines)
