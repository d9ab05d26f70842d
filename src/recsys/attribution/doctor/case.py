"""The case: the joined logs, what was refused, and the relations that only the doctor reads, made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from recsys.attribution import relations
from recsys.attribution.doctor.symptoms import Limits, Place
from recsys.attribution.join import Joined
from recsys.contracts.report import DataQuality

SLICE_OF = {"tenant_id": "slice_1", "surface": "slice_2"}
"""Where the doctor's relations look for these keys, whatever other keys there are."""


class KeyUse(Struct, frozen=True, kw_only=True):
    """A context key of one log: how many rows have it, and how many values it has."""

    rows: int
    values: int


class Refused(Struct, frozen=True, kw_only=True):
    """A line that validation refused: its place, the rules it breaks as (rule, JSON path), and of its JSON object, if
    it is one, request_id, event_type, ts and the context values that the case is broken down by (``refusals``)."""

    role: str
    place: Place
    broken: tuple[tuple[str, str], ...]
    record: Mapping[str, Any] | None


@dataclass(frozen=True)
class Case:
    """``contexts``: log → key → its use, of the keys that most rows have; ``keys``: log → how many keys there are.
    ``refused``: the lines that validation refused, as far as they are looked at (``refusals``). ``bucket_us``: the
    width in which the case looks at time. ``weights``: experiment → arm → its planned weight, of those of which a
    person gave them. Rows after ``as_of_us`` are of the future, those before ``earliest_us`` far in the past."""

    joined: Joined
    quality: DataQuality
    contexts: Mapping[str, Mapping[str, KeyUse]]
    keys: Mapping[str, int]
    refused: Sequence[Refused]
    as_of_us: int
    earliest_us: int
    bucket_us: int
    weights: Mapping[str, Mapping[str, float]]
    _made: set[str] = field(default_factory=set)

    @property
    def headline(self) -> tuple[str, int, int]:
        """The metric that effects are told of, its numerator and denominator: clicks per exposure, or conversions where
        nobody clicks."""
        attributed = {part.value: part.fates.attributed for part in self.quality.by if part.key == "event_type"}
        clicks, conversions = attributed.get("click", 0), attributed.get("conversion", 0)
        shown = self.quality.exposures.distinct
        return ("conversion_rate", conversions, shown) if conversions and not clicks else ("ctr", clicks, shown)

    @property
    def slices(self) -> tuple[tuple[str, str], ...]:
        """(key, column) of the context keys that the relations are broken down by."""
        return tuple((key, f"slice_{place}") for place, key in enumerate(self.joined.slice_keys, start=1))

    def table(self, name: str) -> str:
        """The relation ``name``, made a table the first time, with the tables that it reads; returns its name."""
        if name not in self._made and name in relations.DOCTOR:
            for needed in relations.DOCTOR[name]:
                self.table(needed)
            self.joined.engine.create(name, relations.text(name))
            self._made.add(name)
        return name

    def once(self, name: str, make: Callable[[], None]) -> None:
        """Have a table made that is no relation of the doctor's, the first time."""
        if name not in self._made:
            make()
            self._made.add(name)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query over tables that are there."""
        return self.joined.engine.rows(query)

    def one(self, query: str) -> tuple[Any, ...]:
        """The one row of a query."""
        [row] = self.rows(query)
        return row

    def distinct(self, role: str, column: str) -> Iterator[list[tuple[str, int]]]:
        """The values of an id of a log, with the rows of each, a batch at a time. ``item_id`` of exposures is of the
        items shown."""
        source = f"staged_{role}"
        if (role, column) == ("exposures", "item_id"):
            source = "(SELECT unnest(shown) AS item_id FROM staged_exposures)"
        return self.joined.engine.batches(f"SELECT {column}, count(*) FROM {source} GROUP BY {column}")

    def context_values(self, role: str, key: str) -> Iterator[list[tuple[str, int]]]:
        """The values of a context key of a log, with the rows of each, a batch at a time."""
        return self.joined.engine.batches(f"SELECT value, n FROM {role}_context WHERE key = {text(key)}")


def text(value: str) -> str:
    """``value`` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


PARAMETERS = {
    "same_list_us": ("repeated_lists", "seconds"),
    "replaced_us": ("never_rendered", "replaced_seconds"),
}
"""Parameters of the doctor's relations, in microseconds, and the limit, in seconds, that each is."""


def parameters(
    limits: Mapping[str, Limits], as_of_us: int, bucket_us: int
) -> tuple[dict[str, str], list[tuple[int, ...]]]:
    """The table ``doctor`` of its relations: columns with types, and the one row. What belongs to a detector that is
    turned off is 0: nobody asks for it."""
    row = {"as_of_us": as_of_us, "bucket_us": bucket_us}
    for name, (detector, limit) in PARAMETERS.items():
        row[name] = round(limits.get(detector, {}).get(limit, 0) * 1_000_000)
    return dict.fromkeys(row, "BIGINT"), [tuple(row.values())]
