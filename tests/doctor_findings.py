"""What a diagnosis says, as tests ask for it."""

import json

from doctor_world import world


def planted(seed=1, **size):
    """The logs of a healthy shop, every row a dictionary of its own, to plant a fault in."""
    return tuple(json.loads(json.dumps(part)) for part in world(seed, **{"requests": 700, "users": 140, **size}))


def found(diagnosis, detector):
    """The findings of a detector, nested ones too, by subject."""
    findings = {}

    def collect(each):
        if each.detector == detector:
            assert each.subject not in findings
            findings[each.subject] = each
        for nested in each.nested:
            collect(nested)

    for each in diagnosis.findings:
        collect(each)
    return findings


def only(diagnosis, detector, subject=""):
    """The finding of a detector; it is on top, and no other one there is serious."""
    assert not [
        (each.detector, each.subject)
        for each in diagnosis.findings
        if each.severity == "serious" and (each.detector, each.subject) != (detector, subject)
    ]
    [finding] = [each for each in diagnosis.findings if (each.detector, each.subject) == (detector, subject)]
    return finding
