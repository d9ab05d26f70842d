"""Reading a log line by line and writing another: conversion and pseudonyms."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from recsys.contracts.events import Assignment, Outcome, ServiceExposure
from recsys.errors import InputError
from recsys.eventlog.accept import refuse_another_record
from recsys.eventlog.convert import to_exposure_v1
from recsys.eventlog.pseudonym import pseudonym
from recsys.eventlog.reader import STDIN, expand
from recsys.eventlog.validation import FileValidation, validate
from recsys.eventlog.whole import check_output, whole

SHOWN_FAULTS = 20


class Rewritten(Struct, frozen=True):
    """How many lines were written and left out, and the first faults in words."""

    written: int
    invalid: int
    faults: list[str]


def convert(spec: str, output: str, source: str) -> Rewritten:
    """Records of the format ``source`` (``service_v1``) to ``exposure.v1``."""
    _check_output(output, spec)
    decode = msgspec.json.Decoder(ServiceExposure).decode
    with tempfile.TemporaryDirectory(prefix="recsys-") as scratch:
        files = _checked(spec, source, Path(scratch))
        for file in files:
            refuse_another_record(file, source)
        return _written(files, output, lambda _: lambda line: to_exposure_v1(decode(line)))


def pseudonymise(spec: str, output: str, salt: bytes) -> Rewritten:
    """Outcomes or assignments with each ``user_id`` replaced by its pseudonym; the schema is seen from the first lines.

    InputError for a log whose user ids are pseudonyms already (64 hex digits each): hashing them again joins nothing.
    """
    _check_output(output, spec)
    with tempfile.TemporaryDirectory(prefix="recsys-") as scratch:
        files = _checked(spec, "auto", Path(scratch))
        records = {"outcome.v1": Outcome, "assignment.v1": Assignment}
        for file in files:
            if file.rows and file.schema not in records:
                hint = "An exposure carries its pseudonym from whoever logged it."
                raise InputError(
                    "not a log with raw user ids", where=file.name, found=file.schema, expected=" or ".join(records),
                    hint=hint if file.schema in {"exposure.v1", "service_v1"} else "",
                )  # fmt: skip
        _refuse_hashed(files)

        def change(file: FileValidation) -> Callable[[bytes], Struct]:
            decode = msgspec.json.Decoder(records.get(file.schema, Outcome)).decode  # an empty file has none
            return lambda line: _hashed(decode(line), salt)

        return _written(files, output, change)


def _hashed(record: Outcome | Assignment, salt: bytes) -> Outcome | Assignment:
    """A user_id that only repeats the request_id names nobody, and stands in the exposure as it is."""
    if record.user_id.strip() == record.request_id:
        return record
    return msgspec.structs.replace(record, user_id=pseudonym(salt, record.user_id))


def _refuse_hashed(files: list[FileValidation]) -> None:
    for file in files:
        users = [_user(line) for line, _ in zip(_valid_lines(file), range(100), strict=False)]
        if users and all(len(user) == 64 and set(user) <= set("0123456789abcdef") for user in users):
            hint = "Nothing needs to be done: use the log as it is."
            raise InputError("the user ids are pseudonyms already", where=file.name, hint=hint)


def _user(line: bytes) -> str:
    class Row(Struct):
        user_id: str

    return msgspec.json.decode(line, type=Row).user_id


def _checked(spec: str, schema: str, scratch: Path) -> list[FileValidation]:
    return validate(expand(spec), schema, scratch=scratch, max_faults=SHOWN_FAULTS)


def _check_output(output: str, spec: str) -> None:
    if output != STDIN:
        check_output(Path(output), [str(path) for path in expand(spec)])


def _written(
    files: list[FileValidation], output: str, change: Callable[[FileValidation], Callable[[bytes], Struct]]
) -> Rewritten:
    """Write the valid lines, changed. Where none is valid no output is made, and one that is there stays."""
    account = _account(files)
    if account.written:
        with _sink(output) as out:
            for file in files:
                _write(file, out, change(file))
    return account


def _write(file: FileValidation, out: BinaryIO, change: Callable[[bytes], Struct]) -> None:
    encode = msgspec.json.Encoder().encode
    for line in _valid_lines(file):
        out.write(encode(change(line)) + b"\n")


def _valid_lines(file: FileValidation) -> Iterator[bytes]:
    bad = {line.line for line in file.bad}
    with file.plain.open("rb") as source:
        for number, line in enumerate(islice(source, file.rows), start=1):  # it may have grown since it was checked
            if number not in bad:
                yield line


def _account(files: list[FileValidation]) -> Rewritten:
    invalid = sum(file.invalid for file in files)
    return Rewritten(
        written=sum(file.rows for file in files) - invalid,
        invalid=invalid,
        faults=[str(fault) for file in files for fault in file.faults],
    )


@contextmanager
def _sink(output: str) -> Iterator[BinaryIO]:
    """stdout, or a file that appears whole when all is written."""
    if output == STDIN:
        yield sys.stdout.buffer
        return
    with whole(Path(output)) as part, part.open("wb") as out:
        yield out
