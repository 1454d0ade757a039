"""Verbs of ``ros2 bag``: ``ros2 bag anonymize`` and ``ros2 bag verify``.

``ros2`` runs on the system's Python, which has no torch. The verbs therefore hand over to the
executable ``anon_ros``, whose first line takes the Python of the active virtual environment.
"""

import os
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from ros2bag.verb import VerbExtension


class _HandOverVerb(VerbExtension):  # type: ignore[misc]  # ros2bag is not typed
    command = ""

    def add_arguments(self, parser: ArgumentParser, _cli_name: str) -> None:
        """Take every argument as it is, also those that look like options of ``ros2``."""
        parser.prefix_chars = ""
        parser.add_argument("arguments", nargs=REMAINDER)

    def main(self, *, args: Namespace) -> int:
        """Become ``anon_ros COMMAND ARGUMENTS``: its output, signals and exit code are the verb's.

        Returns:
            1 if the executable cannot be started; else it does not return.
        """
        executable = Path(get_package_prefix("anon_ros"), "lib", "anon_ros", "anon_ros")
        try:
            os.execv(executable, [executable, self.command, *args.arguments])  # noqa: S606 - no shell
        except OSError as error:
            problem = f"{executable}: {error.strerror}; build the workspace again"
            print(f"ros2 bag: {problem}", file=sys.stderr)  # noqa: T201 - a command line prints
            return 1


class AnonymizeVerb(_HandOverVerb):
    """Replace the persons in a bag by synthetic ones (anon_ros bag IN OUT)."""

    command = "bag"


class VerifyVerb(_HandOverVerb):
    """Compare an anonymized bag with its original (anon_ros verify IN OUT)."""

    command = "verify"
