"""Experiment on missed frames and flicker."""
