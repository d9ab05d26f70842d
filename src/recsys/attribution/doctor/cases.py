"""Making a case of accepted logs: contexts, the keys to break down by, the join, and the width of time's buckets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from recsys.attribution import quality
from recsys.attribution.doctor.case import Case, KeyUse, parameters
from recsys.attribution.doctor.refusals import refusals
from recsys.attribution.doctor.symptoms import Limits
from recsys.attribution.engine import Engine
from recsys.attribution.join import ALWAYS_BY, join
from recsys.attribution.policy import Policy
from recsys.attribution.sources import DEFAULT_SLICE_KEYS, MAX_SLICE_KEYS, AcceptedDataset

MAX_VALUES = 50
"""A key with more values is no key to break down by."""
TELLING = (
    "platform", "device", "app_version", "client", "client_version", "algo_version", "release", "config_version",
    "rules_version", "manifest_version", "segment", "country", "locale",
)  # fmt: skip
"""Keys that most often tell a fault's cause: they are taken first where there are more than 8."""
EXPERIMENT_KEYS = ("experiment_id", "experiment_variant")
BUCKETS = 240
WIDTHS_S = (1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400)


def prepare(
    engine: Engine,
    accepted: AcceptedDataset,
    policy: Policy,
    limits: Mapping[str, Limits],
    *,
    now: datetime,
    scratch: Path,
) -> Case:
    """The case of these logs, all relations of the join made."""
    logs = {"exposures": accepted.exposures, "outcomes": accepted.outcomes, "assignments": accepted.assignments}
    contexts: dict[str, dict[str, KeyUse]] = {}
    for role, log in logs.items():
        if log is not None:
            engine.stage_contexts(f"{role}_context", role, log)
            used = engine.rows(f"SELECT key, sum(n), count(*) FROM {role}_context GROUP BY key ORDER BY key")
            contexts[role] = {key: KeyUse(rows=int(rows), values=int(values)) for key, rows, values in used}
    joined = join(engine, accepted, policy, scratch=scratch, slice_keys=keys_to_slice(contexts))
    as_of_us = _micros(now)
    bucket_us = width_us(engine)
    engine.load("doctor", *parameters(limits, as_of_us, bucket_us))
    return Case(
        joined=joined,
        quality=quality.data_quality(joined),
        contexts=contexts,
        refused=refusals(accepted),
        as_of_us=as_of_us,
        bucket_us=bucket_us,
    )


def keys_to_slice(contexts: Mapping[str, Mapping[str, KeyUse]]) -> list[str]:
    """Tenant, surface, and where there is one the experiment with its variant; then keys with few values, up to eight
    in all: first those that are known to tell causes, then those that most rows have."""
    rows: Counter[str] = Counter()
    for keys in contexts.values():
        rows.update({key: use.rows for key, use in keys.items()})
    varied = {key for keys in contexts.values() for key, use in keys.items() if 1 < use.values <= MAX_VALUES}
    usable = [key for key in varied if not _too_many(contexts, key) and key.strip() and key not in ALWAYS_BY]
    order = {key: place for place, key in enumerate(TELLING)}
    usable.sort(key=lambda key: (order.get(key, len(order)), -rows[key], key))
    named = {key for keys in contexts.values() for key in keys}
    always = [*DEFAULT_SLICE_KEYS, *(key for key in EXPERIMENT_KEYS if key in named)]
    others = [key for key in usable if key not in always]
    return [*always, *others[: MAX_SLICE_KEYS - len(always)]]


def _too_many(contexts: Mapping[str, Mapping[str, KeyUse]], key: str) -> bool:
    return any(keys[key].values > MAX_VALUES for keys in contexts.values() if key in keys)


def width_us(engine: Engine) -> int:
    """A width that cuts the time of the logs into at most 240 buckets, where a day is not too short."""
    span = "SELECT min(ts_us), max(ts_us) FROM"
    spans = engine.rows(f"{span} staged_exposures UNION ALL {span} staged_outcomes")
    span_s = (_last(span[1] for span in spans) - _first(span[0] for span in spans)) / 1_000_000
    return next((width for width in WIDTHS_S if span_s <= width * BUCKETS), WIDTHS_S[-1]) * 1_000_000


def _first(instants: Iterable[int | None]) -> int:
    return min((each for each in instants if each is not None), default=0)


def _last(instants: Iterable[int | None]) -> int:
    return max((each for each in instants if each is not None), default=0)


def _micros(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
