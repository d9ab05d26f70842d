"""Times at which lists are shown and no outcome comes: of the whole log, of a type of outcome, of a context value.

How many outcomes a stretch of time should have is told by the lists that were shown, the share of them that is answered
at other times, and how long after the list the answers come: at the end of a log they may be under way. The lists
themselves must be answered half as often as others at the most, or only a clock is wrong. All of it is counted in
answered lists, for the outcomes of one list come together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from recsys.attribution.doctor.breakdown import told_value
from recsys.attribution.doctor.case import Case, text
from recsys.attribution.doctor.refused_instants import instant_us

KINDS = ("click", "conversion")
"""Types of outcomes that are looked at on their own."""
MOST = 5
"""So many stretches of one value are told."""
COVERED = 0.5
"""A stretch is another's if that has this share of its lists."""


class Silence(NamedTuple):
    """``came`` outcomes where about ``expected`` should have come, from ``since_us`` up to and without ``until_us``
    (None: from the beginning, to the end); of the context value ``told`` and of the type ``kind`` only, where these are
    not empty. ``among``, ``within``: SQL conditions over the columns of ``exposures`` for the lists that it is about,
    the latter within its time."""

    told: str
    kind: str
    among: str
    within: str
    since_us: int | None
    until_us: int | None
    came: int
    expected: float


class _Series(NamedTuple):
    """By bucket of time: the lists that were shown, the outcomes that came, the outcomes that were expected of the
    lists shown up to then, and the outcomes of the lists that were shown in it; arrays of floats."""

    shown: Any
    came: Any
    expected: Any
    answers: Any


def silences(case: Case, least: float, hardly: float) -> Iterator[Silence]:
    """``least``: so many lists that are answered must be missed; ``hardly``: and at most this share of the outcomes
    have come. Of those about the same lists the first: of all outcomes, then of a type, then the most telling value."""
    case.table("exposure_buckets")
    case.table("fate_buckets")
    buckets = [
        bucket
        for (bucket,) in case.rows(
            "SELECT bucket_us FROM exposure_buckets UNION SELECT bucket_us FROM fate_buckets ORDER BY bucket_us"
        )
    ]
    clump = _outcomes_of_a_list(case)
    kept: list[Silence] = []
    for found in _candidates(case, buckets, least * clump, hardly):
        if not _is_elsewhere(case, found) and not any(_covers(case, other, found) for other in kept):
            kept.append(found)
            yield found


def _outcomes_of_a_list(case: Case) -> float:
    """How many outcomes an answered list has."""
    (outcomes,) = case.one(
        "SELECT count(*) FROM outcome_fates WHERE exposure_ts_us IS NOT NULL AND fate <> 'duplicate'"
    )
    (lists,) = case.one("SELECT coalesce(sum(joined), 0) FROM exposure_buckets")
    return max(1.0, outcomes / int(lists)) if lists else 1.0


def _candidates(case: Case, buckets: Sequence[int], least: float, hardly: float) -> Iterator[Silence]:
    """Of all outcomes, of each type, and of the values, those that miss most first."""
    for series in _all_series(case, "'all'", "''", buckets).values():
        yield from _found(case, buckets, series, least, hardly)
    by_kind = _all_series(case, "event_type", "''", buckets)
    for kind in KINDS:
        if kind in by_kind:
            yield from _found(case, buckets, by_kind[kind], least, hardly, kind=kind)
    of_values: list[Silence] = []
    for key, column in case.slices:
        for value, series in _all_series(case, column, column, buckets).items():
            if value is not None:
                told, among = f"{key}={told_value(key, value)}", f"{column} = {text(value)}"
                of_values += _found(case, buckets, series, least, hardly, told=told, among=among)
    yield from sorted(of_values, key=lambda each: each.came - each.expected)


