"""``recsys-eval decide``: a decision computed again from its evidence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recsys.evaluation.cli import options


def decide(
    replay: Annotated[Path, typer.Option(help="decision.v1, or the JSON report of an experiment.")],
    format: options.OutputFormat = options.Format.TEXT,
) -> int:
    """Compute a decision again from the evidence in its own document, and compare.

    No log is read: the intervals, thresholds and integrity figures of the document decide. Exits as the decision says
    (0 ship, 2 hold, 3 rollback; 0 where none was asked for), and 1 where the document says something else than its
    evidence.

    **Examples**

        recsys-eval decide --replay report.json
        recsys-eval decide --replay decision.json --format json
    """
    import msgspec

    from recsys.errors import InputError
    from recsys.evaluation import replay as replaying
    from recsys.evaluation.decision import exit_verdict, not_asked
    from recsys.text import printable

    recorded = replaying.read(replay)
    found = [replaying.replayed(decision) for decision in recorded]
    for decision, difference in found:
        if format is options.Format.TEXT:
            arms = f"{printable(decision.candidate)} against {printable(decision.control)}"
            told = "no decision was asked for" if not_asked(decision) else decision.decision
            sys.stdout.write(f"{told}: {arms}\n")
            sys.stdout.write("".join(f"  {printable(reason)}\n" for reason in decision.reasons))
        if difference:
            hint = "The document was changed, or comes of another version. Trust neither until you know which."
            raise InputError(
                "the decision does not follow from its evidence", where=str(replay), found=difference, hint=hint
            )
    if format is options.Format.JSON:
        decisions = [decision for decision, _ in found]
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(decisions), indent=2).decode() + "\n")
    if found and all(not_asked(decision) for decision, _ in found):
        return 0
    return options.STATUS[exit_verdict([decision for decision, _ in found])]
