"""The models get the images of a batch, and everything keeps its place."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from anon_ros.bags.rewrite.anonymize_stage import AnonymizeStage, ImageResult
from anon_ros.bags.rewrite.batch_reader import ImageTask, Item
from anon_ros.bags.rewrite.tracked_persons import TrackedPersons
from anon_ros.bags.run_files.masks_db import LOST
from anon_ros.bags.storage.records import Attachment, Channel, Message
from anon_ros.config import Config, InpaintConfig
from anon_ros.core import AnonymizedFrame, CoverReason, FramePersons, untracked_persons
from anon_ros.errors import BagError, SegmentationError
from helpers.fake_models import SentinelModelProvider, find_sentinel_pixels, make_street_image

CONFIG = Config(inpaint=InpaintConfig(min_person_px=0))
CHANNEL = Channel(0, "/cam", "sensor_msgs/msg/Image", "cdr")
ATTACHMENT = Attachment("notes.txt", "text/plain", 1, 1, b"notes")


class FailingPersons:
    """TrackedPersons that knows no image."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get(self, *_: object) -> FramePersons:
        raise self._error


def make_tasks(count: int) -> list[ImageTask]:
    messages = [Message(CHANNEL, number + 1, b"", number + 1, 0) for number in range(count)]
    return [
        ImageTask(message, 0, number, image=make_street_image(64, 48))
        for number, message in enumerate(messages)
    ]


def run_stage(items: list[Item], tracked_persons: object = None) -> list[object]:
    anonymizer = SentinelModelProvider().anonymizer(CONFIG)
    stage = AnonymizeStage(anonymizer, CONFIG, cast("TrackedPersons | None", tracked_persons))
    (batch,) = stage.run([items])
    return list(batch)


def test_stage_keeps_order() -> None:
    tasks = make_tasks(4)
    tasks[1] = replace(tasks[1], image=None, outcome=LOST, problem="damaged")
    tasks[2] = replace(tasks[2], is_cover_only=True)
    finished = run_stage([tasks[0], ATTACHMENT, *tasks[1:]])
    assert finished.pop(1) is ATTACHMENT
    results = [result for result in finished if isinstance(result, ImageResult)]
    assert [result.task.number for result in results] == [0, 1, 2, 3]
    assert all(result.task.image is None for result in results)
    assert results[1] == ImageResult(tasks[1])
    for result in (results[0], *results[2:]):
        assert isinstance(result.result, AnonymizedFrame)
        assert not find_sentinel_pixels(result.result.image).any()
    skipped = [result.result.outcomes[0].cover_reason for result in results[2:3]]  # type: ignore[union-attr]
    assert skipped == [CoverReason.SKIPPED]


def test_stage_gives_error_to_its_image() -> None:
    error = SegmentationError("no such person")
    finished = run_stage([*make_tasks(2)], FailingPersons(error))
    assert [result.result for result in finished] == [error, error]  # type: ignore[attr-defined]


def test_stage_ends_if_input_changed() -> None:
    with pytest.raises(BagError, match="changed"):
        run_stage([*make_tasks(1)], FailingPersons(BagError("changed")))


def test_stage_counts_propagated_persons() -> None:
    anonymizer = SentinelModelProvider().anonymizer(CONFIG)
    (task,) = make_tasks(1)
    assert task.image is not None
    persons = untracked_persons(anonymizer.detect_persons(np.asarray(task.image)), 0)

    class KnownPersons:
        """TrackedPersons of which the last one is propagated."""

        def get(self, *_: object) -> FramePersons:
            return replace(persons, num_propagated=1)

    (result,) = run_stage([task], KnownPersons())
    assert isinstance(result, ImageResult)
    assert result.num_propagated == 1
