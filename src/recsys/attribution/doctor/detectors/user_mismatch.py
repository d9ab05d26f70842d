"""Outcomes that name another user than their exposure does, and what it is that they name.

Each kind (raw ids beside pseudonyms, two salts, one user for all, …) is a symptom of its own with its exact rows. A few
outcomes of another user are in many healthy logs, of people who sign in between the list and the click: a share under
``warning`` (0.1 %) is silent, one from ``serious`` (5 %) on is a fault of the logs. Of raw ids beside pseudonyms no row
is healthy (``raw_warning`` 0), and ``raw_serious`` is 1 %: somebody's id stands in a log that should have none.

``one_for_all``: a user id stands for all where it stands for this share of the other log's users (three at least), as
long as such ids are at most ``few`` of their number.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor.breakdown import instant, percent, tellable, told_by_key
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.mismatches import (
    HASHED,
    IN_PLACE,
    ONE_NAMED,
    ONE_SHOWN,
    RAW_EXPOSURE,
    RAW_OUTCOME,
    SPELLING,
    Mismatch,
    mismatches,
    rows_of,
    straddles,
    strangers,
    users_of,
)
from recsys.attribution.doctor.shapes import shape
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, graded

_SEND = (
    "Send outcomes through POST /v1/outcomes with the id that the list was asked with: it is hashed as the exposure's"
)
_FIX_OUTCOMES = (
    f"{_SEND}; or hash the log that there is with the exposures' salt: "
    "EXPOSURE_HASH_SALT=… recsys-eval hash --input outcomes.jsonl --output outcomes.hashed.jsonl"
)
_FIX_EXPOSURES = (
    "Let recsys-service write the exposures (EXPOSURE_LOG_PATH): it logs no raw id. Exposures of your own need "
    "hex(HMAC-SHA256(EXPOSURE_HASH_SALT, id)), with the salt of the outcomes. Take the raw ids out of the old files."
)
_FIX_SALTS = (
    "Use one EXPOSURE_HASH_SALT for the service's workers and for `recsys-eval hash`, and hash the raw outcomes again. "
    "Where the salt was changed on purpose, serve with EXPOSURE_HASH_SALT_PREVIOUS: the logs' indexes then say which "
    "pseudonyms are one person's, and the join takes them for one."
)
_FIX_CLIENTS = (
    f"{_SEND}. Compare what each client sends as user.user_id to /v1/recommend and as user_id with the outcome, before "
    "and after signing in."
)


def _look(case: Case, limits: Limits) -> list[Symptom]:
    symptoms = []
    for found in mismatches(case, limits):
        severity = graded(found.n, found.of, limits, "raw" if found.kind in {RAW_OUTCOME, RAW_EXPOSURE} else "")
        if severity is not None:
            since = found.first_us if straddles(case, found) else found.since_us
            cause, fix = _words(case, found, changed=since is not None)
            symptoms.append(
                Symptom(
                    severity=severity,
                    cause=cause + _when(since, found.until_us),
                    fix=fix,
                    log="outcomes",
                    n=found.n,
                    of=found.of,
                    subject=found.kind,
                    rows=Rows(query=rows_of(found.kind)),
                    first_us=found.first_us,
                    last_us=found.last_us,
                    onset_us=since,
                    facts=_facts(case, found),
                    shift=_shift(case, found),
                )
            )
    return symptoms


def _words(case: Case, found: Mismatch, *, changed: bool) -> tuple[str, str]:
    """Cause and fix of a kind."""
    these = _these(found)
    named = f"{shape(users_of(case, found.kind, 'user_id'))}"
    if found.kind == RAW_OUTCOME:
        return f"{these} carry raw user ids ({named}) where their exposures carry 64-digit pseudonyms", _FIX_OUTCOMES
    if found.kind == RAW_EXPOSURE:
        shown = shape(users_of(case, found.kind, "exposure_user_id"))
        return f"{these} carry 64-digit pseudonyms where their exposures carry raw user ids ({shown})", _FIX_EXPOSURES
    if found.kind == IN_PLACE:
        return f"{these} carry their request_id in the place of the user_id", _FIX_CLIENTS
    if found.kind in {ONE_NAMED, ONE_SHOWN}:
        return _one_for_all(found, these), _FIX_CLIENTS
    if found.kind == SPELLING:
        told = "differ from their exposures' in upper and lower case or in blanks only"
        return f"The user ids of {these[0].lower()}{these[1:]} {told}", "Take the id over as it is, without a change."
    return _another(found, these, changed=changed)


def _one_for_all(found: Mismatch, these: str) -> str:
    few, many = found.named_users, found.shown_users
    if found.kind == ONE_NAMED:
        ids = "one and the same user_id" if few == 1 else f"only {few:,} user_ids"
        return f"{these}, which are of {many:,} users' exposures, carry {ids}: a default, or an id of the client's own"
    ids = "one and the same user_id" if many == 1 else f"only {many:,} user_ids"
    return f"The exposures of {these[0].lower()}{these[1:]}, which are of {few:,} users, carry {ids}: a default"


def _another(found: Mismatch, these: str, *, changed: bool) -> tuple[str, str]:
    """Of ids that look alike on both sides."""
    word = "pseudonyms" if found.kind == HASHED else "user ids"
    if found.kind == HASHED and (changed or (found.one_to_one and found.place is None)):
        told = ", one for one" if found.one_to_one else ""
        return f"{these} carry other pseudonyms than their exposures{told}: the logs are of two salts", _FIX_SALTS
    if found.place is not None:
        told = ", one for one: of another id or another salt" if found.one_to_one else ""
        others = (
            f"those of other {tellable(found.place.key)} do not"
            if found.place.outside.share < 0.01
            else "others rarely do"
        )
        return (
            f"{these} carry other {word} than their exposures{told}, {others}: the clients disagree on it",
            _FIX_CLIENTS,
        )
    told = ", always the same one in its place" if found.one_to_one else ""
    told = ", now this, now that one" if found.mixed_up else told
    return f"{these} name another user than their exposure{told}", _FIX_CLIENTS


def _these(found: Mismatch) -> str:
    amount = "All" if found.n == found.of else percent(found.n / found.of) + " of the"
    if found.place is None:
        return f"{amount} outcomes"
    inside = found.place.inside
    return f"{'Outcomes' if inside.share > 0.99 else percent(inside.share) + ' of the outcomes'} of {found.place}"


def _when(since: int | None, until: int | None) -> str:
    told = f", since {instant(since)}" if since is not None else ""
    return told + (f", until {instant(until)}" if until is not None else "") + "."


def _facts(case: Case, found: Mismatch) -> list[str]:
    facts = [
        f"Users: {found.shown_users:,} of the exposures, {found.named_users:,} of the outcomes, {found.pairs:,} pairs."
    ]
    unknown = strangers(case, found.kind)
    if unknown:
        facts.append(f"Of the users of these outcomes {unknown:,} are on no exposure at all.")
    facts += told_by_key(found.cells, case.joined.slice_keys)
    if case.joined.policy.user_mismatch == "count":
        facts.append(
            "No figure of this policy reads the outcome's user. Wrong is what does: analyses by outcomes' users, and "
            "the policies user_mismatch: refuse and fallback: user_item."
        )
    return facts


def _shift(case: Case, found: Mismatch) -> Shift | None:
    """Only a policy that refuses them loses anything by it."""
    metric, _, _ = case.headline
    lost = found.refused.get("conversion" if metric == "conversion_rate" else "click", 0)
    return Shift(clicks_found=lost, note="The outcomes that the policy refuses for their user count.") if lost else None


USER_MISMATCH = Detector(
    name="user_mismatch",
    question="Do outcomes name the user of their exposure?",
    look=_look,
    limits=MappingProxyType(
        {
            "warning": 0.001,
            "serious": 0.05,
            "raw_warning": 0.0,
            "raw_serious": 0.01,
            "one_for_all": 0.1,
            "few": 0.1,
        }
    ),
)
