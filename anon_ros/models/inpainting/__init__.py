"""Inpainters: diffusion, classical, and the baselines of the paper."""
