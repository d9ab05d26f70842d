"""The scale of time that a case is looked at by: how wide its buckets are, and what is far from all other rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from recsys.attribution.engine import Engine
from recsys.attribution.trace.rows import micros

BUCKETS = 240
WIDTHS_S = (
    1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400, 172_800, 432_000, 864_000, 4_320_000, 31_104_000,
)  # fmt: skip
"""Those up to 10 days divide 10 days, so that the buckets begin with days and hours. 240 of the last one (360 days) are
all the time that a log may be of, 1970 to 2200."""
FIRST = datetime(1990, 1, 1, tzinfo=UTC)
"""Nothing was recommended on the web before. Clocks that were never set tell 1970 or 1980."""
FAR = timedelta(days=365)
SPANS = 20


def width_us(engine: Engine) -> int:
    """A width that cuts the time of the logs, a hundredth at either end aside, into at most 240 buckets, and all of it
    into no more than twice as many that have rows: instants that are far from the others coarsen nothing."""
    spans = [_between(engine, f"staged_{role}", 0.01) for role in ("exposures", "outcomes")]
    known = [span for span in spans if span is not None]
    span_us = max((span[1] for span in known), default=0) - min((span[0] for span in known), default=0)
    fitting = (width * 1_000_000 for width in WIDTHS_S if span_us <= width * 1_000_000 * BUCKETS)
    return next((width for width in fitting if _used(engine, width) <= 2 * BUCKETS), WIDTHS_S[-1] * 1_000_000)


def earliest_us(engine: Engine) -> int:
    """The instant before which rows of these logs are far in the past: before 1990, or before the median of the
    exposures (or outcomes, where there are none) by more than a year and by more than 20 times what the middle half of
    them takes. Traffic that grows by a constant rate has less than one row in a billion there."""
    first = micros(FIRST)
    for role in ("exposures", "outcomes"):
        half = _between(engine, f"staged_{role}", 0.25)
        middle = _between(engine, f"staged_{role}", 0.5)
        if half is not None and middle is not None:
            return max(first, middle[0] - max(FAR // timedelta(microseconds=1), SPANS * (half[1] - half[0])))
    return first


def _between(engine: Engine, table: str, share: float) -> tuple[int, int] | None:
    """The instants between which all rows are but this share at either end."""
    [(n,)] = engine.rows(f"SELECT count(*) FROM {table}")
    if not n:
        return None
    ends = []
    for order in ("ASC", "DESC"):
        place = min(int(n * share), n - 1)
        [(end,)] = engine.rows(f"SELECT ts_us FROM {table} ORDER BY ts_us {order} LIMIT 1 OFFSET {place}")
        ends.append(int(end))
    return ends[0], ends[1]


def _used(engine: Engine, width: int) -> int:
    """How many buckets of this width have rows."""
    buckets = [
        f"SELECT (ts_us + 864000000000) // {width} AS bucket FROM staged_{role}" for role in ("exposures", "outcomes")
    ]
    [(n,)] = engine.rows(f"SELECT count(DISTINCT bucket) FROM ({' UNION ALL '.join(buckets)}) AS buckets")
    return n
