"""Nothing that a user can type or set is missing from the reference."""

import re
import subprocess
import sys

import pytest
import typer.main

from docs_blocks import ROOT
from recsys.contracts import schema as schemas
from recsys.demo.cli import app as demo_app
from recsys.evaluation import metrics
from recsys.evaluation.cli import app as eval_app
from recsys.evaluation.experiment.measures import RATIOS
from recsys.service.cli import app as service_app
from recsys.service.settings import SETTINGS

REFERENCE = ROOT / "docs" / "reference"
APPS = {"recsys-eval": eval_app, "recsys-service": service_app, "recsys-demo": demo_app}


def commands(command, name):
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {word}")


ALL = [found for name, app in APPS.items() for found in commands(typer.main.get_command(app), name)]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_and_option_is_documented(name, command):
    """The page of a program has a section for each command, with each of its options."""
    text = (REFERENCE / "cli" / f"{name.split()[0]}.md").read_text()
    section = re.search(rf"^## `{re.escape(name)}`$(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert section, f"no section on {name}"
    for part in command.params:
        if part.name not in {"install_completion", "show_completion", "help"}:
            assert part.opts[0] in section[1], f"{name}: {part.opts[0]} is not documented"


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_shows_an_example(name, command):
    """The help of a command that does something has an example."""
    if not getattr(command, "commands", None):
        assert "**Example" in (command.help or ""), f"{name} has no example"


def test_every_setting_metric_and_schema_is_documented():
    """Each has its row or its section."""
    settings = (REFERENCE / "config" / "recsys-service.md").read_text()
    assert [row.name for row in SETTINGS if f"| `{row.name}` |" not in settings] == []
    measured = (REFERENCE / "metrics.md").read_text()
    assert [word for word in metrics.KINDS if f"## {word}\n" not in measured] == []
    assert [word for word in (*RATIOS, "latency_pNN") if f"### {word}\n" not in measured] == []
    recorded = (REFERENCE / "data-contracts" / "schemas.md").read_text()
    assert [name for name in schemas.TYPES if f"## {name}\n" not in recorded] == []


def test_the_generated_pages_are_fresh():
    """The generator would write what is there."""
    done = subprocess.run(
        [sys.executable, str(REFERENCE / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_changed_page_is_stale(tmp_path):
    """The check fails, names the page and says what to do, when a page was edited by hand."""
    copy = tmp_path / "docs" / "reference"
    copy.mkdir(parents=True)
    (copy / "generate.py").write_text((REFERENCE / "generate.py").read_text())
    subprocess.run([sys.executable, str(copy / "generate.py")], check=True)
    with (copy / "metrics.md").open("a") as page:
        page.write("more\n")
    done = subprocess.run(
        [sys.executable, str(copy / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "metrics.md" in done.stderr
    assert "make docs" in done.stderr
