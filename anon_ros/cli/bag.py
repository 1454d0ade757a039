"""``anon_ros bag``: anonymize a recording."""

import shutil
import sqlite3
import sys
import time
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from pathlib import Path

from anon_ros.bags import (
    REPORT,
    Bag,
    BagPlan,
    JobModels,
    OutputBag,
    RewriteJob,
    RunReport,
    TopicRules,
    anonymize_bag,
    inspect_bag,
    open_bag,
    plan_output,
)
from anon_ros.cli.config_flags import add_config_flags, parse_config
from anon_ros.config import Config
from anon_ros.errors import BagError, format_error
from anon_ros.models import build_tracker, build_tracking_anonymizer, model_hashes
from anon_ros.tracking import needs_tracking
from anon_ros.utils.files import make_private_dir
from anon_ros.utils.progress import ProgressBar
from anon_ros.utils.text import escape_controls

_MAX_LOSSES = 3
_DESCRIPTION = """\
Anonymize a recording. Image topics are anonymized, by default every frame; all other topics are
copied byte by byte. A topic that may show persons and cannot be anonymized stops the run until
--drop or --copy decides. Persons are detected in all images before the first is written, so that a
missed person is known from the images around it. The same command continues an interrupted run.
Needs no ROS.
"""
_EXAMPLES = """\
examples:
  anon_ros bag drive/ drive_anonymized/ --dry-run
  anon_ros bag drive/ drive_anonymized/ --drop /camera/depth --copy /map
  anon_ros bag drive.bag drive_anonymized/ --storage mcap --every-nth 10
"""
_CONFIG_GROUPS = (
    *("detect", "mask", "regions", "targets", "inpaint", "compute", "output"),
    *("track", "memory", "identity"),
    *("skip.every_nth", "skip.max_rate_hz", "skip.on_skipped", "fail.max_consecutive"),
    *("fail.max_pixels", "fail.max_decompressed_mib"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add input, output, topic rules, time range and parameters."""
    parser.usage = "anon_ros bag IN OUT [options]"
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
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
        "--dry-run", action="store_true", help="print the action for every topic, and stop"
    )
    _add_topic_flags(parser)
    _add_time_range_flags(parser)
    _add_output_flags(parser)
    add_config_flags(parser, _CONFIG_GROUPS)
    parser.set_defaults(run=run)


def _add_topic_flags(parser: ArgumentParser) -> None:
    topics = parser.add_argument_group(
        "topics", "Names, or patterns: * stands for a part of a name, ** for several parts."
    )
    topics.add_argument(
        "--topics",
        nargs="+",
        action="extend",
        default=[],
        metavar="TOPIC",
        help="include only these topics",
    )
    for flag, text in (
        ("--drop", "leave this topic out; may be repeated"),
        ("--copy", "copy this topic as it is, even if it shows persons; may be repeated"),
    ):
        topics.add_argument(flag, action="append", default=[], metavar="TOPIC", help=text)
    topics.add_argument(
        "--prefix",
        default="",
        metavar="NAMESPACE",
        help="put this before every topic, for example /anon",
    )


def _add_time_range_flags(parser: ArgumentParser) -> None:
    part = parser.add_argument_group("part of the recording")
    for flag, text in (
        ("--start", "leave out the first S seconds"),
        ("--duration", "stop S seconds after the start"),
    ):
        part.add_argument(flag, type=_parse_seconds, default=0.0, metavar="S", help=text)
    part.add_argument(
        "--every-nth",
        type=int,
        dest="skip.every_nth",
        default=SUPPRESS,
        metavar="N",
        help="short for --skip.every_nth: take every Nth image of a topic",
    )


def _add_output_flags(parser: ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--storage",
        choices=("mcap", "sqlite3"),
        default="",
        help="default: the storage of the input; mcap for ROS 1 into a folder",
    )
    output.add_argument(
        "--compression",
        choices=("none", "file", "message", "storage"),
        default="",
        help="zstd by file, by message or of the storage's chunks (mcap); default: as the input",
    )
    output.add_argument(
        "--no-masks", action="store_true", help="do not keep the masks that verify reads (masks.db)"
    )
    output.add_argument(
        "--salvage",
        "--recover",
        action="store_true",
        help="leave out damaged messages and images that cannot be anonymized, and continue; "
        "otherwise they end the run",
    )


def _parse_seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        message = f"expected seconds, 0 or more, got {text}"
        raise ArgumentTypeError(message)
    return value


def run(arguments: Namespace) -> int:
    """Anonymize a recording; see ``run_bag``."""
    return run_bag(arguments, parse_config(arguments))


def run_bag(arguments: Namespace, config: Config) -> int:
    """Plan, tell the plan, and carry it out.

    Returns:
        0; with --salvage also if something was lost, which is told.

    Raises:
        AnonRosError: if it cannot be done; what is done already is kept for the next run.
    """
    rules = TopicRules(tuple(arguments.topics), tuple(arguments.drop), tuple(arguments.copy))
    if arguments.prefix and not arguments.prefix.strip("/"):
        message = f"--prefix {arguments.prefix!r} names nothing; give one as /anon"
        raise BagError(message)
    target = None
    try:
        max_bytes = config.fail.max_decompressed_bytes
        bag = open_bag(arguments.input, salvage=arguments.salvage, max_bytes=max_bytes)
        target = plan_output(bag, arguments.output, arguments.storage, arguments.compression)
        bag_plan = _inspect(bag, target, rules, arguments)
        print(bag_plan.topics.format_table(), flush=True)
        if arguments.dry_run:
            return 0
        bag_plan.topics.require_decided()
        target.path.parent.mkdir(parents=True, exist_ok=True)
        job = RewriteJob(
            bag=bag,
            target=target,
            bag_plan=bag_plan,
            config=config,
            models=model_hashes(config),
            prefix=arguments.prefix,
            salvage=arguments.salvage,
            keep_masks=not arguments.no_masks,
        )
        return _run(job)
    except (OSError, sqlite3.Error) as error:
        note = ""
        if target is not None and target.partial_dir.exists():
            note = f"; {target.partial_dir} keeps what is done: repeat the command to go on"
        message = f"{format_error(error)}{note}"
        raise BagError(message) from error


def _inspect(bag: Bag, output: OutputBag, rules: TopicRules, arguments: Namespace) -> BagPlan:
    scratch = output.partial_dir / "inspect"
    window = arguments.start, arguments.duration
    if not bag.needs_scratch:
        return inspect_bag(bag, rules, *window, salvage=arguments.salvage, scratch=scratch)
    shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
    make_private_dir(output.partial_dir)
    scratch.mkdir()
    try:
        return inspect_bag(bag, rules, *window, salvage=arguments.salvage, scratch=scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # unless an unfinished run is in it
            output.partial_dir.rmdir()


def _run(job: RewriteJob) -> int:
    started_s = time.monotonic()
    phase = "looking for persons" if needs_tracking(job.config) else ""
    progress = ProgressBar(job.bag_plan.num_images, phase)

    def load() -> JobModels:
        config = job.config
        if needs_tracking(config):
            build_tracker(config)  # or it would fail only after the first look
        return JobModels(build_tracking_anonymizer(config), lambda: build_tracker(config))

    try:
        report = anonymize_bag(job, load, progress)
    finally:
        progress.close()
    elapsed_s = time.monotonic() - started_s
    summary = _format_summary(report, job.target, progress.resumed, elapsed_s)
    print(escape_controls(summary))
    for warning in report.warnings:
        print(escape_controls(f"anon_ros: warning: {warning}"), file=sys.stderr)
    if report.num_losses:
        losses = escape_controls(_format_losses(report, job.target))
        print(f"anon_ros: warning: {losses}", file=sys.stderr)
    return 0


def _format_summary(
    report: RunReport, target: OutputBag, num_resumed: int, elapsed_s: float
) -> str:
    counts = report.image_counts
    num_written = sum(topic.num_written for topic in report.topics)
    num_failures = sum(report.target_failures.values())
    targets = f", {num_failures} targets not drawn" if num_failures else ""
    earlier = f", {num_resumed} of them by an earlier run" if num_resumed else ""
    return (
        f"{target.path}: {num_written} messages; {counts.anonymized} images anonymized{earlier}, "
        f"{counts.skipped} skipped, {counts.lost} lost; {counts.persons} persons, "
        f"{counts.inpainted} inpainted, {counts.covered} covered, "
        f"{counts.propagated} propagated{targets}; {elapsed_s:.0f} s"
    )


def _format_losses(report: RunReport, target: OutputBag) -> str:
    examples = "; ".join(map(str, report.losses[:_MAX_LOSSES]))
    ellipsis = "; ..." if len(report.losses) > _MAX_LOSSES else ""
    path = target.sidecar_path(REPORT)
    return f"{report.num_losses} losses: {examples}{ellipsis} (see {path})"
