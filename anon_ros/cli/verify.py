"""``anon_ros verify``."""

import sqlite3
from argparse import Namespace
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
from anon_ros.cli.config_flags import parse_config
from anon_ros.config import all_parameters
from anon_ros.errors import BagError, format_error
from anon_ros.models import build_segmenter
from anon_ros.utils.progress import ProgressBar

REVIEW_HTML = "review.html"
_MAX_LINES = 50


def run_verify(arguments: Namespace) -> int:
    """Compare two bags, print the findings, and write the review page.

    Returns:
        0 without findings, 1 with warnings, 2 with errors.

    Raises:
        AnonRosError: if they cannot be compared.
    """
    source, output = (open_bag(path, salvage=True) for path in (arguments.input, arguments.output))
    review: Path = arguments.review or sidecar_path(output, REVIEW_HTML)
    if not review.parent.is_dir():
        message = f"--review: the folder {review.parent} does not exist"
        raise BagError(message)
    report = read_report(output)
    overrides = {name: value for name, value in vars(arguments).items() if name in all_parameters()}
    config = parse_config(arguments) if arguments.config else redetection_config(report, overrides)
    job = VerifyJob(
        source=source,
        output=output,
        report=report,
        # Not in OUT: what is decompressed there for the moment is IN.
        scratch=arguments.review.parent if arguments.review else output.path.absolute().parent,
        load_segmenter=None
        if arguments.no_second_look
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
    print(f"{summary}; {review}")
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
            print(f"{kind}: {line}")
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
