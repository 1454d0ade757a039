"""Inputs of the experiments: frames, tracks, depth, mask labels."""
