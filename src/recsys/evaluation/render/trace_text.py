"""A trace as text: for a person at a terminal, at three in the morning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recsys.attribution.trace.reasons import elapsed
from recsys.contracts import trace as contract
from recsys.contracts.config import Weights
from recsys.evaluation.quality_text import gap_line
from recsys.text import printable

MOST_CHARACTERS = 80
"""An id that is longer is cut off; the JSON has it whole."""
FIRST_ITEMS = 50
"""Of a longer list, items further down are left out where nothing happened to them."""
VERSIONS = ("config_version", "rules_version", "manifest_version", "algo_version")
IN_PLACES_OF_THEIR_OWN = {
    *VERSIONS, "tenant_id", "surface", "segment", "release", "experiment_id", "experiment_variant", "anonymous",
}  # fmt: skip
ODD = {
    "repeated_rank": "a rank is there twice",
    "repeated_item": "an item is there twice",
    "rank_gap": "ranks are missing",
    "zero_propensity": "an item that was shown has propensity 0",
}


def render(trace: contract.Trace) -> str:
    """The whole trace."""
    parts = [
        [f"request {_id(trace.request_id)}: {printable(trace.headline)}"],
        _near(trace),
        _checks(trace),
        *(_list(shown) for shown in trace.lists if shown.standing != "redelivery"),
        *([*_experiment(each)] for each in trace.experiments),
        _rows(trace),
        _around(trace),
        _applied(trace.applied),
        _gaps(trace),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part) + "\n"


def _id(text: str) -> str:
    return printable(text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…")


def _place(at: contract.Place) -> str:
    return f"{printable(at.file)}:{at.line}" if at.line else printable(at.file)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "  ") -> list[str]:
    """Aligned columns; those of ``right`` by their ends. A column that is empty throughout is left out."""
    kept = [column for column in range(len(rows[0])) if any(row[column] for row in rows)] if rows else []
    widths = {column: max(len(row[column]) for row in rows) for column in kept}
    return [
        indent
        + "  ".join(
            row[column].rjust(widths[column]) if column in right else row[column].ljust(widths[column])
            for column in kept
        )
        for row in rows
    ]


def _list(shown: contract.ShownList) -> list[str]:
    return [*table([list(pair) for pair in _facts(shown)]), "", *_items(shown)]


def _facts(shown: contract.ShownList) -> Iterator[tuple[str, str]]:
    context = shown.context
    latency = "" if shown.latency_ms is None else f", in {shown.latency_ms:g} ms"
    yield "shown", f"{shown.ts:%Y-%m-%d %H:%M:%S.%f} UTC{latency}{', as an error' if shown.error else ''}"
    yield "at", f"{_place(shown.at)} ({shown.format})"
    if shown.standing == "ambiguous":
        yield "ambiguous", "another list has this id too, so neither attracts anything"
    yield "user", f"{_id(shown.user_id)}{' (anonymous: nobody)' if shown.anonymous else ''}"
    for key in ("tenant_id", "surface", "segment", "release"):
        yield key.removesuffix("_id"), _id(context.get(key, "–"))
    yield "versions", ", ".join(f"{key.removesuffix('_version')} {_id(context.get(key, '–'))}" for key in VERSIONS)
    others = {key: value for key, value in context.items() if key not in IN_PLACES_OF_THEIR_OWN}
    if others:
        yield "context", ", ".join(f"{_id(key)} {_id(value)}" for key, value in others.items())
    if shown.odd:
        yield "odd", ", ".join(ODD.get(name, name) for name in shown.odd)


def _items(shown: contract.ShownList) -> list[str]:
    if not shown.items:
        return ["  the list is empty"]
    told = [item for place, item in enumerate(shown.items) if place < FIRST_ITEMS or item.events]
    rows = [["rank", "item", "score", "propensity", "logged with", "target", "what happened"]]
    rows += [
        [
            str(item.rank), _id(item.item_id), _number(item.score), _number(item.propensity),
            _number(item.logging_propensity), _number(item.target_propensity), _happened(item),
        ]
        for item in told
    ]  # fmt: skip
    for column in range(2, 6):
        if not any(row[column] for row in rows[1:]):
            rows[0][column] = ""
    left_out = len(shown.items) - len(told)
    more = [f"  … {left_out} more items, to which nothing happened"] if left_out else []
    return [*table(rows, right=(0, 2, 3, 4, 5)), *more]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _happened(item: contract.ShownItem) -> str:
    if not item.events:
        return "–"
    told = [_event(event) for event in item.events]
    return "; ".join(told) + (f"; {item.more_events} more" if item.more_events else "")


def _event(event: contract.ItemEvent) -> str:
    value = "" if event.value is None else f" {event.value:.15g}"
    when = f"{elapsed(round(abs(event.delay_s) * 1e6))} {'before' if event.delay_s < 0 else 'after'}"
    fate = "" if event.counted else f" ({event.fate})"
    if event.inferred:
        among = f", shared among {event.shared} lists" if event.shared > 1 else ""
        fate = f" (inferred{among})"
    return f"{event.event_type}{value} {when}{fate}"


def _experiment(each: contract.TracedExperiment) -> Iterator[str]:
    shown = ", ".join(map(_id, each.shown)) or "no variant"
    yield f"experiment {_id(each.experiment_id)}: {shown} in the list; {each.note}"
    yield from table([["assigned", _id(row.variant), _place(row.at)] for row in each.assigned])


def _rows(trace: contract.Trace) -> list[str]:
    if not trace.rows:
        return []
    rows = [
        [row.fate, _place(row.at), row.event_type or row.log.removesuffix("s"), _id(row.item_id or ""), row.reason]
        for row in trace.rows
    ]
    more = [f"  … {count} more: {what}" for what, count in trace.more_rows.items()]
    return ["rows with this id", *table([[*map(printable, row)] for row in rows]), *more]


def _around(trace: contract.Trace) -> list[str]:
    around = trace.around
    if around is None:
        return []
    length = elapsed(round((around.until - around.since).total_seconds() * 5e5))
    title = f"the same subject, {length} before and after"
    if not around.rows and not around.invalid:
        return [f"{title}: nothing else"]
    lines = table([_neighbour(row) for row in around.rows], right=(0,))
    for count, what in ((around.more_exposures, "more lists"), (around.more_outcomes, "more outcomes")):
        lines += [f"  … {count:,} {what}, farther away"] if count else []
    lines += [f"  {around.invalid:,} rows of the subject are not valid"] if around.invalid else []
    return [title, *lines]


def _neighbour(row: contract.Neighbour) -> list[str]:
    when = f"{'-' if row.offset_s < 0 else '+'}{elapsed(round(abs(row.offset_s) * 1e6))}"
    if row.log == "exposures":
        what, told = (
            "list",
            f"{row.items} item{'' if row.items == 1 else 's'}" + (f" on {_id(row.surface)}" if row.surface else ""),
        )
        told += ", the same ones" if row.same_items else ""
        told += f", which shows {', '.join(map(_id, row.shows))}" if row.shows else ""
    else:
        what, told = row.event_type or "", _id(row.item_id or "")
        told += f" {row.value:.15g}" if row.value is not None else ""
        told += f", rank {row.rank_here} of this list" if row.rank_here else ""
    return [when, what, _id(row.request_id), told, _place(row.at)]


def _applied(applied: contract.Applied | None) -> list[str]:
    if applied is None:
        return []
    exported = f"{applied.exported_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"ranked by (snapshot {printable(applied.file)} of tenant {_id(applied.tenant_id)}, {exported})"]
    for what, version in (("configuration", applied.config), ("rules", applied.rules)):
        lines.append(f"  {what} {_id(version.name or '–')}: {printable(version.note)}")
    rows = [["", *_weights(layer.weights), printable(layer.name)] for layer in applied.layers]
    if applied.weights is not None:
        rows += [["=", *_weights(applied.weights), "applied to this list"]]
    if applied.weights_now is not None and applied.weights_now != applied.weights:
        rows += [["", *_weights(applied.weights_now), f"would apply now ({_id(applied.config.current or '–')})"]]
    lines += table([["", "pop", "cooc", "emb", "weights of"], *rows], right=(1, 2, 3)) if rows else []
    lines += [f"  {printable(note)}" for note in applied.notes]
    lines += [f"    {printable(line)}" for line in (*applied.config.diff, *applied.rules.diff)]
    return lines


def _weights(weights: Weights) -> list[str]:
    return [
        f"{value:g}" if isinstance(value, float | int) else "" for value in (weights.pop, weights.cooc, weights.emb)
    ]


def _gaps(trace: contract.Trace) -> list[str]:
    if not trace.gaps:
        return []
    when = "at that time" if trace.lists else "ever"
    return [f"records that the logs say they lost {when}", *(f"  {gap_line(gap)}" for gap in trace.gaps[:20])]


def _near(trace: contract.Trace) -> list[str]:
    if not trace.near:
        return []
    return [
        "ids that resemble it",
        *table([[_id(near.request_id), f"differs in {near.difference}"] for near in trace.near]),
    ]


def _checks(trace: contract.Trace) -> list[str]:
    return ["what to check", *(f"  - {printable(check)}" for check in trace.checks)] if trace.checks else []
