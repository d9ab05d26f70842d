"""Engines that run the relations."""
