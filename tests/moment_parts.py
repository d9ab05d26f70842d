"""Moments for tests: one experiment, as a whole, in five parts cut by the command, and cut by a hash of our own."""

import hashlib
import json
from datetime import UTC, datetime

import msgspec

import ab_logs
from recsys.attribution import sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.shards import Shard
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import moments_files, moments_run, read_settings
from recsys.evaluation.experiment.run import evaluate

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SETTINGS = {
    "control_variant": "A", "candidate_variant": "B", "revenue_cap": 400, "bootstrap": {"buckets": 16},
    "guardrails": [{"metric": "error_rate", "margin": 0.05}, {"metric": "latency_p95", "margin": "50%"}],
}  # fmt: skip


def configured(settings=None, **more):
    """The configuration of an experiment by surface and device; ``settings`` replace those of the section."""
    section = read_settings.read({**SETTINGS, **(settings or {})}, "experiment")
    return EvaluationConfig(mode="experiment", experiment=section, slice_keys=["device", "surface"], **more)


def evaluated(options, config, shard=None, moments=True, now=NOW):
    """The report and the moments of logs that ``ab_logs.write`` wrote."""
    dataset = sources.from_options(options["exposures"], options["outcomes"], options["assignments"], None, None)
    part = None if shard is None else Shard(*shard)
    return evaluate(dataset, config, now=now, engine=EngineChoice(threads=1), shard=part, moments=moments)


def merged(paths, now=NOW):
    """The report of files of moments, and what they hold together."""
    files = moments_files.read(paths)
    config = moments_run.config_of(files)
    return moments_run.evaluate(files, config, now)


def bucket(user):
    """The documented hash, with no code of ours."""
    return int(hashlib.md5(f"recsys:{user}".encode()).hexdigest()[:3], 16)


def cut(logs, chosen):
    """The rows of each log that ``chosen`` says of."""
    return ab_logs.Logs(*(
        [row for row in rows if chosen(row)] for rows in (logs.exposures, logs.outcomes, logs.assignments)
    ))  # fmt: skip


def comparable(report, *, inputs=True):
    """All that is the same whether an experiment was looked at as a whole or in parts."""
    document = json.loads(msgspec.json.encode(report))
    for key in ("run_id", "created_at", "inputs", "hours", "warnings"):
        document.pop(key)
    document["data_quality"].pop("by")
    document["experiment"].pop("shards")
    for candidate in document["experiment"]["candidates"]:
        candidate["decision"].pop("created_at")
        if not inputs:
            candidate["decision"].pop("inputs_sha256")
    return document
