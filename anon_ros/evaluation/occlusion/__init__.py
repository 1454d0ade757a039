"""Paste order experiment."""
