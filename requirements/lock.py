"""Make the locks anew from pyproject.toml: exact versions and hashes, no registry URL.

``spark.lock`` is for the tests of the second engine alone: PySpark is a source distribution of 450 MB, which its two
build tools in ``spark-build.lock`` make a wheel of.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
COMMON = [
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
    "--quiet",
]


def compile_lock(name: str, *sources: str) -> None:
    """Resolve ``sources`` into ``requirements/<name>``."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *COMMON, "-o", str(HERE / name), *sources]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    # hatchling builds the editable install, so the run-time lock holds it too.
    compile_lock("run.lock", "pyproject.toml", "requirements/build.in", "--extra", "all")
    compile_lock("dev.lock", "pyproject.toml", "requirements/build.in", "--extra", "all", "--group", "dev")
    compile_lock("spark-build.lock", "requirements/spark-build.in", "--constraints", "requirements/dev.lock")
    compile_lock("spark.lock", "pyproject.toml", "--extra", "spark", "--constraints", "requirements/run.lock")
