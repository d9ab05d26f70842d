"""House rules that a machine can check: sizes, docstrings, nothing that names a registry or this machine."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "src").rglob("*.sql"))
MAX_LINES = 500
MAX_FUNCTION_LINES = 60


def tracked():
    out = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if out.returncode != 0:
        return [path for path in ROOT.rglob("*.lock") if ".venv" not in path.parts]
    return [ROOT / line for line in out.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_idea(path):
    """No source file is over 500 lines, and each begins by saying what it is."""
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    if path.suffix == ".py":
        assert ast.get_docstring(ast.parse(text)), "a module starts with a docstring"
    else:
        assert text.startswith("--"), "a relation starts with a comment: grain, inputs, parameters"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.suffix == ".py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_functions_are_short(path):
    """No function is longer than a screen."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name


def test_locks_hold_hashes_and_no_url():
    """Locks pin every package by hash and name no place to fetch it from."""
    for name in ("run.lock", "dev.lock", "spark-build.lock", "spark.lock"):
        text = (ROOT / "requirements" / name).read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--index-url|--find-links", text)


def test_nothing_names_this_machine():
    """No tracked file holds an absolute path of a work place, and no lock with registry URLs is tracked."""
    foreign = re.compile(r"/work/(main|shared)|/root/|/home/[a-z]")
    for path in tracked():
        assert path.name not in {"uv.lock", "poetry.lock"}
        if (
            path.suffix in {".py", ".md", ".toml", ".sql", ".html", ".yaml", ".yml"}
            and path != Path(__file__).resolve()
        ):
            assert not foreign.search(path.read_text(errors="replace")), path
