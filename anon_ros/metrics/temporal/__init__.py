"""Measures over time: recall, flicker, identity switches."""
