"""Experiments on anonymized images: what is lost, and who can be recognized."""
