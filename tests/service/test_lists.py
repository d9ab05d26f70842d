"""Every field of a request does something, or the answer says that it does not."""

import hashlib
import hmac

import pytest

from recsys.eventlog.pseudonym import pseudonym
from service_world import ITEMS, log_lines, one


def ids(answer: dict) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def codes(answer: dict) -> list[str]:
    return [warning["code"] for warning in answer["warnings"]]


def tagged(tag: str) -> set[str]:
    return {item for item, tags in ITEMS.items() if tag in tags}


def test_filters_come_before_the_cut_and_are_refilled(world):
    """As many items as were asked for, all of them allowed; only what does not exist is missing."""
    assert set(ids(world.recommend(k=10, constraints={"required_tags": ["RED"]}))) == tagged("red")
    without = world.recommend(k=20, constraints={"forbidden_tags": ["Red"]})
    assert set(ids(without)) == set(ITEMS) - tagged("red")
    assert without["meta"]["counts"] == {"candidates": 30, "filtered": 10, "returned": 20}
    capped = ids(world.recommend(k=10, constraints={"max_per_tag": {"Blue": 2, "red": 1}}))
    assert len(capped) == 10
    assert len(tagged("blue") & set(capped)) <= 2
    assert len(tagged("red") & set(capped)) <= 1
    few = world.recommend(k=50, constraints={"required_tags": ["red", "blue"], "max_per_tag": {"all": 3}})
    assert len(ids(few)) == 3
    assert "CONSTRAINTS_FILTERED" in codes(few)


def test_include_is_an_allow_list_and_exclude_is_never_shown(world):
    """Both are honoured; ids that nobody knows are told of."""
    first = ids(world.recommend(k=5))
    again = ids(world.recommend(k=5, candidates={"exclude_ids": first}))
    assert len(again) == 5
    assert not set(first) & set(again)
    allowed = world.recommend(k=3, candidates={"include_ids": ["item-09", "item-11", "item-12", "nobody"]})
    assert set(ids(allowed)) == {"item-09", "item-11", "item-12"}
    both = world.recommend(candidates={"include_ids": ["item-09", "item-11"], "exclude_ids": ["item-09"]})
    assert ids(both) == ["item-11"]
    none = world.recommend(candidates={"include_ids": []})
    assert (ids(none), "CANDIDATES_INCLUDE_EMPTY" in codes(none)) == ([], True)
    many = [f"unknown-{n}" for n in range(4_990)]
    assert ids(world.recommend(k=50, candidates={"exclude_ids": [*many, *list(ITEMS)[:10]]}))[0] not in list(ITEMS)[:10]


def test_anchors(world):
    """They speak for co-visitation, and are not recommended back; ``max_anchors`` takes the first ones."""
    plain = ids(world.recommend(k=10, user={"user_id": "stranger"}))
    anchored = world.recommend(k=10, user={"user_id": "stranger"}, anchors={"item_ids": ["item-20", "item-05"]})
    assert ids(anchored) != plain
    assert not {"item-20", "item-05"} & set(ids(anchored))
    limited = world.recommend(
        k=10, user={"user_id": "stranger"}, anchors={"item_ids": ["item-20", "item-05"], "max_anchors": 1}
    )
    assert ids(limited) != ids(anchored)
    unknown = world.recommend(anchors={"item_ids": ["nobody"]})
    assert "SIGNAL_PARTIAL" in codes(unknown) or "SIGNAL_UNAVAILABLE" in codes(unknown)


def test_weights_and_where_they_come_from(world):
    """Request over surface over tenant."""
    popular = ids(world.recommend(k=20, surface="popular"))
    assert popular == ids(world.recommend(k=20, weights={"pop": 1, "cooc": 0}))
    assert popular != ids(world.recommend(k=20))
    assert ids(world.recommend(k=20, surface="popular", weights={"pop": 0.5, "cooc": 0.5})) == ids(
        world.recommend(k=20)
    )


def test_the_subject_counts(world):
    """Users with another history get another list; an anonymous and a session id name a subject too."""
    lists = {tuple(ids(world.recommend(k=10, user={"user_id": f"user-{n}"}))) for n in range(6)}
    assert len(lists) > 1
    as_user = ids(world.recommend(k=10, user={"user_id": "user-4"}))
    assert ids(world.recommend(k=10, user={"anonymous_id": "user-4"})) == as_user
    assert ids(world.recommend(k=10, user={"session_id": " user-4 "})) == as_user


def test_what_is_only_logged_is_logged(world):
    """Segment and situation reach the log."""
    context = {"locale": "de-AT", "device": "phone", "country": "AT", "now": "2026-02-05t10:00:00z"}
    body = {"surface": "home", "segment": "new", "user": {"user_id": "u"}, "context": context}
    world.post("/v1/recommend", body, headers={"X-Request-Id": "context-1"})
    row = one(log_lines(world.logs), "context-1")
    assert (row["segment"], row["context"]) == ("new", context)


