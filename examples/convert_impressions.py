"""Turn a log of impressions written as ``ID-0/1`` tokens into exposures and outcomes.

News logs often hold one row for each list: who saw it, when, and the items, each marked 1 if it was clicked. MIND is
such a log (Wu et al., ACL 2020):

    python examples/convert_impressions.py behaviors.tsv --out logs/

The row's impressions become the ranked list in their order, each click an outcome at the time of the list. The
publisher of MIND shuffled that order, so its ranks are not display ranks: do not read position effects off them.
"""

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from recsys.contracts.events import Exposure, Item, Outcome

TIME_FORMAT = "%m/%d/%Y %I:%M:%S %p"
COLUMNS = 5


def convert(lines: Iterable[str], surface: str, out: Path) -> dict[str, int]:
    """Write both logs into ``out``; returns how many lines, items and clicks. ValueError names a bad line."""
    counts = {"exposures": 0, "impressions": 0, "clicks": 0}
    encode = msgspec.json.Encoder().encode
    with (out / "exposures.jsonl").open("wb") as exposures, (out / "outcomes.jsonl").open("wb") as outcomes:
        for number, line in enumerate(lines, start=1):
            try:
                exposure, clicked = _parse(line, surface)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            exposures.write(encode(exposure) + b"\n")
            for item_id in clicked:
                outcomes.write(encode(_click(exposure, item_id)) + b"\n")
            counts["exposures"] += 1
            counts["impressions"] += len(exposure.items)
            counts["clicks"] += len(clicked)
    return counts


def _parse(line: str, surface: str) -> tuple[Exposure, list[str]]:
    """impression id, user, time (taken as UTC), history, impressions; separated by tabs."""
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) != COLUMNS:
        raise ValueError(f"found {len(columns)} columns, expected {COLUMNS}")
    impression_id, user, time, _, impressions = columns
    shown = [token.rpartition("-") for token in impressions.split()]
    if any(mark not in {"0", "1"} for _, _, mark in shown):
        raise ValueError("found an impression without -0 or -1 at its end")
    exposure = Exposure(
        request_id=impression_id,
        user_id=user,
        ts=datetime.strptime(time, TIME_FORMAT).replace(tzinfo=UTC),
        items=[Item(item_id=item, rank=rank) for rank, (item, _, _) in enumerate(shown, start=1)],
        context={"surface": surface},
    )
    return exposure, [item for item, _, mark in shown if mark == "1"]


def _click(exposure: Exposure, item_id: str) -> Outcome:
    return Outcome(
        request_id=exposure.request_id, user_id=exposure.user_id, item_id=item_id, event_type="click", ts=exposure.ts
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="tab separated: id, user, time, history, impressions")
    parser.add_argument("--surface", default="news", help="the surface of the lists [news]")
    parser.add_argument("--out", type=Path, required=True, help="folder for exposures.jsonl and outcomes.jsonl")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        with chosen.log.open(encoding="utf-8") as file:
            counts = convert(file, chosen.surface, chosen.out)
    except (OSError, ValueError) as error:
        print(f"{chosen.log}: {error}", file=sys.stderr)
        return 1
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
