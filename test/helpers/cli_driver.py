"""``anon_ros`` as a process of its own, with models that know one colour instead of real ones.

SEEN names a file that gets a line for every image that is searched. In the end ``$SEEN.steps`` has
the number of steps: searches, covers, and files that are moved or removed in its folder. At step
SIGNAL_AT, counted from 1, the process sends itself the signal of the number SIGNAL.
"""

import itertools
import os
import sys
from pathlib import Path

from anon_ros.cli import bag
from anon_ros.cli.main import main
from anon_ros.config import Config
from anon_ros.core import Anonymizer, CoveredFrame, Detections, FramePersons, RgbImage
from helpers.fake_models import BlendingInpainter, SentinelSegmenter

_STEPS = itertools.count(1)
_FILE_EVENTS = {"os.rename", "os.remove", "shutil.rmtree"}


def count_step() -> None:
    if next(_STEPS) == int(os.environ.get("SIGNAL_AT", "0")):
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))


def watch_files(event: str, arguments: tuple[object, ...]) -> None:
    """Count changes of files: an audit hook (sys.addaudithook)."""
    if event in _FILE_EVENTS and str(arguments[0]).startswith(str(Path(os.environ["SEEN"]).parent)):
        count_step()


class CountingSegmenter(SentinelSegmenter):
    """Tells that it was asked."""

    def segment(self, image: RgbImage) -> Detections:
        with Path(os.environ["SEEN"]).open("a", encoding="utf-8") as seen:
            seen.write("x\n")
        count_step()
        return super().segment(image)


class CountingAnonymizer(Anonymizer):
    def cover_persons(
        self, image: RgbImage, persons: FramePersons, camera: str = ""
    ) -> CoveredFrame:
        count_step()
        return super().cover_persons(image, persons, camera)


def build_counting_anonymizer(config: Config) -> Anonymizer:
    return CountingAnonymizer(CountingSegmenter(), BlendingInpainter(), config.mask, config.inpaint)


def run() -> int:
    """Run the command line with these models."""
    bag.build_tracking_anonymizer = build_counting_anonymizer
    bag.model_hashes = lambda _: []
    sys.addaudithook(watch_files)
    code = main()
    Path(f"{os.environ['SEEN']}.steps").write_text(f"{next(_STEPS) - 1}", encoding="ascii")
    return code


if __name__ == "__main__":
    sys.exit(run())
