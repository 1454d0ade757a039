"""What a run has done already, on disk after each step.

An SQLite database: its transactions survive a process that is killed. Without the payloads it is
what ``anon_ros verify`` reads as the sidecar ``masks.db``.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zstandard

from anon_ros.bags.storage.metadata import FileStatistics
from anon_ros.bags.storage.records import Loss
from anon_ros.core import CoverReason, Mask
from anon_ros.errors import BagError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    file INTEGER PRIMARY KEY, name TEXT NOT NULL, tally TEXT NOT NULL, losses TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS frames (
    file INTEGER NOT NULL, number INTEGER NOT NULL, topic TEXT NOT NULL,
    log_time_ns INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    persons INTEGER NOT NULL, covered TEXT NOT NULL, boxes TEXT NOT NULL,
    mask BLOB, payload BLOB, tracks TEXT NOT NULL, carried INTEGER NOT NULL,
    is_key INTEGER NOT NULL, PRIMARY KEY (file, number)
);
"""

_DIGEST_BYTES = 16
ANONYMIZED, SKIPPED, LOST = "anonymized", "skipped", "lost"


@dataclass(frozen=True)
class ImageRecord:
    """What became of one image message.

    Attributes:
        file: index of the storage file.
        number: of the message among the image messages of that file.
        topic: as recorded.
        log_time_ns: as recorded.
        outcome: ANONYMIZED, SKIPPED or LOST.
        reason: why it was lost; else empty.
        boxes_xyxy: of the persons, px; one box each.
        cover_reasons: of each person who was covered instead of inpainted the reason and its text.
        mask: (H, W) bool PNG, what was replaced; None if nothing was, or masks are not kept.
        delta: how to make the output message from the input message; None once that is done.
        track_ids: of the persons, one each; None for who is in none.
        num_propagated: how many of the persons, the last ones, were found in frames around it
            alone.
        is_keyframe: what comes from it on depends on no result before.
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


@dataclass
class FileRecord:
    """A storage file that is complete.

    Attributes:
        name: of the file in the output.
        tally: what it holds.
        losses: what could not be read of its input.
        loss_count: of all of them.
    """

    name: str
    tally: FileStatistics
    losses: list[Loss] = field(default_factory=list)
    loss_count: int = 0


class Journal:
    """The journal of one run, or the sidecar that is left of it. Of one thread alone."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create it.

        Raises:
            sqlite3.Error: if it cannot be.
        """
        if read_only:
            self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            return
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        self._database.close()

    def get(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM job WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO job VALUES (?, ?)", (name, value))

    def add(self, rows: Sequence[ImageRecord]) -> None:
        """All of them or none."""
        if not rows:
            return
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO frames VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    *(row.file, row.number, row.topic, row.log_time_ns, row.outcome),
                    row.reason.encode(errors="backslashreplace").decode(),
                    *(len(row.boxes_xyxy), _dump_cover_reasons(row.cover_reasons)),
                    *(json.dumps([list(box) for box in row.boxes_xyxy]), row.mask, row.delta),
                    *(json.dumps(list(row.track_ids)), row.num_propagated, row.is_keyframe),
                )
                for row in rows
            ],
        )
        self._database.execute("COMMIT")

    def count_done(self, file: int) -> int:
        """How many of the first image messages of a file are in the journal."""
        select = "SELECT coalesce(max(number) + 1, 0) FROM frames WHERE file = ?"
        return int(self._database.execute(select, (file,)).fetchone()[0])

    def row(self, file: int, number: int) -> ImageRecord:
        """The entry of an image message that is in the journal."""
        return next(self._rows("WHERE file = ? AND number = ?", (file, number)))

    def last_keyframes(self, file: int) -> dict[str, int]:
        """The number of the last image of each topic with ``is_key``."""
        select = "SELECT topic, max(number) FROM frames WHERE file = ? AND is_key GROUP BY 1"
        return dict(self._database.execute(select, (file,)).fetchall())

    def rows(self, file: int) -> Iterator[ImageRecord]:
        """Those of one file, in its order."""
        return self._rows("WHERE file = ? ORDER BY number", (file,))

    def finish(self, file: int, finished: FileRecord) -> None:
        """A storage file is complete; its payloads are not needed any more."""
        tally = vars(finished.tally)
        losses = [finished.loss_count, [asdict(loss) for loss in finished.losses]]
        self._database.execute("BEGIN")
        self._database.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?)",
            (file, json.dumps(finished.name), json.dumps(tally), json.dumps(losses)),
        )
        self._database.execute("UPDATE frames SET payload = NULL WHERE file = ?", (file,))
        self._database.execute("COMMIT")

    def finished(self) -> dict[int, FileRecord]:
        """The complete storage files by index."""
        found = {}
        for file, name, tally, losses in self._database.execute("SELECT * FROM files"):
            count, entries = json.loads(losses)
            found[file] = FileRecord(
                json.loads(name),
                FileStatistics(**json.loads(tally)),
                [Loss(**each) for each in entries],
                count,
            )
        return found

    def query(self, select: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the table frames."""
        return self._database.execute(select).fetchall()

    def export_masks_db(self, path: Path) -> None:
        """Write what verify needs to ``path``, as one file."""
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as sidecar:
            self._database.backup(sidecar)
            sidecar.execute("PRAGMA journal_mode=DELETE")
            sidecar.execute("VACUUM")

    def _rows(self, where: str, values: tuple[int, ...]) -> Iterator[ImageRecord]:
        for found in self._database.execute(f"SELECT * FROM frames {where}", values):  # noqa: S608
            file, number, topic, time_ns, outcome, reason, _, covered, boxes, *more = found
            mask, payload, tracks, carried, is_key = more
            persons = json.loads(boxes), _load_cover_reasons(covered)
            row = ImageRecord(
                file, number, topic, time_ns, outcome, reason, *persons, mask, payload
            )
            known = json.loads(tracks)
            yield replace(row, track_ids=known, num_propagated=carried, is_keyframe=bool(is_key))


