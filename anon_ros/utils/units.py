"""Factors between units."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
BYTES_PER_MIB = 2**20
