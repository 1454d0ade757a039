"""The end of a run: metadata.yaml, report and masks are added, and the output takes its place."""

import shutil
from pathlib import Path

from rosbags.convert import ConverterError, convert

from anon_ros.bags.rewrite.rewriter import Rewriter
from anon_ros.bags.run_files.masks_db import MASKS
from anon_ros.bags.run_files.report import REPORT, RunReport
from anon_ros.bags.storage.metadata import (
    add_file_statistics,
    add_mark,
    read_metadata,
    write_metadata,
)
from anon_ros.bags.storage.output import OutputBag
from anon_ros.errors import BagError
from anon_ros.utils.files import fsync_path

_ROS2_VERSION = 9


def finalize_output(rewriter: Rewriter, report: RunReport) -> None:
    """Write what belongs to the output bag, then move everything to its place at once.

    Args:
        rewriter: has written all storage files.
        report: of the run.

    Raises:
        BagError: if a ROS 1 bag cannot be converted to ROS 2.
        OSError, sqlite3.Error: if a file cannot be written.
    """
    target = rewriter.job.target
    folder = _complete_folder(rewriter)
    sidecars = [REPORT]
    report.write(folder / REPORT)
    if rewriter.job.keep_masks:
        sidecars.append(MASKS)
        rewriter.journal.export_masks_db(folder / MASKS)
    if target.is_file:
        for name in sidecars:
            (folder / name).replace(target.sidecar_path(name))
        (target.staging_dir / target.path.name).replace(target.path)
    else:
        for path in (*folder.iterdir(), folder):
            fsync_path(path)
        folder.rename(target.path)
    fsync_path(target.path.parent)


def _complete_folder(rewriter: Rewriter) -> Path:
    """Return the folder that becomes the output; of an output of one file, for its sidecars."""
    target = rewriter.job.target
    if target.write_storage != target.storage:
        folder = convert_to_ros2(target)
        if mark := rewriter.find_mark():
            write_metadata(folder, add_mark(read_metadata(folder), mark))
        return folder
    if target.is_file:
        return target.partial_dir
    records = rewriter.journal.read_finished_files().values()
    files = [(record.name, record.statistics) for record in records]
    metadata = rewriter.make_output_metadata()
    write_metadata(target.staging_dir, add_file_statistics(metadata, files, rewriter.compression))
    return target.staging_dir


def convert_to_ros2(target: OutputBag) -> Path:
    """Convert the ROS 1 bag in the staging folder, and return the folder of the ROS 2 bag.

    Raises:
        BagError: if it cannot be converted.
    """
    (bag,) = target.staging_dir.glob("*.bag")
    folder = target.partial_dir / "converted" / target.path.name
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.parent.mkdir()
    mode = target.compression if target.compression != "none" else ""
    try:
        convert(
            *([bag], folder, target.storage, _ROS2_VERSION),
            *("zstd" if mode else None, mode or "none", None, None),
            *((), (), (), ()),
        )
    except ConverterError as error:
        message = f"{bag} is anonymized, but cannot be converted to ROS 2: {error}; use that one"
        raise BagError(message) from error
    return folder
