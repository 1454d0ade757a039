"""Sizes at which persons are generated, and the batch size of a call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SCALES = (1 / 2, 3 / 4, 1)
_CELL_PX = 8
# The fixed part of a call's time, in pixels that take as long: on an H100, with compiled blocks
# behind graphs, a call takes 6.8 ms and 14.3 ms per million pixels (docs/performance.md).
_CALL_PIXELS = 480_000


@dataclass(frozen=True)
class Bucket:
    """A size of generated images."""

    height_px: int
    width_px: int

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px} px"


class Buckets:
    """The buckets of a configuration, and the choice among them.

    Args:
        generate_px: longer side of the largest.
        square: only the largest square, as the paper has it.
    """

    def __init__(self, generate_px: int, *, square: bool) -> None:
        sides = [generate_px * scale for scale in _SCALES]
        # Smallest first, by shape as (height, width) in halves of the longer side.
        self._by_shape = {
            (2, 2): [_make_bucket(side, side) for side in sides],
            (2, 1): [_make_bucket(side, side / 2) for side in sides],
            (1, 2): [_make_bucket(side / 2, side) for side in sides],
        }
        if square:
            self._by_shape = {(2, 2): [Bucket(generate_px, generate_px)]}

    def __iter__(self) -> Iterator[Bucket]:
        for buckets in self._by_shape.values():
            yield from buckets

    def choose(self, height_px: int, width_px: int) -> Bucket:
        """Return the smallest bucket of the crop's shape that has its pixels, or the largest."""
        shape = min(
            self._by_shape, key=lambda shape: abs(shape[0] / shape[1] - height_px / width_px)
        )
        buckets = self._by_shape[shape]
        longer_px = max(height_px, width_px)
        large = (b for b in buckets if max(b.height_px, b.width_px) >= longer_px)
        return next(large, buckets[-1])

    def find_smaller(self, bucket: Bucket) -> Bucket | None:
        """Return the next smaller bucket of the same shape; None for the smallest."""
        for buckets in self._by_shape.values():
            if bucket in buckets[1:]:
                return buckets[buckets.index(bucket) - 1]
        return None


def _make_bucket(height_px: float, width_px: float) -> Bucket:
    """Return a bucket whose sides are rounded down to multiples of 8 px, the VAE's factor."""
    return Bucket(*(max(1, int(side / _CELL_PX)) * _CELL_PX for side in (height_px, width_px)))


class BatchSizer:
    """Batch sizes that fit into memory, learned from calls that ran and calls that failed.

    Args:
        max_batch: upper limit.
        free_bytes: returns the device's free bytes; None where nothing limits.
    """

    def __init__(self, max_batch: int, free_bytes: Callable[[], int | None]) -> None:
        self._max_batch = max_batch
        self._free_bytes = free_bytes
        self._bytes_per_person: dict[Bucket, float] = {}
        self._min_bytes_per_person: dict[Bucket, float] = {}

    def choose_size(self, bucket: Bucket, num_waiting: int) -> int:
        """Return the number of persons to run at once, 1 to ``num_waiting``."""
        wanted = min(self._max_batch, num_waiting)
        free = self._free_bytes()
        if free is None:
            return wanted
        measured = self._bytes_per_person.get(bucket)
        # The first person of each bucket runs alone, to measure the memory that a person takes.
        fit = (
            1
            if measured is None
            else int(free / max(measured, self._min_bytes_per_person.get(bucket, 1), 1))
        )
        return max(1, min(wanted, fit))

    def record_success(self, bucket: Bucket, count: int, peak_bytes: int) -> None:
        """Learn from a call that ran and allocated ``peak_bytes`` at most."""
        # Not the maximum: the first call of a kind may take more.
        self._bytes_per_person[bucket] = peak_bytes / count

    def record_failure(self, bucket: Bucket, count: int) -> None:
        """Learn from a call that ran out of memory: half as many persons next time."""
        free = self._free_bytes()
        if free is not None:
            self._min_bytes_per_person[bucket] = free / max(count // 2, 1)


def split_recorded_batch(count: int, person_pixels: int, max_padded: int) -> tuple[int, int]:
    """Return the persons to run now, out of ``count``, and the recorded size to pad them to.

    Recorded sizes are powers of two. Padding is chosen where it costs less than a further call.

    Args:
        count: persons who wait, at least 1.
        person_pixels: that the UNet sees of a person; with guidance those of two images.
        max_padded: largest size that memory allows, at least 1.
    """
    above = 1 << (count - 1).bit_length()
    if above > max_padded:
        below = 1 << (max_padded.bit_length() - 1)
        return below, below
    if _padded_cost(above, person_pixels) <= _min_cost(count, person_pixels):
        return count, above
    return above // 2, above // 2


def _min_cost(count: int, person_pixels: int) -> int:
    """Return the least cost in pixels of ``count`` persons, in one call or several."""
    above = 1 << (count - 1).bit_length()
    cost = _padded_cost(above, person_pixels)
    if count == above:
        return cost
    half = above // 2
    split = _padded_cost(half, person_pixels) + _min_cost(count - half, person_pixels)
    return min(cost, split)


def _padded_cost(padded_count: int, person_pixels: int) -> int:
    return _CALL_PIXELS + padded_count * person_pixels
