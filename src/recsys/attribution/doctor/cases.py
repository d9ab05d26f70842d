"""Making a case of accepted logs: contexts, the keys to break down by, the join, and the width of time's buckets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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

MOST_KEYS = 200
"""Of so many context keys of a log, those that most rows have, each is looked at by itself; of the others all together.
A table ``<log>_usual_keys`` holds them."""
MAX_VALUES = 50
"""A key with more values is no key to break down by."""
TELLING = (
    "platform", "device", "app_version", "client", "client_version", "algo_version", "release", "config_version",
    "rules_version", "manifest_version", "segment", "country", "locale",
)  # fmt: skip
"""Keys that most often tell a fault's cause: they are taken first where there are more than 8."""
EXPERIMENT_KEYS = ("experiment_id", "experiment_variant")
BUCKETS = 240
WIDTHS_S = (1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400, 172_800, 432_000, 864_000)
"""All of them divide 10 days."""


def prepare(
    engine: Engine,
    accepted: AcceptedDataset,
    policy: Policy,
    limits: Mapping[str, Limits],
    *,
    weights: Mapping[str, Mapping[str, float]],
    now: datetime,
    scratch: Path,
) -> Case:
    """The case of these logs, all relations of the join made. ``weights``: experiment → arm → planned weight."""
    logs = {"exposures": accepted.exposures, "outcomes": accepted.outcomes, "assignments": accepted.assignments}
    contexts: dict[str, dict[str, KeyUse]] = {}
    keys: dict[str, int] = {}
    for role, log in logs.items():
        if log is not None:
            engine.stage_contexts(f"{role}_context", role, log)
            contexts[role], keys[role] = _used_keys(engine, role)
    joined = join(engine, accepted, policy, scratch=scratch, slice_keys=keys_to_slice(contexts))
    as_of_us = _micros(now)
    bucket_us = width_us(engine)
    engine.load("doctor", *parameters(limits, as_of_us, bucket_us))
    return Case(
        joined=joined,
        quality=quality.data_quality(joined),
        contexts=contexts,
        keys=keys,
        refused=refusals(accepted, joined.slice_keys),
        as_of_us=as_of_us,
        bucket_us=bucket_us,
        weights=weights,
    )


def _used_keys(engine: Engine, role: str) -> tuple[dict[str, KeyUse], int]:
    """The usual keys of a log's contexts with their use, by name; and how many keys there are."""
    used = f"SELECT key, sum(n) AS n, count(*) AS n_values FROM {role}_context GROUP BY key"
    engine.create(f"{role}_usual_keys", f"{used} ORDER BY n DESC, key LIMIT {MOST_KEYS}")
    usual = engine.rows(f"SELECT key, n, n_values FROM {role}_usual_keys ORDER BY key")
    [(total,)] = engine.rows(f"SELECT count(DISTINCT key) FROM {role}_context")
    return {key: KeyUse(rows=int(rows), values=int(values)) for key, rows, values in usual}, int(total)


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
    """A width that cuts the time of the logs, a hundredth at either end aside, into at most 240 buckets, and all of it
    into no more than twice as many that have rows, where 10 days are not too short: instants that are far from the
    others coarsen nothing."""
    spans = [_span(engine, f"staged_{role}") for role in ("exposures", "outcomes")]
    known = [span for span in spans if span is not None]
    span_us = max((span[1] for span in known), default=0) - min((span[0] for span in known), default=0)
    fitting = (width * 1_000_000 for width in WIDTHS_S if span_us <= width * 1_000_000 * BUCKETS)
    return next((width for width in fitting if _used(engine, width) <= 2 * BUCKETS), WIDTHS_S[-1] * 1_000_000)


def _span(engine: Engine, table: str) -> tuple[int, int] | None:
    """The instants between which all but the first and the last hundredth of the rows are."""
    [(n,)] = engine.rows(f"SELECT count(*) FROM {table}")
    if not n:
        return None
    ends = []
    for order in ("ASC", "DESC"):
        [(end,)] = engine.rows(f"SELECT ts_us FROM {table} ORDER BY ts_us {order} LIMIT 1 OFFSET {n // 100}")
        ends.append(int(end))
    return ends[0], ends[1]


def _used(engine: Engine, width: int) -> int:
    """How many buckets of this width have rows."""
    buckets = [
        f"SELECT (ts_us + 864000000000) // {width} AS bucket FROM staged_{role}" for role in ("exposures", "outcomes")
    ]
    [(n,)] = engine.rows(f"SELECT count(DISTINCT bucket) FROM ({' UNION ALL '.join(buckets)}) AS buckets")
    return n


def _micros(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
