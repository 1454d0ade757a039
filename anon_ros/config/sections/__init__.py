"""Parameters of single cameras and targets."""
