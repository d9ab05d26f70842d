"""``run --from-moments``: from sums of disjoint sets of users to the report of all of them, without any log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce

from msgspec.structs import replace

from recsys.contracts.report import Input, Report
from recsys.errors import InputError
from recsys.evaluation import config as configs
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import moments_read
from recsys.evaluation.experiment.added import added
from recsys.evaluation.experiment.gather import needs_of
from recsys.evaluation.experiment.gathered import Gathered
from recsys.evaluation.experiment.moments_files import File
from recsys.evaluation.experiment.reported import reported
from recsys.evaluation.experiment.rule import cut
from recsys.evaluation.experiment.trimmed import trimmed

ROLES = ("exposures", "outcomes", "assignments", "items")


def config_of(files: Sequence[File]) -> EvaluationConfig:
    """The configuration that the moments were made under, which is that of each of them."""
    moments, where = files[0].moments, str(files[0].path)
    config = configs.parsed(moments.effective_config, f"{where}: effective_config")
    if config.effective() != moments.effective_config:
        raise InputError("made by a version that reads configurations differently", where=where, found=moments.version)
    return config


def evaluate(files: Sequence[File], config: EvaluationConfig, now: datetime) -> Report:
    """The report of files that add. InputError where together they reach a horizon that not each of them reached."""
    found = together(files, config)
    until = cut(config.experiment, found.quality.exposures.last_ts, now)
    if until != files[0].moments.as_of:
        hint = "Make the moments again, each with the same --as-of."
        raise InputError("a horizon has passed that had not when the moments were made", found=str(until), hint=hint)
    notes = dict.fromkeys(note for file in files for note in file.moments.notes)
    return reported(config, found, found.quality, _inputs(files), now, notes=list(notes))


def together(files: Sequence[File], config: EvaluationConfig) -> Gathered:
    """What all of them hold, as if it had been gathered at once."""
    buckets = config.experiment.bootstrap.buckets
    parts = []
    for file in files:
        _check_sums(file, config)
        try:
            parts.append(moments_read.gathered(file.moments, buckets))
        except (ValueError, TypeError) as error:
            raise InputError("not sound moments", where=str(file.path), found=str(error)) from None
    found = parts[0] if len(parts) == 1 else reduce(added, parts)
    return trimmed(found, config.slice_keys)


def _check_sums(file: File, config: EvaluationConfig) -> None:
    """InputError where what the configuration asks for is not in the file."""
    wanted = needs_of(config.experiment)
    lacking = sorted(wanted.columns - {*file.moments.columns}) + sorted(
        f"{a} times {b}" for a, b in wanted.pairs - {*file.moments.products}
    )
    if lacking:
        hint = "Make the moments again with this version of the suite."
        raise InputError("sums are missing", where=str(file.path), found=f"none of {lacking[0]}", hint=hint)


def _inputs(files: Sequence[File]) -> list[Input]:
    """The logs of all of them, each once: parts that were cut of one log name it as one."""
    unique = {
        (part.role, part.path, part.sha256): part for file in files for part in file.moments.inputs
    }  # fmt: skip
    return sorted(map(replace, unique.values()), key=lambda part: ROLES.index(part.role))
