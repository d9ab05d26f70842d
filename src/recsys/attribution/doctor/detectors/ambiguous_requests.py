"""One request_id for several lists: outcomes that name it can be attributed to none of them.

A retry that ranked anew now and then makes a few, so a share under ``warning`` (1 in 10,000 exposures) is silent; from
``serious`` (1 %) on the outcomes that are lost move the figures. How the ids came to be shared is told by who and when:
lists of one user within ``retry_seconds`` are a retry, later ones an id that is kept for a session or a page; an id for
``constant_lists`` lists or more of several users is a constant.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.marks import marked
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, graded

_ONE_ID_A_LIST = (
    "Give each list its own id: send no X-Request-Id and keep meta.request_id of the reply with the list that is "
    "rendered, or make a new X-Request-Id for every request"
)
_WORDS = {
    "constant": (
        "the client sends one and the same id for many users' requests",
        f"{_ONE_ID_A_LIST}. Look for an id that is set once: a default header, a test value, a cached page.",
    ),
    "tenants": (
        "logs of several tenants use the same ids",
        "Make request ids unique across tenants, or evaluate the logs of each tenant alone: the join knows ids only.",
    ),
    "session": (
        "the client keeps one id for a session or a page with several lists",
        f"{_ONE_ID_A_LIST}: not for a session, nor for a page with several lists.",
    ),
    "retry": (
        "requests were sent again with their id, and ranked anew",
        f"{_ONE_ID_A_LIST}, also when it is sent again; or keep the first reply and show that.",
    ),
    "collision": (
        "several users' requests were given the same ids",
        f"{_ONE_ID_A_LIST}: a UUID, not a counter that begins anew or a short random number.",
    ),
}


class _Class(NamedTuple):
    """Requests that came to share their ids in the same way; ``clicks`` and ``outcomes`` are lost."""

    name: str
    requests: int
    lists: int
    most: int
    outcomes: int
    clicks: int

    def __str__(self) -> str:
        ids = "one id" if self.requests == 1 else f"{self.requests:,} ids, up to {self.most:,} on one"
        return f"{self.lists:,} lists on {ids}: {_WORDS[self.name][0]}."


def _look(case: Case, limits: Limits) -> list[Symptom]:
    found = marked(case, "ambiguous", "ambiguous")
    severity = graded(found.n, found.of, limits)
    if severity is None:
        return []
    classes = _classes(case, limits)
    reason, fix = _WORDS[classes[0].name]
    return [
        Symptom(
            severity=severity,
            cause=f"{found.amount} exposures share their request_id with another list: {reason}{found.where_and_when}.",
            fix=fix,
            log="exposures",
            n=found.n,
            of=found.of,
            rows=Rows(
                query="SELECT request_id AS row FROM ambiguous_requests",
                outcomes="SELECT row_number AS row FROM outcome_fates WHERE fate = 'ambiguous'",
            ),
            first_us=found.first_us,
            last_us=found.last_us,
            onset_us=found.since_us,
            facts=[
                *map(str, classes),
                f"{sum(each.outcomes for each in classes):,} outcomes are attributed to no list for it.",
                *found.told_by_key(),
            ],
            shift=_shift(case, classes),
        )
    ]


def _classes(case: Case, limits: Limits) -> list[_Class]:
    """The largest first."""
    case.table("ambiguous_requests")
    retry_us = round(limits["retry_seconds"] * 1_000_000)
    rows = case.rows(
        f"""
        SELECT
            CASE
                WHEN users > 1 AND lists >= {limits["constant_lists"]} THEN 'constant'
                WHEN tenants > 1 THEN 'tenants'
                WHEN users > 1 THEN 'collision'
                WHEN last_us - first_us <= {retry_us} THEN 'retry'
                ELSE 'session'
            END AS class,
            count(*), sum(lists), max(lists), sum(outcomes), sum(clicks)
        FROM ambiguous_requests
        GROUP BY class
        """
    )
    found = [_Class(name, *map(int, counts)) for name, *counts in rows]
    return sorted(found, key=lambda each: (-each.lists, each.name))


def _shift(case: Case, classes: list[_Class]) -> Shift:
    metric, _, _ = case.headline
    clicks, outcomes = sum(each.clicks for each in classes), sum(each.outcomes for each in classes)
    return Shift(
        clicks_found=outcomes - clicks if metric == "conversion_rate" else clicks,
        exposures_extra=sum(each.lists - each.requests for each in classes if each.name == "retry"),
        note="As if all outcomes that name such an id were of a list that has it, and each retry showed its last list.",
    )


AMBIGUOUS_REQUESTS = Detector(
    name="ambiguous_requests",
    question="Does each request_id stand for one list?",
    look=_look,
    limits=MappingProxyType({"warning": 0.0001, "serious": 0.01, "retry_seconds": 10.0, "constant_lists": 20.0}),
)
