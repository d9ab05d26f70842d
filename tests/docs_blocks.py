"""The code blocks of the documents, and a way to run them: what a reader would type, typed.

``bash`` and ``python`` blocks of a page run in order in one folder that holds sample logs. A ``yaml`` block whose first
line is ``# name.yaml`` becomes that file. ``text output`` is what the block before it prints. ``sh`` blocks are
shown, not run.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LIMIT_S = 120

CURL = '''#!{python}
"""The few options of curl that the documents use, so that their blocks need no curl."""
import sys, time, urllib.error, urllib.request
arguments, headers, data, target, method, url = sys.argv[1:], {{}}, None, None, None, None
retries, delay, fail, body_too = 0, 1.0, False, False
while arguments:
    word = arguments.pop(0)
    if word in ("-s", "-S", "-sS", "--retry-all-errors"): pass
    elif word == "-H": name, _, value = arguments.pop(0).partition(":"); headers[name.strip()] = value.strip()
    elif word in ("-d", "--data"):
        data = arguments.pop(0)
        data = open(data[1:], "rb").read() if data.startswith("@") else data.encode()
    elif word == "-o": target = arguments.pop(0)
    elif word == "-X": method = arguments.pop(0)
    elif word == "--retry": retries = int(arguments.pop(0))
    elif word == "--retry-delay": delay = float(arguments.pop(0)) / 5
    elif word == "--fail": fail = True
    elif word == "--fail-with-body": fail = body_too = True
    elif word.startswith("-"): sys.exit(f"curl of the tests: no option {{word}}")
    else: url = word
while True:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as reply:
            content, failed = reply.read(), False
    except urllib.error.HTTPError as error:
        content, failed = error.read(), True
    except OSError as error:
        content, failed = str(error).encode(), True
        if not retries: sys.exit(7)
    if not (failed and retries): break
    retries -= 1; time.sleep(delay)
if not (failed and fail and not body_too):
    open(target, "wb").write(content) if target else sys.stdout.buffer.write(content)
sys.exit(22 if failed and fail else 0)
'''


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line it begins on, its language, what else is said of it, and its text."""

    page: Path
    line: int
    language: str
    role: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page):
    """The fenced blocks of a page, in order."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [
        Block(page, token.map[0] + 1, *token.info.partition(" ")[::2], token.content)
        for token in tokens
        if token.type == "fence"
    ]


class Folder:
    """Where the blocks of one page run: a folder with the sample logs, a data folder, a port, and the programs."""

    def __init__(self, samples: Path) -> None:
        # Not under pytest's own folder: that is private, and the embedded database would refuse it when run by root
        self.base = Path(tempfile.mkdtemp(prefix="recsys-docs-"))
        self.base.chmod(0o755)
        self.path = self.base / "work"
        shutil.copytree(samples, self.path)
        programs = self.base / "bin"
        programs.mkdir()
        (programs / "curl").write_text(CURL.format(python=sys.executable))
        (programs / "curl").chmod(0o755)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EXPOSURE_", "RECSYS_", "DATABASE"))
        }
        self.environment = {
            **own,
            "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"])),
            "RECSYS_DATA_DIR": str(self.base / "data"),
            "API_ADDR": f"127.0.0.1:{port}",
            "PORT": str(port),
        }

    def run(self, block: Block) -> str:
        """Run a block to its end, and return what it printed; AssertionError with page, line and output where it fails.
        What it leaves running in the background is ended."""
        shell = (
            ["bash", "-euo", "pipefail", "-c", block.text]
            if block.language == "bash"
            else [sys.executable, "-c", block.text]
        )
        process = subprocess.Popen(
            shell, cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            out, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            raise AssertionError(f"{block} did not end in {LIMIT_S} s:\n{out[-3000:]}") from None
        finally:
            _end_group(process.pid)
        assert process.returncode == 0, f"{block} ended with {process.returncode}:\n{block.text}\n---\n{out[-3000:]}"
        return out

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.base, ignore_errors=True)


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGTERM)
    except ProcessLookupError:
        return
