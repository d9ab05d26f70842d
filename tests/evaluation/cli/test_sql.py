"""``recsys-eval sql``: what is printed, and what is refused."""

import pytest

from recsys.attribution import relations, script


def test_without_a_relation_they_are_listed(recsys_eval_process):
    """One line each, with what a row of it is."""
    done = recsys_eval_process("sql")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(script.ALL)
    assert "one row per valid outcome row, with its one fate." in done.out


def test_a_relation_is_printed_with_its_header(recsys_eval):
    """In DuckDB's dialect it is the file as it stands; in another one the header stays and the words change."""
    assert recsys_eval("sql", "hours").out == relations.text("hours")
    done = recsys_eval("sql", "hours", "--dialect", "spark")
    assert done.out.startswith(script.header("hours") + "WITH shown AS (")
    assert "DIV 3600000000" in done.out


def test_a_script_has_the_policy_of_the_configuration(recsys_eval, tmp_path):
    """The default policy, or the one of the YAML."""
    assert (
        "VALUES (5000000, NULL, NULL, NULL, NULL, 'refuse', 'count', 'every', 'none', NULL);"
        in recsys_eval("sql", "--script").out
    )
    config = tmp_path / "eval.yaml"
    config.write_text("attribution:\n  tolerance: 2s\n  windows: {click: 1h}\n  touch: first\n")
    done = recsys_eval("sql", "users", "--script", "--dialect", "postgres", "--config", str(config))
    assert "VALUES (2000000, 3600000000, NULL, NULL, NULL, 'refuse', 'count', 'first', 'none', NULL);" in done.out
    assert done.out.rstrip().endswith("FROM exposures;")


def test_a_script_of_an_experiment_has_its_parameters(recsys_eval):
    """Its table is made, with the experiment that was named, after the policy and before what reads it."""
    done = recsys_eval("sql", "experiment_moments", "--script", "--experiment-id", "it's")
    assert "VALUES ('it''s', 'request', NULL, 0, 5000000);" in done.out
    assert done.out.index("CREATE TABLE policy") < done.out.index("CREATE TABLE experiment (")
    assert done.out.index("CREATE TABLE experiment (") < done.out.index("CREATE TABLE experiment_units")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hous",), "RELATION: no such relation (found hous). Did you mean 'hours'?"),
        (("hours", "--dialect", "postgre"), "--dialect: no such dialect (found postgre). Did you mean 'postgres'?"),
        (("hours", "--dialect", "mysql"), "--dialect: the relations cannot be written for mysql: it has no lists"),
        (("hours", "--config", "x.yaml"), "--config fills in a script. Use it with --script."),
        (("hours", "--experiment-id", "x"), "--experiment-id fills in a script. Use it with --script."),
        (("hours", "--script", "--experiment-id", "x"), "--experiment-id: no experiment is looked at (found x)"),
        (("experiment_moments", "--script"), "experiment_moments: which experiment? (expected --experiment-id ID)"),
        (("user_pairs", "--script"), "user_pairs: it reads tables that a command makes for it"),
        (("--script", "--config", "none.yaml"), "none.yaml: cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(recsys_eval, words, told):
    """With where, what, and the nearest that can; nothing is printed."""
    done = recsys_eval("sql", *words)
    assert (done.status, done.out) == (1, "")
    assert told in done.err
