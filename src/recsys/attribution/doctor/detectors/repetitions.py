"""What stands in the logs twice: outcomes and exposures delivered again, double clicks, one rendered list under two
ids.

Delivery at least once makes duplicates, and the join takes them out: up to ``warning`` (1 %) they are healthy, and
from ``serious`` (20 %) on something sends everything twice. A second click within ``double_click_seconds`` counts as
one more, so that from ``double_serious`` (5 % of the clicks) on the figures are inflated. A list that the same user
gets again on the same surface within ``seconds`` may be a reload, so it is a warning up to ``serious`` (10 %); where
both lists of such pairs have outcomes as often as if each was seen by itself, they were, and nothing is wrong.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor.breakdown import percent
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, graded

ENOUGH = 5
"""So many pairs with outcomes of both lists must be expected before their number says something."""


def _look_at_duplicates(case: Case, limits: Limits) -> list[Symptom]:
    return [*_outcomes(case, limits), *_redelivered(case, limits), *_double_clicks(case, limits)]


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
    severity = graded(n / of, limits)
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
    severity = graded(shown.redelivered / of, limits) if shown.redelivered else None
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
    case.table("double_clicks")
    n, attributed, first, last = case.one(
        "SELECT count(*), count(*) FILTER (WHERE attributed), min(ts_us), max(ts_us) FROM double_clicks"
    )
    (of,) = case.one("SELECT count(*) FROM outcome_fates WHERE event_type = 'click' AND fate <> 'duplicate'")
    severity = graded(n / of, limits, "double") if n else None
    if severity is None:
        return []
    return [
        Symptom(
            severity=severity,
            cause=(
                f"{n:,} clicks ({percent(n / of)}) follow a click on the same item of the same list within "
                f"{limits['double_click_seconds']:g} seconds: double clicks, each of which counts."
            ),
            fix="Let the client report a click on an item once, or set attribution.touch: first.",
            log="outcomes",
            n=n,
            of=of,
            subject="double clicks",
            rows=Rows(query="SELECT row_number AS row FROM double_clicks"),
            first_us=first,
            last_us=last,
            shift=Shift(clicks_extra=attributed, note="As if each of them was one click with the one before it.")
            if case.headline[0] == "ctr"
            else None,
        )
    ]


def _look_at_lists(case: Case, limits: Limits) -> list[Symptom]:
    case.table("following_lists")
    n, first, last = case.one("SELECT count(*), min(ts_us), max(ts_us) FROM following_lists WHERE same_list")
    of = case.quality.exposures.distinct
    severity = graded(n / of, limits) if n else None
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
        }
    ),
)
REPEATED_LISTS = Detector(
    name="repeated_lists",
    question="Does each rendered list have one request_id?",
    look=_look_at_lists,
    limits=MappingProxyType({"seconds": 10.0, "warning": 0.005, "serious": 0.1}),
)
