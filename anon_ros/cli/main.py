"""The command line: parses first, imports what a command needs later."""

import logging
import signal
import sys
import threading
from argparse import (
    SUPPRESS,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from anon_ros.cli.config_flags import add_config_flags, parse_config
from anon_ros.cli.evaluate.parser import add_evaluate_parser
from anon_ros.config import Config, all_parameters, dump_markdown, dump_yaml, get_value, load_config
from anon_ros.errors import AnonRosError

_MODEL_GROUPS = ("detect", "inpaint", "compute")
_IMAGE_GROUPS = ("detect", "mask", "inpaint", "compute", "output")

_BAG_GROUPS = (
    *_IMAGE_GROUPS,
    "track",
    "memory",
    "identity",
    "skip.every_nth",
    "skip.max_rate_hz",
    "skip.on_skipped",
    "fail.max_consecutive",
)

_EXAMPLES = """\
examples:
  anon_ros models                                what is needed, what is found, how to get the rest
  anon_ros image photos/ -o anonymized/          a folder of images, as a mirrored tree
  anon_ros image a.jpg -o b.jpg --inpaint.method fill   without a diffusion model
  anon_ros bag drive/ drive_anonymized/ --dry-run      what would become of each topic
  anon_ros bag drive/ drive_anonymized/                a recording; goes on where it stopped
  anon_ros verify drive/ drive_anonymized/             check the result against the recording
  anon_ros evaluate all drive/ -o proof/               how well it is anonymized, as a page
  anon_ros config dump > mine.yaml               every parameter, explained
  anon_ros config check mine.yaml

The live node: ros2 launch anon_ros anonymize.launch.py
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 if some of its inputs failed, 2 if it could not start."""
    logging.basicConfig(format="anon_ros: %(message)s", level=logging.WARNING)
    logging.getLogger("anon_ros").setLevel(logging.INFO)
    arguments = _parser().parse_args(argv)  # logs flags that are deprecated
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as with Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file's name may be no text
            stream.reconfigure(errors="backslashreplace")
    try:
        code: int = arguments.run(arguments)
    except AnonRosError as error:
        print(f"anon_ros: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("anon_ros: interrupted", file=sys.stderr)
        return 130
    return code


def bag_main() -> int:
    """``ros2 run anon_ros bag IN OUT``."""
    return main(["bag", *sys.argv[1:]])


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="anon_ros",
        description="Replace the persons in camera images by synthetic ones.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_image(commands.add_parser("image", help="anonymize image files and folders"))
    _add_bag(commands.add_parser("bag", help="anonymize a recording (rosbag2 or ROS 1)"))
    _add_verify(commands.add_parser("verify", help="check an anonymized recording"))
    add_evaluate_parser(commands.add_parser("evaluate", help="measure identity, quality and use"))
    _add_config(commands.add_parser("config", help="print or check parameters"))
    models = commands.add_parser("models", help="list the models: needed, found, where")
    add_config_flags(models, _MODEL_GROUPS)
    models.set_defaults(run=_run_models)
    return parser


def _add_image(parser: ArgumentParser) -> None:
    parser.description = (
        "Anonymize JPEG and PNG files. A folder is walked and mirrored below OUT. An image without "
        "persons is copied as it is; any other, or one with a thumbnail inside, is re-encoded "
        "without its metadata. An image that fails is reported and not written."
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="image file or folder")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="folder to write to; for a single file also a file name",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    add_config_flags(parser, _IMAGE_GROUPS)
    parser.set_defaults(run=_run_image)


def _add_bag(parser: ArgumentParser) -> None:
    parser.description = (
        "Anonymize a recording. Image topics are anonymized, every frame by default; all other "
        "topics are copied byte by byte. Topics that may show persons and cannot be anonymized "
        "stop the run until --drop or --copy decides. All images are looked at before the first is "
        "written, so that who is missed in one is known from those around it. An interrupted run "
        "is taken up again by the same command. Needs no ROS."
    )
    parser.add_argument(
        "input", type=Path, metavar="IN", help="rosbag2 folder, or a .mcap, .db3 or .bag file"
    )
    parser.add_argument(
        "output",
        type=Path,
        metavar="OUT",
        help="folder for a rosbag2 recording, or a .mcap, .db3 or .bag file",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what becomes of each topic, and stop"
    )
    topics = parser.add_argument_group(
        "topics", "Names, or patterns: * stands for a part of a name, ** for several parts."
    )
    topics.add_argument(
        "--topics",
        nargs="+",
        action="extend",
        default=[],
        metavar="TOPIC",
        help="take over these topics alone",
    )
    for flag, text in (
        ("--drop", "leave this topic out; may be repeated"),
        ("--copy", "copy this topic as it is, whoever is seen in it; may be repeated"),
    ):
        topics.add_argument(flag, action="append", default=[], metavar="TOPIC", help=text)
    topics.add_argument(
        "--prefix", default="", metavar="NAMESPACE", help="put this before every topic, as /anon"
    )
    part = parser.add_argument_group("part of the recording")
    for flag, text in (
        ("--start", "leave out the first S seconds"),
        ("--duration", "stop S seconds after the start"),
    ):
        part.add_argument(flag, type=_seconds, default=0.0, metavar="S", help=text)
    part.add_argument(
        "--every-nth",
        type=int,
        dest="skip.every_nth",
        default=SUPPRESS,
        metavar="N",
        help="short for --skip.every_nth: of the images of a topic take every Nth",
    )
    result = parser.add_argument_group("output")
    result.add_argument(
        "--storage",
        choices=("mcap", "sqlite3"),
        default="",
        help="instead of the input's; for ROS 1 into a folder: mcap",
    )
    result.add_argument(
        "--compression",
        choices=("none", "file", "message", "storage"),
        default="",
        help="zstd by file, by message or of the storage's chunks (mcap), instead of the input's",
    )
    result.add_argument(
        "--no-masks", action="store_true", help="do not keep the masks that verify reads (masks.db)"
    )
    result.add_argument(
        "--salvage",
        action="store_true",
        help="leave out what is damaged or cannot be anonymized, and go on; else that ends the run",
    )
    add_config_flags(parser, _BAG_GROUPS)
    parser.set_defaults(run=_run_bag)


def _add_verify(parser: ArgumentParser) -> None:
    parser.description = (
        "Compare OUT with the recording IN that it was made from, message by message, and look for "
        "persons in OUT once more, mirrored. Unless told otherwise that is done with the --detect "
        "parameters of the run that wrote OUT (not with the defaults named below), but for 1.5 "
        "times its inference_px, and scores from 0.25. Exit code: 0 clean, 1 suspicions, 2 broken."
    )
    parser.add_argument("input", type=Path, metavar="IN", help="the recording")
    parser.add_argument("output", type=Path, metavar="OUT", help="what anon_ros bag made of it")
    parser.add_argument(
        "--no-second-look", action="store_true", help="compare only; needs no weights"
    )
    parser.add_argument(
        "--every-nth",
        type=_positive,
        default=1,
        metavar="N",
        help="look once more at the first of every N images of a topic (default: 1)",
    )
    parser.add_argument(
        "--review",
        type=Path,
        metavar="PATH",
        help="page with the most doubtful images of OUT (default: review.html in or beside OUT)",
    )
    add_config_flags(parser, ("detect", "compute.device"))
    parser.set_defaults(run=_run_verify)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        message = f"{text} is no number from 1 on"
        raise ArgumentTypeError(message)
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        message = f"{text} is no number of seconds, 0 or more"
        raise ArgumentTypeError(message)
    return value


def _add_config(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    dump = actions.add_parser("dump", help="print every parameter as a commented YAML file")
    dump.set_defaults(run=_run_dump)
    check = actions.add_parser("check", help="check a parameter file")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_run_check)
    docs = actions.add_parser("docs", help="print every parameter as a Markdown table")
    docs.set_defaults(run=_run_docs)


def _run_image(arguments: Namespace) -> int:
    from anon_ros.cli.image import run_image  # noqa: PLC0415 - needs OpenCV, not for --help

    config = parse_config(arguments)
    return run_image(arguments.inputs, arguments.output, config, force=arguments.force)


def _run_bag(arguments: Namespace) -> int:
    from anon_ros.cli.bag import run_bag  # noqa: PLC0415 - needs OpenCV, not for --help

    return run_bag(arguments, parse_config(arguments))


def _run_verify(arguments: Namespace) -> int:
    from anon_ros.cli.verify import run_verify  # noqa: PLC0415 - needs OpenCV, not for --help

    return run_verify(arguments)


def _run_models(arguments: Namespace) -> int:
    from anon_ros.cli.models import run_models  # noqa: PLC0415 - needs OpenCV, not for --help

    return run_models(parse_config(arguments))


def _run_dump(_: Namespace) -> int:
    print(dump_yaml(Config()), end="")
    return 0


def _run_check(arguments: Namespace) -> int:
    config = load_config(arguments.file)
    changed = [name for name, p in all_parameters().items() if get_value(config, name) != p.default]
    print(f"{arguments.file}: ok; not default: {', '.join(changed) or 'nothing'}")
    return 0


def _run_docs(_: Namespace) -> int:
    print(dump_markdown(), end="")
    return 0
