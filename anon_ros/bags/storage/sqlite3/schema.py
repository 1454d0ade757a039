"""Tables of rosbag2's SQLite files: those of an input are never copied, only their columns' names.

A view, trigger, default value or generated column is a program of whoever made the file.
"""

import sqlite3
from collections.abc import Iterable, Mapping

TABLES: Mapping[str, Mapping[str, str]] = {
    "schema": {"schema_version": "INTEGER PRIMARY KEY", "ros_distro": "TEXT NOT NULL"},
    "metadata": {
        "id": "INTEGER PRIMARY KEY",
        "metadata_version": "INTEGER NOT NULL",
        "metadata": "TEXT NOT NULL",
    },
    "topics": {
        "id": "INTEGER PRIMARY KEY",
        "name": "TEXT NOT NULL",
        "type": "TEXT NOT NULL",
        "serialization_format": "TEXT NOT NULL",
        "offered_qos_profiles": "TEXT NOT NULL",
        "type_description_hash": "TEXT NOT NULL",
    },
    "message_definitions": {
        "id": "INTEGER PRIMARY KEY",
        "topic_type": "TEXT NOT NULL",
        "encoding": "TEXT NOT NULL",
        "encoded_message_definition": "TEXT NOT NULL",
        "type_description_hash": "TEXT NOT NULL",
    },
    "messages": {
        "id": "INTEGER PRIMARY KEY",
        "topic_id": "INTEGER NOT NULL",
        "timestamp": "INTEGER NOT NULL",
        "data": "BLOB NOT NULL",
    },
}
"""Columns and their types, by table, of the newest version; older ones have fewer."""

CREATE_INDEX = "CREATE INDEX timestamp_idx ON messages (timestamp ASC)"

_INTERRUPTED = "interrupted"
_INSTRUCTIONS_PER_CHECK = 100_000


def create_table(name: str, columns: Iterable[str]) -> str:
    """Return the statement that creates a table of TABLES with those of its columns."""
    fields = (f"{column} {kind}" for column, kind in TABLES[name].items() if column in columns)
    return f"CREATE TABLE {name}({', '.join(fields)})"


def require_plain_tables(database: sqlite3.Connection, names: Iterable[str]) -> None:
    """Refuse a view, virtual table or generated column: reading it would run a program.

    Raises:
        sqlite3.DataError: if there is any under these names.
        sqlite3.Error: if the file is damaged.
    """
    for name in names:
        entries = database.execute(
            "SELECT type, sql FROM sqlite_master WHERE name = ? COLLATE NOCASE", (name,)
        ).fetchall()
        columns = database.execute(f"PRAGMA table_xinfo({name})").fetchall()
        is_plain = all(kind == "table" and _is_stored(sql) for kind, sql in entries)
        if not is_plain or any(column[-1] for column in columns):
            message = f"{name} is no plain table"
            raise sqlite3.DataError(message)


def interrupt_by_signals(database: sqlite3.Connection) -> None:
    """Let a signal end a query, however long it takes, as an error; see ``raise_interrupt``."""
    # Python runs the handlers of signals when it runs anything at all.
    database.set_progress_handler(lambda: 0, _INSTRUCTIONS_PER_CHECK)


def raise_interrupt(error: Exception) -> None:
    """Raise the KeyboardInterrupt that ended a query as ``error``; do nothing for any other.

    Raises:
        KeyboardInterrupt: if a signal ended the query.
    """
    if isinstance(error, sqlite3.OperationalError) and str(error) == _INTERRUPTED:
        raise KeyboardInterrupt from error


def _is_stored(sql: object) -> bool:
    return isinstance(sql, str) and sql.split(maxsplit=2)[:2] == ["CREATE", "TABLE"]
