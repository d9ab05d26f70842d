"""One request's list: candidates, filters, scores, order, caps, reasons. Everything that decides who is shown.

The order of steps: allow-list and exclusions; tags; scores of all that is left; order by score, ties by item_id;
``max_per_tag``; and only then the cut to k, so that a filter never leaves a hole that another item could fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from recsys.ranking.candidates import Catalogue, Positions, choose
from recsys.ranking.constraints import Removed, TagCaps, filter_tags
from recsys.ranking.interactions import Floats
from recsys.ranking.scoring import STEPS, Scores, Weights, blend, top
from recsys.ranking.signals import Signals
from recsys.ranking.warned import Warned, filter_warnings, signal_warnings

ALGO_VERSION = "blend-1"
SIMILAR_WEIGHTS = Weights(pop=1e-6, cooc=1.0)
"""Similar items are ordered by co-visitation; popularity breaks ties and fills the list to k."""
RECENT_POPULARITY, CO_VISITATION = "recent_popularity", "co_visitation"
_WIDEN = 4


class Query(NamedTuple):
    """What is asked, by keyword. Ids that the catalogue does not know are not faults.

    ``include`` None: no allow-list; empty: an allow-list that allows nothing. ``subject``: a pseudonym.
    ``now_us``: the clock of windows and decay, µs since 1970 UTC; None: the newest event. ``max_anchors``: how many
    of the anchors count as context (the first ones); none of them is ever recommended back.
    """

    k: int
    weights: Weights
    anchors: Sequence[str] = ()
    max_anchors: int | None = None
    subject: str | None = None
    now_us: int | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    required_tags: Sequence[str] = ()
    forbidden_tags: Sequence[str] = ()
    max_per_tag: Mapping[str, int] = MappingProxyType({})
    include_reasons: bool = False


class Ranked(NamedTuple):
    """One item of the list; ``score`` is in [0, 1]; ``reasons`` are empty unless they were asked for."""

    item_id: str
    score: float
    reasons: tuple[str, ...] = ()


class Counts(NamedTuple):
    """``candidates`` considered, ``filtered`` of them by exclusions and constraints, ``returned`` in the list."""

    candidates: int
    filtered: int
    returned: int


class Ranking(NamedTuple):
    """The answer: items in rank order, at most k; warnings in a fixed order."""

    items: tuple[Ranked, ...]
    counts: Counts
    warnings: tuple[Warned, ...]


def similar(item_id: str, *, k: int, weights: Weights = SIMILAR_WEIGHTS) -> Query:
    """The query for items like ``item_id``, which is left out itself; add constraints with ``_replace``."""
    return Query(k=k, weights=weights, anchors=(item_id,))


def rank(signals: Signals, query: Query) -> Ranking:
    """The list for ``query``: the same for the same signals and query, to the last byte, always."""
    catalogue = signals.catalogue
    size = len(catalogue.item_ids)
    chosen = choose(catalogue, query.include, query.exclude, query.anchors)
    mask, removed = filter_tags(catalogue, chosen.mask, query.required_tags, query.forbidden_tags)
    left = size if mask is None else int(np.count_nonzero(mask))
    anchors = catalogue.positions(query.anchors)
    context = anchors[: query.max_anchors]
    pop = signals.popularity(query.now_us) if query.weights.pop > 0 else None
    cooc = signals.co_visitation(context, query.subject, query.now_us) if query.weights.cooc > 0 else None
    scores = blend(query.weights, pop, cooc, mask, size)
    places, passed = _cut(catalogue, query, scores, left)
    items = tuple(_ranked(catalogue, query, scores, places))
    counts = Counts(chosen.count, chosen.count - left + passed, len(items))
    removed = Removed(removed.required_tags, removed.forbidden_tags, passed)
    included = None if query.include is None else len(set(query.include))
    warnings = (
        *_warnings(query, len(anchors), pop, cooc, scores),
        *filter_warnings(removed=removed, included=included, left=left),
    )
    return Ranking(items, counts, warnings)


def _cut(catalogue: Catalogue, query: Query, scores: Scores, left: int) -> tuple[Positions, int]:
    """The list's positions, in order, out of ``left`` candidates; and how many ``max_per_tag`` passed over."""
    if not query.max_per_tag:
        return top(scores.steps, min(query.k, left)), 0
    caps = TagCaps.of(query.max_per_tag)
    count = query.k
    while True:
        ordered = top(scores.steps, min(count, left))
        kept, passed = caps.keep(catalogue, ordered.tolist(), query.k)
        if len(kept) == query.k or count >= left:
            return np.array(kept, dtype=np.int64), passed
        count *= _WIDEN


def _ranked(catalogue: Catalogue, query: Query, scores: Scores, places: Positions) -> Iterable[Ranked]:
    positions: list[int] = places.tolist()
    names = [catalogue.item_ids[position] for position in positions]
    values: list[float] = (scores.steps[places] / STEPS).tolist()
    if not query.include_reasons:
        return map(Ranked, names, values)
    return map(Ranked, names, values, [_reasons(scores, position) for position in positions])


def _reasons(scores: Scores, place: int) -> tuple[str, ...]:
    named = ((RECENT_POPULARITY, scores.pop), (CO_VISITATION, scores.cooc))
    return tuple(name for name, signal in named if signal is not None and signal[place] > 0)


def _warnings(
    query: Query, known_anchors: int, pop: Floats | None, cooc: Floats | None, scores: Scores
) -> list[Warned]:
    """What the signals with a weight could not say; ``pop`` and ``cooc`` are what they said of all items."""
    why_pop = why_cooc = None
    if query.weights.pop > 0 and scores.pop is None:
        why_pop = "no events up to the time of the request" if pop is None else "no candidate has events"
    if query.weights.cooc > 0 and scores.cooc is None:
        why_cooc = "no known anchors and no recent events of the subject"
        if cooc is not None:
            why_cooc = "no candidate shares users with the anchors or the subject's recent items"
    asked = len(set(query.anchors)) if query.weights.cooc > 0 else 0
    unknown = max(0, asked - known_anchors)
    return signal_warnings(pop=why_pop, cooc=why_cooc, anchors=asked, unknown_anchors=unknown)
