"""Outcomes that name another user than their exposure, by kind: what is known of each before it is put in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import Struct

from recsys.attribution.doctor.breakdown import Cell, Stretch, Where, cells, where_and_when
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Limits

IN_PLACE = "request_id"
ONE_NAMED, ONE_SHOWN = "one_outcome_user", "one_exposure_user"
SPELLING, HASHED, RAW_OUTCOME, RAW_EXPOSURE, RAW = "spelling", "hashed", "raw_outcome", "raw_exposure", "raw"
LOOKED_AT_USERS = 10_000


class Mismatch(Struct, frozen=True, kw_only=True):
    """One kind: its ``n`` outcome rows of ``of`` whose exposure knew its user; instants in µs.

    ``shown_users`` and ``named_users``: distinct users of the exposures and of the outcomes, in ``pairs`` of both, on
    ``requests`` (a pair's request counts once). ``last_shown_us``: the last of the exposures. ``refused``: rows that
    the policy refuses for it, by event type. ``place``, ``since_us``, ``until_us``: where and when, if only there and
    then.
    """

    kind: str
    n: int
    of: int
    shown_users: int
    named_users: int
    pairs: int
    requests: int
    first_us: int
    last_us: int
    last_shown_us: int
    refused: dict[str, int]
    cells: list[Cell]
    place: Where | None
    since_us: int | None
    until_us: int | None

    @property
    def one_to_one(self) -> bool:
        """Whether each user is another one, always the same: as far as users come back, and hardly any differs."""
        again = self.requests - self.pairs
        return not self.mixed_up and again >= max(5, 0.1 * self.requests)

    @property
    def mixed_up(self) -> bool:
        """Whether a user is now this, now that one."""
        return self.pairs > 1.05 * min(self.shown_users, self.named_users)


def mismatches(case: Case, limits: Limits) -> list[Mismatch]:
    """All kinds that there are, the most frequent one first."""
    case.table("user_pairs")
    case.table("user_mismatches")
    case.table("named_users")
    [(of,)] = case.rows("SELECT coalesce(sum(n), 0) FROM named_users")
    case.joined.engine.create("kinds_of_mismatch", f"SELECT *, {_kind(case, limits)} AS kind FROM user_mismatches")
    counted = case.rows("SELECT kind, count(*) FROM kinds_of_mismatch GROUP BY kind ORDER BY count(*) DESC, kind")
    return [_mismatch(case, kind, n, int(of)) for kind, n in counted]


def rows_of(kind: str) -> str:
    """A query for the row numbers of a kind."""
    return f"SELECT row_number AS row FROM kinds_of_mismatch WHERE kind = '{kind}'"


def users_of(case: Case, kind: str, column: str) -> list[str]:
    """Some of the users of a kind: ``user_id`` of its outcomes, ``exposure_user_id`` of its exposures."""
    found = case.rows(
        f"SELECT DISTINCT {column} FROM kinds_of_mismatch WHERE kind = '{kind}' "
        f"ORDER BY {column} LIMIT {LOOKED_AT_USERS}"
    )
    return [user for (user,) in found]


def strangers(case: Case, kind: str) -> int:
    """How many of the users that outcomes of a kind name are on no exposure at all."""
    [(n,)] = case.rows(
        f"SELECT count(*) FROM (SELECT DISTINCT user_id FROM kinds_of_mismatch WHERE kind = '{kind}') AS named "
        "WHERE NOT EXISTS (SELECT 1 FROM exposures AS e WHERE e.user_id = named.user_id)"
    )
    return n


def straddles(case: Case, found: Mismatch) -> bool:
    """Whether there is an instant before which all exposures of the kind were shown and after which all its outcomes
    happened, as after a change of salt; and no outcome across it names the user of its exposure."""
    if found.n < 3 or found.last_shown_us >= found.first_us:
        return False
    [(same,)] = case.rows(
        "SELECT count(*) FROM outcome_fates WHERE fate <> 'duplicate' AND NOT anonymous AND NOT user_mismatch "
        f"AND exposure_ts_us <= {found.last_shown_us} AND ts_us >= {found.first_us}"
    )
    return not same


def _kind(case: Case, limits: Limits) -> str:
    """An SQL expression for the kind. One user for all: one of few, who are named for many."""
    named = _few(case, "user_id", "named_for", "exposure_user_id", limits)
    shown = _few(case, "exposure_user_id", "named_as", "user_id", limits)
    return (
        f"CASE WHEN in_place THEN '{IN_PLACE}' WHEN named_for >= {named} THEN '{ONE_NAMED}' "
        f"WHEN named_as >= {shown} THEN '{ONE_SHOWN}' ELSE form END"
    )


def _few(case: Case, user: str, stands_for: str, others: str, limits: Limits) -> int:
    """For how many ``others`` a ``user`` has to stand to be one for all: for ``one_for_all`` of them, three at least.
    Where such users are many, they are mixed up: then it is a number that nobody reaches."""
    [(distinct,)] = case.rows(f"SELECT count(DISTINCT {others}) FROM user_pairs WHERE NOT in_place")
    least = max(3, round(limits["one_for_all"] * distinct))
    [(few,)] = case.rows(
        f"SELECT count(DISTINCT {user}) FROM user_pairs WHERE NOT in_place AND {stands_for} >= {least}"
    )
    return least if few <= max(1, limits["few"] * distinct) else distinct + 1


def _mismatch(case: Case, kind: str, n: int, of: int) -> Mismatch:
    of_kind = f"FROM kinds_of_mismatch WHERE kind = '{kind}'"
    shown, named, first, last, last_shown = case.one(
        "SELECT count(DISTINCT exposure_user_id), count(DISTINCT user_id), min(ts_us), max(ts_us), max(exposure_ts_us) "
        f"{of_kind}"
    )
    pairs, requests = case.one(
        "SELECT count(*), sum(p.requests) FROM user_pairs AS p INNER JOIN "
        f"(SELECT DISTINCT exposure_user_id, user_id {of_kind}) AS k "
        "ON p.exposure_user_id = k.exposure_user_id AND p.user_id = k.user_id"
    )
    refused = case.rows(f"SELECT event_type, count(*) {of_kind} AND fate = 'user_mismatch' GROUP BY event_type")
    found = _cells(case, kind)
    keys = case.joined.slice_keys
    place, seen = where_and_when(found, keys)
    since, until = _times(case, kind, seen)
    return Mismatch(
        kind=kind, n=n, of=of, shown_users=shown, named_users=named, pairs=pairs, requests=int(requests),
        first_us=first, last_us=last, last_shown_us=last_shown, refused=dict(refused), cells=found,
        place=place, since_us=since, until_us=until,
    )  # fmt: skip


def _cells(case: Case, kind: str) -> list[Cell]:
    columns = ", ".join(column for _, column in case.slices)
    hits = (
        f"SELECT bucket_us, {columns}, count(*) FROM kinds_of_mismatch WHERE kind = '{kind}' "
        f"GROUP BY bucket_us, {columns}"
    )
    keys = len(case.slices)
    rows = chain(
        ((*row[:-1], row[-1], 0) for row in case.rows(f"SELECT bucket_us, {columns}, n FROM named_users")),
        ((*row[:-1], 0, row[-1]) for row in case.rows(hits)),
    )
    return list(_summed(cells(rows, keys)))


def _summed(found: Iterable[Cell]) -> Iterator[Cell]:
    sums: dict[tuple[int, tuple[str | None, ...]], tuple[int, int]] = {}
    for bucket, values, n, hit in found:
        before = sums.get((bucket, values), (0, 0))
        sums[bucket, values] = before[0] + n, before[1] + hit
    return (Cell(bucket, values, n, hit) for (bucket, values), (n, hit) in sums.items())


def _times(case: Case, kind: str, seen: Stretch | None) -> tuple[int | None, int | None]:
    """The first and the last instant of the stretch that has the kind, each None where it has no such end."""
    if seen is None:
        return None, None
    since = until = None
    if seen.since_us is not None:
        [(since,)] = case.rows(
            f"SELECT min(ts_us) FROM kinds_of_mismatch WHERE kind = '{kind}' AND bucket_us >= {seen.since_us}"
        )
    if seen.until_us is not None:
        [(until,)] = case.rows(
            f"SELECT max(ts_us) FROM kinds_of_mismatch WHERE kind = '{kind}' AND bucket_us < {seen.until_us}"
        )
    return since, until
