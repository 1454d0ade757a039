"""``anon_ros bag``."""

import shutil
import sqlite3
import sys
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any

from anon_ros.bags import (
    REPORT,
    Bag,
    Job,
    Models,
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
from anon_ros.errors import BagError, describe
from anon_ros.models import build_stream_anonymizer, build_tracker, model_hashes
from anon_ros.temporal import tracks_anyone


class _Told:
    """The progress of a run, as the run tells it: first all images are looked at, then written."""

    def __init__(self, total: int, *, looks: bool) -> None:
        self._total = total
        self._shown = FrameProgress(total, "looking for persons" if looks else "")
        self._is_looking = looks
        self.resumed = 0

    def looked(self, persons: int, *, is_new: bool) -> None:
        self._shown.frame(persons, is_new=is_new)

    def frame(self, row: Row, *, is_new: bool) -> None:
        self.resumed += not is_new
        self._writing().frame(len(row.boxes_xyxy), is_new=is_new)

    def copied(self, data_bytes: int) -> None:
        self._writing().copied(data_bytes)

    def close(self) -> None:
        self._shown.close()

    def _writing(self) -> FrameProgress:
        if self._is_looking:
            self._is_looking = False
            self._shown.close()
            self._shown = FrameProgress(self._total, "writing")
        return self._shown


def anonymize_bag(arguments: Namespace, config: Config) -> int:
    """Plan, tell the plan, and carry it out.

    Returns:
        0; with --salvage also if something was lost, which is told.

    Raises:
        AnonRosError: if it cannot be done; what is done already is kept for the next run.
    """
    wishes = Wishes(tuple(arguments.topics), tuple(arguments.drop), tuple(arguments.copy))
    if arguments.prefix and not arguments.prefix.strip("/"):
        message = f"--prefix {arguments.prefix!r} names nothing; give one as /anon"
        raise BagError(message)
    target = None
    try:
        bag = find_bag(arguments.input, salvage=arguments.salvage)
        target = find_target(bag, arguments.output, arguments.storage, arguments.compression)
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
        kept = ""
        if target is not None and target.partial.exists():
            kept = f"; {target.partial} keeps what is done: repeat the command to go on"
        message = f"{describe(error)}{kept}"
        raise BagError(message) from error


def _survey(bag: Bag, target: Target, wishes: Wishes, arguments: Namespace) -> Survey:
    scratch = target.partial / "survey"
    window = arguments.start, arguments.duration
    if not bag.needs_scratch:
        return survey(bag, wishes, *window, salvage=arguments.salvage, scratch=scratch)
    shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
    scratch.mkdir(parents=True)
    try:
        return survey(bag, wishes, *window, salvage=arguments.salvage, scratch=scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # unless an unfinished run is in it
            target.partial.rmdir()


def _run(job: Job) -> int:
    started_s = time.monotonic()
    told = _Told(job.survey.frames, looks=tracks_anyone(job.config))

    def load() -> Models:
        config = job.config
        if tracks_anyone(config):
            build_tracker(config)  # or it would fail only after the first look
        return Models(build_stream_anonymizer(config), lambda: build_tracker(config))

    try:
        report = run_job(job, load, told)
    finally:
        told.close()
    elapsed_s = time.monotonic() - started_s
    print(_summary(report, job.target, told.resumed, elapsed_s))
    lost = report["lost"]
    if lost["count"]:
        first, more = "; ".join(lost["places"][:3]), "; ..." if lost["places"][3:] else ""
        losses = f"{lost['count']} losses: {first}{more} (see {job.target.sidecar(REPORT)})"
        print(f"anon_ros: warning: {losses}", file=sys.stderr)
    return 0


def _summary(report: dict[str, Any], target: Target, resumed: int, elapsed_s: float) -> str:
    images = [topic for topic in report["topics"] if "anonymized" in topic]
    total = {
        name: sum(topic[name] for topic in images)
        for name in ("anonymized", "skipped", "lost", "persons", "inpainted", "covered", "carried")
    }
    written = sum(topic["written"] for topic in report["topics"])
    earlier = f", {resumed} of them by an earlier run" if resumed else ""
    return (
        f"{target.path}: {written} messages; {total['anonymized']} images anonymized{earlier}, "
        f"{total['skipped']} skipped, {total['lost']} lost; {total['persons']} persons, "
        f"{total['inpainted']} inpainted, {total['covered']} covered, "
        f"{total['carried']} missed and carried on; {elapsed_s:.0f} s"
    )
