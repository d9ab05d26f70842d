"""PostgreSQL: tenants, keys, configuration, catalogue and events."""
