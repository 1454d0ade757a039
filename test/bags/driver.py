"""``anon_ros`` as a process of its own, with models that know one colour instead of real ones.

SEEN names a file that gets a line for every image that is searched; SLOW_S makes each take longer.
"""

import os
import sys
import time
from pathlib import Path

from sentinel import SentinelModels, SentinelSegmenter

from anon_ros.cli import bag
from anon_ros.cli.main import main
from anon_ros.core import Detections, RgbImage


class Slow(SentinelSegmenter):
    """Tells that it was asked."""

    def segment(self, image: RgbImage) -> Detections:
        with Path(os.environ["SEEN"]).open("a", encoding="utf-8") as seen:
            seen.write("x\n")
        time.sleep(float(os.environ["SLOW_S"]))
        return super().segment(image)


if __name__ == "__main__":
    bag.build_anonymizer = SentinelModels(segmenter=Slow()).anonymizer
    bag.model_hashes = lambda _: []
    sys.exit(main())
