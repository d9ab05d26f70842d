"""Ranking metrics by definition."""
