"""Reports of experiments, made by hand, for tests of how they are told."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from decision_evidence import NOW, check, effect, evidence, guardrail, measured
from recsys.contracts.decision import Cap, Cuped, Needed
from recsys.contracts.estimate import Estimate
from recsys.contracts.experiment import (
    AACell,
    AACheck,
    Candidate,
    Corrections,
    DayEffect,
    ExperimentReport,
    Interaction,
    Maturity,
    RunningSampleRatio,
    SliceEffect,
    Source,
)
from recsys.contracts.report import (
    DataQuality,
    ExposureQuality,
    Fates,
    HourPoint,
    Input,
    KnownGap,
    Rate,
    Rates,
    Report,
    Summary,
)
from recsys.contracts.trial import (
    Arm,
    AssignmentCounts,
    Bounds,
    ExposureCounts,
    Independence,
    SampleRatio,
    Trial,
    Unjoined,
)
from recsys.contracts.trial import Effect as TrialEffect
from recsys.evaluation.decision import decide, exit_verdict

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    f"{SCRIPT} | `code` \x1b[31mred \u202eevil [link](https://example.com) ![p](https://example.com/p.png) "
    f"@octocat {'x' * 300}"
)
METHOD = "asymptotic confidence sequence, tightest at 5,000 units: holds at every look"
CLUSTERED = "users as units (delta method)"
LATENCY = "the latency that 0.95 of the lists stay under, in ms"
NO_EFFECT = {"value": None, "low": None, "high": None, "relative": None, "relative_low": None, "relative_high": None,
             "bounded": False, "level": None, "method": "", "p": None}  # fmt: skip


def change(low, high, **more):
    """An effect as the statistics hand it over."""
    return replace(effect(low, high), method=METHOD, corrections=[CLUSTERED], se=abs(high - low) / 6, p=0.012, **more)


def shown(low=0.01, high=0.03, **more):
    """A metric with everything that may stand beside it."""
    return measured(
        low, high, **{"effect": change(low, high), "nonzero": {"A": 1_900, "B": 2_050}, "control": level_of(0.1),
                     "candidate": level_of(0.12), **more}
    )  # fmt: skip


def revenue():
    """Adjusted, capped, with a threshold relative to the control."""
    return shown(
        0.01, 0.05, metric="revenue_per_user", unadjusted=change(-0.01, 0.07), uncapped=change(-0.03, 0.11),
        cuped=Cuped(
            covariate="revenue_per_user before the first assignment", reduction=0.3412, missing={"A": 120, "B": 131},
            balance=0.0012, balance_p=0.61, used=True,
        ),
        cap=Cap(value=240.0, declared=False, quantile=0.99, units=87), threshold=0.02, relative_threshold=True,
    )  # fmt: skip


def rails(**error):
    """Guardrails of all three kinds: a margin, a relative margin, a limit."""
    more = {"method": METHOD, "corrections": [CLUSTERED]}
    return [
        guardrail(**{"low": -0.001, "high": 0.002, **error, **more}),
        replace(
            guardrail(-0.05, 0.08, metric="latency_p95", margin=0.2, relative=True, control=level_of(180.0), **more),
            words=LATENCY,
            candidate=level_of(183.0),
        ),
        guardrail(0.0001, 0.0009, metric="empty_rate", margin=None, limit=0.01, cases=12, **more),
    ]  # fmt: skip


def level_of(value, n=10_000, units=5_000):
    return Estimate(
        value=value, n=n, units=units, low=value * 0.97, high=value * 1.03, level=0.95, method="delta method"
    )


def candidate(decision, *, slices=3, keys=("surface",), days=5, secondary=None):
    """The decision with all that stands beside it."""
    others = [shown(0.001, 0.004, metric="conversion_rate", adjusted_p=0.003),
              shown(-0.02, 0.03, metric="clicks_per_user", adjusted_p=0.71),
              shown(-0.02, -0.01, metric="revenue_per_exposure", adjusted_p=0.001),
              shown(0, 1, metric="latency_p50", better="lower", control=Estimate(value=None, n=0),
                    candidate=Estimate(value=None, n=0), nonzero={},
                    effect=replace(change(0, 1), **NO_EFFECT, note="no list says how long it took"))]  # fmt: skip
    return Candidate(
        decision=decision,
        exposures_per_user=shown(-0.02, 0.02, metric="exposures_per_user"),
        secondary=others if secondary is None else secondary,
        slices=[
            SliceEffect(
                key=key, value=slice_value(n), metric="ctr", control=level_of(0.1, units=900 - n),
                candidate=level_of(0.11, units=900 - n), effect=change(-0.02 + n / 400, 0.03 + n / 400),
                adjusted_p=0.02 if n else 0.3,
            )
            for key in keys
            for n in range(slices)
        ],
        interactions=[
            Interaction(key=key, metric="ctr", slices=slices, statistic=9.2, p=0.01, adjusted_p=0.02) for key in keys
        ],
        days=[
            DayEffect(
                day=f"{NOW + timedelta(days=n):%Y-%m-%d}", metric="ctr", control=level_of(0.1, n=2_000 + n),
                candidate=level_of(0.11, n=1_990 + n), effect=change(-0.03 + n / 200, 0.04 + n / 200),
            )
            for n in range(days)
        ],
    )  # fmt: skip


def slice_value(n):
    return ("home", "item_page", "cart")[n] if n < 3 else f"surface-{n}"


def trial(arms=("A", "B"), units=5_000, experiment_id="exp-1", unjoined=None):
    """Who counts; nobody where ``units`` is 0."""
    share = units / len(arms)
    estimate = level_of(0.02)
    return Trial(
        experiment_id=experiment_id, scope="request", as_of=NOW, window_s=3_600, control=arms[0], control_named=True,
        units=units, in_two_arms=min(units, 12),
        assignments=AssignmentCounts(rows=units * 4, repeated=31, anonymous=9, requests=units * 4, without_exposure=7),
        exposures=ExposureCounts(counts=units * 4, other_user=14, before_assignment=3, too_recent=22),
        arms=[
            Arm(variant=arm, units=round(share), in_two_arms=6, exposed=round(share * 0.98), exposures=units * 2,
                empty=4, error=9, clicks=units // 5, conversions=units // 40, value=1_234.5, no_value=2, odd_value=0,
                estimates={"ctr": estimate})
            for arm in arms
        ],
        effects=[] if not units else [
            TrialEffect(metric="ctr", label=f"{arm} − {arms[0]}", control=arms[0], candidate=arm, estimate=estimate,
                        bounds=Bounds(low=level_of(-0.01), high=level_of(0.04), flips=0.62))
            for arm in arms[1:]
        ],
        unjoined=Unjoined(orphan=41, ambiguous=2, invalid=5, lost=0) if unjoined is None else unjoined,
        sample_ratio=SampleRatio(
            observed=dict.fromkeys(arms, round(share)), expected=dict.fromkeys(arms, share), declared=True,
            statistic=0.8, p=0.37 if units else None, method="chi-square",
        ),
        independence=[Independence(other="exp-0", units=4_000, degrees=1, statistic=0.4, p=0.53)],
        notes=["7 of 20,000 assigned requests have no exposure."],
    )  # fmt: skip


def quality(matched=0.97):
    """Of two logs that are mostly whole."""
    rows = 10_000
    found = round(rows * matched)
    fates = Fates(rows=rows, invalid=20, duplicate=15, orphan=rows - found - 35, not_in_list=40, attributed=found - 40)
    return DataQuality(
        exposures=ExposureQuality(
            rows=20_100, invalid=10, redelivered=90, distinct=20_000, impressions=240_000, users=5_000
        ),
        fates=fates,
        rates=Rates(
            valid=Rate(value=0.998, numerator=9_980, denominator=10_000),
            match=Rate(value=matched, numerator=found, denominator=rows),
            attribution=Rate(value=0.95, numerator=9_500, denominator=10_000),
            join=Rate(value=0.3, numerator=6_000, denominator=20_000),
        ),
        gaps=[
            KnownGap(log="outcomes", file="o.jsonl", lost=3, refused=0, first=NOW, last=NOW, reason="disk full")
        ],
    )  # fmt: skip


def nothing():
    """The quality of two empty logs."""
    rate = Rate(value=None, numerator=0, denominator=0)
    return DataQuality(
        exposures=ExposureQuality(rows=0, invalid=0, redelivered=0, distinct=0, impressions=0, users=0),
        fates=Fates(rows=0), rates=Rates(valid=rate, match=rate, attribution=rate, join=rate),
    )  # fmt: skip


def experiment(*candidates, who=None, log_e=-3.2, sources=()):
    """One experiment with these candidates."""
    return ExperimentReport(
        trial=trial() if who is None else who, candidates=list(candidates),
        running_sample_ratio=RunningSampleRatio(log_e=log_e, limit=1_000.0, alarm=log_e > 6.9),
        sources=list(sources),
        maturity=[
            Maturity(event_type="click", outcomes=8_000, p50_s=8, p90_s=64, p99_s=512, window_s=3_600, young=0.004),
            Maturity(event_type="conversion", outcomes=412, p50_s=4_096, p90_s=65_536, p99_s=262_144, window_s=None,
                     young=0.11, note="11% of the lists had less time to be answered than the latest conversions take"),
        ],
        families=[
            Corrections(family="secondary metrics", method="benjamini_hochberg", tests=3, alpha=0.05),
            Corrections(family="slices of primary metrics", method="benjamini_hochberg", tests=3, alpha=0.05),
        ],
    )  # fmt: skip


def report(found, *, of_quality=None, summary=None, mode="experiment", **more):
    """The whole document."""
    if summary is None and found is not None:
        decisions = [each.decision for each in found.candidates]
        summary = Summary(
            status=exit_verdict(decisions), headline="5,000 users, 20,000 exposures that count.",
            reasons=[reason for each in decisions for reason in each.reasons],
        )  # fmt: skip
    hours = [HourPoint(hour=datetime(2026, 1, 20, h, tzinfo=UTC), exposures=800 + h, outcomes=400, match_rate=0.97)
             for h in range(24)]  # fmt: skip
    return Report(
        run_id="0" * 32, mode=mode, created_at=NOW, version="0.1.0",
        effective_config={"mode": mode, "experiment": {"experiment_id": "exp-1", "primary_metrics": ["ctr"]}},
        inputs=[Input(role="exposures", path="exposures.jsonl", bytes=10, sha256="ab" * 32, rows=20_100, invalid=10)],
        summary=summary or Summary(status="hold"), data_quality=of_quality or quality(), results=[],
        hours=[] if found is None else hours, warnings=["10 exposure rows are invalid and were left out."],
        experiment=found, **more,
    )  # fmt: skip


NEEDED = Needed(metric="ctr", effect=0.02, power=0.8, units=8_400, have=5_000, minimum_effect=0.031)
CHECKS = [check(0.998, 0.95, name="valid rate"), check(0.97, 0.95), check(-3.2, 6.9078, "below", "sample ratio")]


def ship():
    """Everything speaks for it."""
    found = evidence([shown(), revenue()], rails(), CHECKS, [NEEDED])
    return report(experiment(candidate(decide(found))))


def wanting():
    """On hold for want of users, a day before the horizon."""
    open_one = shown(-0.01, 0.02, too_few="arm B has 71 users with a value, and needs 100")
    found = evidence(
        [open_one], rails(high=0.008), CHECKS, [NEEDED], may_ship=False, data_until=NOW,
        horizon=NOW + timedelta(days=1), told="until the horizon nothing ships", planned_units=5_000,
    )  # fmt: skip
    return report(experiment(candidate(decide(found), slices=31)))


def rollback():
    """The primary metric is worse, and errors too."""
    found = evidence([shown(-0.03, -0.01)], rails(low=0.01, high=0.03), CHECKS)
    return report(experiment(candidate(decide(found))))


def unbelievable():
    """The match rate is too low, users are missing from an arm, and errors fail their guardrail."""
    failing = [
        check(0.71, 0.95),
        check(24.4, 6.9078, "below", "sample ratio"),
        check(None, 0.001, name="arms match alike"),
    ]
    found = evidence([shown()], rails(low=0.01, high=0.03), [CHECKS[0], *failing])
    sources = [
        Source(key="surface", value=value, observed={"A": 900 + n, "B": 700}, expected={"A": 800.0, "B": 800.0},
               share=0.7 - n / 5, p=1e-7)
        for n, value in enumerate(("cart", "home", "item_page"))
    ]  # fmt: skip
    return report(experiment(candidate(decide(found)), log_e=24.4, sources=sources), of_quality=quality(0.71))


def two(arms=("A", "B", "C"), checks=CHECKS):
    """Two candidates that share the error: one ships, the other is rolled back."""
    rule = {"candidates": 2, "alpha_each": 0.025}
    first = replace(evidence([shown()], rails(), checks, [NEEDED], **rule), control=arms[0], candidate=arms[1])
    only = [*checks, check(name="of one only")]
    second = replace(evidence([shown(-0.03, -0.01)], rails(), only, **rule), control=arms[0], candidate=arms[2])
    return report(experiment(candidate(decide(first)), candidate(decide(second)), who=trial(arms)))


def empty():
    """Nothing was logged, so there is no experiment."""
    told = Summary(status="hold", headline="0 exposures.", reasons=["there is no valid exposure: the log is empty"])
    return report(None, of_quality=nothing(), summary=told)


def silent():
    """The experiment has arms, and nobody in them."""
    nobody = Estimate(value=None, n=0, units=0, note="no users")
    without = replace(effect(0, 1), **NO_EFFECT, note="an arm has nothing to take a mean of")
    none = shown(effect=without, control=nobody, candidate=nobody, nonzero={"A": 0, "B": 0}, too_few="no users")
    rail = guardrail(None, None, control=nobody, candidate=nobody, note="no users")
    wanted = replace(NEEDED, units=None, effect=None, have=0, minimum_effect=None)
    found = decide(evidence([none], [rail], [check(0, 1, name="exposures of B")], [wanted]))
    alone = Candidate(decision=found, exposures_per_user=none)
    return report(
        replace(experiment(alone, who=trial(units=0), log_e=0.0), maturity=[], families=[]), of_quality=nothing()
    )


def hostile():
    """Names that want to be something else."""
    found = decide(evidence([shown()], rails(), [*CHECKS, check(0.5, name=HOSTILE)]))
    named = replace(found, experiment_id=HOSTILE, control=HOSTILE, candidate=f"B{HOSTILE}")
    one = candidate(named, keys=(HOSTILE,))
    one = replace(one, slices=[replace(each, value=f"{HOSTILE}{n}") for n, each in enumerate(one.slices)])
    arms = (HOSTILE, f"B{HOSTILE}")
    source = Source(
        key=HOSTILE, value=HOSTILE, observed={arms[0]: 9}, expected=dict.fromkeys(arms, 5.0), share=1, p=0.1
    )
    made = experiment(one, who=trial(arms, experiment_id=HOSTILE), sources=[source])
    return replace(
        report(replace(made, shards=[HOSTILE])), warnings=[HOSTILE],
        inputs=[Input(role="exposures", path=HOSTILE, bytes=1, sha256="cd" * 32, rows=1, invalid=0)],
        effective_config={"experiment": {"experiment_id": HOSTILE}},
    )  # fmt: skip


def aa_check(status="pass"):
    """A check of our own tests."""
    cells = [
        AACell(metric="ctr", splits=1_000, units=5_000, rejected=0.052, ks=0.021, ks_p=0.74, status="pass"),
        AACell(metric="revenue_per_user", splits=1_000, units=5_000, rejected=0.15 if status == "fail" else 0.049,
               ks=0.11, ks_p=1e-9 if status == "fail" else 0.4, status="fail" if status == "fail" else "pass"),
        AACell(metric="latency_p95", splits=0, units=5_000, rejected=None, ks=None, ks_p=None, status="unusable",
               note="no list says how long it took"),
    ]  # fmt: skip
    summary = Summary(status=status, headline="3 metrics, 1,000 splits.", reasons=[])
    return report(
        None, summary=summary, mode="aa-check", aa_check=AACheck(experiment_id="exp-1", seed=7, as_of=NOW, cells=cells)
    )


ALL = {
    "ship": ship, "wanting": wanting, "rollback": rollback, "unbelievable": unbelievable, "two": two, "empty": empty,
    "silent": silent, "hostile": hostile,
}  # fmt: skip
