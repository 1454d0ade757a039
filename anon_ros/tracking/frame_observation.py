"""Observations of a frame, small enough to be remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Detections, RgbImage
from anon_ros.tracking.observations import PersonObservation, observe_persons

_THUMBNAIL_STRIDE = 8


@dataclass(frozen=True)
class FrameObservation:
    """The detected persons of one frame, and its likeness to others.

    Attributes:
        time_ns: of the frame.
        width_px: of the image.
        height_px: of the image.
        persons: all detections, those too that count only in a track.
        thumbnail: (18, 32) uint8, the image in so few gray pixels that nobody can be seen.
    """

    time_ns: int
    width_px: int
    height_px: int
    persons: Sequence[PersonObservation]
    thumbnail: npt.NDArray[np.uint8]
    THUMBNAIL_HW: ClassVar = (18, 32)


def observe_frame(image: RgbImage, detections: Detections, time_ns: int) -> FrameObservation:
    """Return the observation of an (H, W, 3) uint8 RGB image and its detections."""
    height_px, width_px = image.shape[:2]
    sparse = np.ascontiguousarray(image[::_THUMBNAIL_STRIDE, ::_THUMBNAIL_STRIDE])
    gray = cv2.cvtColor(sparse, cv2.COLOR_RGB2GRAY)
    thumbnail_wh = FrameObservation.THUMBNAIL_HW[::-1]
    thumbnail = np.asarray(cv2.resize(gray, thumbnail_wh, interpolation=cv2.INTER_AREA), np.uint8)
    persons = observe_persons(detections, time_ns)
    return FrameObservation(time_ns, width_px, height_px, persons, thumbnail)
