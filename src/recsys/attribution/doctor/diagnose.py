"""The conductor: check, stage, join, let every detector look, nest what belongs together, tell. It does not compute."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from recsys import __version__
from recsys.attribution import sources
from recsys.attribution.doctor import cases, effects, limits, locate, nest
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.detectors import DETECTORS, EXPLAINS
from recsys.attribution.doctor.symptoms import Limits, Place, Symptom, Unable
from recsys.attribution.engine.choice import EngineChoice, opened
from recsys.attribution.opening import DEFAULT_ENGINE
from recsys.attribution.policy import Policy
from recsys.contracts.diagnosis import Bill, Check, Diagnosis, Evidence, Finding, Sample
from recsys.errors import InputError
from recsys.eventlog.validation import Progress

TURNED_OFF = "turned off"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Looking = Callable[[int, int], None]
"""Called with (detectors that have looked, detectors in all)."""


def diagnose(
    dataset: sources.Dataset,
    *,
    policy: Policy,
    thresholds: str | None,
    now: datetime,
    engine: EngineChoice = DEFAULT_ENGINE,
    on_progress: Progress | None = None,
    on_look: Looking | None = None,
) -> Diagnosis:
    """Examine the logs. ``now``: rows later than it are from the future. RecsysError only where nothing can be read, or
    no detector has anything to look at: that is no clean bill."""
    chosen = limits.read(thresholds, DETECTORS)
    weights = limits.planned(thresholds, DETECTORS)
    with tempfile.TemporaryDirectory(prefix="recsys-") as name:
        scratch = Path(name)
        accepted = sources.accept_dataset(dataset, scratch, on_progress)
        with opened(engine, scratch) as running:
            case = cases.prepare(running, accepted, policy, chosen, weights=weights, now=now, scratch=scratch)
            symptoms, checks = _look(case, chosen, on_look)
            _refuse_nothing(checks)
            found = _findings(case, symptoms)
            return Diagnosis(
                created_at=now,
                as_of=now,
                version=__version__,
                inputs=accepted.inputs,
                effective_config=_effective(chosen, weights, policy),
                bill=_bill(case, found, checks),
                findings=found,
                checks=checks,
            )


def _look(
    case: Case, chosen: Mapping[str, Limits], on_look: Looking | None
) -> tuple[list[tuple[str, Symptom]], list[Check]]:
    symptoms: list[tuple[str, Symptom]] = []
    checks = []
    running = [detector for detector in DETECTORS if detector.name in chosen]
    for done, detector in enumerate(running):
        if on_look is not None:
            on_look(done, len(running))
        try:
            seen = detector.look(case, chosen[detector.name])
            checks.append(Check(detector=detector.name, question=detector.question, found=len(seen)))
            symptoms += [(detector.name, symptom) for symptom in seen]
        except Unable as why:
            checks.append(Check(detector=detector.name, question=detector.question, unable=str(why)))
    off = [detector for detector in DETECTORS if detector.name not in chosen]
    checks += [Check(detector=each.name, question=each.question, unable=TURNED_OFF) for each in off]
    return symptoms, checks


def _refuse_nothing(checks: Sequence[Check]) -> None:
    if all(check.unable for check in checks):
        why = [f"{check.detector}: {check.unable}" for check in checks if check.unable != TURNED_OFF]
        raise InputError(
            "no detector had anything to look at", found="; ".join(why),
            hint="The others are turned off in the YAML of --thresholds.",
        )  # fmt: skip


def _findings(case: Case, named: Sequence[tuple[str, Symptom]]) -> list[Finding]:
    """The causes, the most serious first, each with what it explains."""
    symptoms = [symptom for _, symptom in named]
    explained = nest.parents(case, named, EXPLAINS)
    places = locate.samples(case, symptoms)

    def finding(place: int, *, told: bool = False) -> Finding:
        """``told``: the cause that it is nested under tells what it does to the figure."""
        name, symptom = named[place]
        effect = None if told else effects.effect(case, symptom)
        nested = [finding(other, told=effect is not None) for other, cause in explained.items() if cause == place]
        serious = symptom.severity == "serious" or any(each.severity == "serious" for each in nested)
        return Finding(
            detector=name,
            subject=symptom.subject,
            severity="serious" if serious else "warning",
            cause=symptom.cause,
            evidence=_evidence(symptom, places[place]),
            effect=effect,
            fix=symptom.fix,
            nested=nested,
        )

    causes = [finding(place) for place in range(len(symptoms)) if place not in explained]
    return sorted(causes, key=lambda each: (each.severity != "serious", -(each.evidence.share or 0)))


def _evidence(symptom: Symptom, places: Sequence[Place]) -> Evidence:
    return Evidence(
        log=symptom.log,
        rows=symptom.n,
        of=symptom.of,
        unit=symptom.unit,
        first=_instant(symptom.first_us),
        last=_instant(symptom.last_us),
        onset=_instant(symptom.onset_us),
        facts=symptom.facts,
        samples=[Sample(file=place.file, line=place.line) for place in places],
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def _bill(case: Case, found: Sequence[Finding], checks: Sequence[Check]) -> Bill:
    counted = Counter(finding.severity for finding in found)
    status = "serious" if counted["serious"] else "warnings" if counted["warning"] else "clean"
    shown, fates = case.quality.exposures, case.quality.fates
    metric, numerator, denominator = case.headline
    told = f"{shown.distinct:,} exposures, {fates.rows:,} outcomes"
    match = case.quality.rates.match.value
    if match is not None:
        told += f", match rate {match:.2%}"
    headline = f"A clean bill: nothing found in {told}{_silent(checks)}."
    if found:
        severe = [f"{counted[kind]} {kind}" for kind in ("serious", "warning") if counted[kind]]
        headline = f"{' and '.join(severe)} finding{'s' if len(found) > 1 else ''} in {told}."
    return Bill(
        status=status,
        headline=headline,
        exposures=shown.distinct,
        outcomes=fates.rows,
        match_rate=match,
        metric=metric,
        value=numerator / denominator if denominator else None,
    )


def _silent(checks: Sequence[Check]) -> str:
    """How many detectors a clean bill is not of."""
    off = sum(check.unable == TURNED_OFF for check in checks)
    unable = sum(bool(check.unable) for check in checks) - off
    counted = [(unable, "had nothing to look at"), (off, "were turned off")]
    told = [f"{count} {what}" for count, what in counted if count]
    return f"; of {len(checks)} detectors {' and '.join(told)}" if told else ""


def _effective(
    chosen: Mapping[str, Limits], weights: Mapping[str, Mapping[str, float]], policy: Policy
) -> dict[str, Any]:
    detectors = {name: dict(numbers) for name, numbers in chosen.items()}
    return {"attribution": policy.effective(), "detectors": detectors, limits.WEIGHTS: weights}
