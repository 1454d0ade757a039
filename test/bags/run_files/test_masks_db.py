"""masks.db holds the records of the journal, without deltas, and is never written."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from anon_ros.bags import ImageRecord, Loss, MasksDb
from anon_ros.bags.run_files.journal import FileRecord, Journal
from anon_ros.bags.storage.metadata import FileStatistics
from anon_ros.core import CoverReason

RECORDS = [
    ImageRecord(
        *(0, 0, "/cam", 100, "anonymized"),
        boxes_xyxy=[[1.0, 2.0, 3.5, 4.0]],
        cover_reasons=[(CoverReason.TOO_SMALL, "5x5 px")],
        mask=b"png",
        delta=b"delta",
        track_ids=[None],
        num_propagated=1,
        is_keyframe=True,
        num_small=2,
        target_boxes_xyxy={"vehicle": [[1.0, 2.0, 3.0, 4.5]]},
        num_drawn_targets=1,
        target_failures=[(CoverReason.INPAINT_ERROR, "boom")],
    ),
    ImageRecord(0, 1, "/cam", 200, "lost", reason="broken: at byte 3"),
    ImageRecord(1, 0, "/rear", 300, "skipped"),
]


def write_masks_db(folder: Path) -> Path:
    with closing(Journal(folder / "journal.db")) as journal:
        journal.add(RECORDS)
        losses = [Loss("in.mcap", "/cam", 200, "broken: at byte 3")]
        journal.finish_file(0, FileRecord("out.mcap", FileStatistics(), losses, 1))
        journal.finish_file(1, FileRecord("out_1.mcap", FileStatistics()))
        assert journal.read_finished_files()[0].losses == losses
        journal.export_masks_db(folder / "masks.db")
    return folder / "masks.db"


def test_masks_db_has_records_without_deltas(tmp_path: Path) -> None:
    with closing(MasksDb(write_masks_db(tmp_path))) as masks_db:
        records = [record for file in range(2) for record in masks_db.iter_file(file)]
    expected = [replace(record, delta=None) for record in RECORDS]
    assert [vars(record) | {"boxes_xyxy": list(record.boxes_xyxy)} for record in records] == [
        vars(record)
        | {
            "boxes_xyxy": list(record.boxes_xyxy),
            "cover_reasons": list(record.cover_reasons),
            "track_ids": list(record.track_ids),
            "target_failures": list(record.target_failures),
        }
        for record in expected
    ]


def test_drawn_target_makes_an_image_inpainted(tmp_path: Path) -> None:
    """Its only person is covered."""
    with closing(MasksDb(write_masks_db(tmp_path))) as masks_db:
        assert next(masks_db.iter_file(0)).num_inpainted == 1
        assert masks_db.count_inpainted_files() == 1


def test_masks_db_is_read_only(tmp_path: Path) -> None:
    path = write_masks_db(tmp_path)
    with closing(MasksDb(path)) as masks_db, pytest.raises(sqlite3.OperationalError):
        masks_db._database.execute("DELETE FROM frames")  # noqa: SLF001 - no method writes
    assert sorted(file.name for file in tmp_path.iterdir()) == ["journal.db", "masks.db"]


def test_masks_db_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        MasksDb(tmp_path / "masks.db")
    assert not list(tmp_path.iterdir())


def test_masks_db_without_later_columns_read(tmp_path: Path) -> None:
    path = write_masks_db(tmp_path)
    with closing(sqlite3.connect(path)) as database:
        for column in ("target_failures", "drawn", "targets", "small"):
            database.execute(f"ALTER TABLE frames DROP COLUMN {column}")
    with closing(MasksDb(path)) as masks_db:
        (record, _) = masks_db.iter_file(0)
        assert masks_db.count_inpainted_files() == 0
    assert (record.num_propagated, record.is_keyframe, record.num_small) == (1, True, 0)


HOSTILE_COLUMNS = [
    *((column, "[" * 100_000) for column in ("boxes", "covered", "tracks")),
    *((column, "no JSON") for column in ("boxes", "covered", "tracks")),
    *((column, "5") for column in ("boxes", "covered", "tracks")),
    *(("boxes", text) for text in ("[5]", "[[1, 2, 3]]", '[["a", 0, 0, 0]]', "[[1, 2, 3, NaN]]")),
    ("covered", '[["NO_REASON", "text"]]'),
    ("target_failures", '[["NO_REASON", "text"]]'),
    ("tracks", '[Infinity, "a"]'),
]


@pytest.mark.parametrize(("column", "text"), HOSTILE_COLUMNS)
def test_hostile_record_is_one_error(tmp_path: Path, column: str, text: str) -> None:
    """Of somebody else's output."""
    path = write_masks_db(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"UPDATE frames SET {column} = ?", (text,))  # noqa: S608
    with (
        closing(MasksDb(path)) as masks_db,
        pytest.raises(sqlite3.DataError, match=r"image 0 of file 0 in masks\.db is damaged"),
    ):
        list(masks_db.iter_file(0))
