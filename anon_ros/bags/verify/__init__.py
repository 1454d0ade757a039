"""Verification of an output bag against its input."""
