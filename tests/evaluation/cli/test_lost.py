"""The commands where a loss is known: told, held, and let pass where the limit is wider."""

from lossy_logs import rows, write


def test_the_commands_hold_and_a_wider_limit_lets_pass(tmp_path, recsys_eval):
    """`join`, `run` and `validate` refuse 6 % of lost lists; `--max-lost-rate` and the YAML key move the limit."""
    files = write(tmp_path / "logs", rows(50), exposures=[(3, 0)])
    named = ["--exposures", *files["exposures"], "--outcomes", *files["outcomes"]]
    config = tmp_path / "eval.yaml"
    config.write_text("attribution: {max_lost_rate: 0.06}\n")
    for command, status in (
        (["join", *named], 2), (["join", *named, "--max-lost-rate", "0.06"], 0), (["run", *named], 2),
        (["run", *named, "--config", config], 0), (["validate", *named], 1),
    ):  # fmt: skip
        done = recsys_eval(*command)
        assert done.status == status, command
        assert ("3 of 53 lists shown are in no log" in done.err + done.out) == (status != 0)
