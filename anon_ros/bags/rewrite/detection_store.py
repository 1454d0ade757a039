"""What the first look at a recording found, on disk after each step."""

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from anon_ros.core import Roi
from anon_ros.tracking import FrameObservation, PersonObservation

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (file INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS frames (
    file INTEGER NOT NULL, number INTEGER NOT NULL, topic TEXT NOT NULL,
    log_time_ns INTEGER NOT NULL, problem TEXT NOT NULL,
    digest BLOB NOT NULL, moment TEXT NOT NULL, pixels BLOB NOT NULL, PRIMARY KEY (file, number)
);
CREATE INDEX IF NOT EXISTS by_topic ON frames (topic, file, number);
"""

MessageKey = tuple[int, int]
"""Index of a file, and of an image message among those in it."""


@dataclass(frozen=True)
class StoredDetections:
    """What was seen in one image message.

    Attributes:
        key: which message.
        topic: as recorded.
        log_time_ns: as recorded.
        digest: of the message.
        problem: why nobody knows who is in it; else empty.
        moment: who is in it; None with a problem, or if it is skipped.
    """

    key: MessageKey
    topic: str
    log_time_ns: int
    digest: bytes
    problem: str = ""
    moment: FrameObservation | None = None


class DetectionStore:
    """An SQLite database, for one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create it.

        Raises:
            sqlite3.Error: if it cannot be.
        """
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        self._database.close()

    def add(self, looked: Sequence[StoredDetections]) -> None:
        """All of them or none."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO frames VALUES (?,?,?,?,?,?,?,?)",
            [
                (
                    *(*each.key, each.topic, each.log_time_ns, each.problem, each.digest),
                    *_pack_masks(each.moment),
                )
                for each in looked
            ],
        )
        self._database.execute("COMMIT")

    def done(self, file: int) -> int:
        """How many of the first image messages of a file are in it."""
        select = "SELECT coalesce(max(number) + 1, 0) FROM frames WHERE file = ?"
        return int(self._database.execute(select, (file,)).fetchone()[0])

    def finish(self, file: int) -> None:
        """A whole file was looked at."""
        self._database.execute("INSERT INTO files VALUES (?)", (file,))

    def finished(self) -> set[int]:
        """The files that were looked at as a whole."""
        return {file for (file,) in self._database.execute("SELECT file FROM files")}

    def problem(self, key: MessageKey, digest: bytes) -> str | None:
        """Why nobody knows who is in an image; empty if it is known.

        Args:
            key: which one.
            digest: of the message.

        Returns:
            None if it was not seen, or another one in its place.
        """
        select = "SELECT problem FROM frames WHERE file = ? AND number = ? AND digest = ?"
        found = self._database.execute(select, (*key, digest)).fetchone()
        return None if found is None else str(found[0])

    def iter_file(self, file: int) -> Iterator[tuple[str, int, int]]:
        """Topic, log time and number of persons of the images of one file, in its order."""
        select = "SELECT topic, log_time_ns, moment FROM frames WHERE file = ? ORDER BY number"
        for topic, log_time_ns, moment in self._database.execute(select, (file,)):
            yield topic, log_time_ns, len(json.loads(moment)["sightings"]) if moment else 0

    def iter_topic(self, topic: str) -> Iterator[StoredDetections]:
        """Those of one topic, in the order of files and messages."""
        select = "SELECT * FROM frames WHERE topic = ? ORDER BY file, number"
        for file, number, *told, moment, pixels in self._database.execute(select, (topic,)):
            name, log_time_ns, problem, digest = told
            seen = _unpack_masks(moment, pixels)
            yield StoredDetections((file, number), name, log_time_ns, digest, problem, seen)


def _pack_masks(moment: FrameObservation | None) -> tuple[str, bytes]:
    if moment is None:
        return "", b""
    sightings = [
        [each.box_xyxy.tolist(), each.score, each.class_id, list(vars(each.window).values())]
        for each in moment.persons
    ]
    told = {
        "time_ns": moment.time_ns,
        "wh_px": [moment.width_px, moment.height_px],
        "sightings": sightings,
    }
    masks = [np.packbits(each.mask).tobytes() for each in moment.persons]
    return json.dumps(told), zstandard.compress(moment.thumbnail.tobytes() + b"".join(masks), 1)


def _unpack_masks(told: str, pixels: bytes) -> FrameObservation | None:
    if not told:
        return None
    known, data = json.loads(told), np.frombuffer(zstandard.decompress(pixels), np.uint8)
    glimpse, data = np.split(data, [math.prod(FrameObservation.THUMBNAIL_HW)])
    sightings = []
    for box, score, class_id, corners in known["sightings"]:
        window = Roi(*corners)
        shape = window.height_px, window.width_px
        bits, data = np.split(data, [(shape[0] * shape[1] + 7) // 8])
        mask = np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(np.bool_)
        sighting = PersonObservation(known["time_ns"], np.array(box), score, class_id, window, mask)
        sightings.append(sighting)
    width_px, height_px = known["wh_px"]
    few = glimpse.reshape(FrameObservation.THUMBNAIL_HW)
    return FrameObservation(known["time_ns"], width_px, height_px, sightings, few)
