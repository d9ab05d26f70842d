"""Turn a slot log with propensities into exposures, outcomes and assignments.

A slot log has one row for each slot of a page: the item, its position, whether it was clicked, and the probability
with which the policy put that item there. The Open Bandit Dataset is such a log (Saito et al., NeurIPS 2021):

    python examples/convert_slot_log.py bts/all/all.csv --policy bts --out logs/

Each row becomes an exposure of one item at its rank. There is no user in such a log, so user_id is the request_id and
the context says ``anonymous``. The probability is P(item | position): ``propensity_kind`` is ``marginal``.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from recsys.contracts.events import Assignment, Exposure, Item, Outcome


def convert(rows: Iterator[dict[str, str]], policy: str, campaign: str, out: Path) -> dict[str, int]:
    """Write the three logs into ``out``; returns the lines of each. ValueError names a row that cannot be read."""
    counts = {"exposures": 0, "outcomes": 0, "assignments": 0}
    encode = msgspec.json.Encoder().encode
    with (
        (out / "exposures.jsonl").open("wb") as exposures,
        (out / "outcomes.jsonl").open("wb") as outcomes,
        (out / "assignments.jsonl").open("wb") as assignments,
    ):
        for number, row in enumerate(rows):
            try:
                exposure, clicked = _exposure(row, f"{policy}-{campaign}-{number}", policy, campaign)
            except (KeyError, ValueError) as error:
                raise ValueError(f"row {number + 1}: {error!r}") from error
            exposures.write(encode(exposure) + b"\n")
            assignments.write(encode(_assignment(exposure, policy, campaign)) + b"\n")
            counts["exposures"] += 1
            counts["assignments"] += 1
            if clicked:
                outcomes.write(encode(_click(exposure)) + b"\n")
                counts["outcomes"] += 1
    return counts


def _exposure(row: dict[str, str], request_id: str, policy: str, campaign: str) -> tuple[Exposure, bool]:
    ts = datetime.fromisoformat(row["timestamp"])
    item = Item(item_id=row["item_id"], rank=int(row["position"]), propensity=float(row["propensity_score"]))
    context = {"surface": campaign, "policy": policy, "propensity_kind": "marginal", "anonymous": "true"}
    exposure = Exposure(
        request_id=request_id, user_id=request_id, ts=ts.astimezone(UTC), items=[item], context=context
    )  # fmt: skip
    return exposure, row["click"] == "1"


def _click(exposure: Exposure) -> Outcome:
    return Outcome(
        request_id=exposure.request_id, user_id=exposure.user_id, item_id=exposure.items[0].item_id,
        event_type="click", ts=exposure.ts,
    )  # fmt: skip


def _assignment(exposure: Exposure, policy: str, campaign: str) -> Assignment:
    return Assignment(
        experiment_id=campaign, variant=policy, request_id=exposure.request_id, user_id=exposure.user_id,
        ts=exposure.ts,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="CSV with timestamp, item_id, position, click, propensity_score")
    parser.add_argument("--policy", required=True, help="the policy that filled the slots: the variant")
    parser.add_argument("--campaign", default="all", help="the campaign: surface and experiment [all]")
    parser.add_argument("--out", type=Path, required=True, help="folder for exposures, outcomes, assignments")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        with chosen.log.open(newline="", encoding="utf-8") as file:
            counts: dict[str, Any] = convert(csv.DictReader(file), chosen.policy, chosen.campaign, chosen.out)
    except (OSError, ValueError) as error:
        print(f"{chosen.log}: {error}", file=sys.stderr)
        return 1
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
