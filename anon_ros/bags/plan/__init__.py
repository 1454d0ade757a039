"""Plan of a run: an action per topic of a bag."""
