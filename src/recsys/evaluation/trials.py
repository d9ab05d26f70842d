"""What ``join`` adds to the quality of the logs: the figures of the log as a whole, and each experiment."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from recsys.attribution.join import Joined
from recsys.attribution.trial import TrialOptions, log_figures, trials
from recsys.contracts.trial import LogFigure, Trial
from recsys.evaluation import trial_text
from recsys.text import printable


class Looked(Struct, frozen=True, kw_only=True):
    """``figures`` of the whole log; ``experiments`` that were looked at; ``reasons`` why these cannot be relied on."""

    figures: list[LogFigure]
    experiments: list[Trial]
    reasons: list[str]

    def document(self) -> dict[str, Any]:
        """What stands in the JSON of ``join``."""
        return {"figures": self.figures, "experiments": self.experiments}

    def text(self) -> str:
        """The same for a terminal."""
        return trial_text.render(self.experiments, self.figures)


def look(joined: Joined, options: TrialOptions) -> Looked:
    """Look at the log as a whole and, where there is an assignment log, at its experiments."""
    figures = log_figures(joined)
    if joined.dataset.assignments is None:
        return Looked(figures=figures, experiments=[], reasons=[])
    found = trials(joined, options)
    reasons = [
        f"experiment {printable(trial.experiment_id)}: {reason}" for trial in found for reason in trial.reasons
    ]  # fmt: skip
    return Looked(figures=figures, experiments=found, reasons=reasons or _none(joined, found))


def _none(joined: Joined, found: list[Trial]) -> list[str]:
    """An assignment log without a valid row is no experiment without a fault."""
    log = joined.dataset.assignments
    if found or log is None:
        return []
    why = f"all {log.invalid:,} rows of the log are invalid" if log.invalid else "the log is empty"
    return [f"there is no valid assignment: {why}"]
