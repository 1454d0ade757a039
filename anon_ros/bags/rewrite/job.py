"""A run from the detection pass to the finished bag; interrupted runs are resumed."""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

from anon_ros.bags.rewrite.detection_pass import DetectionPass
from anon_ros.bags.rewrite.detection_store import DetectionStore
from anon_ros.bags.rewrite.finalize import finalize_output
from anon_ros.bags.rewrite.job_spec import Fingerprint, JobModels, RewriteJob
from anon_ros.bags.rewrite.report_builder import build_report
from anon_ros.bags.rewrite.rewriter import Rewriter
from anon_ros.bags.rewrite.tracked_persons import TrackedPersons
from anon_ros.bags.run_files.journal import Journal
from anon_ros.bags.run_files.masks_db import MASKS
from anon_ros.bags.run_files.report import REPORT, RunReport
from anon_ros.bags.storage.output import OutputBag
from anon_ros.errors import BagError
from anon_ros.tracking import needs_tracking
from anon_ros.utils.files import make_private_dir, make_private_file
from anon_ros.utils.progress import ProgressListener

_JOURNAL, _DETECTIONS, _SCRATCH = "journal.db", "detections.db", "scratch"
_LOCK = "lock"
# A run that is killed at its start leaves these alone.
_STARTUP_FILES = (
    *(_LOCK, "survey"),
    *(f"{_JOURNAL}-journal", f"{_JOURNAL}-wal", f"{_JOURNAL}-shm"),
)


def anonymize_bag(
    job: RewriteJob, load: Callable[[], JobModels], progress: ProgressListener
) -> RunReport:
    """Anonymize a bag, from where an earlier run of the same job stopped.

    Args:
        job: the task.
        load: loads the models.
        progress: counts the images.

    Returns:
        The report, as it was written.

    Raises:
        BagError: if the output exists, or an unfinished output of another job.
        BagDamageError: if the input is damaged and must not be salvaged.
        ModelError: if the models cannot be loaded or always fail.
        OSError, sqlite3.Error: if a file cannot be read or written.
    """
    fingerprint = job.take_fingerprint()
    partial_dir = job.target.partial_dir
    _require_unfinished_run(partial_dir)
    if (report := _find_finished_report(job.target, fingerprint)) is not None:
        remove_run(partial_dir)
        return report
    make_private_dir(partial_dir)
    make_private_file(partial_dir / _LOCK)
    with (
        (partial_dir / _LOCK).open("r+") as lock,
        closing(Journal(partial_dir / _JOURNAL)) as journal,
    ):
        _lock(lock.fileno(), partial_dir)
        _check_fingerprint(journal, fingerprint, partial_dir)
        try:
            rewriter = _rewrite(job, load(), journal, progress)
            report = build_report(rewriter, fingerprint.digest)
            finalize_output(rewriter, report)
        finally:
            # It may hold the input, decompressed.
            shutil.rmtree(partial_dir / _SCRATCH, ignore_errors=True)
    remove_run(partial_dir)
    return report


def remove_run(partial_dir: Path) -> None:
    """Remove the folder of a finished run, if there is one.

    Its journal goes last: without it, what a killed run leaves would be nobody's.

    Raises:
        OSError: if it cannot be removed.
    """
    if not partial_dir.exists():
        return
    for path in partial_dir.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _JOURNAL:
            path.unlink()
    shutil.rmtree(partial_dir)


def _rewrite(
    job: RewriteJob, models: JobModels, journal: Journal, progress: ProgressListener
) -> Rewriter:
    """Write all storage files, and return what has written them."""
    scratch = job.target.partial_dir / _SCRATCH
    with _track_persons(job, models, scratch, progress) as tracked_persons:
        rewriter = Rewriter(job, models.anonymizer, journal, scratch, progress, tracked_persons)
        rewriter.run()
    return rewriter


@contextmanager
def _track_persons(
    job: RewriteJob, models: JobModels, scratch: Path, progress: ProgressListener
) -> Iterator[TrackedPersons | None]:
    """Detect the persons of all images, if images have anything to do with each other."""
    if not needs_tracking(job.config):
        yield None
        return
    with closing(DetectionStore(job.target.partial_dir / _DETECTIONS)) as store:
        DetectionPass(job, models.anonymizer, store, scratch, progress).run()
        progress.start_phase("writing")
        yield TrackedPersons(store, job.config, models.make_tracker)


def _require_unfinished_run(partial_dir: Path) -> None:
    """Refuse a folder that no run has left: it will be deleted.

    Raises:
        BagError: if there is such a folder.
    """
    if (
        partial_dir.exists()
        and any(path.name not in _STARTUP_FILES for path in partial_dir.iterdir())
        and not (partial_dir / _JOURNAL).exists()
    ):
        message = f"{partial_dir} is in the way and not from an unfinished run; move it elsewhere"
        raise BagError(message)


def _find_finished_report(target: OutputBag, fingerprint: Fingerprint) -> RunReport | None:
    """Return the report if this very job is finished; None if there is no output yet.

    Raises:
        BagError: if the output exists and is not of this job.
    """
    if not target.path.exists():
        _check_sidecars(target)
        return None
    try:
        report = RunReport.read(target.sidecar_path(REPORT))
    except BagError:
        report = None
    if report is None or report.fingerprint != fingerprint.digest:
        _refuse_existing(target.path)
    return report


def _check_sidecars(target: OutputBag) -> None:
    if not target.is_file or target.partial_dir.exists():
        return
    for path in map(target.sidecar_path, (REPORT, MASKS)):
        if path.exists():
            _refuse_existing(path)


def _refuse_existing(path: Path) -> NoReturn:
    message = f"{path} exists and is not overwritten; choose another name or remove it"
    raise BagError(message)


def _lock(descriptor: int, partial_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"another run is at work in {partial_dir}"
        raise BagError(message) from error


def _check_fingerprint(journal: Journal, fingerprint: Fingerprint, partial_dir: Path) -> None:
    """Refuse the journal of another job, or of another version of anon_ros."""
    # The key is that of the first version, so that its journals are recognized, too.
    identity = journal.get("identity")
    if identity is None:
        journal.set("started", datetime.now(timezone.utc).isoformat(timespec="seconds"))
        journal.set("identity", json.dumps(fingerprint.parts))
    elif names := fingerprint.list_differences(json.loads(identity)):
        message = (
            f"{partial_dir} holds an unfinished run that differs in: {', '.join(names)}; repeat "
            f"that command to finish it, or remove the folder to start anew"
        )
        raise BagError(message)
