"""RecSys Suite: a recommender that can prove what it showed."""

__version__ = "0.1.0"
