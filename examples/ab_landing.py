"""Turn the log of a landing page test into exposures, outcomes and assignments, dirt and all.

The log of Udacity's course "Analyze A/B Test Results" has one row for each visit of a shop: user, time, the group that
the user was put into, the page that was shown, and whether the visit ended in a purchase:

    python examples/ab_landing.py ab_data.csv --countries countries.csv --out logs/ --config eval.yaml
    recsys-eval doctor --exposures logs/exposures.jsonl --outcomes logs/outcomes.jsonl \\
        --assignments logs/assignments.jsonl
    recsys-eval run --config eval.yaml --exposures logs/exposures.jsonl --outcomes logs/outcomes.jsonl \\
        --assignments logs/assignments.jsonl --output report.html

A row becomes an assignment to its group and an exposure of its page, whose context names as ``experiment_variant`` the
group that the page is of. Nothing is repaired: a row that is not whole is left out and told with its line, and what
else is wrong is for the reports to find. A purchase is a conversion at the time of the visit, which is taken for UTC;
what it was worth is not known.

A copy of which 57,828 rows are whole (one line is cut off) has 57,680 users, 148 of them with two rows and 71 in both
groups, which is 0.12 % and under the limit. But 791 lists, 1.37 %, name another variant than was assigned: 385 of
control the new page, 406 of treatment the old one. That is over the limit of 1 %, so the decision is to hold. Nor is
there anything to ship: of the visits of treatment 0.1191 ended in a purchase, of those of control 0.1216 (p = 0.34).
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from recsys.contracts.events import Assignment, Exposure, Item, Outcome

EXPERIMENT = "landing-page"
GROUP_OF = {"old_page": "control", "new_page": "treatment"}
COLUMNS = 5
CONFIG = """mode: experiment
slice_keys: [country]
experiment:
  experiment_id: landing-page
  control_variant: control
  candidate_variant: [treatment]
  primary_metrics: [conversion_rate]
  secondary_metrics: []
  guardrails: []
  sequential: {enabled: false}
  power: {effect: 5%}
"""
"""The log is whole and looked at once, so one interval decides; a page without latency and errors has no guardrail."""


def convert(lines: Iterable[str], countries: Mapping[str, str], out: Path) -> tuple[dict[str, int], list[str]]:
    """Write the three logs into ``out``; returns the lines of each, and what could not be read."""
    counts = {"exposures": 0, "outcomes": 0, "assignments": 0}
    faults = []
    encode = msgspec.json.Encoder().encode
    with (
        (out / "exposures.jsonl").open("wb") as exposures,
        (out / "outcomes.jsonl").open("wb") as outcomes,
        (out / "assignments.jsonl").open("wb") as assignments,
    ):
        for number, columns in _rows(lines):
            try:
                exposure, assignment, bought = _visit(columns, number, countries)
            except ValueError as error:
                faults.append(f"line {number}: {error}")
                continue
            exposures.write(encode(exposure) + b"\n")
            assignments.write(encode(assignment) + b"\n")
            counts["exposures"] += 1
            counts["assignments"] += 1
            if bought:
                outcomes.write(encode(_purchase(exposure)) + b"\n")
                counts["outcomes"] += 1
    return counts, faults


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The columns of each line after the first, with its number. Each line is one quoted text with commas in it."""
    for number, fields in enumerate(csv.reader(lines), start=1):
        if number > 1:
            yield number, fields[0].split(",") if len(fields) == 1 else fields


def _visit(columns: list[str], number: int, countries: Mapping[str, str]) -> tuple[Exposure, Assignment, bool]:
    """user, time, group, page, whether it ended in a purchase."""
    if len(columns) != COLUMNS:
        raise ValueError(f"found {len(columns)} columns, expected {COLUMNS}")
    user, time, group, page, converted = columns
    if page not in GROUP_OF or group not in GROUP_OF.values() or converted not in {"0", "1"}:
        raise ValueError(f"found {group!r}, {page!r} and {converted!r}, expected a group, a page, and 0 or 1")
    own = {"request_id": f"visit-{number}", "user_id": user, "ts": datetime.fromisoformat(time).replace(tzinfo=UTC)}
    context = {"tenant_id": "shop", "surface": "landing", "country": countries.get(user, "unknown")}
    arm = {"experiment_id": EXPERIMENT, "experiment_variant": GROUP_OF[page]}
    exposure = Exposure(items=[Item(item_id=page, rank=1)], context=context | arm, **own)
    return exposure, Assignment(experiment_id=EXPERIMENT, variant=group, context=context, **own), converted == "1"


def _purchase(exposure: Exposure) -> Outcome:
    return Outcome(
        request_id=exposure.request_id, user_id=exposure.user_id, item_id=exposure.items[0].item_id,
        event_type="conversion", ts=exposure.ts,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="user_id, timestamp, group, landing_page, converted")
    parser.add_argument("--countries", type=Path, help="user_id, country")
    parser.add_argument("--out", type=Path, required=True, help="folder for exposures, outcomes, assignments")
    parser.add_argument("--config", type=Path, help="evaluation YAML to write")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        countries: dict[str, str] = {}
        if chosen.countries is not None:
            with chosen.countries.open(newline="", encoding="utf-8") as file:
                countries = {columns[0]: columns[-1] for _, columns in _rows(file)}
        with chosen.log.open(newline="", encoding="utf-8") as file:
            counts, faults = convert(file, countries, chosen.out)
        if chosen.config is not None:
            chosen.config.write_text(CONFIG, encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"{chosen.log}: {error}", file=sys.stderr)
        return 1
    for fault in faults:
        print(f"{chosen.log}: {fault}: left out", file=sys.stderr)
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()) + f"; left out: {len(faults):,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
