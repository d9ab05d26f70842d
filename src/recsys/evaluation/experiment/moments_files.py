"""Files of ``moments.v1``: read, and refused where they do not add."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from recsys.contracts.moments import Moments
from recsys.errors import InputError
from recsys.evaluation.experiment import moments_sound
from recsys.evaluation.experiment.moments_cells import buckets_of
from recsys.eventlog.whole import whole
from recsys.text import printable

FORMAT = "moments.v1"
SAME_VERSION = "Make both with one version of the suite: another may count other users."
SHOWN = 10
"""Parts that are named where they are missing."""
HASHED = (
    "Parts must be cut by a hash of the user_id, as --shard does it, and not by day or by file: squares of a user's "
    "sums do not add."
)


class File(Struct, frozen=True):
    """One file: its name, its hash, what it holds, and the buckets that its users are in."""

    path: Path
    sha256: str
    moments: Moments
    occupied: frozenset[int]


class _Head(Struct):
    schema_version: str = ""


def write(moments: Moments, path: Path) -> None:
    """The file appears whole or not at all."""
    with whole(path) as part:
        part.write_bytes(msgspec.json.encode(moments) + b"\n")


def read(paths: Sequence[Path]) -> list[File]:
    """The files, in order of their parts. InputError where one is none, or where they do not add."""
    files = [_file(path) for path in paths]
    _check_distinct(files)
    first, *others = files
    for other in others:
        _check_alike(first, other)
    _check_parts(files)
    _check_users(files)
    return sorted(files, key=lambda file: (0 if file.moments.shard is None else file.moments.shard.part, file.sha256))


def _file(path: Path) -> File:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or str(error)) from None
    _check_format(path, raw)
    try:
        moments = msgspec.json.decode(raw, type=Moments)
        moments_sound.check_keys(raw)
        moments_sound.check(moments)
        occupied = buckets_of(moments.occupied)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError("not sound moments", where=str(path), found=str(error)) from None
    return File(path, hashlib.sha256(raw).hexdigest(), moments, occupied)


def _check_format(path: Path, raw: bytes) -> None:
    try:
        found = msgspec.json.decode(raw, type=_Head).schema_version
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = ""
    if found != FORMAT:
        hint = "`recsys-eval run --moments F` writes them."
        raise InputError("not a file of moments", where=str(path), found=found, expected=FORMAT, hint=hint)


def _check_distinct(files: Sequence[File]) -> None:
    seen: dict[str, File] = {}
    for file in files:
        if file.sha256 in seen:
            raise InputError(
                "the same moments are given twice", where=str(file.path), found=str(seen[file.sha256].path),
                hint="Give each file once.",
            )  # fmt: skip
        seen[file.sha256] = file


def _check_alike(one: File, other: File) -> None:
    """The same experiment, looked at in the same way, to the same end."""
    a, b = one.moments, other.moments
    if a.experiment_id != b.experiment_id:
        raise _differ(one, other, "two experiments", printable(a.experiment_id), printable(b.experiment_id))
    if a.version != b.version:
        raise _differ(one, other, "they were made by two versions", a.version, b.version, SAME_VERSION)
    for key, before, after in differences(a.effective_config, b.effective_config):
        raise _differ(one, other, f"the configurations differ in {key}", before, after)
    if a.as_of != b.as_of:
        hint = "Give --as-of when moments are made: a horizon had passed for one part, and not for the other."
        raise _differ(one, other, "the parts are looked at until different instants", a.as_of, b.as_of, hint)
    caps = [None if each.cap is None else (each.cap.micros, each.cap.quantile) for each in (a, b)]
    if caps[0] != caps[1]:
        before, after = ("none" if cap is None else f"{cap[0] / 1e6:g}" for cap in caps)
        hint = "Declare one for all parts: experiment.revenue_cap. The percentile of each part is another."
        raise _differ(one, other, "revenue is capped differently", before, after, hint)
    if (a.columns, a.products) != (b.columns, b.products):
        raise _differ(one, other, "other sums", a.version, b.version, SAME_VERSION)


def _differ(one: File, other: File, problem: str, before: Any, after: Any, hint: str = "") -> InputError:
    found = f"{_shown(before)} in {one.path}, {_shown(after)} in {other.path}"
    return InputError(f"the moments do not add: {problem}", found=found, hint=hint)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def differences(a: Any, b: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """The keys under which two configurations differ, with both values."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(key for key in b if key not in a)]
        return [
            each
            for key in keys
            for each in differences(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
        ]
    return [] if a == b else [(where, a, b)]


def _check_parts(files: Sequence[File]) -> None:
    """Of a cut that was recorded all parts are there, each once."""
    cuts = {None if file.moments.shard is None else file.moments.shard.of for file in files}
    if len(cuts) > 1:
        found = ", ".join(_cut(file) for file in files)
        hint = "Make all parts anew with one n of --shard k/n."
        raise InputError("the moments do not add: they are parts of different cuts", found=found, hint=hint)
    (of,) = cuts
    if of is None:
        return
    named: dict[int, File] = {}
    for file in files:
        part = file.moments.shard.part if file.moments.shard else 0
        if part in named:
            found = f"{named[part].path} and {file.path}"
            raise InputError(f"part {part} of {of} is given twice", found=found, hint="Give each part once.")
        named[part] = file
    missing = [str(part) for part in range(1, of + 1) if part not in named]
    if missing:
        found = ", ".join(map(str, sorted(named)))
        more = f" and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else ""
        hint = (
            f"Give part {', '.join(missing[:SHOWN])}{more} too: without it the figures would be of some of the users."
        )
        raise InputError(f"{len(missing)} of {of} parts are missing", found=found, expected=f"1 to {of}", hint=hint)
    _check_logs(files)


def _check_logs(files: Sequence[File]) -> None:
    """Parts that were cut of logs are cut of the same ones: else some users have rows that others cannot have. Logs may
    have grown, where nothing is looked at after an instant that had passed when each part was made."""
    first, *others = files
    for other in others:
        a, b = first.moments, other.moments
        if _hashes(a) != _hashes(b) and (a.as_of is None or min(a.created_at, b.created_at) < a.as_of):
            hint = "Cut all parts of the same logs; of logs that grow, give all the same --as-of, when it has passed."
            raise _differ(first, other, "the parts were cut of different logs", _logs(a), _logs(b), hint)


def _hashes(moments: Moments) -> set[tuple[str, str]]:
    return {(each.role, each.sha256) for each in moments.inputs}


def _logs(moments: Moments) -> str:
    found = sorted(_hashes(moments))
    return ", ".join(f"{role} sha256:{sha256[:12]}" for role, sha256 in found[:SHOWN]) or "none"


def _cut(file: File) -> str:
    shard = file.moments.shard
    return f"{file.path} {'is of no recorded cut' if shard is None else f'is part {shard.part} of {shard.of}'}"


def _check_users(files: Sequence[File]) -> None:
    """No user is in two of them."""
    owner: dict[int, File] = {}
    for file in files:
        both = [bucket for bucket in file.occupied if bucket in owner]
        if both:
            other = owner[both[0]]
            shared = len(file.occupied & other.occupied)
            raise InputError(
                "the moments do not add: both files hold users of the same buckets",
                found=f"{shared:,} buckets in common in {other.path} and {file.path}", expected="none", hint=HASHED,
            )  # fmt: skip
        owner |= dict.fromkeys(file.occupied, file)
