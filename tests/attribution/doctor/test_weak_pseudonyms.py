"""Pseudonyms that can be undone: which function of what, in how many rows, and where; real ones are let be."""

import hashlib
import hmac
import json

import pytest

from doctor_findings import found, planted
from doctor_world import examine


def renamed(name, logs=("exposures", "outcomes", "assignments"), seed=1):
    """A shop whose users are numbers from 0, called by ``name`` in these logs and by ``shopper-NUMBER`` in others."""
    rows = dict(zip(("exposures", "outcomes", "assignments"), planted(seed), strict=True))
    numbers = {}
    for role, log in rows.items():
        for row in log:
            number = numbers.setdefault(row["user_id"], len(numbers))
            row["user_id"] = name(number) if role in logs else f"shopper.{number}"
    return tuple(rows.values())


def digest(name):
    return lambda text: hashlib.new(name, text.encode()).hexdigest()


WEAK = {
    "SHA-256 of numbers": lambda number: digest("sha256")(str(number)),
    "MD5 of numbers after 'user-'": lambda number: digest("md5")(f"user-{number}"),
    "SHA-1 of numbers padded to 6 digits": lambda number: digest("sha1")(
        f"{number + 100_000:06d}"[-6:].replace("1", "0", 1)
    ),
    "HMAC-SHA256 with an empty key of numbers": lambda number: hmac.digest(b"\0", str(number).encode(), "sha256").hex(),
}


def test_real_pseudonyms_are_let_be():
    """HMAC-SHA256 with a secret cannot be undone, whatever the ids are; nor are raw ids a hash of anything."""
    secret = b"32 bytes that nobody else can know"
    logs = renamed(lambda number: hmac.digest(secret, str(number).encode(), "sha256").hex())
    assert examine(*logs).findings == []
    assert examine(*renamed(str)).findings == []


@pytest.mark.parametrize("words", WEAK)
def test_hashes_of_numbers(words):
    """Every row of every log that has such a pseudonym is counted, and function and ids are named."""
    logs = renamed(WEAK[words])
    findings = found(examine(*logs), "weak_hashes")
    for log, rows in zip(("exposures", "outcomes", "assignments"), logs, strict=True):
        finding = findings[f"{log}.user_id: {words}"]
        assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", len(rows), len(rows))
        assert f"are {words}, without a secret." in finding.cause
        assert len(finding.evidence.samples) == 3


def test_hashes_of_ids_that_the_other_log_holds():
    """Plain hashes of exposures whose raw ids stand in the outcomes."""
    shown, done, _ = renamed(lambda number: digest("sha256")(f"shopper.{number}"), logs=["exposures"])
    finding = found(examine(shown, done), "weak_hashes")["exposures.user_id: SHA-256 of ids of the outcomes"]
    known = {digest("sha256")(row["user_id"]) for row in done}
    assert finding.evidence.rows == sum(row["user_id"] in known for row in shown)


def test_numbers_that_are_known_and_not_guessed():
    """Numbers of seven digits are no guess, but the outcomes give them away."""
    shown, done, assigned = renamed(lambda number: digest("sha256")(str(7_000_000 + number)))
    numbers = {digest("sha256")(str(7_000_000 + number)): str(7_000_000 + number) for number in range(140)}
    for row in done:
        row["user_id"] = numbers[row["user_id"]]
    findings = found(examine(shown, done, assigned), "weak_hashes")
    assert set(findings) == {f"{log}.user_id: SHA-256 of ids of the outcomes" for log in ("exposures", "assignments")}


def test_a_context_value_and_a_part_of_a_column(tmp_path):
    """A weak hash in a context key, of some rows; the other pseudonyms are real."""
    shown, done, assigned = planted()
    for place, row in enumerate(shown[::5]):
        row["context"]["account"] = digest("md5")(str(place))
    for row in shown[1::5]:
        row["context"]["account"] = digest("md5")(row["request_id"])
    [finding] = examine(shown, done, assigned, folder=tmp_path).findings
    assert finding.subject == "exposures.context.account: MD5 of numbers"
    assert finding.evidence.rows == len(shown[::5])
    lines = (tmp_path / "exposures.jsonl").read_text().splitlines()
    numbers = {digest("md5")(str(place)) for place in range(200)}
    samples = [json.loads(lines[sample.line - 1]) for sample in finding.evidence.samples]
    assert len(samples) == 3
    assert all(row["context"]["account"] in numbers for row in samples)


def test_limits_and_small_logs():
    """Fewer values than asked for are silent; no rows give no finding."""
    logs = renamed(WEAK["SHA-256 of numbers"])
    assert found(examine(*logs, thresholds="weak_hashes: {values: 1000}"), "weak_hashes") == {}
    assert found(examine([], []), "weak_hashes") == {}
