"""``recsys-eval validate``: every fault of a log, and whether two logs join."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys import console
from recsys.errors import UsageError
from recsys.evaluation.cli import engine_options, options

if TYPE_CHECKING:
    from recsys.eventlog.validation import FileValidation


def validate(
    schema: Annotated[
        str,
        typer.Option(help="exposure.v1, outcome.v1, assignment.v1, ranklist.v1, service_v1, auto, or a .json schema."),
    ] = "auto",
    input: Annotated[
        list[str] | None, typer.Option(help="What to check: a file, folder, glob, .gz, .zst or -; may be repeated.")
    ] = None,
    exposures: options.Exposures = None,
    outcomes: options.Outcomes = None,
    assignments: options.Assignments = None,
    dataset: options.DatasetFile = None,
    max_errors: Annotated[
        int, typer.Option(min=0, help="How many faults of each file to print; all are counted.")
    ] = 20,
    quarantine: Annotated[Path | None, typer.Option(help="Write the bad lines, as they are, to this file.")] = None,
    slice_key: options.SliceKeys = None,
    engine: engine_options.Engine = None,
    master: engine_options.Master = None,
    memory_limit: engine_options.MemoryLimit = None,
    threads: engine_options.Threads = None,
    format: options.OutputFormat = options.Format.TEXT,
) -> int:
    """Check every line of a log; or check both logs and tell whether they join.

    Exits 0 when there is at least one line and every line is valid, and of both logs the match rate is at least 95 %;
    else 1.

    **Examples**

        recsys-eval validate --schema exposure.v1 --input exposures.jsonl
        recsys-eval validate --schema auto --input logs/ --quarantine bad.jsonl
        recsys-eval validate --exposures exposures.jsonl --outcomes outcomes.jsonl
    """
    if input:
        if exposures or outcomes or assignments or dataset:
            raise UsageError("--input checks one log, --exposures and --outcomes check two", hint="Give one of them.")
        if slice_key:
            raise UsageError("--slice-key works on two logs", hint="Use it with --exposures and --outcomes.")
        if not (engine is master is memory_limit is threads is None):
            raise UsageError("one log is checked by no engine", hint="Leave out --engine and what belongs to it.")
        return _one_log(schema, input, max_errors, quarantine, format)
    if quarantine is not None:
        raise UsageError("--quarantine works on one log", hint="Use it with --input.")
    if schema != "auto" and (exposures or outcomes or assignments or dataset):
        raise UsageError(
            "--schema works on one log", hint="Use it with --input: both logs have the schema of their role."
        )
    if not (exposures or outcomes or assignments or dataset):
        told = "--input F, or both logs: --exposures F --outcomes F, or --dataset D.yaml"
        raise UsageError("there is nothing to check", expected=told)
    return _two_logs(locals())


def _two_logs(told: Mapping[str, Any]) -> int:
    """What the options ask for, ``told`` by name."""
    from recsys.evaluation import early_join

    with console.progress("checking") as on_progress:
        result = early_join.check(
            told["exposures"],
            told["outcomes"],
            told["assignments"],
            told["dataset"],
            slice_keys=told["slice_key"],
            engine=engine_options.chosen(*(told[key] for key in engine_options.NAMES)),
            max_faults=told["max_errors"],
            on_progress=on_progress,
        )
    as_json = told["format"] is options.Format.JSON
    sys.stdout.write(early_join.as_json(result) if as_json else early_join.as_text(result))
    return 0 if result.sound else 1


def _one_log(schema: str, specs: list[str], max_errors: int, quarantine: Path | None, form: options.Format) -> int:
    from recsys.eventlog import quarantine as quarantines
    from recsys.eventlog.reader import expand_all
    from recsys.eventlog.validation import validate as check

    paths = expand_all(specs)
    with tempfile.TemporaryDirectory(prefix="recsys-") as scratch, console.progress("checking") as on_progress:
        files = check(paths, schema, scratch=Path(scratch), max_faults=max_errors, on_progress=on_progress)
        if quarantine is not None:
            quarantines.write(files, quarantine)
        _print(files, form)
        for file in files:
            _note_another_record(file)
    rows = sum(file.rows for file in files)
    if not rows:
        sys.stderr.write(f"recsys-eval: {', '.join(specs)}: empty (found no line; expected at least one)\n")
    return 0 if rows and not any(file.invalid for file in files) else 1


def _note_another_record(file: FileValidation) -> None:
    """Where all lines are bad because the file holds other records, one note says more than all the faults."""
    from recsys.errors import InputError
    from recsys.eventlog.accept import refuse_another_record

    try:
        refuse_another_record(file, file.schema)
    except InputError as error:
        sys.stderr.write(f"recsys-eval: note: {error}\n")


def _print(files: list[FileValidation], form: options.Format) -> None:
    import msgspec

    if form is options.Format.JSON:
        told = [
            {
                "file": file.name, "schema": file.schema, "rows": file.rows, "valid": file.rows - file.invalid,
                "invalid": file.invalid, "rules": dict(sorted(file.rules.items())), "faults": file.faults,
            }
            for file in files
        ]  # fmt: skip
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    for file in files:
        for fault in file.faults:
            sys.stdout.write(f"{fault}\n")
        counted = ", ".join(f"{rule} {count:,}" for rule, count in sorted(file.rules.items()))
        unseen = sum(file.rules.values()) - len(file.faults)
        more = f" ({unseen:,} more faults: raise --max-errors to see them)" if unseen else ""
        verdict = (
            f"{file.invalid:,} invalid: {counted}{more}" if file.invalid else "all valid" if file.rows else "empty"
        )
        sys.stdout.write(f"{file.name}: {file.schema}: {file.rows:,} lines, {verdict}\n")
