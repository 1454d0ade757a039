"""Readers of box and polygon labels."""
