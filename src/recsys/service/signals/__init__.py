"""Snapshots: what a tenant is served from, immutable and in memory."""
