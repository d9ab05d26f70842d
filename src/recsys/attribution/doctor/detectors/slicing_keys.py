"""Slicing keys (tenant_id and surface, whatever other keys there are) that are absent, or spelt in several ways.

Slices come through the exposure, so its context counts, and an outcome log without these keys is healthy. A key that
no exposure has and no log spells otherwise is a warning: nobody slices. Where some exposures lack it, or have it under
another name, the slices are wrong: serious from ``serious`` (1 %) of the exposures on, silent under ``warning`` (1 in
10,000). Values that outcomes spell otherwise than exposures are wrong only in outcomes that found no exposure, which
count under their own value: so many of them make it serious. Of keys beside these two, spellings are a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from recsys.attribution.doctor import slice_values
from recsys.attribution.doctor.breakdown import percent, tellable
from recsys.attribution.doctor.case import SLICE_OF, Case, KeyUse
from recsys.attribution.doctor.marks import marked
from recsys.attribution.doctor.slice_values import Spelling
from recsys.attribution.doctor.spellings import canonical, nearest
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Severity, Symptom, graded

_SHOWN_KEYS = 8
_NO_KEYS: Mapping[str, KeyUse] = MappingProxyType({})
_FIX_KEY = (
    "Write context.{key} into every exposure, as recsys-service does: the tenant of the credential, the surface of the "
    "request"
)
_ONE_SPELLING = (
    "Use one spelling in every client; of files that are written already, rewrite the values before the join."
)


def _look(case: Case, limits: Limits) -> list[Symptom]:
    if not case.quality.exposures.distinct:
        return []
    symptoms: list[Symptom] = []
    for key, column in SLICE_OF.items():
        symptoms += _missing(case, limits, key, column)
        symptoms += _other_key(case, limits, key, column)
    outcomes = slice_values.told(case)
    for key, column in case.slices:
        shown = slice_values.shown_values(case, column)
        symptoms += _spelt_within(limits, key, column, shown, case.quality.exposures.distinct)
        spelt = slice_values.between(shown, outcomes[key])
        names = slice_values.renamed(shown, outcomes[key])
        symptoms += _spelt_between(case, limits, key, column, spelt, names)
        if key == "tenant_id":
            against = slice_values.contradicted(outcomes[key], [*spelt, *names])
            symptoms += _against(case, limits, key, column, against)
    return symptoms


def _missing(case: Case, limits: Limits, key: str, column: str) -> Iterator[Symptom]:
    """Exposures that lack the key, or have a blank one."""
    absent = f"({column} IS NULL OR trim({column}) = '')"
    other = _near(case, "exposures", key)
    found = marked(case, absent, f"CASE WHEN {absent} THEN n ELSE 0 END", leave_out=[key, *other])
    own = case.contexts.get("outcomes", _NO_KEYS).get(key)
    severity = graded(found.n, found.of, limits)
    if found.n == found.of and not other and own is None:
        severity = "warning"
    if severity is None:
        return
    reason = f": it stands as {' or '.join(map(tellable, other))} in them" if other else ""
    if not other and own is not None and found.n == found.of:
        reason = ", while outcomes have it: its slices hold outcomes without exposures"
    keys = ", ".join(map(tellable, sorted(case.contexts.get("exposures", _NO_KEYS))[:_SHOWN_KEYS]))
    rename = f"; rename {tellable(other[0])}" if other else ""
    yield Symptom(
        severity=severity,
        cause=f"{found.amount} exposures have no {key} in their context{reason}{found.where_and_when}.",
        fix=f"{_FIX_KEY.format(key=key)}{rename}.",
        log="exposures",
        n=found.n,
        of=found.of,
        subject=key,
        rows=Rows(query=f"SELECT request_id AS row FROM exposures WHERE {absent}"),
        first_us=found.first_us,
        last_us=found.last_us,
        onset_us=found.since_us,
        facts=[f"Keys of the exposures' contexts: {keys or 'none'}.", *found.told_by_key()],
    )


def _near(case: Case, role: str, key: str) -> list[str]:
    """Keys of a log that may be meant for ``key``, the best one only where one has its very letters."""
    found = nearest(case.contexts.get(role, _NO_KEYS), key)
    return [name for name in found if canonical(name) == canonical(key)] or found[:2]


def _other_key(case: Case, limits: Limits, key: str, column: str) -> Iterator[Symptom]:
    """Outcomes that have the key's values under another name."""
    used = case.contexts.get("outcomes", _NO_KEYS)
    shown = {canonical(value) for value in slice_values.shown_values(case, column)}
    for name in _near(case, "outcomes", key) if shown and key not in used else ():
        values = [value for batch in case.context_values("outcomes", name) for value, _ in batch]
        if not any(canonical(value) in shown for value in values):
            continue
        rows, total = used[name].rows, case.quality.fates.rows - case.quality.fates.invalid
        unmatched = case.quality.fates.orphan + case.quality.fates.ambiguous
        severity = _by_wrong(limits, rows, min(rows, unmatched), total)
        if severity is not None:
            yield Symptom(
                severity=severity,
                cause=f"The logs name one key differently: {key} in exposures, {tellable(name)} in outcomes"
                + (f"; {unmatched:,} outcomes that found no exposure are in no slice of it." if unmatched else "."),
                fix=f"Write context.{key} into outcomes, or no such key: attributed outcomes have their exposure's.",
                log="outcomes",
                n=rows,
                of=total,
                subject=f"{key} key",
                rows=_rows_of_key(case, name),
            )


