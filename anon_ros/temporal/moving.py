"""Moving the synthetic person of an earlier frame onto the same person in the current one.

How the person moved is measured on the original frames (optical flow). What is shown is sampled
from the synthetic person alone, and from the drawing as it was inpainted: where each pixel comes
from is carried along from frame to frame, so that the picture is never resampled twice.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Crop, Mask, Refusal, RgbImage, Roi
from anon_ros.core.types import paste

_NS_PER_S = 1_000_000_000
# Every window is brought to this longer side, so that a small person is followed as finely.
_GRID_PX = 256
# DIS reads beyond its memory where a side is shorter than this.
_LEAST_GRID_PX = 32
# The flow has one vector per 2 x 2 grid points; the preset's 4 x 4 lose a small person's legs.
_FINEST_SCALE = 1
# Of the square root of the mask's area, both. The mask's rim shows what is behind the person.
_RIM_RATIO = 0.05
_SMOOTH_RATIO = 0.1
# Beside the weight 1 of a person's pixel: far from the person, its mean flow counts.
_LEAST_WEIGHT = 1e-3
_OPAQUE = 255

_Field = npt.NDArray[np.float32]
"""(2, gh, gw): x and y, for each point of a grid."""


@dataclass(frozen=True)
class Limits:
    """When a synthetic person is not moved any more.

    With the defaults about 19 of 20 steps of walkers at 10 Hz pass, and 19 of 20 other persons of
    similar size are refused.

    Attributes:
        max_age_s: between the inpainting and the current frame (identity.keyframe_s).
        max_size_ratio: of the mask's size (square root of the area) then and now, the larger by
            the smaller: beyond it the drawing is too coarse, or it is not the same person.
        min_overlap: intersection over union of the mask and the mask before, moved.
        max_residual_levels: mean difference of the grey levels in the mask, between the frame and
            the one before, moved.
        min_valid_ratio: share of the mask for which there is something synthetic.
    """

    max_age_s: float
    max_size_ratio: float = 1.5
    min_overlap: float = 0.4
    max_residual_levels: float = 25.0
    min_valid_ratio: float = 0.5


@dataclass(frozen=True)
class Target:
    """A person in the current frame.

    Attributes:
        image: (H, W, 3) uint8 RGB, the whole original frame.
        mask: (h, w) bool, the person's replaced pixels in ``roi``.
        roi: the current crop's place in the image; it may reach outside.
        now_ns: the frame's time.
    """

    image: RgbImage
    mask: Mask
    roi: Roi
    now_ns: int


@dataclass(frozen=True)
class Look:
    """A person's window of an original frame on the small grid that the flow is measured on.

    Attributes:
        roi: the window in the image.
        grey: (gh, gw) uint8 levels.
        person: (gh, gw) uint8, 1 in the person's mask and 0 elsewhere.
    """

    roi: Roi
    grey: npt.NDArray[np.uint8]
    person: npt.NDArray[np.uint8]

    @property
    def steps_px(self) -> tuple[float, float]:
        """Image pixels from one grid point to the next, in x and y."""
        height, width = self.grey.shape
        return self.roi.width_px / width, self.roi.height_px / height

    @property
    def person_side(self) -> float:
        """Square root of the mask's area, in grid points."""
        return math.sqrt(np.count_nonzero(self.person))

    @property
    def centre_px(self) -> tuple[float, float]:
        """The middle of the mask in the image, in x and y; the window's if the mask is empty."""
        moments = cv2.moments(self.person, binaryImage=True)
        height, width = self.person.shape
        area = moments["m00"]
        x, y = (moments["m10"] / area, moments["m01"] / area) if area else (width / 2, height / 2)
        return self.roi.x0 + x * self.steps_px[0], self.roi.y0 + y * self.steps_px[1]


@dataclass(frozen=True)
class Keepsake:
    """A synthetic person of an earlier frame; for memory only, never to be stored.

    Attributes:
        drawing: (h, w, 4) uint8, the inpainter's RGB and 255 where it is synthetic; 0 elsewhere.
        area_px: number of its synthetic pixels.
        roi: its place in the image when it was inpainted.
        drawn_ns: that frame's time.
        newest: the person in the newest original frame.
        offsets_px: (2, gh, gw) float32, from a point of the image on ``newest``'s grid to the
            point of the drawing's frame that is shown there, in x and y.
    """

    drawing: npt.NDArray[np.uint8]
    area_px: int
    roi: Roi
    drawn_ns: int
    newest: Look
    offsets_px: _Field


@dataclass(frozen=True)
class Moved:
    """A synthetic person in the current window.

    Attributes:
        drawing: (h, w, 3) uint8 RGB; 0 where it is not valid.
        valid: (h, w) bool, the pixels of the person's mask that are synthetic.
    """

    drawing: RgbImage
    valid: Mask