def _dump_cover_reasons(cover_reasons: Sequence[tuple[CoverReason, str]]) -> str:
    return json.dumps([(cover_reason.name, text) for cover_reason, text in cover_reasons])


def _load_cover_reasons(text: str) -> list[tuple[CoverReason, str]]:
    """Read the column ``covered``; sidecars of version 0.1 have texts alone."""
    entries = (["INPAINT_ERROR", e] if isinstance(e, str) else e for e in json.loads(text))
    return [(CoverReason[name], text) for name, text in entries]


def encode_mask_png(mask: Mask) -> bytes | None:
    """A mask as PNG with one bit per pixel; None if it is empty."""
    if not mask.any():
        return None
    pixels = mask.view(np.uint8) * np.uint8(255)
    return bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes())


def decode_mask_png(png: bytes) -> Mask:
    """(H, W) bool.

    Raises:
        ValueError: if it is damaged.
    """
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        message = f"mask of {len(png)} bytes is damaged"
        raise ValueError(message)
    return np.asarray(pixels > 0, np.bool_)


def message_digest(data: bytes) -> bytes:
    """Of a message, to see whether it is still the same."""
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def make_delta(before: bytes, after: bytes) -> bytes:
    """What ``apply_delta`` needs to make ``after`` from ``before``: little, if few bytes differ."""
    if len(before) != len(after):
        return message_digest(before) + b"W" + zstandard.compress(after, 1)
    one, other = (np.frombuffer(data, np.uint8) for data in (before, after))
    differs = one != other
    changes = np.packbits(differs).tobytes() + other[differs].tobytes()
    return message_digest(before) + b"D" + zstandard.compress(changes, 1)


def apply_delta(before: bytes, payload: bytes) -> bytes:
    """The message that ``make_delta`` was told of.

    Raises:
        BagError: if ``before`` is not the same any more: what differs is where persons *were*.
    """
    if payload[:_DIGEST_BYTES] != message_digest(before):
        message = "the input has changed since this run began; remove the unfinished output"
        raise BagError(message)
    kind, data = payload[_DIGEST_BYTES:][:1], zstandard.decompress(payload[_DIGEST_BYTES + 1 :])
    if kind == b"W":
        return data
    result = np.frombuffer(before, np.uint8).copy()
    bits, values = np.split(np.frombuffer(data, np.uint8), [(len(before) + 7) // 8])
    result[np.unpackbits(bits, count=len(before)).astype(np.bool_)] = values
    return result.tobytes()
