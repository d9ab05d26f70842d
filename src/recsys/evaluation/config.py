"""The configuration of an evaluation: YAML, all keys optional, unknown ones refused with the nearest known."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from recsys.attribution import documents, policies
from recsys.attribution.policy import Policy
from recsys.attribution.slice_keys import DEFAULT_SLICE_KEYS, check_slice_keys
from recsys.errors import ConfigError, nearest
from recsys.evaluation import offline_config
from recsys.evaluation.experiment import read_settings
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.evaluation.metrics import DEFAULT_PACK, Metric, parse
from recsys.evaluation.offline_config import OfflineConfig

MODES = ("offline", "experiment", "aa-check")
LATER_MODES = ("ope", "interleaving")


class EvaluationConfig(Struct, frozen=True, kw_only=True):
    """What ``run`` does. ``metrics`` are names; see ``recsys-eval metrics``."""

    mode: str = "offline"
    slice_keys: list[str] = field(default_factory=lambda: list(DEFAULT_SLICE_KEYS))
    attribution: Policy = field(default_factory=Policy)
    metrics: list[str] = field(default_factory=lambda: list(DEFAULT_PACK))
    offline: OfflineConfig = field(default_factory=OfflineConfig)
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig)

    def parsed_metrics(self) -> list[Metric]:
        """The metrics as values."""
        return [parse(name) for name in self.metrics]

    def effective(self) -> dict[str, Any]:
        """The configuration in the form of the YAML, with every default written out."""
        shared = {
            "mode": self.mode,
            "slice_keys": list(self.slice_keys),
            "attribution": self.attribution.effective(),
        }
        if self.mode != "offline":
            return {**shared, "experiment": self.experiment.effective()}
        return {**shared, "offline": {"metrics": list(self.metrics), **self.offline.effective()}}


def read(path: str) -> EvaluationConfig:
    """The configuration of a YAML file; ConfigError says which key, what was found and what was expected."""
    return parsed(documents.read(path), path)


def parsed(document: dict[str, Any], path: str) -> EvaluationConfig:
    """The configuration that a document says, in the words of the YAML; ``path`` is where it stands."""
    documents.check_keys(
        document, ["mode", "slice_keys", "attribution", "offline", "experiment"], path, later=["ope", "interleaving"]
    )
    offline = documents.section(document, "offline", path)
    slice_keys = documents.words(document.get("slice_keys", list(DEFAULT_SLICE_KEYS)), f"{path}: slice_keys")
    metrics, of_offline = offline_config.read(offline, slice_keys, f"{path}: offline")
    config = EvaluationConfig(
        mode=mode(document.get("mode", "offline"), f"{path}: mode"),
        slice_keys=slice_keys,
        attribution=policies.read(documents.section(document, "attribution", path), f"{path}: attribution"),
        metrics=metrics,
        offline=of_offline,
        experiment=read_settings.read(documents.section(document, "experiment", path), f"{path}: experiment"),
    )
    check_slice_keys(config.slice_keys)
    return config


def attribution_section(path: str) -> tuple[dict[str, Any], list[str]]:
    """What a YAML that ``read`` accepts says of the attribution, in its own words, and its slice keys."""
    keys = read(path).slice_keys
    return documents.section(documents.read(path), "attribution", path), keys


def mode(value: object, where: str) -> str:
    """``value`` as a mode that this version has; ConfigError else."""
    if value in LATER_MODES:
        raise ConfigError("not available in this version", where=where, found=str(value), expected=", ".join(MODES))
    if value not in MODES:
        raise ConfigError("no such mode", where=where, found=repr(value), hint=nearest(str(value), MODES))
    return str(value)
