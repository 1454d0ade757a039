"""SQLite files of rosbag2 (rosbag2_storage_sqlite3), as database tables."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer as RosbagsWriter

from anon_ros.bags.storage.metadata import dump_yaml
from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    ROSBAG2_METADATA_KEY,
    ROSBAG2_METADATA_NAME,
    Channel,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    Record,
)
from anon_ros.errors import BagDamageError, format_error
from anon_ros.utils.files import fsync_path

# What sqlite3 raises of damaged files.
_DAMAGE = (sqlite3.Error, UnicodeError, OverflowError)
_MAX_ROW_SKIP = 2**40
_KNOWN_TABLES = ("schema", "metadata", "topics", "message_definitions", "messages")


class Sqlite3Reader:
    """A BagFile, read in the order of its rows."""

    compression = ""
    attachments: Sequence[tuple[str, str]] = ()

    def __init__(self, path: Path) -> None:
        """Open ``path``.

        Raises:
            BagDamageError: if it is no database of rosbag2.
            OSError: if it cannot be read.
        """
        self.path = path
        path.open("rb").close()  # sqlite3 does not say why it cannot
        self._database = _opened(path)
        try:
            self._open()
        except _DAMAGE as error:
            self.close()
            remedy = "sqlite3's .recover may mend it"
            message = (
                f"{path} is damaged or no SQLite file of rosbag2: {format_error(error)}; {remedy}"
            )
            raise BagDamageError(message) from error

    def close(self) -> None:
        self._database.close()

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:
        channels = {channel.id: channel for channel in self.channels}
        for message_id, topic_id, time_ns, data in self._messages(losses, start_ns, stop_ns):
            known = topic_id in channels and isinstance(data, bytes)
            if not known or not isinstance(time_ns, int) or time_ns < 0:
                problem = "it has no known topic, no valid time or no data"
                losses.record(Loss.of_place(self.path, f"message {message_id}", problem))
            else:
                yield Message(channels[topic_id], time_ns, data, time_ns, 0)
        with suppress(*_DAMAGE):  # older recorders wrote none
            for (text,) in self._database.execute("SELECT metadata FROM metadata").fetchall():
                if isinstance(text, str):
                    yield MetadataRecord(ROSBAG2_METADATA_NAME, {ROSBAG2_METADATA_KEY: text})

    def _messages(
        self, losses: DamageLog, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[int, Any, Any, Any]]:
        # The plus keeps SQLite from reading in the order of an index and sorting all data by id.
        select = (
            "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ?1 "
            "AND (+timestamp >= ?2 AND +timestamp < ?3 OR "
            "typeof(+timestamp) != 'integer' OR +timestamp < 0) ORDER BY id"
        )
        last, ahead, problem = self._before_first(), 0, ""
        rows = None
        while True:
            try:
                if rows is None:
                    rows = self._database.execute(select, (last + ahead, start_ns, stop_ns))
                row = next(rows, None)
                if row is not None and row[0] <= last:  # a damaged tree may lead round in circles
                    message = "the messages are out of order"
                    raise sqlite3.DatabaseError(message)
            except _DAMAGE as error:
                problem, rows = format_error(error), None
                # Whatever cannot be read is skipped in steps that double.
                ahead = 2 * ahead or 1
                if losses.salvage and ahead <= _MAX_ROW_SKIP:
                    continue
                row = None
            if problem:
                until = row[0] - 1 if row else "the last"
                place = f"message {last + 1} to {until}"
                losses.record(Loss.of_place(self.path, place, problem))
                ahead, problem = 0, ""
            if row is None:
                return
            last = row[0]
            yield row

    def _before_first(self) -> int:
        try:
            (first,) = self._database.execute("SELECT min(id) FROM messages").fetchone()
        except _DAMAGE:
            return 0
        return min(first - 1, 0) if isinstance(first, int) else 0

    def read_samples(self, channel: Channel, count: int) -> list[bytes]:
        select = "SELECT data FROM messages WHERE topic_id = ? ORDER BY id LIMIT ?"
        try:
            rows = self._database.execute(select, (channel.id, count)).fetchall()
        except _DAMAGE:
            return []
        return [data for (data,) in rows if isinstance(data, bytes)]

    def tables(self) -> list[tuple[str, str, list[tuple[Any, ...]]]]:
        """Name, SQL and rows of all tables, and their indices; rows of those that stay."""
        found = self._database.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL "
            "ORDER BY type DESC"
        ).fetchall()
        copied = {"schema", "message_definitions"}
        return [
            (name, sql, self._rows(name) if kind == "table" and name in copied else [])
            for kind, name, table, sql in found
            if table in _KNOWN_TABLES
        ]

    def _rows(self, table: str) -> list[tuple[Any, ...]]:
        return self._database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - known names

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self._database.execute(f"PRAGMA table_info({table})")]

    def _open(self) -> None:
        topics = self._columns("topics")
        if not topics or not self._columns("messages"):
            message = "a table is missing"
            raise sqlite3.DataError(message)
        definitions: dict[str, tuple[str, str]] = {}
        if "topic_type" in self._columns("message_definitions"):
            defined = self._database.execute(
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            )
            definitions = {name: (str(text), str(encoding)) for name, encoding, text in defined}
        hash_, qos = (
            column if column in topics else "''"
            for column in ("type_description_hash", "offered_qos_profiles")
        )
        rows = self._database.execute(
            f"SELECT id, name, type, serialization_format, {hash_}, {qos} FROM topics ORDER BY id"  # noqa: S608
        ).fetchall()
        for _, *texts in rows:
            if not all(isinstance(text, str) for text in texts):
                message = f"a topic is described by {texts}"
                raise sqlite3.DataError(message)
        self.channels = [
            Channel(
                channel_id,
                topic,
                type_name,
                serialization,
                *definitions.get(type_name, ("", "")),
                type_hash=type_hash,
                qos=offered,
            )
            for channel_id, topic, type_name, serialization, type_hash, offered in rows
        ]
        self.message_counts: dict[int, int] = {}
        self.start_ns, self.end_ns = MAX_TIME_NS, 0
        try:
            totals: Iterable[Any] = self._database.execute(
                "SELECT topic_id, count(*), min(timestamp), max(timestamp) FROM messages "
                "WHERE typeof(timestamp) = 'integer' AND timestamp >= 0 GROUP BY 1"
            ).fetchall()
        except _DAMAGE:  # the run will say where
            totals = self._counted_one_by_one()
        for topic_id, count, first_ns, last_ns in totals:
            self.message_counts[topic_id] = self.message_counts.get(topic_id, 0) + count
            self.start_ns, self.end_ns = min(self.start_ns, first_ns), max(self.end_ns, last_ns)

    def _counted_one_by_one(self) -> Iterator[tuple[int, int, int, int]]:
        for record in self.records(DamageLog(salvage=True), 0, MAX_TIME_NS):
            if isinstance(record, Message):
                yield record.channel.id, 1, record.log_time_ns, record.log_time_ns


class Sqlite3Writer:
    """A BagWriter. Until it is finished its file is of no use: nothing is journalled."""

    def __init__(self, path: Path, channels: Sequence[Channel], like: Sqlite3Reader | None) -> None:
        """Create ``path``.

        Args:
            path: of a file that does not exist.
            channels: all of them.
            like: whose tables are taken over; None for those of the newest version.
        """
        self._path = path
        path.open("xb").close()
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._indices: list[str] = []
        if like is None:
            self._database.executescript(RosbagsWriter.SQLITE_SCHEMA)
        self._database.execute("BEGIN")
        if like is not None:
            self._copy_tables(like)
        columns = [row[1] for row in self._database.execute("PRAGMA table_info(topics)")]
        for channel in channels:
            self._add_topic(channel, columns)
        if like is None:
            self._define(channels)

    def write(self, record: Record) -> None:
        if isinstance(record, Message):
            self._database.execute(
                "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
                (record.channel.id, record.log_time_ns, record.data),
            )

    def finish(self, information: Mapping[str, Any] | None) -> None:
        if (
            information is not None
            and self._database.execute("PRAGMA table_info(metadata)").fetchall()
        ):
            self._database.execute("DELETE FROM metadata")
            self._database.execute(
                "INSERT INTO metadata (metadata_version, metadata) VALUES (?, ?)",
                (information["version"], dump_yaml(information)),
            )
        for index in self._indices:
            self._database.execute(index)
        self._database.execute("COMMIT")
        self._database.close()
        fsync_path(self._path)

    def close(self) -> None:
        self._database.close()

    def _copy_tables(self, like: Sqlite3Reader) -> None:
        for name, sql, rows in like.tables():
            if name not in _KNOWN_TABLES:
                self._indices.append(sql)  # filled at once when all messages are there
                continue
            self._database.execute(sql)
            for row in rows:
                marks = ",".join("?" * len(row))
                self._database.execute(f"INSERT INTO {name} VALUES ({marks})", row)  # noqa: S608

    def _add_topic(self, channel: Channel, columns: Sequence[str]) -> None:
        values = {
            "id": channel.id,
            "name": channel.topic,
            "type": channel.type_name,
            "serialization_format": channel.serialization,
            "offered_qos_profiles": channel.qos,
            "type_description_hash": channel.type_hash,
        }
        kept = {name: value for name, value in values.items() if name in columns}
        self._database.execute(
            f"INSERT INTO topics ({','.join(kept)}) VALUES ({','.join('?' * len(kept))})",  # noqa: S608
            tuple(kept.values()),
        )

    def _define(self, channels: Sequence[Channel]) -> None:
        for channel in {channel.type_name: channel for channel in channels}.values():
            self._database.execute(
                "INSERT INTO message_definitions (topic_type, encoding, "
                "encoded_message_definition, type_description_hash) VALUES (?, ?, ?, ?)",
                (
                    channel.type_name,
                    channel.definition_encoding,
                    channel.definition,
                    channel.type_hash,
                ),
            )


def _opened(path: Path) -> sqlite3.Connection:
    if (journal := path.with_name(f"{path.name}-journal")).exists() and journal.stat().st_size:
        message = f"{path} was being written when its recorder died; sqlite3 {path} mends a copy"
        raise BagDamageError(message)
    # A recorder that crashed leaves its last messages in a write-ahead log.
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{mode}", uri=True, check_same_thread=False
    )
