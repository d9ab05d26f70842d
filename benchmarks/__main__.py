"""``make bench``: run every benchmark and print its ratios; ``--quick`` for small inputs, names to choose some."""

import argparse
import importlib
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version

import psutil

NAMES = ("validate", "offline_run", "experiment", "recommend", "exposure_log", "compact", "trace", "scale", "engines")


def machine() -> str:
    """What the figures were measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "msgspec", "uvicorn"))
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d} · {psutil.cpu_count()} cores · {memory:.0f} GiB · {platform.system()} "
        f"{platform.machine()} · Python {platform.python_version()} · {packages}"
    )


def main() -> int:
    """Run the chosen benchmarks one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the input")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; known: {', '.join(NAMES)}")
    print(machine())
    for name in chosen.names:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").run(chosen.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
