"""Identifiers of people in text: each kind in its own file, found by its published format."""
