"""``anon_ros`` as a process of its own, with models that know one colour instead of real ones.

SEEN names a file that gets a line for every image that is searched; SLOW_S makes each take longer,
when it is searched and when it is covered.
"""

import os
import sys
import time
from pathlib import Path

from anon_ros.cli import bag
from anon_ros.cli.main import main
from anon_ros.config import Config
from anon_ros.core import Anonymizer, CoveredFrame, Detections, FramePersons, RgbImage
from helpers.fake_models import BlendingInpainter, SentinelSegmenter


class SlowSegmenter(SentinelSegmenter):
    """Tells that it was asked."""

    def segment(self, image: RgbImage) -> Detections:
        with Path(os.environ["SEEN"]).open("a", encoding="utf-8") as seen:
            seen.write("x\n")
        time.sleep(float(os.environ["SLOW_S"]))
        return super().segment(image)


class SlowAnonymizer(Anonymizer):
    """Gives a test the time to kill it while it writes."""

    def cover_persons(
        self, image: RgbImage, persons: FramePersons, camera: str = ""
    ) -> CoveredFrame:
        time.sleep(float(os.environ["SLOW_S"]))
        return super().cover_persons(image, persons, camera)


def build_slow_anonymizer(config: Config) -> Anonymizer:
    return SlowAnonymizer(SlowSegmenter(), BlendingInpainter(), config.mask, config.inpaint)


def run() -> int:
    """Run the command line with these models."""
    bag.build_tracking_anonymizer = build_slow_anonymizer
    bag.model_hashes = lambda _: []
    return main()


if __name__ == "__main__":
    sys.exit(run())
