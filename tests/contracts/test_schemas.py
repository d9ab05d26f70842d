"""The schemas: those that are committed, those that are made, those that ship, and the contract's own examples."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest

import strategies
from recsys.contracts import schema as schemas
from recsys.contracts.types import TIMESTAMP_PATTERN
from recsys.eventlog.checks import checker, recognise

ROOT = Path(__file__).resolve().parents[2]
HASH = "48cee8d8b352a2221a8993ac5fafd739ef877013a7576e582ac1363b92995782"
EXAMPLES = {
    "exposure.v1": '{"request_id":"req-1","user_id":"u_1","ts":"2026-02-05T10:00:00Z","items":[{"item_id":"item_1",'
    '"rank":1},{"item_id":"item_2","rank":2}],"context":{"tenant_id":"demo","surface":"home"},"latency_ms":12.4,'
    '"error":false}',
    "outcome.v1": '{"request_id":"req-1","user_id":"u_1","item_id":"item_2","event_type":"conversion","value":49.9,'
    '"ts":"2026-02-05T10:00:20Z"}',
    "assignment.v1": '{"experiment_id":"exp-1","variant":"A","request_id":"req-1","user_id":"u_1",'
    '"ts":"2026-02-05T10:00:00Z","context":{"surface":"home"}}',
    "ranklist.v1": '{"request_id":"req-1","user_id":"u_1","ts":"2026-02-05T10:00:00Z","items":["item_1","item_2"]}',
    "service_v1": '{"schema_version":"v1","timestamp":"2026-02-05T10:00:00Z","request_id":"req-1","tenant_id":"demo",'
    '"surface":"home","segment":"default","algo_version":"1","config_version":"2","rules_version":"3",'
    '"manifest_version":"4","release":"5","experiment":{"id":"exp-1","variant":"A"},"subject":{"user_id_hash":"'
    + HASH
    + '","anonymous_id_hash":"'
    + HASH
    + '","session_id_hash":"'
    + HASH
    + '"},"context":{"locale":"en","device":"phone","country":"DE","now":"2026-02-05T10:00:00Z"},'
    '"items":[{"item_id":"item_1","rank":1,"score":0.5,"propensity":0.2}],"latency_ms":3.1,"error":false}',
}


@pytest.mark.parametrize("name", sorted(schemas.TYPES))
def test_committed_schemas_are_those_of_the_structs(name):
    """schemas/ holds what the Structs say, and nothing else."""
    assert (ROOT / "schemas" / f"{name}.json").read_text(encoding="utf-8") == schemas.render(name)
    assert {path.stem for path in (ROOT / "schemas").iterdir()} == set(schemas.TYPES)


def test_the_check_command(tmp_path, capsys):
    """`--check` fails and names the schema that differs."""
    assert schemas.main(str(tmp_path)) == 0
    assert schemas.main("--check", str(tmp_path)) == 0
    (tmp_path / "outcome.v1.json").write_text("{}")
    assert schemas.main("--check", str(tmp_path)) == 1
    assert "outcome.v1" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(schemas.TYPES))
def test_schemas_are_valid_and_closed(name):
    """Every schema is valid 2020-12, and every object of a record refuses unknown fields or is a map of strings."""
    document = schemas.build(name)
    jsonschema.Draft202012Validator.check_schema(document)
    jsonschema_rs.validator_for(document)
    if name in strategies.SCHEMAS:
        objects = [part for part in document["$defs"].values() if part["type"] == "object"]
        assert all(part["additionalProperties"] is False for part in objects)


@pytest.mark.parametrize("name", strategies.SCHEMAS)
def test_the_examples_of_the_contract_are_valid(name):
    """Each example is valid for our check and for both schema libraries, is recognised, and is no other record."""
    line = EXAMPLES[name].encode()
    for schema in strategies.SCHEMAS:
        document = schemas.build(schema)
        verdicts = {
            checker(schema)(line) == [],
            jsonschema_rs.validator_for(document).is_valid(json.loads(line)),
            jsonschema.Draft202012Validator(document).is_valid(json.loads(line)),
        }
        assert verdicts == {schema == name}
    assert recognise(line) == name


def test_the_timestamp_pattern_knows_the_calendar():
    """The pattern alone, without format assertion, tells every day of 1970–2200 from the days that never were."""
    from calendar import monthrange

    pattern = re.compile(TIMESTAMP_PATTERN)
    for year in range(1968, 2203):
        for month in range(14):
            for day in range(33):
                real = 1970 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]
                if day in (0, 1, 28, 29, 30, 31, 32):
                    assert bool(pattern.match(f"{year}-{month:02}-{day:02}T00:00:00Z")) == real, (year, month, day)


def test_the_wheel_ships_the_schemas(tmp_path):
    """A built wheel holds every schema inside the package, as committed, and the marker of its types."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for name in schemas.TYPES:
            shipped = archive.read(f"recsys/contracts/schemas/{name}.json").decode()
            assert shipped == schemas.render(name)
    assert "recsys/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "src"))]
