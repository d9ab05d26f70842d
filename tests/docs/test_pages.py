"""Every code block of the documents does what the page says it does."""

import json
import re
import shlex

import msgspec
import pytest
import typer.main
import yaml

import docs_blocks
from docs_blocks import ROOT
from recsys.attribution import sources
from recsys.demo.cli import app as demo_app
from recsys.evaluation import config
from recsys.evaluation.cli import app as eval_app
from recsys.eventlog.checks import checker, recognise
from recsys.service.cli import app as service_app

PAGES = [page for page in docs_blocks.PAGES if docs_blocks.blocks(page)]
LONG = {
    "operate-the-service.md", "first-report.md", "candidate-vs-ranking.md", "experimentation-model.md",
    "exposure-logging-and-attribution.md", "run-eval-and-ship.md", "decide-an-experiment.md", "merge-moments.md",
}  # fmt: skip
"""Pages whose blocks take more than 5 seconds, but for the guide of the doctor."""
KNOWN = {"bash", "python", "json", "yaml", "sh", "text", "mermaid", "sql", "http"}
APPS = {"recsys-eval": eval_app, "recsys-service": service_app, "recsys-demo": demo_app}


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.long] if page.name in LONG else []) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_blocks_of_a_page_run(page, samples):
    """All runnable blocks of the page end with status 0, in order, in one folder, and print what the page shows."""
    blocks = docs_blocks.blocks(page)
    folder = docs_blocks.Folder(samples) if any(b.language in {"bash", "python"} for b in blocks) else None
    printed = ""
    try:
        for block in blocks:
            assert block.language in KNOWN, f"{block}: a block needs a language: {', '.join(sorted(KNOWN))}"
            if block.language == "yaml" and folder is not None:
                _write_yaml(block, folder.path)
            elif block.language in {"bash", "python"}:
                printed = folder.run(block)
            elif block.role == "output":
                assert printed == block.text, f"{block}: the block before it prints something else"
    finally:
        if folder is not None:
            folder.remove()


def _write_yaml(block, folder):
    """A named YAML block becomes its file, and is a configuration that the programs take."""
    assert yaml.safe_load(block.text) is not None, block
    name = re.match(r"# ([\w.-]+\.yaml)\n", block.text)
    if name is None:
        return
    path = folder / name[1]
    path.write_text(block.text)
    readers = dict.fromkeys(("eval.yaml", "experiment.yaml", "defaults.yaml"), config.read)
    {"logs.yaml": sources.read, **readers}.get(name[1], str)(str(path))


def _documents(text):
    """The JSON documents of a block: one, or one a line."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_json_of_a_page_is_what_it_seems(page):
    """JSON blocks parse, and those that look like an event record are valid ones."""
    for block in docs_blocks.blocks(page):
        if block.language != "json":
            continue
        for document in _documents(block.text):
            line = msgspec.json.encode(document)
            schema = recognise(line) if isinstance(document, dict) else None
            if schema is not None:
                assert checker(schema)(line) == [], f"{block}: not a valid {schema}: {line}"


def _shown_commands(page):
    """The words of the command lines of ``sh`` blocks; a line that ends inside quotes goes on in the next."""
    for block in docs_blocks.blocks(page):
        if block.language != "sh":
            continue
        line = ""
        for part in block.text.replace("\\\n", " ").splitlines():
            line = f"{line}\n{part}" if line else part
            try:
                yield block, shlex.split(line, comments=True)
            except ValueError:
                continue
            line = ""
        assert not line, f"{block}: quotes are not closed"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_shown_commands_exist(page):
    """Commands that are shown and not run exist, with their options; so do the targets of make."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for block, line in _shown_commands(page):
        words = [word for word in line if not re.match(r"[A-Z_]+=", word)]
        if words and words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, f"{block}: {line}"
        elif words and words[0] in APPS:
            _check_command(block, words)


def _check_command(block, words):
    command = typer.main.get_command(APPS[words[0]])
    rest = words[1:]
    while getattr(command, "commands", None) and rest:
        assert rest[0] in command.commands, f"{block}: no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for part in command.params for name in (*part.opts, *part.secondary_opts)}
    for word in rest:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{block}: no option {word}"
