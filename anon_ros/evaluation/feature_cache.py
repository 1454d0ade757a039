"""Vectors that were computed once, so that an interrupted evaluation goes on where it stopped."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from anon_ros.core import RgbImage
from anon_ros.errors import ReportError
from anon_ros.metrics.protocols import Embedder, Features

_BATCH = 32
_TABLE = "CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, value BLOB NOT NULL)"


@dataclass(frozen=True)
class CachedEmbedder:
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
    def cache_key(self) -> str:
        return self.embedder.cache_key

    def embed(self, images: Sequence[RgbImage]) -> Features:
        """See ``Embedder``; equal images are computed once.

        Raises:
            ReportError: if the file cannot be used.
        """
        keys = [self._key(image) for image in images]
        if not keys:
            return np.zeros((0, 0), np.float32)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path)) as file:
                known = self._all(file, dict(zip(keys, images, strict=True)))
        except (OSError, sqlite3.Error) as error:
            message = f"{self.path} cannot be used ({error}); it holds what can be made again"
            raise ReportError(message) from error
        return np.stack([known[key] for key in keys])

    def _all(
        self, file: sqlite3.Connection, images: Mapping[bytes, RgbImage]
    ) -> dict[bytes, Features]:
        file.execute(_TABLE)
        known = {key: vector for key in images if (vector := _read(file, key)) is not None}
        missing = [key for key in images if key not in known]
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            made = self.embedder.embed([images[key] for key in batch]).astype(np.float32)
            rows = dict(zip(batch, made, strict=True))
            with file:
                pairs = [(key, vector.tobytes()) for key, vector in rows.items()]
                file.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", pairs)
            known |= rows
        return known

    def _key(self, image: RgbImage) -> bytes:
        digest = blake2b(f"{self.cache_key} {image.shape}".encode(), digest_size=16)
        digest.update(image.tobytes())
        return digest.digest()


def _read(file: sqlite3.Connection, key: bytes) -> Features | None:
    row = file.execute("SELECT value FROM vector WHERE key = ?", (key,)).fetchone()
    return None if row is None else np.frombuffer(row[0], np.float32)
