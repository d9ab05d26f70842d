"""The doctor's relations on any engine, against their plain-Python twins, on many logs at once."""

import doctor_oracle_identity
import doctor_oracle_traffic
from recsys.attribution import relations
from relation_checks import counted

SECOND = 1_000_000
PARAMETERS = {
    "as_of_us": 0, "bucket_us": 60 * SECOND, "same_list_us": 86_400 * SECOND, "replaced_us": 60 * SECOND,
}  # fmt: skip


def twins(world):
    """Name → the rows of the twin."""
    found = {name: twin(world, PARAMETERS["bucket_us"]) for name, twin in doctor_oracle_identity.TWINS.items()}
    return found | {name: twin(world, PARAMETERS) for name, twin in doctor_oracle_traffic.TWINS.items()}


def check(read, world):
    """AssertionError names the first relation that has not the rows of its twin. ``read`` gives the columns and rows of
    a query; the table ``doctor`` is there, and those of ``relations.DOCTOR`` that others read."""
    for name, expected in twins(world).items():
        columns, rows = counted(*read(relations.text(name)))
        assert rows == counted(columns, [tuple(row[column] for column in columns) for row in expected])[1], name
        assert not expected or set(columns) == set(expected[0]), name


def read_by_others():
    """Those that others read, in the order of the list."""
    return [name for name in relations.DOCTOR if any(name in reads for reads in relations.DOCTOR.values())]
