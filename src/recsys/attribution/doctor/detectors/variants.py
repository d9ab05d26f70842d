"""Experiments: subjects in two variants, exposures without their assignment, arms of the wrong size.

Units and arms are those of the analysis (``attribution.experiment``).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from recsys.attribution import experiment
from recsys.attribution.doctor.breakdown import (
    Cell,
    cells,
    instant,
    percent,
    stretch,
    tellable,
    told_by_key,
    where,
    within,
)
from recsys.attribution.doctor.case import Case, text
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Symptom, Unable, graded
from recsys.errors import ConfigError, nearest
from recsys.statistics.srm import SampleRatio, sample_ratio

TIMES = 1.2
"""Shares of two arms differ by less than those of a fault and none do."""
EXPERIMENT, VARIANT = "experiment_id", "experiment_variant"
LOG_ALL = (
    "Set ASSIGNMENT_LOG_PATH on every instance and give all of its files with --assignments; "
    "ASSIGNMENT_LOG_ON_ERROR=fail shows nothing whose assignment is not written."
)
WRITE_ONE = (
    "Find out which of the two was delivered: a cached page, a second bucketing or a fallback may stand in for the "
    "arm. Draw the variant once for a request, and write that one into both logs."
)


def _prepared(case: Case) -> list[str]:
    """The experiments of the log, their units made."""
    if case.joined.dataset.assignments is None:
        raise Unable("there are no assignments")
    case.once("assigned_units", lambda: experiment.prepare(case.joined))
    return experiment.names(case.joined)


def _look_for_two(case: Case, limits: Limits) -> list[Symptom]:
    """Any subject in two variants is a warning (``two_warning`` 0). Over 1 % of the units the evaluation holds, however
    few they are; from ``two_serious`` (1 %) on that is serious, of a few units a warning.
    """
    symptoms = []
    for name in _prepared(case):
        own = f"experiment_id = {text(name)}"
        n, of = case.one(f"SELECT count(*) FILTER (WHERE in_two_arms), count(*) FROM assigned_units WHERE {own}")
        severity = graded(n, of, limits, "two")
        if severity is not None:
            users = f"SELECT user_id FROM assigned_units WHERE {own} AND in_two_arms"
            told = tellable(name)
            theirs = f"{own} AND NOT anonymous AND user_id IN ({users})"
            first, last = case.one(f"SELECT min(ts_us), max(ts_us) FROM subject_assignments WHERE {theirs}")
            symptoms.append(
                Symptom(
                    severity=severity,
                    cause=f"{n:,} of {of:,} subjects of {told} ({percent(n / of)}) are assigned to two variants.",
                    fix=(
                        "Bucket by the id that is analysed, under one salt (EXPERIMENT_ASSIGNMENT_SALT), and change "
                        "weights under a new experiment id. Each counts for its first variant."
                    ),
                    log="assignments",
                    n=n,
                    of=of,
                    unit="subjects",
                    subject=tellable(name),
                    rows=Rows(query=f"SELECT request_id AS row FROM subject_assignments WHERE {theirs}"),
                    first_us=first,
                    last_us=last,
                )
            )
    return symptoms


def _look_for_missing(case: Case, limits: Limits) -> list[Symptom]:
    """An exposure that names an experiment in its context and has no assignment row, or one of another variant, does
    not count, or counts for another arm: any is a ``warning``, 1 % is ``serious``. Where at least ``own_rows`` (half)
    of such exposures have a row for their own request, or users who have any have more than ``rows_per_user`` (2) on
    average, each should; else a row for their user is enough.
    """
    _prepared(case)
    columns = dict(case.slices)
    if EXPERIMENT not in columns:
        raise Unable("no exposure names an experiment in its context")
    named = f"e.{columns[EXPERIMENT]}"
    claimed = f", e.{columns[VARIANT]}" if VARIANT in columns else ""
    case.joined.engine.create(
        "claims",
        f"""
        SELECT
            e.request_id, e.user_id, e.ts_us, {named} AS experiment_id,
            {f"e.{columns[VARIANT]}" if VARIANT in columns else "NULL"} AS variant,
            max(CASE WHEN a.request_id IS NOT NULL THEN 1 ELSE 0 END) AS own_row,
            max(CASE WHEN u.user_id IS NOT NULL THEN 1 ELSE 0 END) AS of_unit,
            min(a.variant) AS assigned, max(a.variant) AS also_assigned
        FROM exposures AS e
        LEFT JOIN staged_assignments AS a ON e.request_id = a.request_id AND {named} = a.experiment_id
        LEFT JOIN assigned_units AS u ON e.user_id = u.user_id AND {named} = u.experiment_id
        WHERE {named} IS NOT NULL
        GROUP BY e.request_id, e.user_id, e.ts_us, {named}{claimed}
        """,
    )
    return [*_without_row(case, limits), *_of_another_arm(case, limits)]


def _without_row(case: Case, limits: Limits) -> list[Symptom]:
    of, own, users = case.one(
        "SELECT count(*), coalesce(sum(own_row), 0), count(DISTINCT user_id) FILTER (WHERE own_row = 1) FROM claims"
    )
    if not of:
        return []
    by_request = own >= limits["own_rows"] * of or own > limits["rows_per_user"] * users
    condition = "own_row = 0" if by_request else "own_row = 0 AND of_unit = 0"
    cause = "name an experiment and have no assignment row" + (" of their request" if by_request else "")
    return _claims(case, condition, cause, "no row", LOG_ALL, int(of), limits)


def _of_another_arm(case: Case, limits: Limits) -> list[Symptom]:
    condition = "variant IS NOT NULL AND assigned IS NOT NULL AND (variant <> assigned OR assigned <> also_assigned)"
    (of,) = case.one("SELECT count(*) FROM claims")
    cause = "name another variant than their assignment row"
    return _claims(case, condition, cause, "other variant", WRITE_ONE, of, limits)


def _claims(case: Case, condition: str, what: str, subject: str, fix: str, of: int, limits: Limits) -> list[Symptom]:
    n, first, last = case.one(f"SELECT count(*), min(ts_us), max(ts_us) FROM claims WHERE {condition}")
    severity = graded(n, of, limits)
    if severity is None:
        return []
    return [
        Symptom(
            severity=severity,
            cause=f"{n:,} of {of:,} exposures that are in an experiment ({percent(n / of)}) {what}.",
            fix=fix,
            log="exposures",
            n=n,
            of=of,
            subject=subject,
            rows=Rows(query=f"SELECT request_id AS row FROM claims WHERE {condition}"),
            first_us=first,
            last_us=last,
        )
    ]


def _look_at_ratio(case: Case, limits: Limits) -> list[Symptom]:
    """The sizes of the arms are tested on units (``statistics.srm``) at ``alpha``: equal ones, or by the weights that a
    YAML gives for the experiment: ``sample_ratio: {weights: {checkout: {control: 9, treatment: 1}}}`` is 90 to 10 in
    checkout, and says nothing of others. One arm alone, of more subjects than chance puts into one of two, is a
    warning.
    """
    symptoms = []
    names = _prepared(case)
    _check_planned(case, names)
    for name in names:
        weights = case.weights.get(name)
        counted = case.rows(
            f"SELECT variant, count(*) FROM assigned_units WHERE experiment_id = {text(name)} GROUP BY variant"
        )
        found = sample_ratio(dict(counted), weights)
        if found.mismatch(limits["alpha"]):
            symptoms.append(_mismatch(case, name, found))
        elif (
            len(found.observed) == 1 and weights is None and 0.5 ** (sum(found.observed.values()) - 1) < limits["alpha"]
        ):
            symptoms.append(_one_arm(case, name, found))
    return symptoms


def _check_planned(case: Case, names: Sequence[str]) -> None:
    """ConfigError for weights of an experiment that is not in the log: misspelt, they would be of none."""
    for name in case.weights:
        if name not in names:
            raise ConfigError(
                "weights of an experiment that no assignment names", found=repr(name),
                hint=nearest(name, [tellable(each) for each in names]),
            )  # fmt: skip


def _one_arm(case: Case, name: str, found: SampleRatio) -> Symptom:
    own = f"experiment_id = {text(name)}"
    first, last = case.one(f"SELECT min(first_ts_us), max(first_ts_us) FROM assigned_units WHERE {own}")
    [(arm, n)] = found.observed.items()
    told = tellable(name)
    return Symptom(
        severity="warning",
        cause=f"All {n:,} subjects of {told} are in its variant {tellable(arm)}: there is nothing to compare it with.",
        fix="Give the assignments of all variants; see that all of them are served and logged, if it is not over.",
        log="assignments",
        n=n,
        of=n,
        unit="subjects",
        subject=tellable(name),
        rows=Rows(query=f"SELECT request_id AS row FROM subject_assignments WHERE {own} AND NOT anonymous"),
        first_us=first,
        last_us=last,
    )


def _mismatch(case: Case, name: str, found: SampleRatio) -> Symptom:
    of = sum(found.observed.values())
    gaps = {arm: expected - found.observed.get(arm, 0) for arm, expected in found.expected.items()}
    short = max(sorted(gaps), key=lambda arm: gaps[arm]) if gaps else ""
    told, since = _since(case, name, short)
    arms = ", ".join(
        f"{tellable(arm)} {found.observed.get(arm, 0):,} of {expected:,.0f}"
        for arm, expected in sorted(found.expected.items())
    )
    p = "" if found.p is None else f" (p = {found.p:.2g})"
    first, last = case.one(
        f"SELECT min(first_ts_us), max(first_ts_us) FROM assigned_units WHERE experiment_id = {text(name)}"
    )
    return Symptom(
        severity="serious",
        cause=f"The arms of {tellable(name)} have not the subjects that they should have: {arms}{p}.",
        fix=(
            "Find what takes subjects out of one arm: a variant that fails or is slow, assignments that are not "
            "written, another split. If the split was planned give its weights in the YAML of --thresholds: "
            "sample_ratio: {weights: {<experiment>: {<arm>: 9, <arm>: 1}}}."
        ),
        log="assignments",
        n=max(round(max(gaps.values(), default=0)), 1),
        of=of,
        unit="subjects",
        subject=tellable(name),
        first_us=first,
        last_us=last,
        onset_us=since,
        facts=[
            *(["Not one subject is in " + ", ".join(map(tellable, found.absent)) + "."] if found.absent else []),
            *(["Not planned: " + ", ".join(map(tellable, found.unexpected)) + "."] if found.unexpected else []),
            *told,
        ],
    )


def _since(case: Case, name: str, short: str) -> tuple[list[str], int | None]:
    """Where and since when new subjects are less often in the arm that is short of them, by their first exposures."""
    columns = [(key, column) for key, column in case.slices if key not in {EXPERIMENT, VARIANT}]
    chosen = "".join(f", e.{column}" for _, column in columns)
    bucket = f"((u.first_ts_us + 864000000000) // {case.bucket_us}) * {case.bucket_us} - 864000000000"
    rows = case.rows(
        f"SELECT {bucket} AS bucket_us{chosen}, count(*), count(*) FILTER (WHERE u.variant <> {text(short)}) "
        "FROM assigned_units AS u LEFT JOIN exposures AS e ON u.user_id = e.user_id AND u.first_ts_us = e.ts_us "
        f"WHERE u.experiment_id = {text(name)} GROUP BY bucket_us{chosen}"
    )
    found: list[Cell] = cells(rows, len(columns))
    keys = [key for key, _ in columns]
    place = where(found, keys)
    step = stretch(found if place is None else within(found, keys, place), TIMES) if found else None
    told = told_by_key(found, keys, 2)
    if place is not None:
        told.insert(0, f"It is so of {place}.")
    if step is not None and step.since_us is not None:
        told.insert(0, f"It is so of subjects that came since {instant(step.since_us)}.")
    return told, None if step is None else step.since_us


TWO_VARIANTS = Detector(
    name="two_variants",
    question="Is each subject in one variant of an experiment?",
    look=_look_for_two,
    limits=MappingProxyType({"two_warning": 0.0, "two_serious": 0.01}),
)
ASSIGNMENT_MISSING = Detector(
    name="assignment_missing",
    question="Has every exposure in an experiment its assignment?",
    look=_look_for_missing,
    limits=MappingProxyType({"warning": 0.0, "serious": 0.01, "own_rows": 0.5, "rows_per_user": 2.0}),
)
SAMPLE_RATIO = Detector(
    name="sample_ratio",
    question="Have the arms of an experiment the subjects that they should have?",
    look=_look_at_ratio,
    limits=MappingProxyType({"alpha": 0.001}),
    weighs=True,
)
