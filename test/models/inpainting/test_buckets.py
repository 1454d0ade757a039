from itertools import combinations_with_replacement

import numpy as np
import pytest

from anon_ros.models.inpainting import buckets
from anon_ros.models.inpainting.buckets import BatchSizer, Bucket, Buckets, split_recorded_batch

TALL = Bucket(1024, 512)


@pytest.mark.parametrize(
    ("crop_hw", "bucket"),
    [
        ((60, 30), Bucket(512, 256)),
        ((512, 256), Bucket(512, 256)),
        ((514, 257), Bucket(768, 384)),
        ((1000, 500), Bucket(1024, 512)),
        ((4000, 2000), Bucket(1024, 512)),
        ((300, 600), Bucket(384, 768)),
        ((500, 500), Bucket(512, 512)),
        ((900, 900), Bucket(1024, 1024)),
    ],
)
def test_choose_smallest_bucket(crop_hw: tuple[int, int], bucket: Bucket) -> None:
    assert Buckets(1024, square=False).choose(*crop_hw) == bucket


def test_square_has_one_bucket() -> None:
    square = Buckets(1024, square=True)
    assert list(square) == [Bucket(1024, 1024)]
    assert square.choose(60, 60) == Bucket(1024, 1024)
    assert square.find_smaller(Bucket(1024, 1024)) is None


def test_smaller_keeps_aspect() -> None:
    nine = Buckets(1024, square=False)
    assert nine.find_smaller(TALL) == Bucket(768, 384)
    assert nine.find_smaller(Bucket(512, 256)) is None
    assert len(list(nine)) == 9


def test_batch_size_adapts_to_memory() -> None:
    free = 1000
    sizes = BatchSizer(8, lambda: free)
    assert sizes.choose_size(TALL, 20) == 1  # nothing is known yet
    sizes.record_success(TALL, 1, 200)
    assert sizes.choose_size(TALL, 20) == 5
    assert sizes.choose_size(TALL, 3) == 3
    sizes.record_failure(TALL, 5)
    assert sizes.choose_size(TALL, 20) == 2
    sizes.record_success(TALL, 2, 400)
    assert sizes.choose_size(TALL, 20) == 2  # the failure is not forgotten
    free = 4000  # somebody else's memory was freed
    assert sizes.choose_size(TALL, 20) == 8
    free = 10
    assert sizes.choose_size(TALL, 20) == 1


def test_batch_size_without_limit() -> None:
    assert BatchSizer(4, lambda: None).choose_size(TALL, 20) == 4


# ms of a call of the UNet on an H100, compiled blocks behind graphs (commit 16b41be).
CALL_MS = {
    (384, 768, 8): 41.0,
    (1024, 1024, 2): 39.9,
    (512, 512, 16): 66.7,
    (384, 768, 2): 15.2,
    (256, 512, 8): 20.8,
    (512, 1024, 2): 22.5,
}


def predict_ms(pixels: float) -> float:
    """Fit a fixed part and one per pixel to the table."""
    sizes = np.array([height * width * count for height, width, count in CALL_MS])
    slope, fixed = np.polyfit(sizes, list(CALL_MS.values()), 1)
    return float(fixed + slope * pixels)


def test_call_time_is_fixed_part_and_pixels() -> None:
    for (height, width, count), measured in CALL_MS.items():
        assert predict_ms(height * width * count) == pytest.approx(measured, rel=0.08)
    fixed = predict_ms(0)
    assert predict_ms(buckets._CALL_PIXELS) == pytest.approx(2 * fixed, rel=0.05)  # noqa: SLF001


def run_calls(count: int, pixels: int, max_padded: int = 64) -> list[int]:
    """Return the recorded sizes that ``count`` persons run at."""
    sizes, waiting = [], count
    while waiting:
        batch, padded = split_recorded_batch(waiting, pixels, max_padded)
        assert 1 <= batch <= padded
        sizes.append(padded)
        waiting -= batch
    return sizes


@pytest.mark.parametrize("pixels", [512 * 256, 768 * 384, 2 * 768 * 384, 2 * 1024 * 1024])
def test_padding_is_cheapest_by_measured_times(pixels: int) -> None:
    for count in range(1, 17):
        costs = {
            sizes: sum(predict_ms(size * pixels) for size in sizes)
            for number in range(1, 5)
            for sizes in combinations_with_replacement((1, 2, 4, 8, 16), number)
            if sum(sizes) >= count
        }
        sizes = tuple(sorted(run_calls(count, pixels)))
        assert costs[sizes] <= 1.02 * min(costs.values())  # the constant is rounded


def test_small_persons_are_padded_more() -> None:
    assert [run_calls(n, 512 * 256) for n in (1, 3, 5, 8)] == [[1], [4], [8], [8]]
    assert [run_calls(n, 2 * 1024 * 1024) for n in (3, 5, 6, 7)] == [
        [2, 1],
        [4, 1],
        [4, 2],
        [4, 2, 1],
    ]


def test_padding_fits_memory() -> None:
    assert run_calls(6, 512 * 256, 6) == [4, 2]
    assert run_calls(3, 512 * 256, 1) == [1, 1, 1]
