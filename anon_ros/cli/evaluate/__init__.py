"""``anon_ros evaluate``: measure identity, quality and use."""

from anon_ros.cli.evaluate.parser import add_evaluate_parser as add_arguments

__all__ = ["add_arguments"]
