"""Detections of the first pass over a bag, on disk after each step."""

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zstandard

from anon_ros.core import Mask, Roi
from anon_ros.tracking import FrameObservation, PersonObservation
from anon_ros.utils.files import make_private_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (file INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS frames (
    file INTEGER NOT NULL, number INTEGER NOT NULL, topic TEXT NOT NULL,
    log_time_ns INTEGER NOT NULL, problem TEXT NOT NULL,
    digest BLOB NOT NULL, observation TEXT NOT NULL, pixels BLOB NOT NULL,
    PRIMARY KEY (file, number)
);
CREATE INDEX IF NOT EXISTS by_topic ON frames (topic, file, number);
"""
_COMPRESSION_LEVEL = 1

MessageKey = tuple[int, int]
"""Index of a storage file, and of an image message among those of the file."""


@dataclass(frozen=True)
class StoredDetections:
    """The detections of one image message.

    Attributes:
        key: of the message.
        topic: as recorded.
        log_time_ns: as recorded.
        digest: of the message.
        problem: because of which the persons are not known; else empty.
        observation: the persons; None with a problem, or if the image is skipped.
    """

    key: MessageKey
    topic: str
    log_time_ns: int
    digest: bytes
    problem: str = ""
    observation: FrameObservation | None = None


class DetectionStore:
    """An SQLite database of detections. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create it.

        Raises:
            OSError, sqlite3.Error: if it cannot be opened.
        """
        make_private_file(path)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, detections: Sequence[StoredDetections]) -> None:
        """Add the detections of several messages, all or none."""
        rows = [
            (
                *(*image.key, image.topic, image.log_time_ns, image.problem, image.digest),
                *_pack_observation(image.observation),
            )
            for image in detections
        ]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO frames VALUES (?,?,?,?,?,?,?,?)", rows)
        self._database.execute("COMMIT")

    def count_done(self, file: int) -> int:
        """Return how many of the first image messages of a file are in the store."""
        select = "SELECT coalesce(max(number) + 1, 0) FROM frames WHERE file = ?"
        return int(self._database.execute(select, (file,)).fetchone()[0])

    def finish_file(self, file: int) -> None:
        """Mark a file as complete."""
        self._database.execute("INSERT INTO files VALUES (?)", (file,))

    def read_finished_files(self) -> set[int]:
        """Return the indices of the complete files."""
        return {file for (file,) in self._database.execute("SELECT file FROM files")}

    def find_problem(self, key: MessageKey, digest: bytes) -> str | None:
        """Return the problem because of which the persons of an image are not known.

        Args:
            key: of the message.
            digest: of the message.

        Returns:
            Empty if they are known; None if the store has another message at its place, or none.
        """
        select = "SELECT problem FROM frames WHERE file = ? AND number = ? AND digest = ?"
        row = self._database.execute(select, (*key, digest)).fetchone()
        return None if row is None else str(row[0])

    def iter_file(self, file: int) -> Iterator[tuple[str, int, int]]:
        """Iterate over topic, log time and number of persons of a file's images, in its order."""
        select = "SELECT topic, log_time_ns, observation FROM frames WHERE file = ? ORDER BY number"
        for topic, log_time_ns, text in self._database.execute(select, (file,)):
            yield topic, log_time_ns, len(json.loads(text)["persons"]) if text else 0

    def iter_topic(self, topic: str) -> Iterator[StoredDetections]:
        """Iterate over the detections of a topic, in the order of files and messages."""
        select = "SELECT * FROM frames WHERE topic = ? ORDER BY file, number"
        for file, number, *columns, text, pixels in self._database.execute(select, (topic,)):
            name, log_time_ns, problem, digest = columns
            observation = _unpack_observation(text, pixels)
            yield StoredDetections((file, number), name, log_time_ns, digest, problem, observation)


def _pack_observation(observation: FrameObservation | None) -> tuple[str, bytes]:
    """Return an observation as JSON, and its thumbnail and masks as compressed bytes."""
    if observation is None:
        return "", b""
    persons = [
        [
            person.box_xyxy.tolist(),
            person.score,
            person.class_id,
            list(vars(person.window).values()),
        ]
        for person in observation.persons
    ]
    content = {
        "time_ns": observation.time_ns,
        "wh_px": [observation.width_px, observation.height_px],
        "persons": persons,
    }
    masks = [np.packbits(person.mask).tobytes() for person in observation.persons]
    pixels = observation.thumbnail.tobytes() + b"".join(masks)
    return json.dumps(content), zstandard.compress(pixels, _COMPRESSION_LEVEL)


def _unpack_observation(text: str, pixels: bytes) -> FrameObservation | None:
    if not text:
        return None
    content, data = json.loads(text), np.frombuffer(zstandard.decompress(pixels), np.uint8)
    time_ns, (width_px, height_px) = content["time_ns"], content["wh_px"]
    thumbnail, data = np.split(data, [math.prod(FrameObservation.THUMBNAIL_HW)])
    persons = []
    for box_xyxy, score, class_id, sides in content["persons"]:
        window = Roi(*sides)
        mask, data = _unpack_mask(data, window)
        person = PersonObservation(time_ns, np.array(box_xyxy), score, class_id, window, mask)
        persons.append(person)
    thumbnail = thumbnail.reshape(FrameObservation.THUMBNAIL_HW)
    return FrameObservation(time_ns, width_px, height_px, persons, thumbnail)


def _unpack_mask(data: npt.NDArray[np.uint8], window: Roi) -> tuple[Mask, npt.NDArray[np.uint8]]:
    """Return the mask at the beginning of ``data``, and the rest of ``data``."""
    num_px = window.height_px * window.width_px
    bits, rest = np.split(data, [(num_px + 7) // 8])
    mask = np.unpackbits(bits, count=num_px).reshape(window.height_px, window.width_px)
    return mask.astype(np.bool_), rest
