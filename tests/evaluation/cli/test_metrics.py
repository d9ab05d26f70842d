"""recsys-eval metrics and the help texts: everything is listed, explained and shown by example."""

import re

import pytest

from recsys.evaluation.experiment import measures

NAMES = (
    "hitrate", "precision", "recall", "ndcg", "map", "mrr", "coverage", "novelty", "gini", "intra_list_diversity",
)  # fmt: skip
COMMANDS = ("validate", "convert", "hash", "join", "run", "schema", "metrics")
PARTS = ("Formula:", "Grain:", "Range:", "Unit:", "Empty:", "Source:")


def test_all_metrics_are_listed(recsys_eval):
    """One line for each metric of the default pack, which is named too."""
    done = recsys_eval("metrics")
    assert (done.status, done.err) == (0, "")
    listed = dict(re.findall(r"^([a-z_]+(?:@k)?) {2,}(\S.*\.)$", done.out, re.MULTILINE))
    assert [name.removesuffix("@k") for name in listed] == [*NAMES, *measures.RATIOS]
    assert re.search(r"^latency_pNN +The latency .*\.$", done.out, re.MULTILINE)
    [pack] = re.findall(r"^Default pack: (.*)\.$", done.out, re.MULTILINE)
    assert [name.partition("@")[0] for name in pack.split(", ")] == list(NAMES)
    assert "|responded" in done.out


def test_every_metric_is_explained(in_turn):
    """Formula, grain, range, unit, what it is of nothing, and the source."""
    runs = [["metrics", name if name == "gini" else f"{name}@20"] for name in NAMES]
    for name, done in zip(NAMES, in_turn(*runs), strict=True):
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith(name)
        assert [part for part in PARTS if part not in done.out] == [], name


def test_every_measure_of_an_experiment_is_explained(in_turn):
    """Formula, grain, range, unit, which direction is better, and what it is of nothing."""
    names = (*measures.RATIOS, "latency_p95")
    for name, done in zip(names, in_turn(*[["metrics", name] for name in names]), strict=True):
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith(name)
        assert [part for part in (*PARTS[:-1], "Better:") if part not in done.out] == [], name
        assert f"Better: {measures.parse(name, '').better}." in done.out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("latency_p100", "no such metric (found latency_p100)"),
        ("clik_per_user", "Did you mean 'clicks_per_user'?"),
        ("ndgc", "no such metric (found ndgc). Did you mean 'ndcg'?"),
        ("ndcg@0", "expected ndcg@1 to ndcg@"),
        ("ndcg@ten", "expected ndcg@1 to ndcg@"),
        ("gini@10", "expected gini"),
        ("", "no such metric"),
    ],
)
def test_a_misspelt_metric_exits_1(recsys_eval, name, told):
    """The message names what was found and what is known."""
    done = recsys_eval("metrics", name)
    assert (done.status, done.out) == (1, "")
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_help_shows_examples(in_turn):
    """Each command's help ends with success, and gives examples that begin on lines of their own."""
    for command, done in zip(COMMANDS, in_turn(*[[command, "--help"] for command in COMMANDS]), strict=True):
        assert (done.status, done.err) == (0, "")
        _, _, after = done.out.partition("Example")
        examples, _, _ = after.partition("╭")
        beginnings = re.findall(rf"^ *(?:[A-Z_]+=\S+ )?recsys-eval {command}\b", examples, re.MULTILINE)
        assert len(beginnings) == examples.count(f"recsys-eval {command}") >= 1, command


def test_the_program_without_a_command(recsys_eval_process):
    """The help is shown, and the exit status says that nothing was done; --version answers."""
    done = recsys_eval_process()
    assert done.status == 1
    assert all(command in done.out for command in COMMANDS)
    assert done.err == "recsys-eval: No command is given. Try `recsys-eval --help`.\n"
    assert re.fullmatch(r"recsys-eval \d+\.\d+\.\d+\n", recsys_eval_process("--version").out)
    assert "Did you mean 'validate'?" in recsys_eval_process("validat").err
