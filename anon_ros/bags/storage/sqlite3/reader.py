"""Reader of SQLite files of rosbag2 (rosbag2_storage_sqlite3), as database tables."""

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    ROSBAG2_METADATA_KEY,
    ROSBAG2_METADATA_NAME,
    UNKNOWN_ENCODING,
    Channel,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    PrivateRecord,
    Record,
)
from anon_ros.bags.storage.sqlite3.schema import (
    TABLES,
    interrupt_by_signals,
    raise_interrupt,
    require_plain_tables,
)
from anon_ros.errors import BagDamageError, format_error

# Raised by sqlite3 for damaged files.
_DAMAGE = (sqlite3.Error, UnicodeError, OverflowError)
_MAX_ROW_SKIP = 2**40
_MAX_NAME_CHARACTERS = 256  # of a distribution or hash: in more, a picture may hide
# The plus keeps SQLite from reading in the order of an index and sorting all data by id.
_SELECT_MESSAGES = (
    "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ?1 "
    "AND (+timestamp >= ?2 AND +timestamp < ?3 OR "
    "typeof(+timestamp) != 'integer' OR +timestamp < 0) ORDER BY id"
)
_SELECT_SCHEMA = "SELECT schema_version, ros_distro FROM schema"
_SELECT_DEFINITIONS = (
    "SELECT topic_type, encoding, encoded_message_definition, type_description_hash "
    "FROM message_definitions"
)
_SELECT_STATISTICS = (
    "SELECT topic_id, count(*), min(timestamp), max(timestamp) FROM messages "
    "WHERE typeof(timestamp) = 'integer' AND timestamp >= 0 GROUP BY 1"
)


class Template(NamedTuple):
    """Rows of an input that an output takes over, beside topics and messages, and its columns.

    Attributes:
        columns: by table.
        schema: rows of schema: version, distribution.
        definitions: rows of message_definitions: type, encoding, definition, hash.
    """

    columns: dict[str, list[str]]
    schema: list[tuple[int, str]]
    definitions: list[tuple[str, str, str, str]]


