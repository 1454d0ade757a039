"""masks.db: one record per image message, as ``anon_ros verify`` reads it.

An SQLite database with the table ``frames``, which a run fills in its journal.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from anon_ros.bags.storage.sqlite3.schema import require_plain_tables
from anon_ros.core import CoverReason
from anon_ros.errors import format_error

MASKS = "masks.db"
ALWAYS = "regions.always"
"""Name under which the always covered regions stand among the targets."""
ANONYMIZED, SKIPPED, LOST = "anonymized", "skipped", "lost"

FRAMES_TABLE = """
CREATE TABLE IF NOT EXISTS frames (
    file INTEGER NOT NULL, number INTEGER NOT NULL, topic TEXT NOT NULL,
    log_time_ns INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    persons INTEGER NOT NULL, covered TEXT NOT NULL, boxes TEXT NOT NULL,
    mask BLOB, payload BLOB, tracks TEXT NOT NULL, carried INTEGER NOT NULL,
    is_key INTEGER NOT NULL, small INTEGER NOT NULL, targets TEXT NOT NULL,
    drawn INTEGER NOT NULL, target_failures TEXT NOT NULL,
    PRIMARY KEY (file, number)
);
"""
IS_INPAINTED = "persons + drawn > json_array_length(covered)"
"""SQL: a person or a target of the image was inpainted."""
_NUM_COLUMNS = 18
_NUM_SIDES = 4
# of hostile JSON
_INVALID = (*(ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError),)


@dataclass(frozen=True)
class ImageRecord:
    """The result of one image message.

    Attributes:
        file: index of the storage file.
        number: of the message among the image messages of that file.
        topic: as recorded.
        log_time_ns: as recorded.
        outcome: ANONYMIZED, SKIPPED or LOST.
        reason: problem because of which it was lost; else empty.
        boxes_xyxy: of the persons, px; one box per person.
        cover_reasons: of the persons who were covered instead of inpainted, each with its text.
        mask: (H, W) bool PNG of the replaced pixels; None without any, or if masks are not kept.
        delta: from the input message to the output message; None once the file is complete.
        track_ids: of the persons; None for a person without a track.
        num_propagated: persons, the last ones, who were detected in neighboring images only.
        is_keyframe: later results depend on nothing before this image.
        num_small: persons whom ``inpaint.small_model`` drew.
        target_boxes_xyxy: boxes of what is replaced beside persons, px, by name of the target.
        num_drawn_targets: those of them that were inpainted.
        target_failures: reasons, each with its text, of targets whose inpainting failed.
    """

    file: int
    number: int
    topic: str
    log_time_ns: int
    outcome: str
    reason: str = ""
    boxes_xyxy: Sequence[Sequence[float]] = ()
    cover_reasons: Sequence[tuple[CoverReason, str]] = ()
    mask: bytes | None = None
    delta: bytes | None = None
    track_ids: Sequence[int | None] = ()
    num_propagated: int = 0
    is_keyframe: bool = False
    num_small: int = 0
    target_boxes_xyxy: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    num_drawn_targets: int = 0
    target_failures: Sequence[tuple[CoverReason, str]] = ()

    @property
    def num_inpainted(self) -> int:
        """Number of persons and targets who were inpainted."""
        return len(self.boxes_xyxy) - len(self.cover_reasons) + self.num_drawn_targets


class MasksDb:
    """The file masks.db, for reading. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            sqlite3.Error: if it cannot be opened, or is none: it may be anybody's.
        """
        self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        require_plain_tables(self._database, ["frames"])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def iter_file(self, file: int) -> Iterator[ImageRecord]:
        """Iterate over the records of a storage file, in its order.

        Args:
            file: index of the storage file.

        Raises:
            sqlite3.Error: if masks.db is damaged.
        """
        return select_records(self._database, "WHERE file = ? ORDER BY number", (file,))

    def count_inpainted_files(self) -> int:
        """Return the number of storage files in which a person or target was inpainted.

        Raises:
            sqlite3.Error: if masks.db is damaged.
        """
        columns = [row[1] for row in self._database.execute("PRAGMA table_info(frames)")]
        condition = IS_INPAINTED if "drawn" in columns else IS_INPAINTED.replace("drawn", "0")
        select = f"SELECT count(DISTINCT file) FROM frames WHERE outcome = ? AND {condition}"  # noqa: S608
        return int(self._database.execute(select, (ANONYMIZED,)).fetchone()[0])


def insert_records(database: sqlite3.Connection, records: Sequence[ImageRecord]) -> None:
    """Insert the records, all or none."""
    places = ",".join("?" * _NUM_COLUMNS)
    database.execute("BEGIN")
    database.executemany(f"INSERT INTO frames VALUES ({places})", map(_to_row, records))  # noqa: S608
    database.execute("COMMIT")


def select_records(
    database: sqlite3.Connection, where: str, values: tuple[int, ...]
) -> Iterator[ImageRecord]:
    """Iterate over the records that fulfill a condition.

    Args:
        database: with the table ``frames``.
        where: SQL after the table's name; not from outside.
        values: of the question marks in ``where``.
    """
    return map(_from_row, database.execute(f"SELECT * FROM frames {where}", values))  # noqa: S608


def _to_row(record: ImageRecord) -> tuple[Any, ...]:
    return (
        *(record.file, record.number, record.topic, record.log_time_ns, record.outcome),
        record.reason.encode(errors="backslashreplace").decode(),
        *(len(record.boxes_xyxy), _dump_cover_reasons(record.cover_reasons)),
        *(json.dumps([list(box) for box in record.boxes_xyxy]), record.mask, record.delta),
        *(json.dumps(list(record.track_ids)), record.num_propagated, record.is_keyframe),
        *(record.num_small, json.dumps(dict(record.target_boxes_xyxy))),
        *(record.num_drawn_targets, _dump_cover_reasons(record.target_failures)),
    )


def _from_row(row: tuple[Any, ...]) -> ImageRecord:
    file, number, topic, log_time_ns, outcome, reason, _, cover_reasons, boxes, *extra = row
    mask, delta, track_ids, num_propagated, is_keyframe, *later = extra
    try:
        return ImageRecord(
            *(file, number, topic, log_time_ns, outcome, reason),
            *(_load_boxes(boxes), _load_cover_reasons(cover_reasons), mask, delta),
            *(_load_track_ids(track_ids), num_propagated, bool(is_keyframe)),
            num_small=later[0] if later else 0,  # version 0.1 has none of these
            target_boxes_xyxy=_load_target_boxes(later[1]) if later[1:] else {},
            num_drawn_targets=int(later[2]) if later[2:] else 0,
            target_failures=_load_cover_reasons(later[3]) if later[3:] else [],
        )
    except _INVALID as error:
        message = f"image {number} of file {file} in masks.db is damaged ({format_error(error)})"
        raise sqlite3.DataError(message) from error


def _load_boxes(column: str) -> list[list[float]]:
    return _check_boxes(json.loads(column))


def _load_target_boxes(column: str) -> dict[str, list[list[float]]]:
    return {str(name): _check_boxes(boxes) for name, boxes in json.loads(column).items()}


def _check_boxes(values: Any) -> list[list[float]]:
    boxes = [[float(side) for side in box] for box in values]
    if not all(len(box) == _NUM_SIDES and all(map(isfinite, box)) for box in boxes):
        message = "a box is not four numbers"
        raise ValueError(message)
    return boxes


def _load_track_ids(column: str) -> list[int | None]:
    return [None if number is None else int(number) for number in json.loads(column)]


def _dump_cover_reasons(cover_reasons: Sequence[tuple[CoverReason, str]]) -> str:
    return json.dumps([(cover_reason.name, text) for cover_reason, text in cover_reasons])


def _load_cover_reasons(column: str) -> list[tuple[CoverReason, str]]:
    """Return the reasons with their texts; masks.db of version 0.1 has texts alone."""
    return [
        (CoverReason.INPAINT_ERROR, entry)
        if isinstance(entry, str)
        else (CoverReason[entry[0]], entry[1])
        for entry in json.loads(column)
    ]
