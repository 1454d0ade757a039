"""Paste orders, and synthetic scenes whose depth order is known."""