def keep(crop: Crop, drawing: RgbImage, image: RgbImage, now_ns: int) -> Keepsake:
    """Keep an inpainted person, and nothing of what the drawing shows around it.

    Args:
        crop: what the inpainter was given.
        drawing: (h, w, 3) uint8 RGB, its answer.
        image: (H, W, 3) uint8 RGB, the whole original frame.
        now_ns: the frame's time.
    """
    opaque = cv2.cvtColor(drawing, cv2.COLOR_RGB2RGBA)
    synthetic = cv2.bitwise_and(opaque, opaque, mask=crop.mask.view(np.uint8))
    newest = _look(image, crop.mask, crop.roi)
    return Keepsake(
        drawing=np.asarray(synthetic, np.uint8),
        area_px=int(np.count_nonzero(crop.mask)),
        roi=crop.roi,
        drawn_ns=now_ns,
        newest=newest,
        offsets_px=np.zeros((2, *newest.grey.shape), np.float32),
    )


def move(kept: Keepsake, target: Target, limits: Limits) -> tuple[Moved, Keepsake] | Refusal:
    """Move a synthetic person to where the person is now.

    Returns:
        The person as moved and what to keep for the next frame; or why not.
    """
    reason = _unfit(kept, target, limits)
    if reason:
        return Refusal(reason)
    look = _look(target.image, target.mask, target.roi)
    flow_px = _flow_px(look, kept.newest)
    if not np.isfinite(flow_px).all():
        return Refusal("the optical flow is not finite")
    points = _points(look, kept.newest, flow_px)
    reason = _unlike(look, kept.newest, points, limits)
    if reason:
        return Refusal(reason)
    offsets_px = flow_px + np.stack([_sample(plane, points) for plane in kept.offsets_px])
    moved = _moved(kept, target, offsets_px)
    ratio = np.count_nonzero(moved.valid) / np.count_nonzero(target.mask)
    if ratio < limits.min_valid_ratio:
        return Refusal(f"the drawing fills {ratio:.2f} of the mask, below {limits.min_valid_ratio}")
    return moved, replace(kept, newest=look, offsets_px=offsets_px)


def paste_over(covered: RgbImage, moved: Moved) -> RgbImage:
    """(h, w, 3) uint8 RGB: the moved person where it is valid, ``covered`` elsewhere.

    Args:
        covered: (h, w, 3) uint8 RGB, the covered frame in the person's window.
        moved: the person in the same window.

    Raises:
        ValueError: if the two differ in shape.
    """
    if covered.shape != moved.drawing.shape:
        message = f"the cover is {covered.shape}, the moved person {moved.drawing.shape}"
        raise ValueError(message)
    result = covered.copy()
    paste(moved.drawing, moved.valid, result)
    return result


def _unfit(kept: Keepsake, target: Target, limits: Limits) -> str:
    """Why the person cannot be moved, as far as is known without looking; empty if it can."""
    if target.mask.shape != (target.roi.height_px, target.roi.width_px):
        return f"a mask of shape {target.mask.shape} does not fit the window {target.roi}"
    inside = target.roi.clip(target.image.shape[1], target.image.shape[0])
    if not inside.width_px or not inside.height_px:
        return f"the window {target.roi} has no pixel of the image"
    age_s = (target.now_ns - kept.drawn_ns) / _NS_PER_S
    if not 0 <= age_s <= limits.max_age_s:
        return f"the drawing is {age_s:.3f} s old, not 0 to {limits.max_age_s} s"
    areas_px = kept.area_px, int(np.count_nonzero(target.mask))
    if not all(areas_px):
        return "a mask is empty"
    ratio = math.sqrt(max(areas_px) / min(areas_px))
    if ratio > limits.max_size_ratio:
        return f"the size changed by a factor of {ratio:.2f}, above {limits.max_size_ratio}"
    return ""


def _look(image: RgbImage, mask: Mask, roi: Roi) -> Look:
    """The window on its grid; all black if it has no pixel of the image."""
    shrink = _GRID_PX / max(roi.width_px, roi.height_px)
    width = max(_LEAST_GRID_PX, round(roi.width_px * shrink))
    height = max(_LEAST_GRID_PX, round(roi.height_px * shrink))
    person = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    interpolation = cv2.INTER_AREA if shrink < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(_grey(image, roi), (width, height), interpolation=interpolation)
    return Look(roi, np.asarray(grey, np.uint8), np.asarray(person, np.uint8))


def _grey(image: RgbImage, roi: Roi) -> npt.NDArray[np.uint8]:
    """(h, w) levels of the window; beyond the image's border its edge pixels are repeated."""
    inside = roi.clip(image.shape[1], image.shape[0])
    if not inside.width_px or not inside.height_px:
        return np.zeros((roi.height_px, roi.width_px), np.uint8)
    grey = cv2.cvtColor(image[inside.slices], cv2.COLOR_RGB2GRAY)
    border = (inside.y0 - roi.y0, roi.y1 - inside.y1, inside.x0 - roi.x0, roi.x1 - inside.x1)
    return np.asarray(cv2.copyMakeBorder(grey, *border, cv2.BORDER_REPLICATE), np.uint8)


