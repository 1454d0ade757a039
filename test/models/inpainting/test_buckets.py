import pytest

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
    buckets = Buckets(1024, square=True)
    assert list(buckets) == [Bucket(1024, 1024)]
    assert buckets.choose(60, 60) == Bucket(1024, 1024)
    assert buckets.find_smaller(Bucket(1024, 1024)) is None


def test_smaller_keeps_aspect() -> None:
    buckets = Buckets(1024, square=False)
    assert buckets.find_smaller(TALL) == Bucket(768, 384)
    assert buckets.find_smaller(Bucket(512, 256)) is None
    assert len(list(buckets)) == 9


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


def test_compiled_batch_is_mostly_full() -> None:
    for count in range(1, 65):
        taken, padded = split_recorded_batch(count)
        assert padded in {1, 2, 4, 8, 16, 32, 64}
        assert 0.75 * padded <= taken <= min(count, padded)
    assert [split_recorded_batch(n) for n in (1, 3, 5, 6, 8)] == [
        (1, 1),
        (3, 4),
        (4, 4),
        (6, 8),
        (8, 8),
    ]
