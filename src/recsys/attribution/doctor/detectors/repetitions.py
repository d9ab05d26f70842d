"""What stands in the logs twice: outcomes and exposures delivered again, double clicks, one rendered list under two
ids.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor import repeats
from recsys.attribution.doctor.breakdown import percent
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.repeats import GRAIN_US
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, graded

ENOUGH = 5
"""So many pairs with outcomes of both lists must be expected before their number says something."""


def _look_at_duplicates(case: Case, limits: Limits) -> list[Symptom]:
    """Delivery at least once makes duplicates, and the join takes them out: up to ``warning`` (1 %) they are healthy,
    and from ``serious`` (20 %) on something sends everything twice.

    A second click within ``double_click_seconds`` counts as one more, so that from ``double_serious`` (5 % of the
    clicks) on the figures are inflated; ``double_warning`` is 1 %. So does an event that is sent again with another ts:
    ``least_repeats`` (20) or more that follow one of the same request, item and type by the same time, give or take 1 %
    or half a second, where they stand out: people who click again do so after any time.
    """
    again = [symptom for kind in ("click", "conversion") for symptom in _sent_again(case, kind, limits)]
    return [*_outcomes(case, limits), *_redelivered(case, limits), *_double_clicks(case, limits), *again]


def _outcomes(case: Case, limits: Limits) -> list[Symptom]:
    fates = case.quality.fates
    of = fates.rows - fates.invalid
    if not fates.duplicate:
        return []
    case.table("duplicate_outcomes")
    rows = case.rows(
        "SELECT kind, count(*), count(*) FILTER (WHERE conflicting), min(ts_us), max(ts_us) FROM duplicate_outcomes "
        "GROUP BY kind ORDER BY kind"
    )
    found = [
        _duplicates(kind, n, differing, first, last, of=of, limits=limits) for kind, n, differing, first, last in rows
    ]
    return [symptom for symptom in found if symptom is not None]


_KINDS = {
    "redelivery": (
        "were delivered again, under the same event_id or without one",
        "Whoever ships the log sends again what it had sent. The join counts each once; see the shipper's offsets.",
    ),
    "retry": (
        "were sent again as events of their own: same request, item, type and instant, another event_id",
        "Let the client keep the event_id of an event when it sends it again: the service then writes it once.",
    ),
}


def _duplicates(kind: str, n: int, differing: int, first: int, last: int, *, of: int, limits: Limits) -> Symptom | None:
    severity = graded(n, of, limits)
    if severity is None:
        return None
    what, fix = _KINDS[kind]
    return Symptom(
        severity=severity,
        cause=f"{n:,} outcomes ({percent(n / of)}) {what}.",
        fix=fix,
        log="outcomes",
        n=n,
        of=of,
        subject=kind,
        rows=Rows(query=f"SELECT row_number AS row FROM duplicate_outcomes WHERE kind = '{kind}'"),
        first_us=first,
        last_us=last,
        facts=[f"{differing:,} of them differ from the one that counts, in user or value."] if differing else [],
    )


def _redelivered(case: Case, limits: Limits) -> list[Symptom]:
    shown = case.quality.exposures
    of = shown.rows - shown.invalid
    severity = graded(shown.redelivered, of, limits)
    if severity is None:
        return []
    repeated = (
        "SELECT request_id AS row FROM staged_exposures GROUP BY request_id HAVING count(*) > 1 "
        "AND count(*) > (SELECT count(*) FROM settled_exposures AS s WHERE s.request_id = staged_exposures.request_id)"
    )
    first, last = case.one(f"SELECT min(ts_us), max(ts_us) FROM staged_exposures WHERE request_id IN ({repeated})")
    return [
        Symptom(
            severity=severity,
            cause=f"{shown.redelivered:,} exposure rows ({percent(shown.redelivered / of)}) repeat one that is there.",
            fix="Whoever ships the log sends again what it had sent. Each counts once; see the shipper's offsets.",
            log="exposures",
            n=shown.redelivered,
            of=of,
            subject="exposures",
            rows=Rows(query=repeated),
            first_us=first,
            last_us=last,
        )
    ]


def _double_clicks(case: Case, limits: Limits) -> list[Symptom]:
    condition = f"event_type = 'click' AND gap_us <= {_double_us(limits)}"
    what = (
        f"follow a click on the same item of the same list within {limits['double_click_seconds']:g} seconds: double "
        "clicks, each of which counts"
    )
    fix = "Let the client report a click on an item once, or set attribution.touch: first."
    return _repeated(case, "click", condition, limits, subject="double clicks", what=what, fix=fix)


def _double_us(limits: Limits) -> int:
    return round(limits["double_click_seconds"] * 1_000_000)


def _sent_again(case: Case, kind: str, limits: Limits) -> list[Symptom]:
    """Outcomes that come always the same time after one like them."""
    later = f"event_type = '{kind}' AND gap_us > {_double_us(limits)}"
    rows = case.rows(
        f"SELECT gap_us // {GRAIN_US} AS grain, count(*) FROM {case.table('repeated_outcomes')} "
        f"WHERE {later} GROUP BY grain"
    )
    peak = repeats.peak({int(grain): int(n) for grain, n in rows})
    if peak is None or peak.n < limits["least_repeats"]:
        return []
    condition = f"{later} AND gap_us >= {peak.first * GRAIN_US} AND gap_us < {(peak.last + 1) * GRAIN_US}"
    seconds = (peak.first + peak.last + 1) / 2 * GRAIN_US / 1_000_000
    what = (
        f"follow a {kind} on the same item of the same list by the same time, {seconds:,.0f} seconds: they are sent "
        "again with another ts, and each counts"
    )
    fix = "Let the client keep event_id and ts of an event that it sends again; till then set attribution.touch: first."
    return _repeated(case, kind, condition, limits, subject=f"{kind}s sent again", what=what, fix=fix)


def _repeated(
    case: Case, kind: str, condition: str, limits: Limits, *, subject: str, what: str, fix: str
) -> list[Symptom]:
    """The symptom of these rows of ``repeated_outcomes``."""
    n, attributed, first, last = case.one(
        "SELECT count(*), count(*) FILTER (WHERE attributed), min(ts_us), max(ts_us) "
        f"FROM {case.table('repeated_outcomes')} WHERE {condition}"
    )
    (of,) = case.one(f"SELECT count(*) FROM outcome_fates WHERE event_type = '{kind}' AND fate <> 'duplicate'")
    severity = graded(n, of, limits, "double")
    if severity is None:
        return []
    counts = case.headline[0] == ("ctr" if kind == "click" else "conversion_rate")
    return [
        Symptom(
            severity=severity,
            cause=f"{n:,} {kind}s ({percent(n / of)}) {what}.",
            fix=fix,
            log="outcomes",
            n=n,
            of=of,
            subject=subject,
            rows=Rows(query=f"SELECT row_number AS row FROM repeated_outcomes WHERE {condition}"),
            first_us=first,
            last_us=last,
            shift=Shift(clicks_extra=attributed, note=f"As if each of them was one {kind} with the one before it.")
            if counts
            else None,
        )
    ]


def _look_at_lists(case: Case, limits: Limits) -> list[Symptom]:
    """A list that the same user gets again on the same surface within ``seconds`` may be a reload, so it is a
    ``warning`` (from 0.5 % on) up to ``serious`` (10 %); where both lists of such pairs have outcomes as often as if
    each was seen by itself, they were, and nothing is wrong.
    """
    case.table("following_lists")
    n, first, last = case.one("SELECT count(*), min(ts_us), max(ts_us) FROM following_lists WHERE same_list")
    of = case.quality.exposures.distinct
    severity = graded(n, of, limits)
    if severity is None or _both_were_seen(case):
        return []
    return [
        Symptom(
            severity=severity,
            cause=(
                f"{n:,} exposures ({percent(n / of)}) show their user the list of the one before again, under another "
                f"request_id, on the same surface and within {limits['seconds']:g} seconds: reloads, or a client that "
                "asks twice for what it renders once."
            ),
            fix=(
                "Ask once for each list that is rendered, and keep its meta.request_id; on a retry send the same "
                "X-Request-Id."
            ),
            log="exposures",
            n=n,
            of=of,
            rows=Rows(query="SELECT request_id AS row FROM following_lists WHERE same_list"),
            first_us=first,
            last_us=last,
            shift=Shift(exposures_extra=n, note="As if each was one exposure with the one before it."),
        )
    ]


def _both_were_seen(case: Case) -> bool:
    """Whether the lists of such pairs are answered as if each was seen by itself: both of a pair as often as chance has
    it, by the share of each that is. Of one list that is rendered once only one id has outcomes."""
    n, before, after, both = case.one(
        """
        WITH answered AS (SELECT DISTINCT request_id FROM joined_requests)
        SELECT count(*), count(b.request_id), count(a.request_id),
            count(*) FILTER (WHERE a.request_id IS NOT NULL AND b.request_id IS NOT NULL)
        FROM following_lists AS f
        LEFT JOIN answered AS a ON f.request_id = a.request_id
        LEFT JOIN answered AS b ON f.previous_request_id = b.request_id
        WHERE f.same_list
        """
    )
    expected = before * after / n
    return expected >= ENOUGH and both >= expected / 2


DUPLICATES = Detector(
    name="duplicates",
    question="Does each event stand in the logs once?",
    look=_look_at_duplicates,
    limits=MappingProxyType(
        {
            "warning": 0.01,
            "serious": 0.2,
            "double_click_seconds": 2.0,
            "double_warning": 0.01,
            "double_serious": 0.05,
            "least_repeats": 20.0,
        }
    ),
)
REPEATED_LISTS = Detector(
    name="repeated_lists",
    question="Does each rendered list have one request_id?",
    look=_look_at_lists,
    limits=MappingProxyType({"seconds": 10.0, "warning": 0.005, "serious": 0.1}),
)