class Sqlite3Reader:
    """StorageReader of an SQLite file, in the order of its rows."""

    compression = ""
    attachments: Sequence[tuple[str, str]] = ()

    def __init__(self, path: Path, content: Path | None = None) -> None:
        """Open ``path``, without its logs.

        Args:
            path: of the file.
            content: copy that is read in its place; None for none.

        Raises:
            BagDamageError: if it is no database of rosbag2.
            OSError: if it cannot be read.
        """
        self.path = path
        self.message_counts: dict[int, int] = {}
        self.start_ns, self.end_ns = MAX_TIME_NS, 0
        content = content or path
        content.open("rb").close()  # sqlite3 would not say why it cannot
        self._database = _connect(content)
        try:
            require_plain_tables(self._database, TABLES)
            self.channels = self._read_channels()
            self._read_statistics()
        except _DAMAGE as error:
            self.close()
            raise_interrupt(error)
            remedy = "sqlite3's .recover may mend it"
            message = (
                f"{path} is damaged or no SQLite file of rosbag2: {format_error(error)}; {remedy}"
            )
            raise BagDamageError(message) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:
        """Read everything in the order of the rows; see ``StorageReader``."""
        channels = {channel.id: channel for channel in self.channels}
        for message_id, topic_id, time_ns, data in self._iter_rows(losses, start_ns, stop_ns):
            is_valid = topic_id in channels and isinstance(data, bytes)
            if not is_valid or not isinstance(time_ns, int) or time_ns < 0:
                problem = "it has no known topic, no valid time or no data"
                losses.record(Loss.of_place(self.path, f"message {message_id}", problem))
            else:
                yield Message(channels[topic_id], time_ns, data, time_ns, 0)
        yield from self._iter_metadata()

    def iter_extras(self) -> Iterator[MetadataRecord | PrivateRecord]:
        """Read nothing: the storage has no such records."""
        return iter(())

    def iter_samples(
        self, channels: Collection[Channel], count: int
    ) -> Iterator[tuple[int, bytes]]:
        """Read the first messages of channels; see ``StorageReader``.

        One pass over the topics of all messages, which have no index, then the data of a few.
        """
        rows: dict[int, list[int]] = {channel.id: [] for channel in channels}
        num_missing = sum(min(count, self.message_counts.get(number, 0)) for number in rows)
        try:
            select = "SELECT id, topic_id FROM messages ORDER BY id"
            for message_id, topic_id in self._database.execute(select):
                if len(rows.get(topic_id, range(count))) < count:
                    rows[topic_id].append(message_id)
                    num_missing -= 1
                if num_missing <= 0:
                    break
        except _DAMAGE as error:
            raise_interrupt(error)
        for number, message_ids in rows.items():
            for data in map(self._read_data, message_ids):
                if isinstance(data, bytes):
                    yield number, data

    def _read_data(self, message_id: int) -> object:
        """Read a message; None if it cannot be read."""
        try:
            select = "SELECT data FROM messages WHERE id = ?"
            row = self._database.execute(select, (message_id,)).fetchone()
        except _DAMAGE as error:
            raise_interrupt(error)
            return None
        return row[0] if row else None

    def read_template(self) -> Template:
        """Read what an output takes over; values that are none of rosbag2's are left out."""
        columns = {name: self._read_columns(name) for name in TABLES}
        schema = definitions = []
        if set(TABLES["schema"]) <= set(columns["schema"]):
            schema = self._database.execute(_SELECT_SCHEMA).fetchall()
        if set(TABLES["message_definitions"]) <= set(columns["message_definitions"]):
            definitions = self._database.execute(_SELECT_DEFINITIONS).fetchall()
        return Template(
            {name: names for name, names in columns.items() if names},
            [row for row in schema if isinstance(row[0], int) and _are_names(row[1:])],
            [row for row in definitions if isinstance(row[2], str) and _are_names(row[::3])],
        )

    def _iter_metadata(self) -> Iterator[MetadataRecord]:
        try:
            rows = self._database.execute("SELECT metadata FROM metadata").fetchall()
        except _DAMAGE as error:  # older recorders wrote none
            raise_interrupt(error)
            return
        for (text,) in rows:
            if isinstance(text, str):
                yield MetadataRecord(ROSBAG2_METADATA_NAME, {ROSBAG2_METADATA_KEY: text})

    def _iter_rows(
        self, losses: DamageLog, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[int, Any, Any, Any]]:
        """Yield id, topic, time and data; unreadable rows are skipped in steps that double."""
        last, skip, problem = self._find_start(), 0, ""
        rows = None
        while True:
            try:
                if rows is None:
                    rows = self._database.execute(
                        _SELECT_MESSAGES, (last + skip, start_ns, stop_ns)
                    )
                row = next(rows, None)
                if row is not None and row[0] <= last:  # a damaged tree may lead round in circles
                    message = "the messages are out of order"
                    raise sqlite3.DatabaseError(message)
            except _DAMAGE as error:
                raise_interrupt(error)
                problem, rows = format_error(error), None
                skip = 2 * skip or 1
                if losses.salvage and skip <= _MAX_ROW_SKIP:
                    continue
                row = None
            if problem:
                until = row[0] - 1 if row else "the last"
                place = f"message {last + 1} to {until}"
                losses.record(Loss.of_place(self.path, place, problem))
                skip, problem = 0, ""
            if row is None:
                return
            last = row[0]
            yield row

    def _find_start(self) -> int:
        """Return a number below all ids: 0, unless there are smaller ones."""
        try:
            (first,) = self._database.execute("SELECT min(id) FROM messages").fetchone()
        except _DAMAGE:
            return 0
        return min(first - 1, 0) if isinstance(first, int) else 0

    def _read_columns(self, table: str) -> list[str]:
        return [row[1] for row in self._database.execute(f"PRAGMA table_info({table})")]

    def _read_channels(self) -> list[Channel]:
        columns = self._read_columns("topics")
        if not columns or not self._read_columns("messages"):
            message = "a table is missing"
            raise sqlite3.DataError(message)
        definitions = self._read_definitions()
        # Older versions have no such columns.
        hash_, qos = (
            column if column in columns else "''"
            for column in ("type_description_hash", "offered_qos_profiles")
        )
        rows = self._database.execute(
            f"SELECT id, name, type, serialization_format, {hash_}, {qos} FROM topics ORDER BY id"  # noqa: S608
        ).fetchall()
        return [_make_channel(row, definitions) for row in rows]

    def _read_definitions(self) -> dict[str, tuple[str, str]]:
        """Read text and encoding of the definitions, by type."""
        if "topic_type" not in self._read_columns("message_definitions"):
            return {}
        rows = self._database.execute(
            "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        )
        return {
            name: (str(text), str(encoding))
            for name, encoding, text in rows
            if encoding != UNKNOWN_ENCODING
        }

    def _read_statistics(self) -> None:
        try:
            totals: Iterable[Any] = self._database.execute(_SELECT_STATISTICS).fetchall()
        except _DAMAGE as error:  # the run will say where
            raise_interrupt(error)
            totals = self._count_messages()
        for topic_id, count, first_ns, last_ns in totals:
            self.message_counts[topic_id] = self.message_counts.get(topic_id, 0) + count
            self.start_ns, self.end_ns = min(self.start_ns, first_ns), max(self.end_ns, last_ns)

    def _count_messages(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield rows of ``_SELECT_STATISTICS``, for single messages."""
        for record in self.records(DamageLog(salvage=True), 0, MAX_TIME_NS):
            if isinstance(record, Message):
                yield record.channel.id, 1, record.log_time_ns, record.log_time_ns


def has_metadata_table(path: Path) -> bool:
    """Return True if a file has a place for the metadata of rosbag2; older ones have none."""
    with closing(_connect(path)) as database:
        select = "SELECT name FROM sqlite_master WHERE name = 'metadata'"
        return database.execute(select).fetchone() is not None


def _are_names(values: Iterable[object]) -> bool:
    return all(isinstance(v, str) and len(v) <= _MAX_NAME_CHARACTERS for v in values)


def _make_channel(row: Sequence[Any], definitions: dict[str, tuple[str, str]]) -> Channel:
    channel_id, *texts = row
    if not all(isinstance(text, str) for text in texts):
        message = f"a topic is described by {texts}"
        raise sqlite3.DataError(message)
    topic, type_name, serialization, type_hash, qos = texts
    definition, encoding = definitions.get(type_name, ("", ""))
    return Channel(
        *(channel_id, topic, type_name, serialization, definition, encoding),
        type_hash=type_hash,
        qos=qos,
    )


def _connect(path: Path) -> sqlite3.Connection:
    # Immutable: without it SQLite writes and removes files beside the database.
    database = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?immutable=1", uri=True, check_same_thread=False
    )
    interrupt_by_signals(database)
    return database
