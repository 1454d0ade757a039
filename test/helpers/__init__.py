"""Fakes, recordings and drivers that the tests share."""
