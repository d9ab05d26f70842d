"""The parts of the users on Spark: the same hash, in its words."""

from pathlib import Path

import pytest

from shard_rows import check


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_row_is_in_one_part(spark, tmp_path: Path):
    """The rows of each part are those that MD5 says, and no others."""
    check(spark, tmp_path)