def test_defaults_are_told(world):
    """k, segment: the answer says what was taken; nothing else is warned of."""
    answer = world.post("/v1/recommend", {"surface": "home", "user": {"user_id": "user-1"}}).json()
    assert answer["warnings"] == [
        {"code": "DEFAULT_APPLIED", "detail": "segment: default"},
        {"code": "DEFAULT_APPLIED", "detail": "k: 20"},
    ]
    assert len(answer["items"]) == 20
    assert world.recommend(segment="default", k=5)["warnings"] == []


def test_what_has_no_effect_yet_is_told(world):
    """seed and emb warn by name; explain is refused by name."""
    answer = world.recommend(segment="x", options={"seed": 1}, weights={"emb": 0.5})
    told = [warning["detail"] for warning in answer["warnings"]]
    assert any("options.seed" in detail for detail in told)
    assert any("weights.emb" in detail for detail in told)
    body = {"surface": "home", "user": {"user_id": "u"}, "options": {"explain": "summary"}}
    assert "options.explain" in world.post("/v1/recommend", body).json()["detail"]


def test_reasons_only_when_asked(world):
    """No empty lists of reasons."""
    assert "reasons" not in world.recommend()["items"][0]
    assert world.recommend(options={"include_reasons": True})["items"][0]["reasons"]


def variant(experiment: str, subject: str) -> str:
    digest = hmac.new(b"salt", f"{experiment}:{subject}".encode(), hashlib.sha256).digest()
    return "AB"[int.from_bytes(digest[:8], "big") % 2]


@pytest.mark.parametrize(("subject", "expected"), [("user-123", "B"), ("u1", "B"), ("u2", "A"), ("u3", "A")])
def test_assignment_follows_the_published_rule(world, subject, expected):
    """The vectors of the contract: returned, in the exposure, and as an assignment line, each time."""
    assert variant("exp-1", subject) == expected
    for number, user in enumerate(({"user_id": subject}, {"anonymous_id": subject}, {"session_id": f" {subject} "})):
        request_id = f"assign-{subject}-{number}"
        body = {"surface": "home", "user": user, "experiment": {"id": "exp-1"}}
        answer = world.post("/v1/recommend", body, headers={"X-Request-Id": request_id}).json()
        assert answer["meta"]["experiment"] == {"id": "exp-1", "variant": expected}
        assert one(log_lines(world.logs), request_id)["experiment"] == {"id": "exp-1", "variant": expected}
        line = one(log_lines(world.logs, "assignment"), request_id)
        assert (line["experiment_id"], line["variant"]) == ("exp-1", expected)
        assert line["user_id"] == pseudonym(b"salt", subject)
        assert line["context"] == {"tenant_id": "demo", "surface": "home"}


def test_a_variant_changes_the_ranking(world):
    """B of exp-1 ranks by popularity alone; the client may also name the variant."""
    named = world.recommend(k=20, experiment={"id": "exp-1", "variant": "B"})
    assert ids(named) == ids(world.recommend(k=20, surface="popular"))
    assert ids(world.recommend(k=20, experiment={"id": "exp-1", "variant": "A"})) == ids(world.recommend(k=20))


def test_the_traffic_gate(world):
    """Who does not take part is served as ever: no variant is returned, none is logged."""
    body = {"surface": "home", "user": {"user_id": "user-1"}, "experiment": {"id": "nobody"}}
    answer = world.post("/v1/recommend", body, headers={"X-Request-Id": "gate-1"}).json()
    assert "experiment" not in answer["meta"]
    assert "experiment" not in one(log_lines(world.logs), "gate-1")
    assert "gate-1" not in [row["request_id"] for row in log_lines(world.logs, "assignment")]


def test_experiments_without_configuration_take_the_default_variants(world):
    """EXPERIMENT_DEFAULT_VARIANTS, by the same rule."""
    answer = world.recommend(experiment={"id": "ad-hoc"})
    assert answer["meta"]["experiment"]["variant"] == variant("ad-hoc", "user-1")


def test_without_assignment_a_variant_must_be_named(make_world):
    """A request that would silently stay outside an experiment is refused; unknown experiments name the nearest."""
    plain = make_world()
    body = {"surface": "home", "user": {"user_id": "u"}, "experiment": {"id": "exp-1"}}
    refused = plain.post("/v1/recommend", body)
    assert (refused.status_code, "EXPERIMENT_ASSIGNMENT_ENABLED" in refused.json()["detail"]) == (422, True)
    body["experiment"] = {"id": "exp1"}
    refused = plain.post("/v1/recommend", body)
    assert (refused.status_code, "'exp-1'" in refused.json()["detail"]) == (422, True)
    body["experiment"] = {"id": "exp-1", "variant": "B"}
    assert plain.post("/v1/recommend", body).json()["meta"]["experiment"] == {"id": "exp-1", "variant": "B"}
