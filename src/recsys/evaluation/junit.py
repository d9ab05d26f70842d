"""The checks of a run as JUnit XML, which every CI system shows.

A check that failed is a ``failure``, one that could not be judged an ``error``, one that was not judged ``skipped``.
Whatever text a log brought is well-formed: characters that XML 1.0 cannot hold are written as escapes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from recsys.contracts.report import Report
from recsys.evaluation.checks import Check

_OUTSIDE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\x7f-\x9f]")
_TAGS = {"fail": "failure", "error": "error", "skip": "skipped"}


def render(checks: Sequence[Check], report: Report) -> str:
    """One test suite, with a test case for each check."""
    counted = Counter(check.status for check in checks)
    when = report.created_at.strftime("%Y-%m-%dT%H:%M:%S")
    sums = (
        f'tests="{len(checks)}" failures="{counted["fail"]}" errors="{counted["error"]}" skipped="{counted["skip"]}" '
        'time="0"'
    )
    suite = f"recsys-eval {report.mode}"
    cases = "\n".join(_case(check, suite) for check in checks)
    properties = "".join(
        f"<property name={_attribute(name)} value={_attribute(value)}/>"
        for name, value in (("run_id", report.run_id), ("version", report.version), ("status", report.summary.status))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="recsys-eval" {sums}>\n'
        f"<testsuite name={_attribute(suite)} timestamp={_attribute(when)} {sums}>\n"
        f"<properties>{properties}</properties>\n"
        f"{cases}\n</testsuite>\n</testsuites>\n"
    )


def _case(check: Check, suite: str) -> str:
    head = f'<testcase classname={_attribute(f"{suite}.{check.group}")} name={_attribute(check.name)} time="0"'
    told = _legal(check.told)
    if check.status == "pass":
        return f"{head}><system-out>{escape(told)}</system-out></testcase>"
    tag = _TAGS[check.status]
    kind = "" if tag == "skipped" else f" type={_attribute(check.group)}"
    return f"{head}><{tag} message={_attribute(check.told)}{kind}>{escape(told)}</{tag}></testcase>"


def _attribute(text: str) -> str:
    return quoteattr(_legal(text))


def _legal(text: str) -> str:
    """The text with escapes in place of what XML cannot hold, and of characters that a terminal obeys."""
    return _OUTSIDE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
