"""Image tasks and results go from thread to thread, and are never changed on the way."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from anon_ros.bags.rewrite.anonymize_stage import ImageResult
from anon_ros.bags.rewrite.batch_reader import ImageTask, _Batch
from anon_ros.bags.storage.records import Channel, Message

MESSAGE = Message(Channel(0, "/cam", "sensor_msgs/msg/Image", "cdr"), 5, b"", 5, 0)
TASK = ImageTask(MESSAGE, 0, 0, image=np.zeros((2, 2, 3), np.uint8))


@pytest.mark.parametrize("value", [TASK, ImageResult(TASK)], ids=lambda value: type(value).__name__)
def test_tasks_and_results_are_frozen(value: Any) -> None:
    assert is_dataclass(value)
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)


def test_task_without_stamp_has_its_log_time() -> None:
    assert TASK.stamp_ns == 5


def test_batch_is_full_of_large_images() -> None:
    """A few bytes each may become hundreds of megabytes of pixels."""
    batch = _Batch(64)
    image = np.broadcast_to(np.uint8(0), (10_000, 10_000, 3))
    for _ in range(2):
        assert not batch.is_full
        batch.add(replace(TASK, image=image), 100)
    assert batch.is_full
