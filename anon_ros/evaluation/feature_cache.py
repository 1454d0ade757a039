"""Cache of vectors and distances in a file, with which an interrupted evaluation resumes."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.errors import ReportError
from anon_ros.metrics import Embedder, Features
from anon_ros.utils.files import make_private_file

_BATCH = 32
_TABLE = "CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, value BLOB NOT NULL)"


class PairDistance(Protocol):
    """A network that compares two images of the same size."""

    @property
    def cache_key(self) -> str:
        """A text that changes whenever its distances could, by which they are cached."""
        ...

    def compute(
        self, references: Sequence[RgbImage], candidates: Sequence[RgbImage]
    ) -> npt.NDArray[np.float64]:
        """Return (N,) float64, 0 for equal images."""
        ...


@dataclass(frozen=True)
class CachedEmbedder:
    """An Embedder that looks into a file first.

    The file holds vectors of original persons, by which they could be re-identified: it is as
    confidential as the originals.

    Attributes:
        embedder: computes missing vectors.
        path: SQLite file; created if it is missing.
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
        """Return (N, D) float32, see ``Embedder``; equal images are computed once.

        Raises:
            ReportError: if the file cannot be used.
        """
        keys = [_hash_images(self.cache_key, image) for image in images]
        return _look_up(
            self.path, keys, lambda indices: self.embedder.embed([images[i] for i in indices])
        )


@dataclass(frozen=True)
class CachedPairDistance:
    """A PairDistance that looks into a file first; see ``CachedEmbedder`` on its content.

    Attributes:
        distance: computes missing distances.
        path: SQLite file; created if it is missing.
        name: as shown in tables.
    """

    distance: PairDistance
    path: Path
    name: str

    @property
    def cache_key(self) -> str:
        return self.distance.cache_key

    def compute(
        self, references: Sequence[RgbImage], candidates: Sequence[RgbImage]
    ) -> npt.NDArray[np.float32]:
        """Return (N,) float32, 0 for equal images; equal pairs are computed once.

        Raises:
            ReportError: if the file cannot be used.
        """
        pairs = list(zip(references, candidates, strict=True))
        keys = [_hash_images(self.cache_key, *pair) for pair in pairs]

        def compute_missing(indices: Sequence[int]) -> Features:
            missing = [pairs[i] for i in indices]
            distances = self.distance.compute([a for a, _ in missing], [b for _, b in missing])
            return distances.astype(np.float32).reshape(-1, 1)

        return _look_up(self.path, keys, compute_missing).ravel()


def _look_up(
    path: Path, keys: Sequence[bytes], compute: Callable[[Sequence[int]], Features]
) -> Features:
    """Return (N, D) float32 by key; vectors of missing keys are computed by index and stored."""
    if not keys:
        return np.zeros((0, 0), np.float32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make_private_file(path)
        with closing(sqlite3.connect(path)) as connection:
            vectors = _complete(connection, {key: i for i, key in enumerate(keys)}, compute)
    except (OSError, sqlite3.Error) as error:
        message = f"{path} cannot be used ({error}); delete it, its content can be computed again"
        raise ReportError(message) from error
    return np.stack([vectors[key] for key in keys])


def _complete(
    connection: sqlite3.Connection,
    indices: Mapping[bytes, int],
    compute: Callable[[Sequence[int]], Features],
) -> dict[bytes, Features]:
    connection.execute(_TABLE)
    stored = {key: _read(connection, key) for key in indices}
    vectors = {key: vector for key, vector in stored.items() if vector is not None}
    missing = [key for key in indices if key not in vectors]
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        computed = compute([indices[key] for key in batch]).astype(np.float32)
        rows = dict(zip(batch, computed, strict=True))
        with connection:
            pairs = [(key, vector.tobytes()) for key, vector in rows.items()]
            connection.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", pairs)
        vectors |= rows
    return vectors


def _hash_images(cache_key: str, *images: RgbImage) -> bytes:
    shapes = " ".join(str(image.shape) for image in images)
    digest = blake2b(f"{cache_key} {shapes}".encode(), digest_size=16)
    for image in images:
        digest.update(image.tobytes())
    return digest.digest()


def _read(connection: sqlite3.Connection, key: bytes) -> Features | None:
    row = connection.execute("SELECT value FROM vector WHERE key = ?", (key,)).fetchone()
    return None if row is None else np.frombuffer(row[0], np.float32)
