"""Attribution policies as people write them: a section of a YAML, or the options of a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from recsys.attribution import documents
from recsys.attribution.policy import EVENT_TYPES, REQUEST_ID_ONLY, Fallback, Policy, duration
from recsys.errors import ConfigError, nearest

PRESETS = {"standard": Policy(), "request_id_only": REQUEST_ID_ONLY}
FALLBACKS = ("none", "user_item")
CHOICES = {
    "not_in_list": ("refuse", "count"),
    "user_mismatch": ("count", "refuse"),
    "touch": ("every", "first"),
}
"""The first of each is the default."""
CREDITS = ("last", "first", "all")
RATES = ("min_match_rate", "max_lost_rate")
OF_FALLBACK = ("credit", "fallback_window")
"""Keys that say something of a fallback alone."""
KEYS = ("policy", "tolerance", "windows", *CHOICES, "fallback", *OF_FALLBACK, *RATES)

Place = Callable[[str], str]
"""Where a key stands, in the words of an error: ``attribution.touch``, or ``--touch``."""


def read(section: Mapping[str, Any], where: str, place: Place | None = None) -> Policy:
    """The policy of a section whose keys are all optional; ConfigError says which key, what was found and expected."""
    at = place or (lambda key: f"{where}.{key}")
    documents.check_keys(section, KEYS, where)
    preset = _choice(section.get("policy", "standard"), at("policy"), tuple(PRESETS))
    given: dict[str, Any] = {}
    if "tolerance" in section:
        given["tolerance_s"] = _limit(section["tolerance"], at("tolerance"))
    if "windows" in section:
        given["windows_s"] = _windows(section, where, at)
    for key, known in CHOICES.items():
        if key in section:
            given[key] = _choice(section[key], at(key), known)
    given["fallback"] = _fallback(section, at)
    _check_preset(preset, given, section, at)
    for key in RATES:
        if key in section:
            given[key] = documents.number(section[key], at(key), low=0, high=1)
    policy = replace(PRESETS[preset], **given)
    if policy.fallback is not None and policy.tolerance_s is None:
        hint = "Give a tolerance, or no fallback: without a limit lists that were shown later would be credited."
        raise ConfigError("a fallback needs a tolerance", where=at("tolerance"), found="none", hint=hint)
    return policy


def _check_preset(preset: str, given: Mapping[str, Any], section: Mapping[str, Any], at: Place) -> None:
    """A preset other than ``standard`` says all; what is given beside it may repeat it, and not contradict it."""
    if preset == "standard":
        return
    effective = {**PRESETS[preset].effective(), "windows": "none for every event type"}
    for field, value in given.items():
        if value != getattr(PRESETS[preset], field):
            key = field.removesuffix("_s")
            raise ConfigError(
                f"the policy {preset} contradicts this", where=at(key), found=repr(section[key])[:40],
                expected=str(effective[key]), hint=f"Leave it out, or leave out the policy {preset}.",
            )  # fmt: skip


def _choice(value: object, where: str, known: Sequence[str]) -> str:
    if value in known:
        return str(value)
    expected = ", ".join(known)
    if not isinstance(value, str):
        raise ConfigError("not a choice", where=where, found=documents.type_name(value), expected=expected)
    raise ConfigError("no such choice", where=where, found=repr(value)[:40], hint=nearest(value, tuple(known)))


def _limit(value: object, where: str) -> float | None:
    """Seconds; None for ``none``, which is no limit."""
    return None if value == "none" else duration(value, where=where)


def _windows(section: Mapping[str, Any], where: str, at: Place) -> dict[str, float | None]:
    windows = documents.section(section, "windows", where)
    documents.check_keys(windows, EVENT_TYPES, at("windows"))
    return {
        kind: None if windows.get(kind) is None else _limit(windows[kind], at(f"windows.{kind}"))
        for kind in EVENT_TYPES
    }


def _fallback(section: Mapping[str, Any], at: Place) -> Fallback | None:
    if _choice(section.get("fallback", "none"), at("fallback"), FALLBACKS) == "none":
        for key in OF_FALLBACK:
            if key in section:
                raise ConfigError(
                    "this says nothing without a fallback", where=at(key), found=repr(section[key])[:40],
                    hint="Give the fallback user_item, or leave it out.",
                )  # fmt: skip
        return None
    window = section.get("fallback_window")
    return Fallback(
        credit=_choice(section.get("credit", "last"), at("credit"), CREDITS),
        window_s=None if window is None else duration(window, where=at("fallback_window")),
    )
