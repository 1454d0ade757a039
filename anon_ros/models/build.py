"""From a Config to running models."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.config import Config
from anon_ros.core import Anonymizer, Inpainter
from anon_ros.models.classical import CLASSICAL
from anon_ros.models.offline import go_offline
from anon_ros.models.recipe import Training
from anon_ros.temporal import Tracker, least_confidence

# torch and what stands on it are imported inside the functions: they take seconds.
if TYPE_CHECKING:
    from anon_ros.models.detector import Detector
    from anon_ros.models.segmenter import YoloSegmenter


def build_anonymizer(config: Config) -> Anonymizer:
    """Load every model that ``config`` asks for.

    Raises:
        ModelError: if weights are missing or damaged, or the device is not there.
    """
    inpainter = build_inpainter(config)
    return Anonymizer(build_segmenter(config), inpainter, config.mask, config.inpaint)


def build_stream_anonymizer(config: Config) -> Anonymizer:
    """As ``build_anonymizer``, for the frames of a stream: it finds what counts in a track, too."""
    inpainter = build_inpainter(config)
    segmenter = build_segmenter(config).with_thresholds(config.detect, least_confidence(config))
    return Anonymizer(segmenter, inpainter, config.mask, config.inpaint)


def build_segmenter(config: Config) -> "YoloSegmenter":
    """Load ``detect.weights``.

    Raises:
        ModelError: if they are missing, damaged or lack a class, or the device is not there.
    """
    from anon_ros.models.segmenter import YoloSegmenter  # noqa: PLC0415

    return YoloSegmenter.load(config.detect, config.compute.device)


def build_detector(config: Config) -> "Detector":
    """Load ``detect.weights`` for boxes alone, down to those that are hardly likely.

    Raises:
        ModelError: if they are missing, damaged or lack a class, or the device is not there.
    """
    from anon_ros.models.detector import Detector  # noqa: PLC0415

    return Detector.load(config.detect, config.compute.device)


def train_detector(training: Training, on_epoch: Callable[[int], None]) -> Path:
    """Train an Ultralytics detector, or go on with it; see ``anon_ros.models.training.train``.

    Raises:
        ModelError: if it cannot be trained.
    """
    from anon_ros.models.training import train  # noqa: PLC0415

    return train(training, on_epoch)


def build_inpainter(config: Config) -> Inpainter:
    """Load what ``inpaint.kind`` names; never anything else in its place.

    Raises:
        ModelError: if the diffusion model is missing or damaged, its noise chain cannot start at
            ``inpaint.beta_d``, or the device is not there.
    """
    if config.inpaint.kind in CLASSICAL:
        return CLASSICAL[config.inpaint.kind]
    go_offline()
    from anon_ros.models.sdxl import SdxlInpainter  # noqa: PLC0415

    return SdxlInpainter.load(config.inpaint, config.compute)


def build_tracker(config: Config) -> Tracker:
    """A new tracker, for one camera.

    Raises:
        ModelError: if a package is missing or too old.
    """
    from anon_ros.models.bytetrack import ByteTrack  # noqa: PLC0415

    return ByteTrack(config.detect.confidence)
