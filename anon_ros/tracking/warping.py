"""Moving the synthetic person of an earlier frame onto the same person in the current one.

How the person moved is measured on the original frames (optical flow). What is shown is sampled
from the synthetic person alone, and from the drawing as it was inpainted: where each pixel comes
from is carried along from frame to frame, so that the picture is never resampled twice.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Crop, InpaintFailure, Mask, RgbImage, Roi
from anon_ros.core.types import copy_masked
from anon_ros.tracking.optical_flow import (
    FlowField,
    FlowPatch,
    estimate_flow,
    make_patch,
    map_to_previous,
    sample_at,
)
from anon_ros.utils.units import NS_PER_S

_OPAQUE = 255


@dataclass(frozen=True)
class WarpLimits:
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
class WarpTarget:
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
class CachedPerson:
    """A synthetic person of an earlier frame; for memory only, never to be stored.

    Attributes:
        drawing: (h, w, 4) uint8, the inpainter's RGB and 255 where it is synthetic; 0 elsewhere.
        area_px: number of its synthetic pixels.
        roi: its place in the image when it was inpainted.
        drawn_ns: that frame's time.
        last_patch: the person in the newest original frame.
        flow_offsets_px: (2, gh, gw) float32, from a point of the image on ``last_patch``'s grid to
            the point of the drawing's frame that is shown there, in x and y.
    """

    drawing: npt.NDArray[np.uint8]
    area_px: int
    roi: Roi
    drawn_ns: int
    last_patch: FlowPatch
    flow_offsets_px: FlowField


@dataclass(frozen=True)
class WarpedPerson:
    """A synthetic person in the current window.

    Attributes:
        drawing: (h, w, 3) uint8 RGB; 0 where it is not valid.
        valid: (h, w) bool, the pixels of the person's mask that are synthetic.
    """

    drawing: RgbImage
    valid: Mask


def cache_person(crop: Crop, drawing: RgbImage, image: RgbImage, now_ns: int) -> CachedPerson:
    """Keep an inpainted person, and nothing of what the drawing shows around it.

    Args:
        crop: what the inpainter was given.
        drawing: (h, w, 3) uint8 RGB, its answer.
        image: (H, W, 3) uint8 RGB, the whole original frame.
        now_ns: the frame's time.
    """
    opaque = cv2.cvtColor(drawing, cv2.COLOR_RGB2RGBA)
    synthetic = cv2.bitwise_and(opaque, opaque, mask=crop.mask.view(np.uint8))
    newest = make_patch(image, crop.mask, crop.roi)
    return CachedPerson(
        drawing=np.asarray(synthetic, np.uint8),
        area_px=int(np.count_nonzero(crop.mask)),
        roi=crop.roi,
        drawn_ns=now_ns,
        last_patch=newest,
        flow_offsets_px=np.zeros((2, *newest.grey.shape), np.float32),
    )


def warp_person(
    kept: CachedPerson, target: WarpTarget, limits: WarpLimits
) -> tuple[WarpedPerson, CachedPerson] | InpaintFailure:
    """Move a synthetic person to where the person is now.

    Returns:
        The person as moved and what to keep for the next frame; or why not.
    """
    reason = _reason_unfit(kept, target, limits)
    if reason:
        return InpaintFailure(reason)
    look = make_patch(target.image, target.mask, target.roi)
    flow_px = estimate_flow(look, kept.last_patch)
    if not np.isfinite(flow_px).all():
        return InpaintFailure("the optical flow is not finite")
    points = map_to_previous(look, kept.last_patch, flow_px)
    reason = _reason_mismatch(look, kept.last_patch, points, limits)
    if reason:
        return InpaintFailure(reason)
    offsets_px = flow_px + np.stack([sample_at(plane, points) for plane in kept.flow_offsets_px])
    moved = _moved(kept, target, offsets_px)
    ratio = np.count_nonzero(moved.valid) / np.count_nonzero(target.mask)
    if ratio < limits.min_valid_ratio:
        return InpaintFailure(
            f"the drawing fills {ratio:.2f} of the mask, below {limits.min_valid_ratio}"
        )
    return moved, replace(kept, last_patch=look, flow_offsets_px=offsets_px)


def overlay_warped(covered: RgbImage, moved: WarpedPerson) -> RgbImage:
    """(h, w, 3) uint8 RGB: the moved person where it is valid, ``cover_reasons`` elsewhere.

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
    copy_masked(moved.drawing, moved.valid, result)
    return result


def _reason_unfit(kept: CachedPerson, target: WarpTarget, limits: WarpLimits) -> str:
    """Why the person cannot be moved, as far as is known without looking; empty if it can."""
    if target.mask.shape != (target.roi.height_px, target.roi.width_px):
        return f"a mask of shape {target.mask.shape} does not fit the window {target.roi}"
    inside = target.roi.clip(target.image.shape[1], target.image.shape[0])
    if inside.is_empty:
        return f"the window {target.roi} has no pixel of the image"
    age_s = (target.now_ns - kept.drawn_ns) / NS_PER_S
    if not 0 <= age_s <= limits.max_age_s:
        return f"the drawing is {age_s:.3f} s old, not 0 to {limits.max_age_s} s"
    areas_px = kept.area_px, int(np.count_nonzero(target.mask))
    if not all(areas_px):
        return "a mask is empty"
    ratio = math.sqrt(max(areas_px) / min(areas_px))
    if ratio > limits.max_size_ratio:
        return f"the size changed by a factor of {ratio:.2f}, above {limits.max_size_ratio}"
    return ""


def _reason_mismatch(
    now: FlowPatch, before: FlowPatch, points: FlowField, limits: WarpLimits
) -> str:
    """Why it seems to be somebody else, or not followed well; empty if it is the same person."""
    x, y = points
    person = cv2.remap(before.person, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    either_px = cv2.countNonZero(cv2.bitwise_or(person, now.person))
    overlap = cv2.countNonZero(cv2.bitwise_and(person, now.person)) / max(either_px, 1)
    if overlap < limits.min_overlap:
        return f"the moved mask overlaps by {overlap:.2f}, below {limits.min_overlap}"
    difference = cv2.absdiff(now.grey, sample_at(before.grey, points))
    residual = cv2.mean(difference, now.person)[0]
    if residual > limits.max_residual_levels:
        return f"the flow leaves {residual:.1f} grey levels, above {limits.max_residual_levels}"
    return ""


def _moved(kept: CachedPerson, target: WarpTarget, offsets_px: FlowField) -> WarpedPerson:
    """Sample the drawing, once, where the mask is."""
    bounds = Roi.from_mask(target.mask)
    part = bounds.slices
    x, y = (cv2.resize(plane, target.mask.shape[::-1])[part] for plane in offsets_px)
    x += np.arange(bounds.x0, bounds.x1, dtype=np.float32) + (target.roi.x0 - kept.roi.x0)
    y += np.arange(bounds.y0, bounds.y1, dtype=np.float32)[:, None] + (target.roi.y0 - kept.roi.y0)
    sampled = cv2.remap(kept.drawing, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    valid = np.zeros_like(target.mask)
    # Opaque only if all neighbours were; and the others are black, not the drawing's background.
    valid[part] = (sampled[..., 3] == _OPAQUE) & target.mask[part]
    drawing = np.zeros((*valid.shape, 3), np.uint8)
    opaque = np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGBA2RGB), np.uint8)
    copy_masked(opaque, valid[part], drawing[part])
    return WarpedPerson(drawing, valid)
