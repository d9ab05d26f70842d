"""YAML that people write: read without surprises, and refused in words that help to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from recsys.errors import ConfigError, InputError, nearest

MAX_BYTES = 1 << 20
_MERGE = "tag:yaml.org,2002:merge"


class _StrictLoader(yaml.SafeLoader):
    """YAML 1.1 without objects, in which a key given twice is an error and not the last one given."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    own = [key_node for key_node, _ in node.value if key_node.tag != _MERGE]
    keys = [_key(loader, key_node) for key_node in own]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} is given twice", problem_mark=own[place].start_mark)
    loader.flatten_mapping(node)  # what is merged in (<<) comes first, so that own keys replace it
    return {_key(loader, key): loader.construct_object(value, deep=True) for key, value in node.value}


def _key(loader: _StrictLoader, node: yaml.Node) -> str | int | float | bool:
    key = loader.construct_object(node, deep=True)
    if not isinstance(key, str | int | float | bool):
        raise yaml.MarkedYAMLError(problem="a key must be a plain word", problem_mark=node.start_mark)
    return key


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(path: str) -> dict[str, Any]:
    """The mapping in the file; InputError where it cannot be read, ConfigError where it is no mapping."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError("too large for a configuration", where=path, found=f"{len(raw):,} bytes")
    try:
        document = yaml.load(raw, _StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError, LookupError) as error:  # the last of odd `!!` tags
        raise ConfigError("not valid YAML", where=_place(path, error), found=_problem(error)) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError("not a configuration", where=path, found=type_name(document), expected="a mapping")
    return document


def _place(path: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return path if mark is None else f"{path}:{mark.line + 1}:{mark.column + 1}"


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def type_name(value: object) -> str:
    """What a person calls the type of a YAML value."""
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def section(document: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """The mapping under ``key``, empty where it is absent; ConfigError where it is something else."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError("not a section", where=f"{where}: {key}", found=type_name(value), expected="a mapping")
    return value


def check_keys(found: Iterable[str], known: Iterable[str], where: str, later: Iterable[str] = ()) -> None:
    """ConfigError for a key that is not ``known``, with the nearest; one that comes ``later`` is refused by name."""
    known = list(known)
    for key in found:
        if key in known:
            continue
        if key in later:
            hint = "Remove it, or use a version that has it."
            raise ConfigError("not available in this version", where=where, found=repr(key), hint=hint)
        raise ConfigError("unknown key", where=where, found=repr(key), hint=nearest(str(key), known))


def number(value: Any, where: str, *, low: float, high: float) -> float:
    """``value`` as a number in [low, high]; ConfigError else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(
            "not a usable value", where=where, found=repr(value), expected=f"a number {low:g} to {high:g}"
        )
    return float(value)


def words(value: Any, where: str) -> list[str]:
    """``value`` as a list of texts; one text stands for a list of one. ConfigError else."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(word, str) and word for word in listed):
        raise ConfigError(
            "not a list of words", where=where, found=repr(value)[:80], expected="text, or a list of text"
        )
    return listed
