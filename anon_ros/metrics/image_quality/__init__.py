"""Distances between sets of images: FID, KID, Inception Score."""
