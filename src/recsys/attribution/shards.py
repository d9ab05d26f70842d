"""One part of the users of the logs, chosen by a hash of their ids: what is made of each part adds up to the whole.

The hash has 4,096 values, ``int(md5("recsys:" + user_id).hexdigest()[:3], 16)``; part k of n holds the users whose
value leaves k − 1 when it is divided by n. Each log is cut by its own ``user_id``. So rows that belong together and
name two users come apart: an outcome that names another user than its list is an orphan, and that lists of two users
share a request_id is not seen. Lines that are not valid, and records that are in no log, name nobody: they count in
part 1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from recsys.errors import UsageError

if TYPE_CHECKING:
    from recsys.attribution.engine import Engine
    from recsys.attribution.sources import Accepted, AcceptedDataset

FINE = 4096
_PART = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


class Shard(Struct, frozen=True):
    """Part ``part`` of ``of``, counted from 1."""

    part: int
    of: int

    def __str__(self) -> str:
        return f"{self.part} of {self.of}"

    def holds(self, user: str) -> str:
        """SQL of whether a user is in it."""
        return f"{fine(user)} % {self.of} = {self.part - 1}"


def fine(user: str) -> str:
    """SQL of the value of the hash."""
    digits = (f"(strpos('0123456789abcdef', substr(md5('recsys:' || {user}), {place}, 1)) - 1)" for place in (1, 2, 3))
    return f"({' + '.join(f'{weight} * {digit}' for weight, digit in zip((256, 16, 1), digits, strict=True))})"


def read(text: str, where: str) -> Shard:
    """``2/5`` as a part; UsageError for what is none."""
    found = _PART.fullmatch(text)
    part, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= of <= FINE:
        raise UsageError("not a part", where=where, found=text, expected=f"k/n with 1 ≤ k ≤ n ≤ {FINE:,}, such as 2/5")
    return Shard(part, of)


def cut(engine: Engine, dataset: AcceptedDataset, shard: Shard) -> AcceptedDataset:
    """Leave in the staged tables the part alone, and give an account of the dataset as if the logs held no more."""

    def kept(role: str, log: Accepted) -> Accepted:
        engine.create(f"staged_{role}", f"SELECT * FROM staged_{role} WHERE {shard.holds('user_id')}")
        [(rows,)] = engine.rows(f"SELECT count(*) FROM staged_{role}")
        invalid = log.invalid if shard.part == 1 else 0
        return replace(log, rows=rows + invalid, invalid=invalid)

    assignments = dataset.assignments
    return replace(
        dataset,
        exposures=kept("exposures", dataset.exposures),
        outcomes=kept("outcomes", dataset.outcomes),
        assignments=None if assignments is None else kept("assignments", assignments),
        gaps=dataset.gaps if shard.part == 1 else [],
        aliases=dataset.aliases if shard.part == 1 else {},
    )


def last_instant(engine: Engine) -> int | None:
    """Of the lists and outcomes that are staged, in microseconds since 1970; None of empty logs."""
    [(end,)] = engine.rows(
        "WITH instants AS (SELECT max(ts_us) AS ts_us FROM staged_exposures "
        "UNION ALL SELECT max(ts_us) AS ts_us FROM staged_outcomes) SELECT max(ts_us) FROM instants"
    )
    return None if end is None else int(end)
