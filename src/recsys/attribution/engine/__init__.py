"""Engines that hold the staged logs and run the relations."""
