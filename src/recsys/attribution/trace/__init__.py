"""Everything that logs say of one request, without a join of the whole logs."""
