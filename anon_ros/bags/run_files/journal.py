"""The journal of a run: all that is finished, on disk after each step.

An SQLite database: its transactions survive a process that is killed. Without the deltas it
becomes masks.db.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anon_ros.bags.run_files.masks_db import (
    ANONYMIZED,
    FRAMES_TABLE,
    IS_INPAINTED,
    ImageRecord,
    insert_records,
    select_records,
)
from anon_ros.bags.storage.metadata import FileStatistics
from anon_ros.bags.storage.records import Loss
from anon_ros.utils.files import make_private_file

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    file INTEGER PRIMARY KEY, name TEXT NOT NULL, tally TEXT NOT NULL, losses TEXT NOT NULL
);
{FRAMES_TABLE}
"""


@dataclass(frozen=True)
class FileRecord:
    """A complete storage file.

    Attributes:
        name: in the output.
        statistics: of its messages.
        losses: of its input, a thousand or two at most.
        num_losses: of all losses.
    """

    name: str
    statistics: FileStatistics
    losses: Sequence[Loss] = field(default_factory=list)
    num_losses: int = 0


class Journal:
    """The journal of one run. For one thread alone."""

    def __init__(self, path: Path) -> None:
        """Open or create it.

        Raises:
            OSError, sqlite3.Error: if it cannot be opened.
        """
        make_private_file(path)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def get(self, name: str) -> str | None:
        """Return a value of this run; None if it is not set."""
        row = self._database.execute("SELECT value FROM job WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set(self, name: str, value: str) -> None:
        """Set a value of this run."""
        self._database.execute("INSERT OR REPLACE INTO job VALUES (?, ?)", (name, value))

    def add(self, records: Sequence[ImageRecord]) -> None:
        """Add the records of image messages, all or none."""
        if records:
            insert_records(self._database, records)

    def count_done(self, file: int) -> int:
        """Return how many of the first image messages of a file are in the journal."""
        select = "SELECT coalesce(max(number) + 1, 0) FROM frames WHERE file = ?"
        return int(self._database.execute(select, (file,)).fetchone()[0])

    def get_record(self, file: int, number: int) -> ImageRecord:
        """Return the record of an image message that is in the journal."""
        return next(select_records(self._database, "WHERE file = ? AND number = ?", (file, number)))

    def iter_file(self, file: int) -> Iterator[ImageRecord]:
        """Iterate over the records of a storage file, in its order."""
        return select_records(self._database, "WHERE file = ? ORDER BY number", (file,))

    def find_last_keyframes(self, file: int) -> dict[str, int]:
        """Return the number of the last key frame of a file, by topic."""
        select = "SELECT topic, max(number) FROM frames WHERE file = ? AND is_key GROUP BY 1"
        return dict(self._database.execute(select, (file,)).fetchall())

    def has_inpainted(self, file: int | None = None) -> bool:
        """Return True if anything in an image of a file, or for None of any, was inpainted."""
        select = (
            "SELECT EXISTS (SELECT * FROM frames WHERE file = coalesce(?, file) "  # noqa: S608
            f"AND outcome = ? AND {IS_INPAINTED})"
        )
        return bool(self._database.execute(select, (file, ANONYMIZED)).fetchone()[0])

    def finish_file(self, file: int, record: FileRecord) -> None:
        """Add a complete storage file, and drop its deltas, which are not needed any more."""
        losses = [record.num_losses, [asdict(loss) for loss in record.losses]]
        values = record.name, vars(record.statistics), losses
        self._database.execute("BEGIN")
        self._database.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?)", (file, *map(json.dumps, values))
        )
        self._database.execute("UPDATE frames SET payload = NULL WHERE file = ?", (file,))
        self._database.execute("COMMIT")

    def read_finished_files(self) -> dict[int, FileRecord]:
        """Return the complete storage files by index, in ascending order."""
        rows = self._database.execute("SELECT * FROM files ORDER BY file")
        return {file: _parse_file_record(*values) for file, *values in rows}

    def run_query(self, select: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the table ``frames``."""
        return self._database.execute(select).fetchall()

    def export_masks_db(self, path: Path) -> None:
        """Write masks.db to ``path``, as a single file."""
        path.unlink(missing_ok=True)
        make_private_file(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as masks_db:
            self._database.backup(masks_db)
            masks_db.execute("PRAGMA journal_mode=DELETE")
            masks_db.execute("VACUUM")


def _parse_file_record(name: str, statistics: str, losses: str) -> FileRecord:
    num_losses, listed = json.loads(losses)
    return FileRecord(
        json.loads(name),
        FileStatistics(**json.loads(statistics)),
        [Loss(**loss) for loss in listed],
        num_losses,
    )
