"""The codes of the API that the reference lists are those that the service gives."""

import re
from pathlib import Path

import recsys
from recsys.contracts import api
from recsys.service.http import problems

SOURCE = "\n".join(path.read_text() for path in Path(recsys.__file__).parent.rglob("*.py") if path.name != "api.py")


def test_every_code_of_a_problem_is_listed():
    """Codes of refusals, and those that statuses have by themselves; and none that nobody gives."""
    given = set(re.findall(r'RequestError\(\s*\d+,\s*"(\w+)"', SOURCE)) | set(problems.CODES.values())
    assert given | {"RECSYS_INTERNAL"} == set(api.PROBLEMS)


def test_every_code_of_a_warning_is_listed():
    """Codes of warnings of the service and of the ranking; and none that nobody gives."""
    given = set(re.findall(r'Notice\(\s*code="(\w+)"|Warned\(\s*"(\w+)"', SOURCE))
    assert {one or other for one, other in given} == set(api.NOTICES)
