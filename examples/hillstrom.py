"""Turn the e-mail test of Hillstrom (2008) into exposures, outcomes and assignments.

64,000 customers were sent an e-mail on clothing for men, one for women, or none, a third each, by chance. The file has
one row for each of them: what was known before, the segment, and what was done in the two weeks after:

    python examples/hillstrom.py hillstrom_data.csv --out logs/ --config eval.yaml
    recsys-eval run --config eval.yaml --exposures logs/exposures.jsonl --outcomes logs/outcomes.jsonl \\
        --assignments logs/assignments.jsonl --output report.html

Each row becomes an assignment, with what was known before in its context, and an exposure of one item, the segment.
So has one who was sent nothing, for visits to the shop without an e-mail are what the others are compared with. A visit
is a click, a purchase a conversion with the spend as its value. The file has no dates: everything has the instant
``--start``.

Of each customer the e-mail for men brought 0.0766 more visits, 0.0068 more purchases (t = 7.39) and 0.770 more spend
(t = 5.30), the one for women 0.0452, 0.0031 and 0.424 (t = 3.26): both ship at this one look. Had each look been free
to decide (``sequential: {enabled: true}``), the second would wait for its spend. What was spent before (``history``)
takes away less than half a hundredth of any variance. No request fails or takes long, so there is no guardrail.
"""

import argparse
import csv
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from recsys.contracts.events import Assignment, Exposure, Item, Outcome

EXPERIMENT = "e-mail"
BEFORE = ("recency", "history_segment", "history", "mens", "womens", "zip_code", "newbie", "channel")
SLICES = ("zip_code", "newbie", "channel")
"""Columns with few values, which stand in the context of the exposures too."""
CONFIG = """mode: experiment
slice_keys: [zip_code, newbie, channel]
experiment:
  experiment_id: e-mail
  control_variant: No E-Mail
  primary_metrics: [ctr, conversion_rate, revenue_per_user]
  guardrails: []
  srm: {expected: {No E-Mail: 1, Mens E-Mail: 1, Womens E-Mail: 1}}
  sequential: {enabled: false}
  cuped: {enabled: true, covariate_key: history}
"""
"""The customers were all chosen at once and looked at once, so one interval decides."""


def convert(rows: Iterable[dict[str, str]], start: datetime, out: Path) -> dict[str, int]:
    """Write the three logs into ``out``; returns the lines of each. ValueError names a row that cannot be read."""
    counts = {"exposures": 0, "outcomes": 0, "assignments": 0}
    encode = msgspec.json.Encoder().encode
    with (
        (out / "exposures.jsonl").open("wb") as exposures,
        (out / "outcomes.jsonl").open("wb") as outcomes,
        (out / "assignments.jsonl").open("wb") as assignments,
    ):
        for number, row in enumerate(rows, start=1):
            try:
                exposure, assignment, done = _customer(row, number, start)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"row {number}: {error!r}") from error
            exposures.write(encode(exposure) + b"\n")
            assignments.write(encode(assignment) + b"\n")
            outcomes.writelines(encode(outcome) + b"\n" for outcome in done)
            counts["exposures"] += 1
            counts["assignments"] += 1
            counts["outcomes"] += len(done)
    return counts


def _customer(row: dict[str, str], number: int, start: datetime) -> tuple[Exposure, Assignment, list[Outcome]]:
    """What the row says; a customer has no name but its row."""
    segment = row["segment"]
    own = {"request_id": f"mailing-{number}", "user_id": f"customer-{number}", "ts": start}
    context = {"tenant_id": "shop", "surface": "e-mail", "experiment_id": EXPERIMENT, "experiment_variant": segment}
    exposure = Exposure(
        items=[Item(item_id=segment, rank=1)], context=context | {key: row[key] for key in SLICES}, **own
    )
    assignment = Assignment(
        experiment_id=EXPERIMENT, variant=segment, context={key: row[key] for key in BEFORE}, **own
    )  # fmt: skip
    done = []
    if _flag(row["visit"]):
        done.append(Outcome(item_id=segment, event_type="click", **own))
    if _flag(row["conversion"]):
        done.append(Outcome(item_id=segment, event_type="conversion", value=float(row["spend"]), **own))
    return exposure, assignment, done


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"found {text!r}, expected 0 or 1")
    return text == "1"


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="CSV with segment, visit, conversion, spend and what was known before")
    parser.add_argument("--start", default="2008-03-01T00:00:00Z", help="the instant of all rows [%(default)s]")
    parser.add_argument("--out", type=Path, required=True, help="folder for exposures, outcomes, assignments")
    parser.add_argument("--config", type=Path, help="evaluation YAML to write")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        start = datetime.fromisoformat(chosen.start).astimezone(UTC)
        with chosen.log.open(newline="", encoding="utf-8") as file:
            counts = convert(csv.DictReader(file), start, chosen.out)
        if chosen.config is not None:
            chosen.config.write_text(CONFIG, encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"{chosen.log}: {error}", file=sys.stderr)
        return 1
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
