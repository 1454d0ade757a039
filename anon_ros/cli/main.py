"""Command line: dispatch to the sub-commands, whose modules are imported when they are used."""

import logging
import signal
import sys
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any

from anon_ros.errors import AnonRosError, format_error
from anon_ros.utils.text import escape_controls

_COMMANDS = {
    "image": "anonymize image files and folders",
    "bag": "anonymize a recording (rosbag2 or ROS 1)",
    "verify": "check an anonymized recording",
    "evaluate": "measure identity, quality and use",
    "config": "print or check parameters",
    "models": "list the required models, with path or download command",
}

_EXAMPLES = """\
examples:
  anon_ros models                                       required models, and how to get them
  anon_ros image photos/ -o anonymized/                 a folder of images, as a mirrored tree
  anon_ros image a.jpg -o b.jpg --inpaint.method fill   without a diffusion model
  anon_ros bag drive/ drive_anonymized/ --dry-run       the plan for every topic
  anon_ros bag drive/ drive_anonymized/                 a recording; continues where it stopped
  anon_ros verify drive/ drive_anonymized/              compare the result with the recording
  anon_ros evaluate all drive/ -o proof/                quality of the anonymization, as a page
  anon_ros config dump > mine.yaml                      all parameters, with comments
  anon_ros config check mine.yaml

The live node: ros2 launch anon_ros anonymize.launch.py
"""


class _CommandParser(ArgumentParser):
    """Parser of a sub-command, whose module is imported when it parses.

    Importing OpenCV takes a second, which ``anon_ros --help`` should not. The module has
    ``add_arguments(parser)``, which also sets the default ``run``: a function of the parsed
    arguments that returns the exit code.
    """

    def __init__(self, *, module: str = "", **options: Any) -> None:
        options.setdefault("formatter_class", RawDescriptionHelpFormatter)
        super().__init__(**options)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the arguments of the sub-command, then parse."""
        if self._module:
            import_module(self._module).add_arguments(self)
            self._module = ""
        return super().parse_known_args(args, namespace)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 if some of its inputs failed, 2 if it could not start."""
    # Before parsing, which warns of former names of flags.
    logging.basicConfig(level=logging.WARNING, handlers=[_make_log_handler()])
    logging.getLogger("anon_ros").setLevel(logging.INFO)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as with Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file name may be no valid text
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = _make_parser().parse_args(argv)
        code: int = arguments.run(arguments)
    except (AnonRosError, ModuleNotFoundError) as error:
        text = str(error) if isinstance(error, AnonRosError) else format_error(error)
        print(f"anon_ros: error: {escape_controls(text)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("anon_ros: interrupted", file=sys.stderr)
        return 130
    return code


class _LogFormatter(logging.Formatter):
    """Formatter whose messages cannot steer the terminal, whatever a file or topic is called."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of a record, without its traceback."""
        return escape_controls(super().formatMessage(record))


def _make_log_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(_LogFormatter("anon_ros: %(message)s"))
    return handler


def _make_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="anon_ros",
        description="Replace the persons in camera images by synthetic ones.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", parser_class=_CommandParser
    )
    for name, summary in _COMMANDS.items():
        commands.add_parser(name, help=summary, module=f"anon_ros.cli.{name}")
    return parser
