"""A service that cannot start ends; it does not try for ever."""

import time

import pytest

from service_world import SALT, environment, program

BREAKS = {
    "import": "raise ImportError('no such library')",
    "create": "def create():\n    raise RuntimeError('broken at start')",
    "lifespan": """
from recsys.eventlog.writing.writer import LogWriter
from recsys.errors import StorageError
def refuse(self):
    raise StorageError('the log is gone')
LogWriter.open = refuse
exec(open(__import__('recsys.service', fromlist=['x']).__path__[0] + '/app.py').read())
""",
}
HOOK = """
import multiprocessing, sys, types
if '--multiprocessing-fork' in sys.argv:
    import importlib.abc, importlib.machinery
    SOURCE = {source!r}
    class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path, target=None):
            if name == 'recsys.service.app':
                return importlib.machinery.ModuleSpec(name, self)
        def exec_module(self, module):
            exec(SOURCE, module.__dict__)
    sys.meta_path.insert(0, Broken())
"""


@pytest.mark.parametrize("how", [pytest.param("import", marks=pytest.mark.long), "create", "lifespan"])
def test_a_broken_app_ends_the_service(make_database, tmp_path, how):
    """Status 1 within seconds, with the worker's own words above one last line of ours."""
    (tmp_path / "sitecustomize.py").write_text(HOOK.format(source=BREAKS[how]))
    env = environment(
        DATABASE_URL=make_database(), MIGRATE_ON_START="true", EXPOSURE_HASH_SALT=SALT, API_ADDR="127.0.0.1:0",
        RECSYS_DATA_DIR=str(tmp_path), EXPOSURE_LOG_PATH=f"{tmp_path}/logs/",
    )  # fmt: skip
    env["PYTHONPATH"] = f"{tmp_path}:{env.get('PYTHONPATH', '')}"
    began = time.monotonic()
    done = program("serve", env=env, timeout=40)
    assert done.status == 1, done.err
    assert time.monotonic() - began < 20
    assert done.err.splitlines()[-1].startswith("recsys-service: a worker could not start")
    told = {"import": "no such library", "create": "broken at start", "lifespan": "the log is gone"}
    assert told[how] in done.err
    assert "serving on" not in done.err
