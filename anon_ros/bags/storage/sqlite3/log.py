"""Recovery of an SQLite file whose recorder died, on a copy: SQLite changes what it recovers."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from anon_ros.errors import BagDamageError, format_error

_LOG_SUFFIXES = ("-wal", "-journal")
_PAGE_SIZE_OFFSET = 8  # in a write-ahead log: a big-endian number of 4 bytes
_MAX_PAGE_BYTES = 65536


def list_logs(file: Path) -> list[Path]:
    """Return the write-ahead log and the rollback journal of a database, unless they are empty."""
    logs = (file.with_name(f"{file.name}{suffix}") for suffix in _LOG_SUFFIXES)
    return [log for log in logs if log.exists() and log.stat().st_size]


def recover_copy(file: Path, folder: Path) -> Path:
    """Copy a database with its logs, and let SQLite apply the logs to the copy.

    Args:
        file: of the database; neither it nor anything beside it is changed.
        folder: receives the copy.

    Returns:
        The recovered copy, without logs.

    Raises:
        BagDamageError: if SQLite cannot apply the logs.
        OSError: if a file cannot be read or written.
    """
    copy = folder / file.name
    logs = list_logs(file)
    for source in (file, *logs):
        target = folder / source.name
        target.touch(mode=0o600, exist_ok=False)
        shutil.copyfile(source, target)
    _grow_empty(copy, logs)
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchall()
            database.execute("PRAGMA journal_mode=DELETE").fetchall()
    except sqlite3.Error as error:
        message = (
            f"{file} was being written when its recorder died, and its log cannot be applied: "
            f"{format_error(error)}"
        )
        raise BagDamageError(message) from error
    finally:
        for log in list_logs(copy):
            log.unlink()
    return copy


def _grow_empty(copy: Path, logs: list[Path]) -> None:
    """Make an empty database one page long: SQLite deletes the log of an empty one unread."""
    if copy.stat().st_size or not logs or not logs[0].name.endswith("-wal"):
        return
    with logs[0].open("rb") as stream:
        stream.seek(_PAGE_SIZE_OFFSET)
        num_bytes = int.from_bytes(stream.read(4), "big")
    with copy.open("r+b") as stream:
        stream.truncate(min(num_bytes, _MAX_PAGE_BYTES))
