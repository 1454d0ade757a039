"""Synthetic persons shown again: optical flow, warping, cache."""
