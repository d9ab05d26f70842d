"""``recsys-eval convert`` and ``hash``: one log in, another out."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from recsys.errors import InputError, UsageError

Input = Annotated[str, typer.Option("--input", help="A file, .gz, .zst, a folder, a glob, a URL, or - for stdin.")]
Output = Annotated[str, typer.Option("--output", help="The file to write, or - for stdout.")]


_SEE_ALL = "`recsys-eval validate` lists every fault."


class Source(StrEnum):
    """Formats that can be converted to exposure.v1."""

    SERVICE_V1 = "service_v1"


def convert(
    input: Input,
    from_: Annotated[Source, typer.Option("--from", help="The format of the input.")] = Source.SERVICE_V1,
    output: Output = "-",
) -> int:
    """Make exposure.v1 of the service's audit log: exactly the lines that `EXPOSURE_LOG_FORMAT=eval_v1` would hold.

    Lines that are not valid are listed on stderr and left out; then the exit status is 1.

    **Example**

        recsys-eval convert --from service_v1 --input exposures.jsonl --output exposures.eval.jsonl
    """
    from recsys.evaluation import rewrite

    return _tell(input, rewrite.convert(input, output, from_.value))


def hash_ids(
    input: Input,
    output: Output = "-",
    salt_file: Annotated[
        Path | None, typer.Option(help="A file that holds the salt; else EXPOSURE_HASH_SALT is used.")
    ] = None,
) -> int:
    """Replace raw user_ids of an outcome or assignment log by the pseudonyms that the service logs.

    The salt comes from a file or from the environment, never from an argument, which other users could see.
    Lines that are not valid are listed on stderr and left out; then the exit status is 1.

    **Example**

        EXPOSURE_HASH_SALT=… recsys-eval hash --input outcomes.raw.jsonl --output outcomes.jsonl
    """
    from recsys.evaluation import rewrite

    return _tell(input, rewrite.pseudonymise(input, output, _salt(salt_file)))


def _salt(path: Path | None) -> bytes:
    if path is not None:
        if not path.is_file():
            raise UsageError("no such salt file", where=str(path))
        salt = path.read_bytes().strip()
    else:
        salt = os.environ.get("EXPOSURE_HASH_SALT", "").encode()
    if not salt:
        raise UsageError("no salt", expected="--salt-file, or EXPOSURE_HASH_SALT in the environment")
    return salt


def _tell(spec: str, done) -> int:  # noqa: ANN001 - rewrite.Rewritten, imported late
    for fault in done.faults:
        sys.stderr.write(f"{fault}\n")
    if not done.written:
        found = f"{done.invalid:,} invalid lines" if done.invalid else "no line"
        raise InputError(
            "no valid line, so nothing was written", where=spec, found=found, hint=_SEE_ALL if done.invalid else ""
        )
    if done.invalid > len(done.faults):
        sys.stderr.write(f"recsys-eval: {_SEE_ALL}\n")
    left_out = f", {done.invalid:,} invalid lines left out" if done.invalid else ""
    sys.stderr.write(f"recsys-eval: {done.written:,} lines written{left_out}\n")
    return 1 if done.invalid else 0
