"""The plan: one action per topic of a bag."""
