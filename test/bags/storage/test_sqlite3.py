"""SQLite files whose tables are programs: nothing of them is run, and nothing copied."""

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from anon_ros.bags.run_files.masks_db import MasksDb
from anon_ros.bags.storage.sqlite3.schema import interrupt_by_signals, raise_interrupt
from helpers.bag_reading import read_messages
from helpers.bags import write_rosbag2

RunCommand = Callable[..., int]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
VIEWS = {
    "view": f"CREATE VIEW messages AS {ENDLESS} i AS id, 1 AS topic_id, 1 AS timestamp, x'00' AS "
    "data FROM n",
    "huge view": "CREATE VIEW messages AS SELECT 1 AS id, 1 AS topic_id, 1 AS timestamp, "
    "zeroblob(999999999) AS data",
    "virtual table": "CREATE VIRTUAL TABLE messages USING fts5(id, topic_id, timestamp, data)",
    "generated column": "CREATE TABLE messages (id INTEGER PRIMARY KEY, topic_id INTEGER, "
    "timestamp INTEGER, data BLOB GENERATED ALWAYS AS (zeroblob(999999999)))",
    "view of topics": f"CREATE VIEW topics AS {ENDLESS} i AS id, 'a' AS name, 'b' AS type, 'cdr' "
    "AS serialization_format, '' AS offered_qos_profiles, '' AS type_description_hash FROM n",
}
TRACE = "a secret of whoever made this"
PROGRAMS = """
CREATE TRIGGER t AFTER INSERT ON messages BEGIN SELECT 'TRACE'; END;
CREATE INDEX p ON messages (topic_id) WHERE data <> 'TRACE';
CREATE INDEX e ON topics (name || 'TRACE');
CREATE VIEW v AS SELECT 'TRACE' FROM messages;
CREATE TABLE other (text TEXT DEFAULT 'TRACE');
ALTER TABLE messages ADD COLUMN note TEXT DEFAULT 'TRACE';
ALTER TABLE topics ADD COLUMN note TEXT DEFAULT 'TRACE';
INSERT INTO other VALUES ('TRACE');
INSERT INTO schema VALUES (5, 'LONG');
INSERT INTO message_definitions (topic_type, encoding, encoded_message_definition,
  type_description_hash) VALUES ('some_msgs/msg/Other', 'ros2msg', '# TRACE', '');
UPDATE message_definitions SET type_description_hash = 'LONG' WHERE id = 2;
""".replace("TRACE", TRACE).replace("LONG", TRACE * 20)


def edit_database(folder: Path, script: str) -> None:
    with closing(sqlite3.connect(folder / "in.db3")) as database:
        database.executescript(script)


def read_schema(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT type, name, sql FROM sqlite_master").fetchall()


@pytest.mark.parametrize("name", VIEWS)
def test_programs_are_never_run(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """An endless one would run into the time limit of the test."""
    source = write_rosbag2(tmp_path / "in", "sqlite3")
    table = "topics" if "topics" in name else "messages"
    edit_database(source, f"DROP TABLE {table}; {VIEWS[name]}")
    assert run_bag(source, tmp_path / "out") == 2
    assert f"{table} is no plain table" in capsys.readouterr().err


def test_output_has_our_tables(tmp_path: Path, run_bag: RunCommand) -> None:
    source, plain = (write_rosbag2(tmp_path / name / "in", "sqlite3") for name in ("bad", "good"))
    edit_database(source, PROGRAMS)
    messages = read_messages(plain)
    for folder in (source, plain):
        assert run_bag(folder, folder.with_name("out")) == 0
    output = source.with_name("out") / "in.db3"
    assert read_schema(output) == read_schema(plain.with_name("out") / "in.db3")
    assert TRACE.encode() not in output.read_bytes()
    after = read_messages(source.with_name("out"))
    assert [(m.topic, m.time_ns) for m in after] == [(m.topic, m.time_ns) for m in messages]


def test_older_tables_stay_older(tmp_path: Path, run_bag: RunCommand) -> None:
    """Foxy's recorder knew neither definitions nor hashes, and its readers want it so."""
    source = write_rosbag2(tmp_path / "in", "sqlite3")
    edit_database(
        source,
        "DROP TABLE message_definitions; DROP TABLE schema; DROP TABLE metadata;"
        "ALTER TABLE topics DROP COLUMN type_description_hash",
    )
    assert run_bag(source, tmp_path / "out") == 2  # a type that no standard has
    assert run_bag(source, tmp_path / "out", "--drop", "/odd") == 0
    names = [name for kind, name, _ in read_schema(tmp_path / "out" / "in.db3") if kind == "table"]
    assert names == ["topics", "messages"]
    with closing(sqlite3.connect(tmp_path / "out" / "in.db3")) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(topics)")]
    assert columns == ["id", "name", "type", "serialization_format", "offered_qos_profiles"]


@pytest.fixture
def alarm() -> Iterator[None]:
    """A signal in half a second, which is handled as SIGTERM is."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_signal_ends_a_query() -> None:
    database = sqlite3.connect(":memory:")
    interrupt_by_signals(database)
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute(f"{ENDLESS} count(*) FROM n").fetchall()
    with pytest.raises(KeyboardInterrupt):
        raise_interrupt(caught.value)
    raise_interrupt(sqlite3.OperationalError("no such table"))


def test_masks_of_somebody_else_are_a_table(tmp_path: Path) -> None:
    path = tmp_path / "masks.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE VIEW frames AS {ENDLESS} i AS file, 0 AS number FROM n")
    with pytest.raises(sqlite3.DataError, match="frames is no plain table"):
        MasksDb(path)
