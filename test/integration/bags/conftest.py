"""The command ``anon_ros bag`` with models that know a single color."""

from helpers.bag_command import run_bag, sentinel_models

__all__ = ["run_bag", "sentinel_models"]
