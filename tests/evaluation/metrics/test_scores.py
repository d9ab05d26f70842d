"""Score metrics against ir-measures on random lists, and against trec_eval's own published figures."""

from contextlib import closing
from pathlib import Path

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG

from recsys.attribution.engine.duckdb import DuckDB
from recsys.evaluation import metrics as known
from recsys.evaluation.metrics import reduce as reducing
from recsys.statistics.moments import SCALE

K = 10
ORACLES = {
    "hitrate": Success @ K,
    "precision": P @ K,
    "recall": R @ K,
    "ndcg": nDCG @ K,
    "map": AP @ K,
    "mrr": RR @ K,
}


def scores_of(relevant_ranks, names):
    """Request → scores, from (request, rank or None) rows of relation ``relevant``; None: relevant, never shown."""
    relevant = [
        (request, rank, place)
        for request, ranks in relevant_ranks.items()
        for place, rank in enumerate(sorted(ranks, key=lambda rank: (rank is None, rank or 0)), start=1)
    ]
    with closing(DuckDB(Path("unused"))) as engine:
        engine.load("relevant", {"request_id": "VARCHAR", "item_rank": "BIGINT", "place": "BIGINT"}, relevant)
        reducing.score(engine, [known.parse(name) for name in names])
        rows = engine.rows("SELECT * FROM scores")
    return {row[0]: dict(zip(names, (y / SCALE for y in row[1:]), strict=True)) for row in rows}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 15), st.sets(st.integers(1, 15), max_size=6)), min_size=1, max_size=5))
def test_scores_equal_ir_measures(lists):
    """hitrate, precision, recall, ndcg, map and mrr of random lists are those of ir-measures; 0 without relevance."""
    qrels, run, relevant = [], [], {}
    for number, (length, chosen) in enumerate(lists):
        query = f"q{number}"
        ranks = {rank for rank in chosen if rank <= length}
        run += [ir_measures.ScoredDoc(query, f"d{rank:02d}", float(100 - rank)) for rank in range(1, length + 1)]
        qrels += [ir_measures.Qrel(query, f"d{rank:02d}", int(rank in ranks)) for rank in range(1, length + 1)]
        if ranks:
            relevant[query] = ranks
    names = [f"{word}@{K}" for word in ORACLES]
    ours = scores_of(relevant, names)
    for found in ir_measures.iter_calc(list(ORACLES.values()), qrels, run):
        word = next(word for word, measure in ORACLES.items() if measure == found.measure)
        assert ours.get(found.query_id, {}).get(f"{word}@{K}", 0.0) == pytest.approx(found.value, abs=1e-9)


def test_published_figures_of_trec_eval(real_data):
    """On trec_eval's own test run every figure that it publishes for our metrics is ours, query by query."""
    folder = real_data("trec_eval")
    published = {}
    for line in (folder / "out.test.a").read_text().splitlines():
        measure, query, value = line.split()
        if query == "all" and measure != "runid":
            published[measure] = float(value)
    relevant = _trec_relation(folder)
    queries = 3
    cuts = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
    pairs = {f"P_{k}": f"precision@{k}" for k in cuts}
    pairs |= {f"recall_{k}": f"recall@{k}" for k in cuts}
    pairs |= {f"map_cut_{k}": f"map@{k}" for k in cuts}
    pairs |= {"success_1": "hitrate@1", "success_5": "hitrate@5", "success_10": "hitrate@10"}
    pairs |= {"map": "map@1000", "recip_rank": "mrr@1000"}
    pairs |= {f"ndcg_cut_{k}": f"ndcg@{k}" for k in cuts}
    ours = scores_of(relevant, sorted(set(pairs.values())))
    checked = 0
    for theirs, name in pairs.items():
        if theirs in published:
            mean = sum(scores[name] for scores in ours.values()) / queries
            assert mean == pytest.approx(published[theirs], abs=5.1e-5), (theirs, name)
            checked += 1
    assert checked >= 30
    assert published["map"] == 0.1785
    assert published["recip_rank"] == 0.4064
    assert published["P_10"] == 0.3


def _trec_relation(folder):
    """Query → ranks of its relevant documents; None for each that was not retrieved. trec_eval orders by score."""
    relevant = {}
    for line in (folder / "qrels.test").read_text().splitlines():
        query, _, document, grade = line.split()
        if int(grade) > 0:
            relevant.setdefault(query, set()).add(document)
    retrieved = {}
    for line in (folder / "results.test").read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        retrieved.setdefault(query, []).append((float(score), document))
    relation = {}
    for query, rows in retrieved.items():
        ordered = [document for _, document in sorted(rows, reverse=True)]
        places = {document: rank for rank, document in enumerate(ordered, start=1)}
        relation[query] = [places.get(document) for document in sorted(relevant.get(query, ()))]
    return relation


def test_names_parse_to_what_they_print():
    """A metric's name parses to it and prints from it."""
    for word, kind in known.KINDS.items():
        name = word if kind is known.Gini else f"{word}@7"
        assert str(known.parse(name)) == name
    assert [str(known.parse(name)) for name in known.DEFAULT_PACK] == list(known.DEFAULT_PACK)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ndgc@10", "Did you mean 'ndcg'?"), ("ndcg", "a cut is needed"), ("ndcg@0", "cut"), ("ndcg@1001", "cut"),
        ("gini@10", "has no cut"), ("NDCG@10", "no such metric"), ("", "no such metric"), ("ndcg@ten", "cut"),
    ],
)  # fmt: skip
def test_a_misspelt_metric_is_an_error(name, told):
    """What is no metric is refused in words that name the nearest."""
    from recsys.errors import ConfigError

    with pytest.raises(ConfigError, match=told.replace("?", r"\?")):
        known.parse(name)


def test_every_metric_is_explained():
    """Each metric says its formula, grain, range, unit, what it is of nothing, and its source."""
    for kind in known.KINDS.values():
        text = known.explain(kind)
        for word in ("Formula:", "Grain:", "Range:", "Unit:", "Empty:", "Source:"):
            assert word in text, (kind, word)
