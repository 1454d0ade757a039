"""Vectors that were computed once, so that an interrupted evaluation goes on where it stopped."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from anon_ros.core import RgbImage
from anon_ros.evaluate.ports import Embedder, Features

_BATCH = 32
_TABLE = "CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, value BLOB NOT NULL)"


@dataclass(frozen=True)
class Cached:
    """An Embedder that looks into a file first.

    The file holds vectors of original persons, by which they could be found again: it is as
    confidential as the originals.

    Attributes:
        embedder: makes what is missing.
        path: SQLite file; made if it is missing.
    """

    embedder: Embedder
    path: Path

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def key(self) -> str:
        return self.embedder.key

    def embed(self, images: Sequence[RgbImage]) -> Features:
        """See ``Embedder``; equal images are computed once."""
        keys = [self._key(image) for image in images]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self.path)
        try:
            file.execute(_TABLE)
            known = {key: vector for key in set(keys) if (vector := _read(file, key)) is not None}
            missing = list({k: i for i, k in enumerate(keys) if k not in known}.values())
            for start in range(0, len(missing), _BATCH):
                batch = missing[start : start + _BATCH]
                made = self.embedder.embed([images[index] for index in batch]).astype(np.float32)
                rows = {keys[index]: vector for index, vector in zip(batch, made, strict=True)}
                with file:
                    pairs = [(key, vector.tobytes()) for key, vector in rows.items()]
                    file.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", pairs)
                known |= rows
        finally:
            file.close()
        if not keys:
            return np.zeros((0, 0), np.float32)
        return np.stack([known[key] for key in keys])

    def _key(self, image: RgbImage) -> bytes:
        digest = blake2b(f"{self.key} {image.shape}".encode(), digest_size=16)
        digest.update(image.tobytes())
        return digest.digest()


def _read(file: sqlite3.Connection, key: bytes) -> np.ndarray | None:
    row = file.execute("SELECT value FROM vector WHERE key = ?", (key,)).fetchone()
    return None if row is None else np.frombuffer(row[0], np.float32)
