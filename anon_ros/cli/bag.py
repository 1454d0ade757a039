"""``anon_ros bag``."""

import sqlite3
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from anon_ros.bags import (
    REPORT,
    Bag,
    Job,
    Row,
    Survey,
    Target,
    Wishes,
    find_bag,
    find_target,
    run_job,
    survey,
)
from anon_ros.cli.progress import FrameProgress
from anon_ros.config import Config
from anon_ros.core import Anonymizer
from anon_ros.errors import BagError, describe
from anon_ros.models import build_anonymizer, model_hashes


class _Told:
    """The progress of a run, as the run tells it."""

    def __init__(self, shown: FrameProgress) -> None:
        self.shown = shown

    def frame(self, row: Row, *, is_new: bool) -> None:
        self.shown.frame(len(row.boxes_xyxy), is_new=is_new)

    def copied(self, data_bytes: int) -> None:
        self.shown.copied(data_bytes)


def anonymize_bag(arguments: Namespace, config: Config) -> int:
    """Plan, tell the plan, and carry it out.

    Returns:
        0; with --salvage also if something was lost, which is told.

    Raises:
        AnonRosError: if it cannot be done; what is done already is kept for the next run.
    """
    wishes = Wishes(tuple(arguments.topics), tuple(arguments.drop), tuple(arguments.copy))
    bag = find_bag(arguments.input, salvage=arguments.salvage)
    target = find_target(bag, arguments.output, arguments.storage, arguments.compression)
    try:
        found = _survey(bag, target, wishes, arguments)
        print(found.plan.table(), flush=True)
        if arguments.dry_run:
            return 0
        found.plan.check()
        target.path.parent.mkdir(parents=True, exist_ok=True)
        job = Job(
            bag=bag,
            target=target,
            survey=found,
            config=config,
            models=model_hashes(config),
            prefix=arguments.prefix,
            salvage=arguments.salvage,
            keep_masks=not arguments.no_masks,
        )
        return _run(job)
    except (OSError, sqlite3.Error) as error:
        kept = f"; {target.partial} keeps what is done: repeat the command to go on"
        message = f"{describe(error)}{kept if target.partial.exists() else ''}"
        raise BagError(message) from error


def _survey(bag: Bag, target: Target, wishes: Wishes, arguments: Namespace) -> Survey:
    parent = target.path.parent
    return survey(
        bag,
        wishes,
        arguments.start,
        arguments.duration,
        salvage=arguments.salvage,
        scratch=parent if parent.is_dir() else Path.cwd(),
    )


def _run(job: Job) -> int:
    shown = FrameProgress(job.survey.frames)

    def load() -> Anonymizer:
        return build_anonymizer(job.config)

    try:
        report = run_job(job, load, _Told(shown))
    finally:
        shown.close()
    print(_summary(report, job.target, shown))
    lost = report["lost"]
    if lost["count"]:
        first, more = "; ".join(lost["places"][:3]), "; ..." if lost["places"][3:] else ""
        told = f"{lost['count']} losses: {first}{more} (see {job.target.sidecar(REPORT)})"
        print(f"anon_ros: warning: {told}", file=sys.stderr)
    return 0


def _summary(report: dict[str, Any], target: Target, shown: FrameProgress) -> str:
    images = [topic for topic in report["topics"] if "anonymized" in topic]
    total = {
        name: sum(topic[name] for topic in images)
        for name in ("anonymized", "skipped", "lost", "persons", "inpainted", "covered")
    }
    written = sum(topic["written"] for topic in report["topics"])
    resumed = f", {shown.resumed} of them by an earlier run" if shown.resumed else ""
    return (
        f"{target.path}: {written} messages; {total['anonymized']} images anonymized{resumed}, "
        f"{total['skipped']} skipped, {total['lost']} lost; {total['persons']} persons, "
        f"{total['inpainted']} inpainted, {total['covered']} covered; {shown.elapsed_s:.0f} s"
    )
