"""The whole loop: a shop, its service, its shoppers, their logs, a report and decisions. It composes programs, and
computes nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from recsys.contracts.decision import Decision
from recsys.contracts.report import Report
from recsys.demo import experiment, programs, shop, shoppers, traffic
from recsys.errors import UsageError

TENANT = "demo"
EXPOSURES, OUTCOMES, ASSIGNMENTS = "exposures.eval.jsonl", "outcomes.jsonl", "assignments.jsonl"
REPORTS = ("report.json", "report.md", "report.html")
DECISIONS = ("experiment.json", "experiment.md", "experiment.html")
ITEMS, EVENTS, CONFIG, SERVICE_LOG = "items.jsonl", "events.jsonl", "config.json", "service.log"
SNAPSHOT, SETTINGS = "snapshot.json", "experiment.yaml"
MADE = (
    EXPOSURES, OUTCOMES, ASSIGNMENTS, *REPORTS, *DECISIONS, SETTINGS, ITEMS, EVENTS, CONFIG, SNAPSHOT, SERVICE_LOG,
)  # fmt: skip
DECIDED = (0, 2, 3)
"""Ship, hold and rollback: any of them is what the demo is meant to show."""

# Fixed on purpose: the demo's people do not exist, and two demos must give the same pseudonyms and variants.
DEMO_SALT = "the demo's people do not exist, so their salt is no secret"


@dataclass(frozen=True)
class Demo:
    """What the demo left behind, and what it saw."""

    out: Path
    traffic: traffic.Traffic
    report: Report
    decisions: list[Decision]
    seconds: float


Step = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How large the shop is. ``broken``: one more arm, of broken logging. The defaults are those of ``make demo``."""

    requests: int = 5_000
    items: int = 2_000
    shoppers: int = 4_000
    events: int = 200_000
    workers: int = 2
    broken: bool = False


def run(
    out: Path,
    size: Size,
    seed: int,
    *,
    on_step: Step,
    on_visit: Callable[[], None],
    on_answer: traffic.OnAnswer = traffic.unheard,
) -> Demo:
    """Run the loop and leave logs and reports in ``out``; raise RecsysError where a part of it fails.

    ``on_answer`` is called with each visit and the answer that it got, in the thread that got it.
    """
    started = time.perf_counter()
    _clear(out)
    with _data_folder() as data:
        port = programs.free_port()
        env = programs.environment(_settings(out, data, port))
        store = shop.open_shop(seed, items=size.items, shoppers=size.shoppers)
        key = _prepare(store, size, out, env, on_step)
        on_step(f"serving on 127.0.0.1:{port} with {size.workers} workers; {size.requests:,} requests over HTTP")
        with programs.serving(env=env, port=port, workers=size.workers, log=out / SERVICE_LOG):
            address = traffic.Address("127.0.0.1", port, key)
            visits = shoppers.plan(store, size.requests)
            sent = traffic.send(store, visits, address, on_visit=on_visit, on_answer=on_answer)
        programs.run("recsys-service", "snapshot", "--tenant", TENANT, "--output", str(out / SNAPSHOT), env=env)
        report = _evaluate(out, env, on_step)
        decisions = _decide(out, env, on_step)
    return Demo(out=out, traffic=sent, report=report, decisions=decisions, seconds=time.perf_counter() - started)


def _clear(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError("the output is a file", where=str(out), expected="a folder", hint="Name another with --out.")
    out.mkdir(parents=True, exist_ok=True)
    for name in MADE:
        (out / name).unlink(missing_ok=True)


@contextmanager
def _data_folder() -> Iterator[Path]:
    """A folder for the embedded database that goes away with the demo.

    It lies in the system's temporary folder and not in ``out``: run by root, PostgreSQL drops to another user, who
    could not enter a private parent folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="recsys-demo-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(out: Path, data: Path, port: int) -> dict[str, str]:
    return {
        "API_ADDR": f"127.0.0.1:{port}",
        "RECSYS_DATA_DIR": str(data),
        "EXPOSURE_LOG_PATH": str(out / EXPOSURES),
        "EXPOSURE_LOG_FORMAT": "eval_v1",
        "OUTCOME_LOG_PATH": str(out / OUTCOMES),
        "ASSIGNMENT_LOG_PATH": str(out / ASSIGNMENTS),
        "EXPOSURE_HASH_SALT": DEMO_SALT,
        "EXPERIMENT_ASSIGNMENT_ENABLED": "true",
        "EXPERIMENT_ASSIGNMENT_SALT": DEMO_SALT,
    }


def _prepare(store: shop.Shop, size: Size, out: Path, env: dict[str, str], on_step: Step) -> str:
    """Tenant, key, configuration, catalogue and history through the commands; returns the API key."""
    on_step(f"a shop of {size.items:,} items and {size.events:,} past events")
    shop.write_items(store, out / ITEMS)
    shop.write_events(store, out / EVENTS, events=size.events)
    (out / CONFIG).write_bytes(msgspec.json.encode(experiment.configuration(broken=size.broken)) + b"\n")
    experiment.write_settings(out / SETTINGS, broken=size.broken)
    on_step("recsys-service: tenant, key, configuration, import of items and events")
    programs.run("recsys-service", "migrate", env=env)
    programs.run("recsys-service", "tenant", "create", TENANT, env=env)
    key = programs.run("recsys-service", "key", "create", "--tenant", TENANT, env=env).strip().splitlines()[-1]
    programs.run("recsys-service", "config", "set", TENANT, str(out / CONFIG), env=env)
    programs.run("recsys-service", "import", "items", str(out / ITEMS), "--tenant", TENANT, env=env)
    programs.run("recsys-service", "import", "events", str(out / EVENTS), "--tenant", TENANT, env=env)
    return key


def _evaluate(out: Path, env: dict[str, str], on_step: Step) -> Report:
    """Validate the three logs, join them, evaluate, and read the report back."""
    on_step("recsys-eval: validate, join, run --mode offline")
    logs = {"exposure.v1": EXPOSURES, "outcome.v1": OUTCOMES, "assignment.v1": ASSIGNMENTS}
    for schema, name in logs.items():
        programs.run("recsys-eval", "validate", "--schema", schema, "--input", str(out / name), env=env)
    both = ["--exposures", str(out / EXPOSURES), "--outcomes", str(out / OUTCOMES)]
    programs.run("recsys-eval", "join", *both, env=env)
    outputs = [word for name in REPORTS for word in ("--output", str(out / name))]
    programs.run("recsys-eval", "run", "--mode", "offline", *both, "--items", str(out / ITEMS), *outputs, env=env)
    return msgspec.json.decode((out / REPORTS[0]).read_bytes(), type=Report)


def _decide(out: Path, env: dict[str, str], on_step: Step) -> list[Decision]:
    """Decide the experiment, and read the decisions back."""
    on_step("recsys-eval: run --mode experiment")
    logs = zip(("--exposures", "--outcomes", "--assignments"), (EXPOSURES, OUTCOMES, ASSIGNMENTS), strict=True)
    inputs = [word for option, name in logs for word in (option, str(out / name))]
    outputs = [word for name in DECISIONS for word in ("--output", str(out / name))]
    settings = ["--config", str(out / SETTINGS)]
    programs.run("recsys-eval", "run", *settings, *inputs, *outputs, env=env, expect=DECIDED)
    report = msgspec.json.decode((out / DECISIONS[0]).read_bytes(), type=Report)
    return [] if report.experiment is None else [each.decision for each in report.experiment.candidates]
