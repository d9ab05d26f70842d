"""One log as people name it: by paths, globs, folders and URLs, or by a section of a dataset YAML."""

from __future__ import annotations

import glob
import os
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from recsys.attribution import documents, environment
from recsys.attribution.environment import Secret
from recsys.errors import ConfigError, UsageError, nearest
from recsys.eventlog import remote
from recsys.eventlog.reader import SUFFIXES
from recsys.eventlog.remote import is_url

Kind: TypeAlias = Literal["jsonl", "parquet", "postgres", "duckdb"]
KEYS: dict[Kind, tuple[str, ...]] = {
    "jsonl": ("type", "path"),
    "parquet": ("type", "path"),
    "postgres": ("type", "dsn", "query"),
    "duckdb": ("type", "path", "query"),
}
KINDS: tuple[str, ...] = tuple(KEYS)
PARQUET = ".parquet"
DATABASES = ("postgres://", "postgresql://")
_LOG = "{type: …, path: …}"
_QUERY = "a query is asked in a dataset YAML: {type: %s, query: SELECT …}"


class Source(Struct, frozen=True):
    """The rows of one role: ``specs`` name files, all JSONL (plain, .gz, .zst) or all Parquet. Or a ``query`` gives
    them, of a database whose connection string is ``dsn``, or of the DuckDB file that is the one spec."""

    kind: Kind
    specs: list[str]
    query: str = ""
    dsn: Secret = Secret()


def of_specs(specs: list[str]) -> Source:
    """The source behind paths, globs, folders and URLs; UsageError where they hold both kinds of file.

    Where logs of a role were compacted, and no line of them is valid, the lines themselves stand for the folder that
    the role would have.
    """
    for spec in specs:
        if spec.startswith(DATABASES):
            raise UsageError("a database is no log", expected=_QUERY % "postgres, dsn: …")
        if spec.endswith(".duckdb"):
            raise UsageError("a database is no log", where=spec, expected=_QUERY % "duckdb, path: …")
    specs = [_lines_alone(spec) or spec for spec in specs]
    parquet = {name.endswith(PARQUET) for spec in specs for name in _names(spec)}
    if len(parquet) > 1:
        hint = "Give files of one kind; of a folder give a glob, such as 'logs/*.jsonl'."
        raise UsageError("a log is either JSONL or Parquet", found=f"both in {', '.join(specs)}", hint=hint)
    return Source("parquet" if parquet == {True} else "jsonl", specs)


def _lines_alone(spec: str) -> str | None:
    """The folder of the lines of a compacted role, where all of them are invalid."""
    path = Path(spec)
    if is_url(spec) or path.exists():
        return None
    from recsys.attribution.compact import layout, manifest

    lines = path.parent / layout.INVALID / path.name
    held = manifest.read(path.parent / layout.MANIFEST) if lines.is_dir() else None
    return None if held is None or held.parts(path.name) else str(lines)


def _names(spec: str) -> list[str]:
    """The names of the logs behind a spec, as far as there are any; of a folder or prefix those that end as logs do."""
    if is_url(spec):
        named = spec.endswith((*SUFFIXES, PARQUET))
        return [spec] if named else remote.endings(spec, (*SUFFIXES, PARQUET)) or [spec]
    path = Path(spec)
    if path.is_dir():
        return [file.name for file in path.iterdir() if file.name.endswith(SUFFIXES)] + _parquet_below(path)
    if path.exists():
        return [spec]
    matches = [Path(name) for name in glob.glob(spec, recursive=True)]  # noqa: PTH207 - absolute patterns too
    return [name for each in matches for name in (_parquet_below(each) if each.is_dir() else [each.name])] or [spec]


