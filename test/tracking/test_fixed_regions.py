"""Fixed regions in the frame loop: who walks into one stays covered for a while."""

import numpy as np
import pytest

from anon_ros.config import load_config
from anon_ros.core import RgbImage
from anon_ros.models import build_tracker
from anon_ros.tracking import FrameProcessor, FrameTask
from helpers.fake_models import SentinelModelProvider, find_sentinel_pixels

STEP_NS = 100_000_000


def draw_walker(x: int) -> RgbImage:
    image = np.full((120, 200, 3), 90, np.uint8)
    image[40:100, x : x + 20] = (0, 255, 0)
    return image


@pytest.mark.parametrize(("mode", "is_covered"), [("past", [True] * 2), ("off", [False] * 2)])
def test_walker_into_ignored_region_stays_covered(mode: str, is_covered: list[bool]) -> None:
    """Wholly inside in the last two frames; the memory takes them for missed."""
    right = "0.5,0 1,0 1,1 0.5,1"
    overrides = {"regions.never": [right], "memory.mode": mode, "identity.reuse": "off"}
    config = load_config(overrides=overrides)
    processor = FrameProcessor(config, build_tracker)
    tasks = (
        FrameTask(index, "/camera", draw_walker(40 + 10 * index), index * STEP_NS)
        for index in range(9)
    )
    frames = []
    anonymizer = SentinelModelProvider().anonymizer(config)
    for task in tasks:
        (result,) = processor.process(anonymizer, [task])
        assert not isinstance(result.frame, Exception)
        frames.append(result.frame.image)
    hidden = [not find_sentinel_pixels(image).any() for image in frames]
    assert all(hidden[:6])
    assert hidden[7:] == is_covered
