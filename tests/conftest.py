"""What all tests share: where the real data is, and what a skip means.

``RECSYS_TEST_DATA`` names the folder of real logs; a test that needs one skips without it, and says so.
``RECSYS_TEST_REQUIRE=all`` turns every skip into a failure: the full run has no holes. Hypothesis draws the same
examples in every run, so that a red test is a change's own; ``--hypothesis-profile=explore`` looks further.
"""

import gc
import os
import shutil
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False, print_blob=True)
hypothesis.settings.load_profile("repeatable")

REQUIRE_ALL = os.environ.get("RECSYS_TEST_REQUIRE") == "all"
ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_finish():
    """What the collection made lives to the end: no garbage collector need look at thousands of tests again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    """At the end of the process everything is let go."""
    gc.unfreeze()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With ``RECSYS_TEST_REQUIRE=all``, a skipped test has failed."""
    report = (yield).get_result()
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and RECSYS_TEST_REQUIRE=all allows no skip: {report.longrepr}"


@pytest.fixture
def tell(record_property):
    """A function that has a line of text printed at the end of the run, whoever ran the test."""
    return lambda text: record_property("told", text)


def pytest_terminal_summary(terminalreporter):
    """What tests had to tell."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        told = [text for name, text in report.user_properties if name == "told"]
        if told and report.when == "call":
            terminalreporter.write_line(f"{report.nodeid}: {'; '.join(told)}")


@pytest.fixture(scope="session")
def real_data():
    """A function from the name of a data folder to its path; skips where it is absent."""

    def folder(name: str) -> Path:
        base = os.environ.get("RECSYS_TEST_DATA")
        if not base:
            pytest.skip("RECSYS_TEST_DATA names no folder of real logs")
        path = Path(base) / name
        if not path.is_dir():
            pytest.skip(f"RECSYS_TEST_DATA holds no folder {name}")
        return path

    return folder


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory, worker_id):
    """What a small demo left behind and answered; to be read, for the processes of one run of the tests share it."""
    import small_demo

    own = tmp_path_factory.getbasetemp()
    return small_demo.made(own if worker_id == "master" else own.parent)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium; skips where there is none."""
    path = os.environ.get("RECSYS_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        pytest.skip("no Chromium: install the package chromium, or set RECSYS_TEST_CHROMIUM")
    return path


@pytest.fixture(scope="session")
def artifacts_dir() -> Path:
    """Where tests leave screenshots and the like for people to look at."""
    path = ROOT / "test-artifacts"
    path.mkdir(exist_ok=True)
    return path
