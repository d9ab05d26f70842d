"""Exposures that know nobody: marked as anonymous, or with a request_id for a user_id that nothing tells from a user.

One that is not marked counts as a person who comes once: intervals are too narrow, and users too many. None is healthy
(``warning`` 1 in 10,000: a log of millions is not judged by one of them); from ``serious`` (5 %) on no figure by user
can be believed. What is marked stays out of figures by user, which is right; where it is the most part
(``anonymous_warning``, half) little is left to tell people apart by.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.marks import Marked, marked
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Symptom, graded

_UNMARKED = "user_id = request_id AND NOT anonymous"
_FIX_UNMARKED = (
    'Write anonymous: "true" into the context of exposures that know no user, as recsys-service does; or better, give '
    "the request a user.anonymous_id or user.session_id, which is hashed like a user_id."
)
_FIX_MARKED = (
    "Send user.anonymous_id or user.session_id with each request, to /v1/similar too: its pseudonym then stands as the "
    "user_id, and people who come back are known as such."
)


def _look(case: Case, limits: Limits) -> list[Symptom]:
    shown = case.quality.exposures
    symptoms = []
    unmarked = marked(case, _UNMARKED, "unmarked")
    severity = graded(unmarked.n, unmarked.of, limits)
    if severity is not None:
        what = f"{unmarked.amount} exposures have only their request_id for a user_id and are not marked as anonymous"
        [(outcomes,)] = case.rows(
            "SELECT count(*) FROM outcome_fates "
            "WHERE fate <> 'duplicate' AND exposure_user_id = request_id AND NOT anonymous"
        )
        facts = [f"{outcomes:,} outcomes belong to them.", *unmarked.told_by_key()]
        symptoms.append(_symptom(severity, f"{what}{unmarked.where_and_when}.", _FIX_UNMARKED, unmarked, facts))
    share = shown.anonymous / shown.distinct if shown.distinct else 0.0
    if shown.anonymous and share >= limits["anonymous_warning"]:
        known = marked(case, "anonymous", "anonymous")
        what = f"{known.amount} exposures are marked as anonymous: they know neither user nor session"
        facts = [f"{shown.distinct - shown.anonymous:,} exposures are left for figures by user.", *known.told_by_key()]
        cause = f"{what}{known.where_and_when}."
        symptoms.append(_symptom("warning", cause, _FIX_MARKED, known, facts, subject="marked"))
    return symptoms


def _symptom(severity, cause: str, fix: str, found: Marked, facts: list[str], subject: str = "unmarked") -> Symptom:  # noqa: ANN001
    return Symptom(
        severity=severity,
        cause=cause,
        fix=fix,
        log="exposures",
        n=found.n,
        of=found.of,
        subject=subject,
        rows=Rows(
            query=f"SELECT request_id AS row FROM exposures WHERE {'anonymous' if subject == 'marked' else _UNMARKED}"
        ),
        first_us=found.first_us,
        last_us=found.last_us,
        onset_us=found.since_us,
        facts=facts,
    )


ANONYMOUS_IDENTITY = Detector(
    name="anonymous_identity",
    question="Do exposures tell who saw them?",
    look=_look,
    limits=MappingProxyType({"warning": 0.0001, "serious": 0.05, "anonymous_warning": 0.5}),
)
