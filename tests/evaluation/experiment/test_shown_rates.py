"""How many of the requests that units were assigned have a list: against a plain-Python twin."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings

import experiment_oracle as oracle
import units_oracle as twin
from experiment_logs import CHOSEN, MOMENTS, asked, logs, many
from experiment_oracle import Logs
from recsys.attribution import experiment
from recsys.evaluation.experiment.shown_rates import shown_rates
from unit_checks import joining
from unit_moments import moments


@settings(max_examples=8, deadline=None)
@given(logs, asked)
def test_every_rate_is_that_of_the_twin(found, params):
    """On small logs, however their requests are shared, repeated and nobody's."""
    compare(found, params)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=150, deadline=None)
@given(logs, asked)
def test_every_rate_is_that_of_the_twin_on_more_logs(found, params):
    """The same, many times over."""
    compare(found, params)


@pytest.mark.parametrize("params", CHOSEN, ids=lambda params: f"{params.scope} as of {params.as_of_us}")
def test_many_logs_at_once(params):
    """Some requests are of several users, some have lists of several, some of users who were not assigned them, and
    some are anonymous."""
    found = many(150)
    exposures = [row for row in twin.exposures(found, params) if row["assigned"]]
    assert any(shared for *_, shared in oracle.assigned_requests(found, params))
    assert max(Counter(row["request_id"] for row in exposures).values()) > 1
    assert any(row["assigned_variant"] is None and not row["ambiguous"] for row in exposures)
    assert any(row["standing"] == "anonymous" for row in exposures)
    compare(found, params)


def test_a_request_counts_once():
    """However often it was shown, and assigned; r3 has no list, and that of r4 knew nobody."""
    lists = [shown("r1"), shown("r1", items=("a",)), shown("r2"), shown("r4", anonymous="true"), shown("r5")]
    found = Logs(lists, [], [assigned(request) for request in ("r1", "r1", "r2", "r3", "r4")])
    compare(found, oracle.Asked("x"))
    assert twin.shown_rates(found, oracle.Asked("x")) == {"A": {"u1": [2, 3]}}


def shown(request, items=(), **context):
    listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
    return {"request_id": request, "user_id": "u1", "ts": MOMENTS[0], "items": listed, "context": context}


def assigned(request):
    return {"experiment_id": "x", "variant": "A", "request_id": request, "user_id": "u1", "ts": MOMENTS[0]}


def compare(found, params):
    as_of = None if params.as_of_us is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=params.as_of_us
    )  # fmt: skip
    with joining(found) as made:
        experiment.prepare(made, as_of)
        experiment.settle(
            made, experiment.Asked(experiment_id=params.experiment_id, scope=params.scope, as_of=as_of)
        )  # fmt: skip
        rates = shown_rates(made)
    users = twin.shown_rates(found, params)
    assert rates == {arm: moments(*zip(*own.values(), strict=True)) for arm, own in users.items()}
