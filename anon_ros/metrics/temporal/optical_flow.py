"""Dense optical flow from a frame back to the previous frame."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage

MIN_SIDE_PX = 32
"""The smallest height and width of images that OpenCV's flow accepts."""

_RELATIVE_TOLERANCE, _TOLERANCE_PX2 = 0.01, 0.5


@dataclass(frozen=True)
class BackwardFlow:
    """Dense flow from a frame back to the previous frame.

    Attributes:
        origin_px: (H, W, 2) float32, x and y of every pixel's place in the previous frame.
        visible: (H, W) bool, the pixels that were visible there.
    """

    origin_px: npt.NDArray[np.float32]
    visible: Mask

    def warp(self, previous: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Warp the previous frame to the present frame, float32; 0 from outside of it.

        Args:
            previous: (H, W) or (H, W, 3), any dtype.
        """
        return _sample_at(previous.astype(np.float32), self.origin_px)


def estimate_backward_flow(previous: RgbImage, current: RgbImage) -> BackwardFlow:
    """Follow the pixels of ``current`` back to ``previous`` with DIS optical flow, medium preset.

    A pixel was visible if the flow forward from its origin leads back to it (the forward-backward
    check of Sundaram et al., "Dense point trajectories by GPU-accelerated large displacement
    optical flow", ECCV 2010): |b + f|^2 < 0.01 (|b|^2 + |f|^2) + 0.5 px^2, where b is the flow
    backward and f the flow forward at the origin.

    Args:
        previous: (H, W, 3) uint8 RGB, at least 32 px high and wide.
        current: (H, W, 3) uint8 RGB.
    """
    # Flow: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    previous_gray, current_gray = (
        cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (previous, current)
    )
    backward_px = search.calc(current_gray, previous_gray, None)  # type: ignore[call-overload]
    forward_px = search.calc(previous_gray, current_gray, None)  # type: ignore[call-overload]
    rows, columns = np.indices(current_gray.shape, np.float32)
    origin_px = np.dstack([columns, rows]) + backward_px
    return BackwardFlow(origin_px, _find_consistent(backward_px, _sample_at(forward_px, origin_px)))


def _find_consistent(
    backward_px: npt.NDArray[np.float32], forward_px: npt.NDArray[np.float32]
) -> Mask:
    sum_px2 = (backward_px**2 + forward_px**2).sum(axis=2)
    difference_px2 = ((backward_px + forward_px) ** 2).sum(axis=2)
    return np.asarray(difference_px2 < _RELATIVE_TOLERANCE * sum_px2 + _TOLERANCE_PX2)


def _sample_at(
    image: npt.NDArray[np.float32], places_px: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    sampled = cv2.remap(image, places_px, None, cv2.INTER_LINEAR)  # type: ignore[call-overload]
    return np.asarray(sampled, np.float32)
