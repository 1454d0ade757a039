"""Weights on this machine: search, inventory, offline switches."""