def _parquet_below(folder: Path) -> list[str]:
    """The name of one Parquet file, where there is one. A folder that cannot be read is told when it is read."""
    with suppress(OSError):
        return [file.name for file in parquet_files(folder)[:1]]
    return []


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files in a folder and in those below it, in order of path. What begins with ``_`` or ``.`` is not
    data, be it a file or a folder. OSError where a folder cannot be read."""

    def refuse(error: OSError) -> None:
        raise error

    found = []
    for path, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if not is_hidden(name)]
        found += [Path(path) / name for name in names if name.endswith(PARQUET) and not is_hidden(name)]
    return sorted(file for file in found if file.is_file())


def parquet_matches(pattern: str) -> list[Path]:
    """The files that match a glob, and the Parquet files in the folders that do. What begins with ``_`` or ``.`` is no
    data here either, unless the pattern says so."""
    parts = Path(pattern).parts
    plain = sum(1 for _ in takewhile(lambda part: not glob.has_magic(part), parts))
    spelt = any(map(is_hidden, parts[plain:]))
    found: set[Path] = set()
    for path in map(Path, glob.glob(pattern, recursive=True)):  # noqa: PTH207 - absolute patterns too
        if spelt or not any(map(is_hidden, path.parts[plain:])):
            found |= {path} if path.is_file() else set(parquet_files(path))
    return sorted(found)


def is_hidden(name: str) -> bool:
    """Whether a name of a file or a folder says that it is not data: manifests, what is still being written."""
    return name.startswith(("_", "."))


def described(value: Any, where: str, base: Path) -> Source:
    """The source that a value of a YAML file describes; relative paths are relative to the folder ``base``.

    ConfigError, which shows nothing of a connection string, says where it is wrong.
    """
    if isinstance(value, str):
        return of_specs([below(base, value)])
    if not isinstance(value, dict):
        raise ConfigError("not a log", where=where, found=documents.type_name(value), expected=_LOG)
    kind = _kind(value, where)
    documents.check_keys(value, KEYS[kind or "jsonl"], where)
    if kind == "postgres":
        return Source(kind, [], _query(value, where), _dsn(value, where))
    specs = _paths(value, where, base)
    if kind is None:
        return of_specs(specs)
    if kind == "duckdb":
        return Source(kind, [_one_file(specs, f"{where}.path")], _query(value, where))
    return Source(kind, specs)


def _kind(value: dict[str, Any], where: str) -> Kind | None:
    kind = value.get("type")
    if kind is None:
        for key, meant in (("dsn", "postgres"), ("query", "duckdb")):
            if key in value:
                raise ConfigError("the type is missing", where=where, expected=f"type: {meant}")
        return None
    for known in KEYS:
        if known == kind:
            return known
    raise ConfigError("unknown type", where=f"{where}.type", found=repr(kind), hint=nearest(str(kind), KINDS))


def _paths(value: dict[str, Any], where: str, base: Path) -> list[str]:
    if "path" not in value:
        raise ConfigError("the path is missing", where=where, expected="path: a file, a folder or a glob")
    specs = [below(base, word) for word in documents.words(value["path"], f"{where}.path")]
    if not specs:
        raise ConfigError(
            "the path is missing", where=f"{where}.path", found="an empty list", expected="a file or more"
        )
    return specs


def _one_file(specs: list[str], where: str) -> str:
    if len(specs) > 1 or is_url(specs[0]):
        found = "a URL" if len(specs) == 1 else f"{len(specs)} files"
        raise ConfigError("not one file", where=where, found=found, expected="the path of a DuckDB file")
    return specs[0]


def _query(value: dict[str, Any], where: str) -> str:
    query = value.get("query")
    if not isinstance(query, str) or not query.strip():
        found = "nothing" if isinstance(query, str) else documents.type_name(query)
        raise ConfigError("the query is missing", where=f"{where}.query", found=found, expected="one SELECT")
    return query


def _dsn(value: dict[str, Any], where: str) -> Secret:
    dsn = value.get("dsn")
    if not isinstance(dsn, str) or not dsn.strip():
        found = "nothing" if isinstance(dsn, str) else documents.type_name(dsn)
        expected = "${NAME}, an environment variable that holds a connection string"
        raise ConfigError("the dsn is missing", where=f"{where}.dsn", found=found, expected=expected)
    environment.expanded(dsn, where=f"{where}.dsn")  # what is not set is told before anything is read
    return Secret(dsn)


def below(base: Path, spec: str) -> str:
    """A spec of a file in the folder ``base``: a relative path is relative to it, a URL is what it is. The name of the
    folder is no pattern, where the spec is one."""
    if is_url(spec):
        return spec
    path = base / spec
    return str(path) if path.exists() or not glob.has_magic(spec) else str(Path(glob.escape(str(base))) / spec)
