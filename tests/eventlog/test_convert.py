"""service_v1 to exposure.v1: by the contract's own words, and equal to what an eval_v1 log would have held."""

import json
from datetime import UTC, datetime

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from recsys.contracts.events import Exposure, ServiceExposure
from recsys.eventlog.checks import checker
from recsys.eventlog.convert import to_exposure_v1
from recsys.service.logs import Listed, Served, Subject, Versions, exposure_line

DECODE = msgspec.json.Decoder(ServiceExposure).decode
ENCODE = msgspec.json.Encoder().encode


def by_the_contract(service: dict) -> dict:
    """The same conversion from the words of the contract, on plain dictionaries."""
    subject = service.get("subject", {})
    hashes = [subject[key] for key in ("user_id_hash", "anonymous_id_hash", "session_id_hash") if key in subject]
    known = {key: value for key, value in service.items() if key.endswith("_version") and key != "schema_version"}
    known |= {key: service[key] for key in ("tenant_id", "surface", "segment", "release") if key in service}
    known |= service.get("context", {})
    experiment = service.get("experiment", {})
    known |= {f"experiment_{key}": value for key, value in experiment.items()}
    made = {
        "request_id": service["request_id"],
        "user_id": (hashes or [service["request_id"]])[0],
        "items": [
            {key: item[key] for key in ("item_id", "rank", "propensity") if key in item} for item in service["items"]
        ],
        "context": known | ({} if hashes else {"anonymous": "true"}),
    }
    if "latency_ms" in service:
        made["latency_ms"] = float(service["latency_ms"])  # a double, also where it is written as a whole number
    return made | {key: service[key] for key in ("error",) if key in service}


@settings(max_examples=200, deadline=None)
@given(record=strategies.service_exposures)
def test_conversion_says_what_the_contract_says(record):
    """Subject, context, ranks, propensities, latency and error, and a line that is valid exposure.v1."""
    line = ENCODE(to_exposure_v1(DECODE(json.dumps(record))))
    assert checker("exposure.v1")(line) == []
    made = json.loads(line)
    moment = datetime.fromisoformat(made.pop("ts").replace("Z", "+00:00"))
    assert moment == _moment(record["timestamp"])
    assert made == json.loads(json.dumps(by_the_contract(record)))


def _moment(text: str) -> datetime:
    return msgspec.convert(text.upper(), datetime)


names = st.one_of(st.none(), strategies.ids)
served = st.builds(
    Served,
    request_id=strategies.ids,
    ts=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),
    tenant_id=strategies.ids,
    surface=strategies.ids,
    segment=strategies.ids,
    subject=st.builds(Subject, *[st.one_of(st.none(), strategies.HASH)] * 3),
    versions=st.one_of(st.none(), st.builds(Versions, *[strategies.ids] * 4)),
    locale=names,
    device=names,
    country=names,
    now=names,
    experiment=st.one_of(st.none(), st.tuples(strategies.ids, strategies.ids)),
)
items = st.lists(st.tuples(strategies.ids, st.floats(0, 1)), max_size=3)
listed = st.builds(Listed, items, st.floats(0, 1e6), st.booleans())


@settings(max_examples=150, deadline=None)
@given(served=served, listed=listed)
def test_a_converted_audit_log_is_the_evaluation_log(served, listed):
    """The service's two formats, for the same request: converting one gives the other, byte for byte."""
    audit, evaluation = exposure_line(served, listed, "service_v1"), exposure_line(served, listed, "eval_v1")
    assert checker("service_v1")(audit) == []
    assert ENCODE(to_exposure_v1(DECODE(audit))) == evaluation
    assert msgspec.json.decode(evaluation, type=Exposure).error == listed.error
