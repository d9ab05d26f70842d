"""recsys-service: the HTTP recommender."""
