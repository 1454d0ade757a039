"""One run from the first look to the finished recording; interrupted runs are taken up again."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rosbags.convert import ConverterError, convert

from anon_ros.bags.bag import Bag
from anon_ros.bags.first_look import FirstLook
from anon_ros.bags.journal import Journal
from anon_ros.bags.metadata import completed, write_information
from anon_ros.bags.people import People
from anon_ros.bags.records import Losses
from anon_ros.bags.report import VERSIONS, make_report
from anon_ros.bags.rewrite import Progress, Rewriter
from anon_ros.bags.seen import Seen
from anon_ros.bags.survey import Survey
from anon_ros.bags.target import Target
from anon_ros.config import Config
from anon_ros.core import Anonymizer
from anon_ros.errors import BagError
from anon_ros.temporal import Tracker, tracks_anyone

REPORT, MASKS = "report.json", "masks.db"
_JOURNAL, _SEEN = "journal.db", "seen.db"
# What a run that was killed at its start may leave.
_OURS = ("lock", "survey", f"{_JOURNAL}-journal", f"{_JOURNAL}-wal", f"{_JOURNAL}-shm")
# What has no influence on the result does not hinder a run from being taken up again.
_GROUPS = ("detect", "mask", "inpaint", "compute", "skip", "output", "track", "memory", "identity")
_ROS2_VERSION = 9


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Attributes:
        bag: the input.
        target: the output.
        survey: what becomes of each topic.
        config: of the models.
        models: name, path and hash of each model, for the report.
        prefix: put before the topics' names; empty for none.
        salvage: leave out what is damaged and go on.
        keep_masks: keep them beside the output.
    """

    bag: Bag
    target: Target
    survey: Survey
    config: Config
    models: Sequence[Mapping[str, Any]]
    prefix: str
    salvage: bool
    keep_masks: bool

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides about the result."""
        config = asdict(self.config)
        return {
            "input": [_stamp(file) for file in self.bag.files],
            "storage": self.target.storage,
            "compression": self.target.compression,
            "prefix": self.prefix,
            "masks": self.keep_masks,
            "log times": [self.survey.start_ns, self.survey.stop_ns],
            "decisions": [
                [e.topic, e.type_name, e.decision.value, e.is_checked]
                for e in self.survey.plan.entries
            ],
            "parameters": {group: config[group] for group in _GROUPS},
            "models": [dict(model) for model in self.models],
            "versions": VERSIONS,
        }


@dataclass(frozen=True)
class Models:
    """What does the work.

    Attributes:
        anonymizer: finds the persons, those too that count only in a track, and replaces them.
        make_tracker: makes one for one camera.
    """

    anonymizer: Anonymizer
    make_tracker: Callable[[], Tracker]


def run_job(job: Job, load: Callable[[], Models], progress: Progress) -> dict[str, Any]:
    """Anonymize the recording, from where an earlier run of the same job stopped.

    Args:
        job: what is to be done.
        load: loads the models.
        progress: is told.

    Returns:
        The report, as it was written.

    Raises:
        BagError: if the output exists, or an unfinished one of another job.
        BagDamageError: if the input is damaged and not to be salvaged.
        ModelError: if the models cannot be loaded or always fail.
        OSError, sqlite3.Error: if a file cannot be read or written.
    """
    identity = json.loads(json.dumps(job.identity))
    number = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    partial = job.target.partial
    if (
        partial.exists()
        and any(path.name not in _OURS for path in partial.iterdir())
        and not (partial / _JOURNAL).exists()
    ):
        message = f"{partial} is in the way and not from an unfinished run; move it elsewhere"
        raise BagError(message)
    if (known := _finished_report(job.target, number)) is not None:
        shutil.rmtree(partial, ignore_errors=True)
        return known
    partial.mkdir(exist_ok=True)
    with (partial / "lock").open("w") as lock, closing(Journal(partial / _JOURNAL)) as journal:
        _lock(lock.fileno(), partial)
        _check_identity(journal, identity, partial)
        models = load()
        try:
            with _people(job, models, progress) as people:
                rewriter = Rewriter(
                    **_shared(job),
                    anonymizer=models.anonymizer,
                    journal=journal,
                    losses=Losses(salvage=job.salvage),
                    progress=progress,
                    people=people,
                )
                rewriter.run()
            report = make_report(job, number, rewriter)
            _complete(job, rewriter, report)
        finally:
            # It may hold the input, decompressed.
            shutil.rmtree(partial / "scratch", ignore_errors=True)
    shutil.rmtree(partial)
    return report


@contextmanager
def _people(job: Job, models: Models, progress: Progress) -> Iterator[People | None]:
    """Who is in each image, if images have anything to do with each other."""
    if not tracks_anyone(job.config):
        yield None
        return
    with closing(Seen(job.target.partial / _SEEN)) as seen:
        first_look = FirstLook(
            bag=job.bag,
            survey=job.survey,
            config=job.config,
            anonymizer=models.anonymizer,
            seen=seen,
            salvage=job.salvage,
            scratch=job.target.partial / "scratch",
            progress=progress,
        )
        first_look.run()
        yield People(seen, job.config, models.make_tracker)


def _shared(job: Job) -> dict[str, Any]:
    names = ("bag", "target", "survey", "prefix", "config", "keep_masks")
    return {name: getattr(job, name) for name in names}


def _finished_report(target: Target, number: str) -> dict[str, Any] | None:
    """The report of this very job, if it was done before."""
    if not target.path.exists():
        in_the_way = [target.sidecar(name) for name in (REPORT, MASKS) if target.is_file]
        if taken := [path for path in in_the_way if path.exists() and not target.partial.exists()]:
            message = f"{taken[0]} exists and is not overwritten; choose another name or remove it"
            raise BagError(message)
        return None
    try:
        report: dict[str, Any] = json.loads(target.sidecar(REPORT).read_text("utf-8"))
        if report["job"] == number:
            return report
    except (OSError, ValueError, KeyError, TypeError):
        pass
    message = f"{target.path} exists and is not overwritten; choose another name or remove it"
    raise BagError(message)


def _lock(descriptor: int, partial: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"another run is at work in {partial}"
        raise BagError(message) from error


def _check_identity(journal: Journal, identity: Mapping[str, Any], partial: Path) -> None:
    known = journal.get("identity")
    if known is None:
        journal.set("started", datetime.now(timezone.utc).isoformat(timespec="seconds"))
        journal.set("identity", json.dumps(identity))
        return
    before = json.loads(known)
    if other := [name for name in identity if identity[name] != before.get(name)]:
        message = (
            f"{partial} holds an unfinished run that differs in: {', '.join(other)}; repeat that "
            f"command to finish it, or remove the folder to start anew"
        )
        raise BagError(message)


def _complete(job: Job, rewriter: Rewriter, report: Mapping[str, Any]) -> None:
    """metadata.yaml, report and masks; then everything takes its place at once."""
    target, journal = job.target, rewriter.journal
    finished = [each for _, each in sorted(journal.finished().items())]
    staged = target.staged
    if target.written_as != target.storage:
        staged = _convert(target)
    elif target.is_file:
        staged = target.partial
    else:
        files = [(each.name, each.tally) for each in finished]
        information = rewriter.information(rewriter.like)
        write_information(target.staged, completed(information, files, rewriter.compression))
    (staged / REPORT).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if job.keep_masks:
        journal.become_sidecar(staged / MASKS)
    if target.is_file:
        for name in (REPORT, *([MASKS] if job.keep_masks else [])):
            (staged / name).replace(target.sidecar(name))
        (target.staged / target.path.name).replace(target.path)
    else:
        for path in (*staged.iterdir(), staged):
            _sync(path)
        staged.rename(target.path)
    _sync(target.path.parent)


def _convert(target: Target) -> Path:
    """A folder of ROS 2, made from the ROS 1 bag in the staged folder."""
    (bag,) = target.staged.glob("*.bag")
    scratch = target.partial / "converted" / target.path.name
    shutil.rmtree(scratch.parent, ignore_errors=True)
    scratch.parent.mkdir()
    mode = target.compression if target.compression != "none" else ""
    try:
        convert(
            *([bag], scratch, target.storage, _ROS2_VERSION),
            *("zstd" if mode else None, mode or "none", None, None),
            *((), (), (), ()),
        )
    except ConverterError as error:
        message = f"{bag} is anonymized, but cannot be converted to ROS 2: {error}; use that one"
        raise BagError(message) from error
    return scratch


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stamp(file: Path) -> list[Any]:
    status = file.stat()
    return [file.name, status.st_size, status.st_mtime_ns]
