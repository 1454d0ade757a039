"""The command ``anon_ros bag`` with models that know a single color."""

from helpers.bag_command import draw_bag, run_bag, sentinel_models

__all__ = ["draw_bag", "run_bag", "sentinel_models"]
