"""``anon_ros verify``: check an anonymized recording."""

import sqlite3
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from anon_ros.bags import (
    Bag,
    Findings,
    MirroredSegmenter,
    ReviewPage,
    VerifyJob,
    open_bag,
    read_report,
    redetection_config,
    sidecar_path,
    verify_bag,
)
from anon_ros.cli.config_flags import add_config_flags, collect_parameters, parse_config
from anon_ros.cli.deprecated_flags import add_deprecated_flag
from anon_ros.errors import BagError, format_error
from anon_ros.models import build_segmenter, find_weights_by_hash
from anon_ros.utils.progress import ProgressBar
from anon_ros.utils.text import escape_controls

REVIEW_HTML = "review.html"
_MAX_LINES = 50

_DESCRIPTION = """\
Compare OUT with the recording IN that it was made from, message by message, and detect persons in
OUT again, mirrored, and in IN where anybody was replaced. Unless flags override them, the --detect
parameters are those of the run that wrote OUT (not the defaults named below), except for 1.5 times
the inference_px and scores from 0.25. No path in OUT/report.json is loaded: the weights are those
of --detect.weights, or the files of the models directory with the SHA-256 of the run's. Exit code:
0 without findings, 1 with warnings, 2 with errors.
"""
_EXAMPLES = """\
examples:
  anon_ros verify drive/ drive_anonymized/
  anon_ros verify drive/ drive_anonymized/ --every-nth 10 --html review.html
  anon_ros verify drive/ drive_anonymized/ --detect.weights yolov8x-seg.pt
  anon_ros verify drive/ drive_anonymized/ --no-redetection
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add input, output, checks and parameters."""
    parser.usage = "anon_ros verify IN OUT [options]"
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("input", type=Path, metavar="IN", help="original recording")
    parser.add_argument("output", type=Path, metavar="OUT", help="recording from anon_ros bag")
    no_redetection = parser.add_argument(
        "--no-redetection",
        action="store_true",
        help="compare only; needs no weights",
    )
    add_deprecated_flag(parser, "--no-second-look", no_redetection)
    parser.add_argument(
        "--every-nth",
        type=_parse_positive,
        default=1,
        metavar="N",
        help="detect persons in the first of every N images of a topic (default: 1)",
    )
    html = parser.add_argument(
        "--html",
        type=Path,
        metavar="PATH",
        help="page with the most doubtful images of OUT (default: review.html in or beside OUT)",
    )
    add_deprecated_flag(parser, "--review", html)
    add_config_flags(parser, ("detect", "compute.device", "fail.max_decompressed_mib"))
    parser.set_defaults(run=run_verify)


def _parse_positive(text: str) -> int:
    value = int(text)
    if value < 1:
        message = f"expected a positive integer, got {text}"
        raise ArgumentTypeError(message)
    return value


def run_verify(arguments: Namespace) -> int:
    """Compare two bags, print the findings, and write the review page.

    Returns:
        0 without findings, 1 with warnings, 2 with errors.

    Raises:
        AnonRosError: if they cannot be compared.
    """
    max_bytes = parse_config(arguments).fail.max_decompressed_bytes
    source, output = (
        open_bag(path, salvage=True, max_bytes=max_bytes)
        for path in (arguments.input, arguments.output)
    )
    review: Path = arguments.html or sidecar_path(output, REVIEW_HTML)
    if not review.parent.is_dir():
        message = f"--html: the folder {review.parent} does not exist"
        raise BagError(message)
    report = read_report(output)
    overrides = collect_parameters(arguments)
    is_named = "detect.weights" in overrides or arguments.config or arguments.no_redetection
    if not is_named:
        overrides["detect.weights"] = find_weights_by_hash(report.weights_sha256)
    config = parse_config(arguments) if arguments.config else redetection_config(report, overrides)
    job = VerifyJob(
        source=source,
        output=output,
        report=report,
        # Not in OUT: what is decompressed there for the moment is IN.
        scratch=arguments.html.parent if arguments.html else output.path.absolute().parent,
        load_segmenter=None
        if arguments.no_redetection
        else lambda: MirroredSegmenter(build_segmenter(config)),
        every_nth=arguments.every_nth,
    )
    try:
        findings, page = _verify_with_progress(job)
        summary = _format_summary(output, findings)
        page.write(review, output.path, findings, summary)
    except (OSError, sqlite3.Error) as error:
        raise BagError(format_error(error)) from error
    _print_findings(findings)
    print(escape_controls(f"{summary}; {review}"))
    return findings.exit_code


def _verify_with_progress(job: VerifyJob) -> tuple[Findings, ReviewPage]:
    progress = ProgressBar(job.report.image_counts.anonymized)
    try:
        return verify_bag(job, progress)
    finally:
        progress.close()


def _print_findings(findings: Findings) -> None:
    for kind, lines, count in (
        ("error", findings.errors, findings.num_errors),
        ("warning", findings.warnings, findings.num_warnings),
        ("not checked", findings.not_checked, len(findings.not_checked)),
    ):
        for line in lines[:_MAX_LINES]:
            print(escape_controls(f"{kind}: {line}"))
        if count > _MAX_LINES:
            print(f"{kind}: ... and {count - _MAX_LINES} more")


def _format_summary(output: Bag, findings: Findings) -> str:
    counters = findings.counters
    checks = (
        f"{counters.get('messages', 0)} messages compared: {counters.get('copies', 0)} copies, "
        f"{counters.get('images', 0)} images with {counters.get('persons', 0)} persons; "
        f"{counters.get('left out', 0)} left out as they should be; "
        f"re-detection in {counters.get('redetections', 0)} images"
    )
    return (
        f"{output.path}: {checks}; {findings.num_errors} errors, {findings.num_warnings} warnings"
    )
