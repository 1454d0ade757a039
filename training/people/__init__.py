"""Synthetic people: bodies, poses, clothes and what they carry, rendered without one photograph."""
