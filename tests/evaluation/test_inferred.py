"""What a fallback infers in a report: beside every score, under a name of its own, and nowhere else."""

import json
import math

import pytest

import join_oracle as oracle
import troubled_logs
from recsys.attribution import sources
from recsys.attribution.policy import Fallback, Policy
from recsys.evaluation import render
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.evaluate import evaluate

METRICS = ["ndcg@10", "hitrate@3", "precision@2", "coverage@10"]


@pytest.fixture(scope="module")
def lossy():
    """Troubled logs in which every third outcome has lost its request_id to another one."""
    shown, done = troubled_logs.make(1)
    lost = [{**row, "request_id": f"lost-{n}"} if n % 3 == 0 else row for n, row in enumerate(done)]
    return shown, [*lost, *({**row, "ts": row["ts"].replace("2026", "2027")} for row in lost[1:9])]


def report(folder, log, **policy):
    for name, rows in zip("eo", log, strict=True):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    named = sources.from_options([str(folder / "e.jsonl")], [str(folder / "o.jsonl")])
    config = EvaluationConfig(slice_keys=["surface"], attribution=Policy(**policy), metrics=METRICS)
    return evaluate(named, config).report


def by_name(found):
    return {(r.slice_value if r.slice_key else None, r.metric): r.estimate for r in found.results}


def twin(log, credit):
    """hitrate@3 and ndcg@10 over all exposures (None), and by surface, with what is inferred."""
    shown, done = log
    credited = oracle.credits(shown, done, credit=credit)
    relevant = oracle.relevant(done, oracle.fates(shown, done), credited)
    scores = {}
    for request, rows in oracle.distinct_exposures(shown).items():
        for row in rows:
            ranks = relevant.get(request, {}) if len(rows) == 1 else {}
            ideal = sum(1 / math.log2(place + 1) for place in range(1, min(sum(ranks.values()), 10) + 1))
            gain = sum(1 / math.log2(rank + 1) for rank in ranks if rank and rank <= 10)
            score = float(any(rank and rank <= 3 for rank in ranks)), gain / ideal if ranks else 0.0
            for value in (None, row.get("context", {}).get("surface", "unknown")):
                scores.setdefault(value, []).append(score)
    means = {value: [sum(column) / len(column) for column in zip(*rows, strict=True)] for value, rows in scores.items()}
    return means, sum(map(bool, credited))


@pytest.mark.parametrize("credit", ["last", "all"])
def test_inferred_figures_equal_the_twin(tmp_path, lossy, credit):
    """`|inferred` stands beside each score in every slice, and is what loops over the rows give."""
    plain = report(tmp_path, lossy)
    found = report(tmp_path, lossy, fallback=Fallback(credit=credit))
    means, inferred = twin(lossy, credit)
    figures = by_name(found)
    for value, (hits, gain) in means.items():
        assert figures[value, "hitrate@3|inferred"].value == pytest.approx(hits, abs=1e-9)
        assert figures[value, "ndcg@10|inferred"].value == pytest.approx(gain, abs=1e-9)
        assert figures[value, "hitrate@3|inferred"].value > figures[value, "hitrate@3"].value
        assert figures[value, "hitrate@3|inferred"].note.startswith("an inference: ")
    assert {name.split("@")[0] for _, name in figures if "|inferred" in name} == {"ndcg", "hitrate", "precision"}
    assert found.data_quality.inferred_outcomes == inferred > 0
    known = {key: estimate for key, estimate in figures.items() if not key[1].endswith("|inferred")}
    assert known == by_name(plain)  # nothing is mixed
    assert found.data_quality.fates == plain.data_quality.fates
    assert found.data_quality.rates == plain.data_quality.rates


def test_every_form_of_the_report_tells(tmp_path, lossy):
    """JSON, Markdown and HTML say what was inferred and under which policy; without a fallback none speaks of it."""
    found = report(tmp_path, lossy, fallback=Fallback(credit="first"), touch="first", user_mismatch="refuse")
    assert found.effective_config["attribution"]["fallback"] == "user_item"
    assert found.effective_config["attribution"]["credit"] == "first"
    fates = found.data_quality.fates
    told = (
        f"{found.data_quality.inferred_outcomes:,} of {fates.orphan:,} orphans are credited to a list of the same user"
    )
    plain = report(tmp_path, lossy)
    for form in ("markdown", "html"):
        text = render.text(found, form)
        assert told in text, form
        assert "|inferred counts also the orphans" in text.replace("\\|", "|"), form
        for fate in ("user_mismatch", "later_touch"):
            assert fate in text, (form, fate)
            assert getattr(fates, fate) > 0
        assert "inferred" not in render.text(plain, form)
        assert "later_touch" not in render.text(plain, form)
    document = json.loads(render.text(found, "json"))
    assert document["data_quality"]["inferred_outcomes"] > 0
    assert "ndcg@10|inferred" in {result["metric"] for result in document["results"]}
