"""Writer of SQLite files of rosbag2 (rosbag2_storage_sqlite3)."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from anon_ros.bags.storage.metadata import dump_yaml
from anon_ros.bags.storage.records import Channel, Message, Record
from anon_ros.bags.storage.sqlite3.reader import Sqlite3Reader, Template
from anon_ros.bags.storage.sqlite3.schema import CREATE_INDEX, TABLES, create_table
from anon_ros.utils.files import fsync_path

_LIBRARY = "rosbags"  # as the distribution, which nobody knows


class Sqlite3Writer:
    """StorageWriter of an SQLite file; useless until it is finished, for nothing is journaled."""

    def __init__(
        self, path: Path, channels: Sequence[Channel], template: Sqlite3Reader | None
    ) -> None:
        """Create a file.

        Args:
            path: must not exist.
            channels: all that the file will have.
            template: file whose version to write; None for the newest version.

        Raises:
            OSError, sqlite3.Error: if it cannot be created.
        """
        self._path = path
        path.open("xb").close()
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("BEGIN")
        if template is None:
            self._create_tables(TABLES)
            self._database.execute(f"INSERT INTO schema VALUES (4, '{_LIBRARY}')")  # noqa: S608
            self._add_definitions(channels)
        else:
            self._create_like(template.read_template(), channels)
        self._add_topics(channels)

    def write(self, record: Record) -> None:
        """Append a message; the storage has no other records."""
        if isinstance(record, Message):
            self._database.execute(
                "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
                (record.channel.id, record.log_time_ns, record.data),
            )

    def finish(self, metadata: Mapping[str, Any] | None) -> None:
        """Complete the file, with the metadata of rosbag2 in it unless None."""
        if metadata is not None and self._read_columns("metadata"):
            self._database.execute("DELETE FROM metadata")
            self._database.execute(
                "INSERT INTO metadata (metadata_version, metadata) VALUES (?, ?)",
                (metadata["version"], dump_yaml(metadata)),
            )
        self._database.execute(CREATE_INDEX)  # filled at once when all messages are there
        self._database.execute("COMMIT")
        self._database.close()
        fsync_path(self._path)

    def close(self) -> None:
        """Close a file that may be unfinished."""
        self._database.close()

    def _create_tables(self, columns: Mapping[str, Collection[str]]) -> None:
        for name, names in columns.items():
            self._database.execute(create_table(name, names))

    def _create_like(self, template: Template, channels: Sequence[Channel]) -> None:
        self._create_tables(template.columns)
        if template.schema:  # else there may be no such table
            self._database.executemany("INSERT INTO schema VALUES (?, ?)", template.schema)
        types = {channel.type_name for channel in channels}
        if template.definitions:
            self._insert_definitions([row for row in template.definitions if row[0] in types])

    def _read_columns(self, table: str) -> list[str]:
        return [row[1] for row in self._database.execute(f"PRAGMA table_info({table})")]

    def _add_topics(self, channels: Sequence[Channel]) -> None:
        columns = self._read_columns("topics")  # older versions have fewer
        for channel in channels:
            values = {
                "id": channel.id,
                "name": channel.topic,
                "type": channel.type_name,
                "serialization_format": channel.serialization,
                "offered_qos_profiles": channel.qos,
                "type_description_hash": channel.type_hash,
            }
            row = {name: value for name, value in values.items() if name in columns}
            names, marks = ",".join(row), ",".join("?" * len(row))
            self._database.execute(
                f"INSERT INTO topics ({names}) VALUES ({marks})",  # noqa: S608
                tuple(row.values()),
            )

    def _add_definitions(self, channels: Sequence[Channel]) -> None:
        unique = {channel.type_name: channel for channel in channels}
        self._insert_definitions(
            [
                (name, channel.definition_encoding, channel.definition, channel.type_hash)
                for name, channel in unique.items()
            ]
        )

    def _insert_definitions(self, rows: Sequence[tuple[str, str, str, str]]) -> None:
        self._database.executemany(
            "INSERT INTO message_definitions (topic_type, encoding, encoded_message_definition, "
            "type_description_hash) VALUES (?, ?, ?, ?)",
            rows,
        )
