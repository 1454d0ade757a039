"""Vectors are computed once."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from anon_ros.core import RgbImage
from anon_ros.errors import ReportError
from anon_ros.evaluation.feature_cache import CachedEmbedder, CachedPairDistance
from anon_ros.metrics import ColorHistogramEmbedder, Features


class CountingEmbedder:
    """Fails on demand, as a process that is killed."""

    name = "counting"

    def __init__(self, key: str = "1", fails_after: int = 1000) -> None:
        self.cache_key = key
        self.count = 0
        self.fails_after = fails_after

    def embed(self, images: Sequence[RgbImage]) -> Features:
        if self.count + len(images) > self.fails_after:
            raise KeyboardInterrupt
        self.count += len(images)
        return ColorHistogramEmbedder().embed(images)


def make_images(count: int) -> list[RgbImage]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (20 + i % 3, 10, 3), np.uint8) for i in range(count)]


def test_cache_returns_same_features(tmp_path: Path) -> None:
    cached, some = CachedEmbedder(CountingEmbedder(), tmp_path / "new" / "v.db"), make_images(7)
    np.testing.assert_array_equal(cached.embed(some), ColorHistogramEmbedder().embed(some))
    np.testing.assert_array_equal(
        cached.embed(some[::-1]), ColorHistogramEmbedder().embed(some[::-1])
    )
    assert cached.embed([]).shape == (0, 0)


def test_cache_never_computes_twice(tmp_path: Path) -> None:
    some, stopped = make_images(80), CountingEmbedder(fails_after=64)
    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(stopped, tmp_path / "v.db").embed(some)
    again = CountingEmbedder()
    found = CachedEmbedder(again, tmp_path / "v.db").embed([*some, *some])
    assert again.count == 80 - 64
    np.testing.assert_array_equal(found[:80], ColorHistogramEmbedder().embed(some))


def test_cache_key_has_network_and_shape(tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    for key, each in (("1", image), ("2", image), ("1", image.reshape(6, 4, 3))):
        embedder = CountingEmbedder(key)
        CachedEmbedder(embedder, tmp_path / "v.db").embed([each, each])
        assert embedder.count == 1
    file = sqlite3.connect(tmp_path / "v.db")
    assert file.execute("SELECT count(*) FROM vector").fetchone() == (3,)
    file.close()


def test_unusable_cache_file_named(tmp_path: Path) -> None:
    (tmp_path / "v.db").write_bytes(b"no database" * 100)
    (tmp_path / "file").touch()
    for path in (tmp_path / "v.db", tmp_path / "file" / "v.db"):
        with pytest.raises(ReportError, match=r"v\.db cannot be used"):
            CachedEmbedder(CountingEmbedder(), path).embed(make_images(1))


class CountingDistance:
    cache_key = "1"

    def __init__(self) -> None:
        self.count = 0

    def compute(
        self, references: Sequence[RgbImage], candidates: Sequence[RgbImage]
    ) -> npt.NDArray[np.float64]:
        self.count += len(references)
        pairs = zip(references, candidates, strict=True)
        return np.array([float(a.mean()) - float(b.mean()) / 3 for a, b in pairs], np.float64)


def test_pair_distance_computed_once_per_ordered_pair(tmp_path: Path) -> None:
    a, b = make_images(4)[::3], make_images(4)[::-3]
    direct, counting = CountingDistance(), CountingDistance()
    for _ in range(2):
        cached = CachedPairDistance(counting, tmp_path / "v.db", "LPIPS")
        found = cached.compute([*a, *a], [*b, *b])
        np.testing.assert_array_equal(found, direct.compute([*a, *a], [*b, *b]).astype(np.float32))
    assert counting.count == 2
    np.testing.assert_array_equal(cached.compute(b, a), direct.compute(b, a).astype(np.float32))
    assert cached.compute([], []).shape == (0,)


def test_pair_key_has_both_shapes(tmp_path: Path) -> None:
    distance = CountingDistance()
    wide, tall = np.zeros((2, 6, 3), np.uint8), np.zeros((6, 2, 3), np.uint8)
    cached = CachedPairDistance(distance, tmp_path / "v.db", "LPIPS")
    cached.compute([wide, tall], [tall, wide])
    assert distance.count == 2
