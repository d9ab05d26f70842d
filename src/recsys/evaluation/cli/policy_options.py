"""The options of an attribution policy, and the policy that they make, with a YAML's or by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recsys.attribution.policy import Policy

PANEL = "Attribution policy"


def _option(text: str) -> typer.models.OptionInfo:
    return typer.Option(help=text, rich_help_panel=PANEL)


Config = Annotated[
    str | None,
    typer.Option(
        help="Evaluation YAML, of which attribution and slice_keys are taken; options replace what it says.",
        rich_help_panel=PANEL,
    ),
]
Preset = Annotated[
    str | None, _option("standard, or request_id_only: the plain join, without a limit of any kind [standard].")
]
Tolerance = Annotated[str | None, _option("How much earlier than its exposure an outcome may be, or none [5s].")]
ClickWindow = Annotated[str | None, _option("How late a click may be, such as 1h, or none [none].")]
ConversionWindow = Annotated[str | None, _option("The same for conversions, such as 7d [none].")]
NotInList = Annotated[str | None, _option("refuse, or count, outcomes on an item that the list did not hold [refuse].")]
UserMismatch = Annotated[str | None, _option("count, or refuse, outcomes of another user than the exposure's [count].")]
Touch = Annotated[str | None, _option("Of one request, item and type every outcome counts, or the first [every].")]
Fallback = Annotated[
    str | None, _option("none, or user_item: credit orphans to lists of the same user with the item, apart [none].")
]
Credit = Annotated[str | None, _option("Which of these lists a fallback credits: last, first or all [last].")]
FallbackWindow = Annotated[
    str | None, _option("How long before an orphan such a list may have been shown [the window of its type, else 1d].")
]
MinMatchRate = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Match rate under which the exit status is 2 [0.95].", rich_help_panel=PANEL),
]
MaxLostRate = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Share of records known to be lost beyond which it is 2 [0.01].", rich_help_panel=PANEL
    ),
]
NAMES = (
    "policy", "tolerance", "click_window", "conversion_window", "not_in_list", "user_mismatch", "touch", "fallback",
    "credit", "fallback_window", "min_match_rate", "max_lost_rate",
)  # fmt: skip
"""The options that make a policy, as parameters of a command."""


def chosen(config: str | None, given: Mapping[str, object]) -> tuple[Policy, list[str]]:
    """The policy and the slice keys of the YAML, with the options that are ``given`` (not None) in place of its keys.

    ``given``: by the keys of the section ``attribution``, and ``click_window``, ``conversion_window``. ConfigError
    names the option, or the place in the YAML.
    """
    from recsys.attribution import policies
    from recsys.attribution.policy import EVENT_TYPES

    section, keys = _of_yaml(config)
    options = {key: value for key, value in given.items() if value is not None}
    windows = {kind: options.pop(f"{kind}_window") for kind in EVENT_TYPES if f"{kind}_window" in options}
    if windows:
        options["windows"] = {**(section.get("windows") or {}), **windows}
    if options.get("fallback") == "none":  # with it goes what the YAML says of it
        section = {key: value for key, value in section.items() if key not in policies.OF_FALLBACK}

    def place(key: str) -> str:
        kind = key.removeprefix("windows.")
        if kind in windows or (key == "windows" and windows):
            return " ".join(f"--{kind}-window" for kind in ([kind] if kind in windows else windows))
        if key in options:
            return f"--{key.replace('_', '-')}"
        return f"{config}: attribution.{key}"

    return policies.read({**section, **options}, f"{config or 'options'}: attribution", place), list(keys)


def _of_yaml(config: str | None) -> tuple[dict[str, Any], Sequence[str]]:
    """The section ``attribution`` and the slice keys; without a YAML the defaults, and nothing is imported for it."""
    if config is None:
        from recsys.attribution.sources import DEFAULT_SLICE_KEYS

        return {}, DEFAULT_SLICE_KEYS
    from recsys.evaluation import config as configs

    return configs.attribution_section(config)
