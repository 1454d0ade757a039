"""Sweep over the noise level beta_d."""
