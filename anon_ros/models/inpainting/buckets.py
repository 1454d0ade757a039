"""The sizes at which persons are generated, and how many at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SCALES = (1 / 2, 3 / 4, 1)
_CELL_PX = 8


@dataclass(frozen=True)
class Bucket:
    """A size of generated images."""

    height_px: int
    width_px: int

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px} px"


class Buckets:
    """Every Bucket there is, and which one a crop takes.

    Args:
        generate_px: longer side of the largest.
        square: only the largest square, as the paper has it.
    """

    def __init__(self, generate_px: int, *, square: bool) -> None:
        sides = [generate_px * scale for scale in _SCALES]
        # Smallest first. For each shape as (height, width) in halves of the longer side.
        self._by_shape = {
            (2, 2): [_bucket(side, side) for side in sides],
            (2, 1): [_bucket(side, side / 2) for side in sides],
            (1, 2): [_bucket(side / 2, side) for side in sides],
        }
        if square:
            self._by_shape = {(2, 2): [Bucket(generate_px, generate_px)]}

    def __iter__(self) -> Iterator[Bucket]:
        for buckets in self._by_shape.values():
            yield from buckets

    def choose(self, height_px: int, width_px: int) -> Bucket:
        """The smallest bucket of the crop's shape that has its pixels, or the largest."""
        shape = min(
            self._by_shape, key=lambda shape: abs(shape[0] / shape[1] - height_px / width_px)
        )
        buckets = self._by_shape[shape]
        longer_px = max(height_px, width_px)
        large = (b for b in buckets if max(b.height_px, b.width_px) >= longer_px)
        return next(large, buckets[-1])

    def smaller(self, bucket: Bucket) -> Bucket | None:
        """The next smaller bucket of the same shape; None for the smallest."""
        for buckets in self._by_shape.values():
            if bucket in buckets[1:]:
                return buckets[buckets.index(bucket) - 1]
        return None


def _bucket(height_px: float, width_px: float) -> Bucket:
    """Rounded down to whole cells of the latent image."""
    return Bucket(*(max(1, int(side / _CELL_PX)) * _CELL_PX for side in (height_px, width_px)))


class BatchSizer:
    """How many persons of a bucket fit into memory: learned from what ran and what did not.

    Args:
        most: upper limit.
        free_bytes: reads what the device has left; None where that does not limit.
    """

    def __init__(self, most: int, free_bytes: Callable[[], int | None]) -> None:
        self._most = most
        self._free_bytes = free_bytes
        self._measured: dict[Bucket, float] = {}  # bytes per person
        self._failed: dict[Bucket, float] = {}

    def next(self, bucket: Bucket, waiting: int) -> int:
        """How many of those waiting to run at once, at least one."""
        wanted = min(self._most, waiting)
        free = self._free_bytes()
        if free is None:
            return wanted
        measured = self._measured.get(bucket)
        # The first one of each bucket runs alone and shows what one needs.
        fit = 1 if measured is None else int(free / max(measured, self._failed.get(bucket, 1), 1))
        return max(1, min(wanted, fit))

    def record_success(self, bucket: Bucket, count: int, peak_bytes: int) -> None:
        """Learn from a call that ran: it took ``peak_bytes`` beyond what was allocated before."""
        # The newest counts: at its first call a compiled network takes more.
        self._measured[bucket] = peak_bytes / count

    def record_failure(self, bucket: Bucket, count: int) -> None:
        """Learn from a call for which memory did not suffice: half as many next time."""
        free = self._free_bytes()
        if free is not None:
            self._failed[bucket] = free / max(count // 2, 1)


def compiled_batch_size(count: int) -> tuple[int, int]:
    """How a batch of ``count`` uses compiled sizes, powers of two: (taken now, size to pad to).

    A size is filled to three quarters at least: beyond that, padding costs more than a further
    call.
    """
    above = 1 << (count - 1).bit_length()
    if 4 * count >= 3 * above:
        return count, above
    return above // 2, above // 2
