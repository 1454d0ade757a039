"""Errors of the training."""


class TrainingError(Exception):
    """An input or option with which the training cannot go on."""