def _all_series(case: Case, of_outcomes: str, of_lists: str, buckets: Sequence[int]) -> dict[str | None, _Series]:
    """Value → its series, by an expression over outcomes and one over lists; where the latter is '' all lists are
    every value's."""
    import numpy as np

    place = {bucket: number for number, bucket in enumerate(buckets)}
    instants = np.array(buckets, dtype=np.int64)
    delays, at = np.unique((instants[None, :] - instants[:, None]) // case.bucket_us, return_inverse=True)
    at = at.reshape(len(buckets), len(buckets))

    def by_value(query: str, columns: int) -> dict[str | None, Any]:
        rows: dict[str | None, list[Any]] = {}
        for value, *row in case.rows(query):
            rows.setdefault(value, []).append([*(place[bucket] for bucket in row[:columns]), int(row[columns])])
        return {value: np.array(own, dtype=np.int64).T for value, own in rows.items()}

    shown = by_value(
        f"SELECT {of_lists} AS part, bucket_us, sum(n - empty) FROM exposure_buckets GROUP BY part, bucket_us", 1
    )
    came = by_value(
        f"SELECT {of_outcomes} AS part, bucket_us, sum(n) FROM fate_buckets WHERE fate <> 'duplicate' "
        "GROUP BY part, bucket_us",
        1,
    )
    answers = by_value(
        f"SELECT {of_outcomes} AS part, {_bucket(case, 'exposure_ts_us')} AS shown_us, "
        f"{_bucket(case, 'ts_us')} AS came_us, count(*) FROM outcome_fates "
        "WHERE exposure_ts_us IS NOT NULL AND fate <> 'duplicate' GROUP BY part, shown_us, came_us",
        2,
    )
    found: dict[str | None, _Series] = {}
    for value, (listed, arrived, n) in answers.items():
        own = shown.get(value if of_lists != "''" else "")
        if own is None or not own[1].sum():
            continue
        lists = np.bincount(own[0], own[1], len(buckets))
        late = np.bincount(at[listed, arrived], n, len(delays)) / lists.sum()
        found[value] = _Series(
            shown=lists,
            came=np.bincount(came[value][0], came[value][1], len(buckets)),
            expected=lists @ late[at],
            answers=np.bincount(listed, n, len(buckets)),
        )
    return found


def _bucket(case: Case, column: str) -> str:
    """The bucket of an instant, as ``fate_buckets`` has it."""
    return f"(({column} + 864000000000) // {case.bucket_us}) * {case.bucket_us} - 864000000000"


def _found(
    case: Case,
    buckets: Sequence[int],
    series: _Series,
    least: float,
    hardly: float,
    *,
    told: str = "",
    kind: str = "",
    among: str = "TRUE",
) -> Iterator[Silence]:
    for _ in range(MOST):
        stretch = _stretch(series, least, hardly)
        if stretch is None:
            return
        begin, end, came, expected = stretch
        since, until = _between(case, kind, among, buckets[begin], buckets[end - 1] + case.bucket_us)
        since = since if series.shown[:begin].any() else None
        until = until if series.shown[end:].any() else None
        time = ([] if since is None else [f"ts_us >= {since}"]) + ([] if until is None else [f"ts_us < {until}"])
        within = " AND ".join([among, "n_items > 0", *time])
        yield Silence(told, kind, among, within, since, until, came, expected)
        for counts in series:
            counts[begin:end] = 0


def _between(case: Case, kind: str, among: str, since: int, until: int) -> tuple[int, int]:
    """The bounds of a stretch: the outcomes around it, where there are some."""
    these = f"fate <> 'duplicate' AND {among}" + (f" AND event_type = {text(kind)}" if kind else "")
    before, after = case.one(
        f"SELECT max(ts_us) FILTER (WHERE ts_us < {since}), min(ts_us) FILTER (WHERE ts_us >= {until}) "
        f"FROM outcome_fates WHERE {these}"
    )
    return since if before is None else before + 1, until if after is None else after


def _stretch(series: _Series, least: float, hardly: float) -> tuple[int, int, int, float] | None:
    """(begin, end, outcomes that came, outcomes expected) of the stretch of buckets that is least likely by the rate of
    the others; None where there is none."""
    import numpy as np

    def inside(counts: Any) -> Any:
        sums = np.concatenate([[0.0], np.cumsum(counts)])
        return sums[None, :] - sums[:, None]

    shown, came, expected, answers = (inside(counts) for counts in series)
    with np.errstate(divide="ignore", invalid="ignore"):
        others = series.came.sum() - came
        usual = expected * others / (series.expected.sum() - expected)
        answered = shown * (series.answers.sum() - answers) / (series.shown.sum() - shown)
        silent = (
            (others >= least)
            & np.isfinite(usual) & np.isfinite(answered)
            & (usual >= least) & (answered >= least)
            & (came <= usual * hardly) & (answers <= answered / 2)
        )  # fmt: skip
        gain = usual - came + np.where(came > 0, came * np.log(came / usual), 0.0)
    gain = np.where(silent, gain, -np.inf)
    begin, end = (int(place) for place in np.unravel_index(np.argmax(gain), gain.shape))
    if not silent[begin, end]:
        return None
    return begin, end, int(came[begin, end]), float(usual[begin, end])


def _is_elsewhere(case: Case, found: Silence) -> bool:
    """Whether half of what is missed may be among the outcomes that found no list, were refused, or are known to be
    lost: others say so."""
    since = case.one("SELECT min(bucket_us) FROM fate_buckets")[0] if found.since_us is None else found.since_us
    until = found.until_us
    end = "" if until is None else f" AND bucket_us < {until}"
    (lost,) = case.one(
        "SELECT coalesce(sum(n), 0) FROM fate_buckets WHERE fate IN ('orphan', 'ambiguous') "
        f"AND bucket_us >= {since}{end}"
    )
    refused = [instant_us(line) for line in case.refused if line.role == "outcomes"]
    unread = sum(at is None or (at >= since and (until is None or at < until)) for at in refused)
    known = sum(gap.lost for gap in case.quality.gaps if gap.log == "outcomes")
    return int(lost) + unread + known >= found.expected / 2


def _covers(case: Case, other: Silence, found: Silence) -> bool:
    """Whether ``other`` says the same of most of these lists; one type of outcome says nothing of the others."""
    if other.kind:
        return False
    n, common = case.one(f"SELECT count(*), count(*) FILTER (WHERE {other.within}) FROM exposures WHERE {found.within}")
    return common >= COVERED * n
