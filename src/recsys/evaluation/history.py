"""A folder of reports: each run adds one file under a name of its own, and none is ever changed.

Names begin with the time of the run, so they sort by it. A report appears whole under its name, or not at all, and two
runs at once do not meet: the name holds the run's own id.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from recsys.contracts.history import PastRun, RunHistory
from recsys.contracts.report import Estimate, Report
from recsys.errors import InputError, RecsysError, StorageError, UsageError, nearest
from recsys.evaluation import report_files


def check(folder: Path) -> None:
    """StorageError where no report could be kept in the folder, or it could not be made. It is made by ``keep``: a run
    that fails leaves none."""
    there = next(each for each in (folder, *folder.resolve().parents) if each.exists())
    if not there.is_dir():
        raise StorageError(
            "cannot be made" if there != folder else "no folder", where=str(folder), found=f"{there} is a file"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise StorageError("cannot be written to", where=str(folder), found="no permission")


def keep(report: Report, folder: Path) -> Path:
    """Add the report; its file. StorageError where it cannot be written, or its name is taken."""
    from recsys.evaluation.render import json

    path = folder / f"{report.created_at:%Y%m%dT%H%M%S.%fZ}-{report.run_id}.json"
    part = folder / f".{path.name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(json.render(report).encode())
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename it fails where the name is taken
    except FileExistsError:
        raise StorageError("there is such a report already", where=str(path)) from None
    except OSError as error:
        raise StorageError("cannot be written", where=str(path), found=error.strerror or str(error)) from None
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def read(folder: Path, *, mode: str | None = None, metric: str | None = None, limit: int | None = None) -> RunHistory:
    """The runs of a folder, of one mode or of all, with one metric or all, the latest ``limit`` of them; files that are
    no reports are told. InputError where there is no such folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError as error:
        raise InputError("cannot be read", where=str(folder), found=error.strerror or str(error)) from None
    runs: list[PastRun] = []
    unreadable = []
    for path in paths:
        if path.suffix != ".json":
            unreadable.append(f"{path.name}: not a .json")
            continue
        try:
            runs.append(_run(path.name, report_files.read(path)))
        except RecsysError as error:
            unreadable.append(f"{path.name}: {error.problem} ({error.found})")
    runs = sorted((run for run in runs if mode in (None, run.mode)), key=lambda run: (run.created_at, run.run_id))
    runs = runs if limit is None else runs[-limit:]
    if metric is not None:
        runs = [replace(run, figures=_only(run.figures, metric)) for run in runs]
        if not any(run.figures for run in runs):
            known = sorted({name for path in paths for name in _known(path, mode)})
            raise UsageError("no run has this metric", where="--metric", found=metric[:80], hint=nearest(metric, known))
    return RunHistory(runs=runs, unreadable=unreadable)


def _only(figures: Mapping[str, Estimate], metric: str) -> dict[str, Estimate]:
    return {name: figure for name, figure in figures.items() if metric in (name, name.split(": ")[-1])}


def _known(path: Path, mode: str | None) -> list[str]:
    try:
        report = report_files.read(path)
    except RecsysError:
        return []
    return list(_figures(report)) if mode in (None, report.mode) else []


def _run(name: str, report: Report) -> PastRun:
    return PastRun(
        file=name, run_id=report.run_id, created_at=report.created_at, mode=report.mode, status=report.summary.status,
        headline=report.summary.headline or "; ".join(report.summary.reasons), version=report.version,
        inputs=inputs_hash(report), figures=_figures(report),
    )  # fmt: skip


def _figures(report: Report) -> dict[str, Estimate]:
    """What is drawn over time: metrics over all exposures; of an experiment the effect on each primary metric."""
    found = {result.metric: result.estimate for result in report.results if not result.slice_key}
    for candidate in report.experiment.candidates if report.experiment else []:
        decision = candidate.decision
        for measured in decision.metrics:
            effect = measured.effect
            found[f"{decision.candidate} − {decision.control}: {measured.metric}"] = Estimate(
                value=effect.value, n=measured.candidate.n, units=measured.candidate.units, low=effect.low,
                high=effect.high, level=effect.level, method=effect.method, note=effect.note,
            )  # fmt: skip
    return found


def inputs_hash(report: Report) -> str:
    """A short hash of what the run read: equal where it read the same bytes in the same roles."""
    from hashlib import sha256

    parts: Sequence[tuple[str, str]] = sorted((part.role, part.sha256) for part in report.inputs)
    return sha256(repr(parts).encode()).hexdigest()[:12]
