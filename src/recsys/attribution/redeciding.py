"""The same staged logs under another policy: only what comes of the policy is made anew."""

from __future__ import annotations

from dataclasses import replace

from recsys.attribution import relations
from recsys.attribution.join import Joined
from recsys.attribution.policy import Policy


def of_policy() -> list[str]:
    """The relations that come of the policy, in the order in which they are made."""
    found = ["policy"]
    for name, reads in relations.TABLES.items():
        if set(reads) & set(found):
            found.append(name)
    return found[1:]


def under(joined: Joined, policy: Policy) -> Joined:
    """The join under another policy. It takes the place of ``joined``, whose relations are gone."""
    joined.engine.load("policy", *policy.table())
    for name in of_policy():
        joined.engine.create(name, relations.text(name), view=name in relations.VIEWS)
    return replace(joined, policy=policy)


def with_inferred(joined: Joined) -> None:
    """Let ``outcome_fates`` hold the inferred credits as attributions. What is read of it then is no longer the fates,
    until ``under`` makes them anew."""
    joined.engine.create("outcome_fates", relations.text("credited_outcomes"), view=True)
