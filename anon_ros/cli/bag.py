"""``anon_ros bag``."""

import shutil
import sqlite3
import sys
import time
from argparse import Namespace
from contextlib import suppress

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
from anon_ros.config import Config
from anon_ros.errors import BagError, format_error
from anon_ros.models import build_tracker, build_tracking_anonymizer, model_hashes
from anon_ros.tracking import needs_tracking
from anon_ros.utils.progress import ProgressBar

_MAX_LOSSES = 3


def run_bag(arguments: Namespace, config: Config) -> int:
    """Plan, tell the plan, and carry it out.

    Returns:
        0; with --salvage also if something was lost, which is told.

    Raises:
        AnonRosError: if it cannot be done; what is done already is kept for the next run.
    """
    wishes = TopicRules(tuple(arguments.topics), tuple(arguments.drop), tuple(arguments.copy))
    if arguments.prefix and not arguments.prefix.strip("/"):
        message = f"--prefix {arguments.prefix!r} names nothing; give one as /anon"
        raise BagError(message)
    target = None
    try:
        bag = open_bag(arguments.input, salvage=arguments.salvage)
        target = plan_output(bag, arguments.output, arguments.storage, arguments.compression)
        found = _survey(bag, target, wishes, arguments)
        print(found.topics.format_table(), flush=True)
        if arguments.dry_run:
            return 0
        found.topics.require_decided()
        target.path.parent.mkdir(parents=True, exist_ok=True)
        job = RewriteJob(
            bag=bag,
            target=target,
            bag_plan=found,
            config=config,
            models=model_hashes(config),
            prefix=arguments.prefix,
            salvage=arguments.salvage,
            keep_masks=not arguments.no_masks,
        )
        return _run(job)
    except (OSError, sqlite3.Error) as error:
        kept = ""
        if target is not None and target.partial_dir.exists():
            kept = f"; {target.partial_dir} keeps what is done: repeat the command to go on"
        message = f"{format_error(error)}{kept}"
        raise BagError(message) from error


def _survey(bag: Bag, target: OutputBag, wishes: TopicRules, arguments: Namespace) -> BagPlan:
    scratch = target.partial_dir / "survey"
    window = arguments.start, arguments.duration
    if not bag.needs_scratch:
        return inspect_bag(bag, wishes, *window, salvage=arguments.salvage, scratch=scratch)
    shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
    scratch.mkdir(parents=True)
    try:
        return inspect_bag(bag, wishes, *window, salvage=arguments.salvage, scratch=scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # unless an unfinished run is in it
            target.partial_dir.rmdir()


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
    print(_format_summary(report, job.target, progress.resumed, elapsed_s))
    if report.num_losses:
        print(f"anon_ros: warning: {_format_losses(report, job.target)}", file=sys.stderr)
    return 0


def _format_summary(
    report: RunReport, target: OutputBag, num_resumed: int, elapsed_s: float
) -> str:
    counts = report.image_counts
    num_written = sum(topic.num_written for topic in report.topics)
    earlier = f", {num_resumed} of them by an earlier run" if num_resumed else ""
    return (
        f"{target.path}: {num_written} messages; {counts.anonymized} images anonymized{earlier}, "
        f"{counts.skipped} skipped, {counts.lost} lost; {counts.persons} persons, "
        f"{counts.inpainted} inpainted, {counts.covered} covered, "
        f"{counts.propagated} propagated; {elapsed_s:.0f} s"
    )


def _format_losses(report: RunReport, target: OutputBag) -> str:
    examples = "; ".join(map(str, report.losses[:_MAX_LOSSES]))
    ellipsis = "; ..." if len(report.losses) > _MAX_LOSSES else ""
    path = target.sidecar_path(REPORT)
    return f"{report.num_losses} losses: {examples}{ellipsis} (see {path})"
