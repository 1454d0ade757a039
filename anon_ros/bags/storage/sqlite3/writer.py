"""Writer of SQLite files of rosbag2 (rosbag2_storage_sqlite3)."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer as RosbagsWriter

from anon_ros.bags.storage.metadata import dump_yaml
from anon_ros.bags.storage.records import Channel, Message, Record
from anon_ros.bags.storage.sqlite3.reader import TABLES, Sqlite3Reader
from anon_ros.utils.files import fsync_path


class Sqlite3Writer:
    """StorageWriter of an SQLite file; useless until it is finished, for nothing is journaled."""

    def __init__(
        self, path: Path, channels: Sequence[Channel], template: Sqlite3Reader | None
    ) -> None:
        """Create a file.

        Args:
            path: must not exist.
            channels: all that the file will have.
            template: file with the tables to create; None for those of the newest version.

        Raises:
            OSError, sqlite3.Error: if it cannot be created.
        """
        self._path = path
        path.open("xb").close()
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._indices: list[str] = []
        if template is None:
            self._database.executescript(RosbagsWriter.SQLITE_SCHEMA)
        self._database.execute("BEGIN")
        if template is not None:
            self._copy_tables(template)
        self._add_topics(channels)
        if template is None:
            self._add_definitions(channels)

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
        for index in self._indices:
            self._database.execute(index)
        self._database.execute("COMMIT")
        self._database.close()
        fsync_path(self._path)

    def close(self) -> None:
        """Close a file that may be unfinished."""
        self._database.close()

    def _copy_tables(self, template: Sqlite3Reader) -> None:
        for name, sql, rows in template.read_tables():
            if name not in TABLES:
                self._indices.append(sql)  # filled at once when all messages are there
                continue
            self._database.execute(sql)
            for row in rows:
                marks = ",".join("?" * len(row))
                self._database.execute(f"INSERT INTO {name} VALUES ({marks})", row)  # noqa: S608

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
        for channel in {channel.type_name: channel for channel in channels}.values():
            definition = channel.definition_encoding, channel.definition
            self._database.execute(
                "INSERT INTO message_definitions (topic_type, encoding, "
                "encoded_message_definition, type_description_hash) VALUES (?, ?, ?, ?)",
                (channel.type_name, *definition, channel.type_hash),
            )
