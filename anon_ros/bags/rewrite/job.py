"""One run from the first look to the finished recording; interrupted runs are taken up again."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rosbags.convert import ConverterError, convert

from anon_ros.bags.plan.inspect import BagPlan
from anon_ros.bags.rewrite.detection_pass import DetectionPass
from anon_ros.bags.rewrite.detection_store import DetectionStore
from anon_ros.bags.rewrite.report_builder import build_report
from anon_ros.bags.rewrite.rewriter import Rewriter
from anon_ros.bags.rewrite.tracked_persons import TrackedPersons
from anon_ros.bags.run_files.journal import Journal
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.metadata import add_file_statistics, write_metadata
from anon_ros.bags.storage.output import OutputBag
from anon_ros.bags.storage.records import DamageLog
from anon_ros.config import Config
from anon_ros.core import Anonymizer
from anon_ros.errors import BagError
from anon_ros.tracking import Tracker, needs_tracking
from anon_ros.utils.files import fsync_path
from anon_ros.utils.progress import ProgressListener
from anon_ros.utils.versions import package_versions

REPORT, MASKS = "report.json", "masks.db"
_JOURNAL, _SEEN = "journal.db", "seen.db"
# What a run that was killed at its start may leave.
_OURS = ("lock", "survey", f"{_JOURNAL}-journal", f"{_JOURNAL}-wal", f"{_JOURNAL}-shm")
# What has no influence on the result does not hinder a run from being taken up again.
_GROUPS = ("detect", "mask", "inpaint", "compute", "skip", "output", "track", "memory", "identity")
_ROS2_VERSION = 9


@dataclass(frozen=True)
class RewriteJob:
    """What is to be done.

    Attributes:
        bag: the input.
        target: the output.
        bag_plan: what becomes of each topic.
        config: of the models.
        models: name, path and hash of each model, for the report.
        prefix: put before the topics' names; empty for none.
        salvage: leave out what is damaged and go on.
        keep_masks: keep them beside the output.
    """

    bag: Bag
    target: OutputBag
    bag_plan: BagPlan
    config: Config
    models: Sequence[Mapping[str, Any]]
    prefix: str
    salvage: bool
    keep_masks: bool

    @property
    def fingerprint(self) -> dict[str, Any]:
        """All that decides about the result."""
        config = asdict(self.config)
        return {
            "input": [_stamp(file) for file in self.bag.files],
            "storage": self.target.storage,
            "compression": self.target.compression,
            "prefix": self.prefix,
            "masks": self.keep_masks,
            "log times": [self.bag_plan.start_ns, self.bag_plan.stop_ns],
            "decisions": [
                [e.topic, e.type_name, e.action.value, e.verify_each_message]
                for e in self.bag_plan.topics.decisions
            ],
            "parameters": {group: config[group] for group in _GROUPS},
            "models": [dict(model) for model in self.models],
            "versions": package_versions(),
        }


@dataclass(frozen=True)
class JobModels:
    """What does the work.

    Attributes:
        anonymizer: finds the persons, those too that count only in a track, and replaces them.
        make_tracker: makes one for one camera.
    """

    anonymizer: Anonymizer
    make_tracker: Callable[[], Tracker]


def anonymize_bag(
    job: RewriteJob, load: Callable[[], JobModels], progress: ProgressListener
) -> dict[str, Any]:
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
    identity = json.loads(json.dumps(job.fingerprint))
    number = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    partial = job.target.partial_dir
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
            with _tracked_persons(job, models, progress) as people:
                rewriter = Rewriter(
                    **_shared(job),
                    anonymizer=models.anonymizer,
                    journal=journal,
                    losses=DamageLog(salvage=job.salvage),
                    progress=progress,
                    tracked_persons=people,
                )
                rewriter.run()
            report = build_report(job, number, rewriter)
            finalize_output(job, rewriter, report)
        finally:
            # It may hold the input, decompressed.
            shutil.rmtree(partial / "scratch", ignore_errors=True)
    shutil.rmtree(partial)
    return report


@contextmanager
def _tracked_persons(
    job: RewriteJob, models: JobModels, progress: ProgressListener
) -> Iterator[TrackedPersons | None]:
    """Who is in each image, if images have anything to do with each other."""
    if not needs_tracking(job.config):
        yield None
        return
    with closing(DetectionStore(job.target.partial_dir / _SEEN)) as seen:
        first_look = DetectionPass(
            bag=job.bag,
            bag_plan=job.bag_plan,
            config=job.config,
            anonymizer=models.anonymizer,
            seen=seen,
            salvage=job.salvage,
            scratch=job.target.partial_dir / "scratch",
            progress=progress,
        )
        first_look.run()
        progress.start_phase("writing")
        yield TrackedPersons(seen, job.config, models.make_tracker)


def _shared(job: RewriteJob) -> dict[str, Any]:
    names = ("bag", "target", "bag_plan", "prefix", "config", "keep_masks")
    return {name: getattr(job, name) for name in names}


def _finished_report(target: OutputBag, number: str) -> dict[str, Any] | None:
    """The report of this very job, if it was done before."""
    if not target.path.exists():
        in_the_way = [target.sidecar_path(name) for name in (REPORT, MASKS) if target.is_file]
        if taken := [
            path for path in in_the_way if path.exists() and not target.partial_dir.exists()
        ]:
            message = f"{taken[0]} exists and is not overwritten; choose another name or remove it"
            raise BagError(message)
        return None
    try:
        report: dict[str, Any] = json.loads(target.sidecar_path(REPORT).read_text("utf-8"))
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


def finalize_output(job: RewriteJob, rewriter: Rewriter, report: Mapping[str, Any]) -> None:
    """metadata.yaml, report and masks; then everything takes its place at once."""
    target, journal = job.target, rewriter.journal
    finished = [each for _, each in sorted(journal.finished().items())]
    staged = target.staging_dir
    if target.write_storage != target.storage:
        staged = convert_to_ros2(target)
    elif target.is_file:
        staged = target.partial_dir
    else:
        files = [(each.name, each.tally) for each in finished]
        information = rewriter.output_metadata(rewriter.input_metadata)
        write_metadata(
            target.staging_dir, add_file_statistics(information, files, rewriter.compression)
        )
    (staged / REPORT).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if job.keep_masks:
        journal.export_masks_db(staged / MASKS)
    if target.is_file:
        for name in (REPORT, *([MASKS] if job.keep_masks else [])):
            (staged / name).replace(target.sidecar_path(name))
        (target.staging_dir / target.path.name).replace(target.path)
    else:
        for path in (*staged.iterdir(), staged):
            fsync_path(path)
        staged.rename(target.path)
    fsync_path(target.path.parent)


def convert_to_ros2(target: OutputBag) -> Path:
    """A folder of ROS 2, made from the ROS 1 bag in the staged folder."""
    (bag,) = target.staging_dir.glob("*.bag")
    scratch = target.partial_dir / "converted" / target.path.name
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


def _stamp(file: Path) -> list[Any]:
    status = file.stat()
    return [file.name, status.st_size, status.st_mtime_ns]