def _rows_of_key(case: Case, name: str) -> Rows | None:
    column = dict(case.slices).get(name)
    return Rows(query=f"SELECT row_number AS row FROM staged_outcomes WHERE {column} IS NOT NULL") if column else None


def _spelt_within(
    limits: Limits, key: str, column: str, shown: Counter[str], exposures: int
) -> Iterator[Symptom]:  # fmt: skip
    spelt = slice_values.within(shown)
    n = sum(each.n for each in spelt)
    severity = graded(n, exposures, limits)
    if severity is not None:
        yield Symptom(
            severity=severity if key in SLICE_OF else "warning",
            cause=f"Exposures spell values of {tellable(key)} in several ways: {_listed(key, spelt)}. "
            "Each spelling is its own slice.",
            fix=_ONE_SPELLING,
            log="exposures",
            n=n,
            of=exposures,
            subject=f"{tellable(key)} spelling",
            rows=Rows(query=slice_values.exposures_with(column, spelt)),
        )


def _spelt_between(
    case: Case, limits: Limits, key: str, column: str, spelt: Sequence[Spelling], names: Sequence[Spelling]
) -> Iterator[Symptom]:
    both = [*spelt, *names]
    n, wrong, total = sum(each.n for each in both), sum(each.wrong for each in both), _outcomes(case)
    severity = _by_wrong(limits, n, wrong, total) if n else None
    if severity is not None:
        how = "spell" if spelt else "name"
        yield Symptom(
            severity=severity if key in SLICE_OF else "warning",
            cause=f"Outcomes {how} values of {tellable(key)} otherwise than exposures: {_listed(key, both)}"
            + (f"; {wrong:,} that found no exposure count in a slice of that name." if wrong else "."),
            fix=_ONE_SPELLING,
            log="outcomes",
            n=n,
            of=total,
            subject=f"{tellable(key)} values",
            rows=Rows(query=slice_values.outcomes_with(column, both)),
        )


def _against(case: Case, limits: Limits, key: str, column: str, found: Sequence[Spelling]) -> Iterator[Symptom]:
    """Outcomes of another tenant than their exposure."""
    n, total = sum(each.n for each in found), _outcomes(case)
    severity = graded(n, total, limits)
    if severity is not None:
        yield Symptom(
            severity=severity,
            cause=f"{percent(n / total)} of the outcomes name another {key} than the exposure of their request: "
            f"{_listed(key, found)}.",
            fix="Give a tenant one id in both logs. Where tenants share request ids, evaluate the logs of each alone.",
            log="outcomes",
            n=n,
            of=total,
            subject=f"{key} against exposures",
            rows=Rows(query=slice_values.outcomes_against(column, found)),
        )


def _outcomes(case: Case) -> int:
    """Those that are no duplicates."""
    fates = case.quality.fates
    return fates.rows - fates.invalid - fates.duplicate


def _by_wrong(limits: Limits, n: int, wrong: int, total: int) -> Severity | None:
    if total and wrong / total >= limits["serious"]:
        return "serious"
    return "warning" if total and n / total >= limits["warning"] else None


def _listed(key: str, spellings: Sequence[Spelling]) -> str:
    more = f" and {len(spellings) - 4} more" if len(spellings) > 4 else ""
    return ", ".join(each.told(key) for each in sorted(spellings, key=lambda each: -each.n)[:4]) + more


SLICING_KEYS = Detector(
    name="slicing_keys",
    question="Do exposures say their tenant and surface, in one spelling in both logs?",
    look=_look,
    limits=MappingProxyType({"warning": 0.0001, "serious": 0.01}),
)