def _flow_px(now: Look, before: Look) -> _Field:
    """From the image's points on ``now``'s grid to where they were before, smooth."""
    # What the masks moved by is taken off first; whole pixels, so that nothing is blurred.
    shift_px = np.rint(np.subtract(before.centre_px, now.centre_px)).astype(np.float32)
    expected = _sample(before.grey, _points(now, before, shift_px[:, None, None]))
    # Not shared between threads: it holds buffers, and making one takes 10 us.
    preset = cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST
    method = cv2.DISOpticalFlow_create(preset)  # type: ignore[attr-defined]
    method.setFinestScale(_FINEST_SCALE)
    flow = method.calc(now.grey, expected, np.zeros((*now.grey.shape, 2), np.float32))
    planes = zip(cv2.split(flow), now.steps_px, shift_px, strict=True)
    return np.stack([_smooth(plane, now) * np.float32(step) + by for plane, step, by in planes])


def _smooth(plane: npt.NDArray[Any], look: Look) -> npt.NDArray[np.float32]:
    """(gh, gw) float32: the flow of the person's inner pixels, averaged and spread outward."""
    rim = 2 * round(_RIM_RATIO * look.person_side) + 1
    inner = cv2.erode(look.person, np.ones((rim, rim), np.uint8)).astype(np.float32)
    if not inner.any():
        inner = look.person.astype(np.float32)
    mean = (plane * inner).sum() / max(float(inner.sum()), 1)
    side = 2 * round(_SMOOTH_RATIO * look.person_side / 2) + 1
    excess = cv2.blur((plane - mean) * inner, (side, side))
    weight = cv2.blur(inner, (side, side)) + _LEAST_WEIGHT
    return np.asarray(mean + excess / weight, np.float32)


def _points(now: Look, before: Look, flow_px: _Field) -> _Field:
    """Where ``now``'s grid points, moved by the flow, lie on ``before``'s grid."""
    height, width = now.grey.shape
    (step_x, step_y), (before_x, before_y) = now.steps_px, before.steps_px
    # A point is the middle of its pixel.
    x_px = now.roi.x0 - before.roi.x0 + (np.arange(width) + 0.5) * step_x
    y_px = now.roi.y0 - before.roi.y0 + (np.arange(height)[:, None] + 0.5) * step_y
    points = np.empty((2, height, width), np.float32)
    points[0] = (flow_px[0] + x_px.astype(np.float32)) / np.float32(before_x) - np.float32(0.5)
    points[1] = (flow_px[1] + y_px.astype(np.float32)) / np.float32(before_y) - np.float32(0.5)
    return points


def _sample(plane: npt.NDArray[Any], points: _Field) -> npt.NDArray[Any]:
    """(gh, gw): the values at the points; beyond the border those at the edge."""
    x, y = points
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _unlike(now: Look, before: Look, points: _Field, limits: Limits) -> str:
    """Why it seems to be somebody else, or not followed well; empty if it is the same person."""
    x, y = points
    person = cv2.remap(before.person, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    either_px = cv2.countNonZero(cv2.bitwise_or(person, now.person))
    overlap = cv2.countNonZero(cv2.bitwise_and(person, now.person)) / max(either_px, 1)
    if overlap < limits.min_overlap:
        return f"the moved mask overlaps by {overlap:.2f}, below {limits.min_overlap}"
    difference = cv2.absdiff(now.grey, _sample(before.grey, points))
    residual = cv2.mean(difference, now.person)[0]
    if residual > limits.max_residual_levels:
        return f"the flow leaves {residual:.1f} grey levels, above {limits.max_residual_levels}"
    return ""


def _moved(kept: Keepsake, target: Target, offsets_px: _Field) -> Moved:
    """Sample the drawing, once, where the mask is."""
    x0, y0, width, height = cv2.boundingRect(target.mask.view(np.uint8))
    part = slice(y0, y0 + height), slice(x0, x0 + width)
    x, y = (cv2.resize(plane, target.mask.shape[::-1])[part] for plane in offsets_px)
    x += np.arange(x0, x0 + width, dtype=np.float32) + (target.roi.x0 - kept.roi.x0)
    y += np.arange(y0, y0 + height, dtype=np.float32)[:, None] + (target.roi.y0 - kept.roi.y0)
    sampled = cv2.remap(kept.drawing, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    valid = np.zeros_like(target.mask)
    # Opaque only if all neighbours were; and the others are black, not the drawing's background.
    valid[part] = (sampled[..., 3] == _OPAQUE) & target.mask[part]
    drawing = np.zeros((*valid.shape, 3), np.uint8)
    opaque = np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGBA2RGB), np.uint8)
    paste(opaque, valid[part], drawing[part])
    return Moved(drawing, valid)
