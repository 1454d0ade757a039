"""Motion of a person between two original frames: optical flow in a window around it."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi, crop_image

# Every window is brought to this longer side, so that a small person is followed as finely.
_GRID_PX = 256
# DIS reads beyond its memory where a side is shorter than this.
_MIN_GRID_PX = 32
# The flow has one vector per 2 x 2 grid points; the preset's 4 x 4 lose a small person's legs.
_FINEST_SCALE = 1
# Of the square root of the mask's area, both. The mask's rim shows what is behind the person.
_RIM_RATIO = 0.05
_SMOOTH_RATIO = 0.1
# Beside the weight 1 of a person's pixel: far from the person, its mean flow counts.
_MIN_WEIGHT = 1e-3

FlowField = npt.NDArray[np.float32]
"""(2, gh, gw): x and y, for each point of a grid."""


@dataclass(frozen=True)
class FlowPatch:
    """A person's window of an original frame on the small grid that the flow is measured on.

    Attributes:
        roi: the window in the image.
        gray: (gh, gw) uint8 levels.
        person: (gh, gw) uint8, 1 in the person's mask and 0 elsewhere.
    """

    roi: Roi
    gray: npt.NDArray[np.uint8]
    person: npt.NDArray[np.uint8]

    @property
    def steps_px(self) -> tuple[float, float]:
        """Image pixels from one grid point to the next, in x and y."""
        height, width = self.gray.shape
        return self.roi.width_px / width, self.roi.height_px / height

    @property
    def person_side(self) -> float:
        """Square root of the mask's area, in grid points."""
        return math.sqrt(np.count_nonzero(self.person))

    @property
    def center_px(self) -> tuple[float, float]:
        """The middle of the mask in the image, in x and y; the window's if the mask is empty."""
        moments = cv2.moments(self.person, binaryImage=True)
        height, width = self.person.shape
        area = moments["m00"]
        x, y = (moments["m10"] / area, moments["m01"] / area) if area else (width / 2, height / 2)
        return self.roi.x0 + x * self.steps_px[0], self.roi.y0 + y * self.steps_px[1]


def make_patch(image: RgbImage, mask: Mask, roi: Roi) -> FlowPatch:
    """Return the window on its grid; all black if it has no pixel of the image."""
    shrink = _GRID_PX / max(roi.width_px, roi.height_px)
    width = max(_MIN_GRID_PX, round(roi.width_px * shrink))
    height = max(_MIN_GRID_PX, round(roi.height_px * shrink))
    person = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    interpolation = cv2.INTER_AREA if shrink < 1 else cv2.INTER_LINEAR
    gray = cv2.resize(_crop_gray(image, roi), (width, height), interpolation=interpolation)
    return FlowPatch(roi, np.asarray(gray, np.uint8), np.asarray(person, np.uint8))


def _crop_gray(image: RgbImage, roi: Roi) -> npt.NDArray[np.uint8]:
    """Return (h, w) levels of the window; beyond the border the edge pixels are repeated."""
    inside = roi.clip(image.shape[1], image.shape[0])
    if inside.is_empty:
        return np.zeros((roi.height_px, roi.width_px), np.uint8)
    return np.asarray(cv2.cvtColor(crop_image(image, roi), cv2.COLOR_RGB2GRAY), np.uint8)


def estimate_flow(current: FlowPatch, previous: FlowPatch) -> FlowField:
    """Return the smooth flow, in px, from ``current``'s grid to the points' previous places."""
    # The motion of the masks is taken off first, in integer pixels, so that nothing is blurred.
    shift_px = np.rint(np.subtract(previous.center_px, current.center_px)).astype(np.float32)
    expected = sample_at(previous.gray, map_to_previous(current, previous, shift_px[:, None, None]))
    # Not shared between threads: it holds buffers, and making one takes 10 us.
    preset = cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST
    method = cv2.DISOpticalFlow_create(preset)  # type: ignore[attr-defined]
    method.setFinestScale(_FINEST_SCALE)
    flow = method.calc(current.gray, expected, np.zeros((*current.gray.shape, 2), np.float32))
    planes = zip(cv2.split(flow), current.steps_px, shift_px, strict=True)
    return np.stack(
        [_smooth_flow(plane, current) * np.float32(step) + by for plane, step, by in planes]
    )


def _smooth_flow(plane: npt.NDArray[Any], patch: FlowPatch) -> npt.NDArray[np.float32]:
    """Average the flow of the person's inner pixels and spread it outward; (gh, gw) float32."""
    rim = 2 * round(_RIM_RATIO * patch.person_side) + 1
    inner = cv2.erode(patch.person, np.ones((rim, rim), np.uint8)).astype(np.float32)
    if not inner.any():
        inner = patch.person.astype(np.float32)
    mean = (plane * inner).sum() / max(float(inner.sum()), 1)
    side = 2 * round(_SMOOTH_RATIO * patch.person_side / 2) + 1
    excess = cv2.blur((plane - mean) * inner, (side, side))
    weight = cv2.blur(inner, (side, side)) + _MIN_WEIGHT
    return np.asarray(mean + excess / weight, np.float32)


def map_to_previous(current: FlowPatch, previous: FlowPatch, flow_px: FlowField) -> FlowField:
    """Move ``current``'s grid points by the flow and return them on ``previous``'s grid."""
    height, width = current.gray.shape
    (step_x, step_y), (previous_x, previous_y) = current.steps_px, previous.steps_px
    # A point is the middle of its pixel.
    x_px = current.roi.x0 - previous.roi.x0 + (np.arange(width) + 0.5) * step_x
    y_px = current.roi.y0 - previous.roi.y0 + (np.arange(height)[:, None] + 0.5) * step_y
    points = np.empty((2, height, width), np.float32)
    points[0] = (flow_px[0] + x_px.astype(np.float32)) / np.float32(previous_x) - np.float32(0.5)
    points[1] = (flow_px[1] + y_px.astype(np.float32)) / np.float32(previous_y) - np.float32(0.5)
    return points


def sample_at(plane: npt.NDArray[Any], points: FlowField) -> npt.NDArray[Any]:
    """Return (gh, gw) values at the points; beyond the border those at the edge."""
    x, y = points
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
