"""Warping of the synthetic person of an earlier frame onto the same person in the current frame.

The person's motion is measured on the original frames (optical flow). The result is sampled from
the synthetic person alone, and from its image as it was inpainted: the origin of each pixel is
tracked from frame to frame, so that the image is never resampled twice.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import InpaintFailure, Mask, RgbImage, Roi
from anon_ros.core.types import copy_masked
from anon_ros.tracking.reuse.optical_flow import (
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
    """Limits beyond which a synthetic person is not reused.

    With the defaults about 19 of 20 steps of walkers at 10 Hz pass, and 19 of 20 other persons of
    similar size are rejected.

    Attributes:
        max_age_s: between the inpainting and the current frame (identity.keyframe_s).
        max_size_ratio: of the mask's size (square root of the area) then and now, the larger by
            the smaller: beyond it the image is too coarse, or it is not the same person.
        min_overlap: intersection over union of the mask and the warped previous mask.
        max_residual_levels: mean difference of the gray levels in the mask, between the frame and
            the warped previous frame.
        min_valid_ratio: ratio of the mask that the synthetic person fills.
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
        image: (H, W, 3) uint8 RGB, the entire original frame.
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
    """A synthetic person of an earlier frame; for memory only, never to be written.

    Attributes:
        image: (h, w, 4) uint8, the inpainter's RGB and 255 where it is synthetic; 0 elsewhere.
        area_px: number of its synthetic pixels.
        roi: its place in the image when it was inpainted.
        inpainted_ns: that frame's time.
        last_patch: the person in the newest original frame.
        flow_offsets_px: (2, gh, gw) float32, from a point of the frame on ``last_patch``'s grid to
            the point of the inpainted frame that is shown there, in x and y.
    """

    image: npt.NDArray[np.uint8]
    area_px: int
    roi: Roi
    inpainted_ns: int
    last_patch: FlowPatch
    flow_offsets_px: FlowField


@dataclass(frozen=True)
class WarpedPerson:
    """A synthetic person in the current window.

    Attributes:
        image: (h, w, 3) uint8 RGB; 0 where it is not valid.
        valid: (h, w) bool, the pixels of the person's mask that are synthetic.
    """

    image: RgbImage
    valid: Mask


def cache_person(
    mask: Mask, roi: Roi, inpainted: RgbImage, image: RgbImage, now_ns: int
) -> CachedPerson:
    """Return an inpainted person, without anything that the inpainter shows around it.

    Args:
        mask: (h, w) bool, the person's replaced pixels in ``roi``.
        roi: the crop's place in the image.
        inpainted: (h, w, 3) uint8 RGB, the inpainter's result.
        image: (H, W, 3) uint8 RGB, the entire original frame.
        now_ns: the frame's time.
    """
    opaque = cv2.cvtColor(inpainted, cv2.COLOR_RGB2RGBA)
    synthetic = cv2.bitwise_and(opaque, opaque, mask=mask.view(np.uint8))
    patch = make_patch(image, mask, roi)
    return CachedPerson(
        image=np.asarray(synthetic, np.uint8),
        area_px=int(np.count_nonzero(mask)),
        roi=roi,
        inpainted_ns=now_ns,
        last_patch=patch,
        flow_offsets_px=np.zeros((2, *patch.gray.shape), np.float32),
    )


def warp_person(
    cached: CachedPerson, target: WarpTarget, limits: WarpLimits
) -> tuple[WarpedPerson, CachedPerson] | InpaintFailure:
    """Warp a synthetic person to the person's place in the current frame.

    Returns:
        The warped person, and the person to cache for the next frame; or the reason against it.
    """
    reason = _find_unfit_reason(cached, target, limits)
    if reason:
        return InpaintFailure(reason)
    patch = make_patch(target.image, target.mask, target.roi)
    flow_px = estimate_flow(patch, cached.last_patch)
    if not np.isfinite(flow_px).all():
        return InpaintFailure("the optical flow is not finite")
    points = map_to_previous(patch, cached.last_patch, flow_px)
    reason = _find_mismatch(patch, cached.last_patch, points, limits)
    if reason:
        return InpaintFailure(reason)
    offsets_px = flow_px + np.stack([sample_at(plane, points) for plane in cached.flow_offsets_px])
    warped = _sample_person(cached, target, offsets_px)
    ratio = np.count_nonzero(warped.valid) / np.count_nonzero(target.mask)
    if ratio < limits.min_valid_ratio:
        return InpaintFailure(
            f"the synthetic person fills {ratio:.2f} of the mask, below {limits.min_valid_ratio}"
        )
    return warped, replace(cached, last_patch=patch, flow_offsets_px=offsets_px)


def overlay_warped(covered: RgbImage, warped: WarpedPerson) -> RgbImage:
    """Return (h, w, 3) uint8 RGB: the warped person where it is valid, ``covered`` elsewhere.

    Args:
        covered: (h, w, 3) uint8 RGB, the covered frame in the person's window.
        warped: the person in the same window.

    Raises:
        ValueError: if the two differ in shape.
    """
    if covered.shape != warped.image.shape:
        message = f"the cover is {covered.shape}, the warped person {warped.image.shape}"
        raise ValueError(message)
    result = covered.copy()
    copy_masked(warped.image, warped.valid, result)
    return result


def _find_unfit_reason(cached: CachedPerson, target: WarpTarget, limits: WarpLimits) -> str:
    """Return the reason against warping, as far as it needs no image; empty if there is none."""
    if target.mask.shape != (target.roi.height_px, target.roi.width_px):
        return f"a mask of shape {target.mask.shape} does not fit the window {target.roi}"
    inside = target.roi.clip(target.image.shape[1], target.image.shape[0])
    if inside.is_empty:
        return f"the window {target.roi} has no pixel of the image"
    age_s = (target.now_ns - cached.inpainted_ns) / NS_PER_S
    if not 0 <= age_s <= limits.max_age_s:
        return f"the synthetic person is {age_s:.3f} s old, not 0 to {limits.max_age_s} s"
    areas_px = cached.area_px, int(np.count_nonzero(target.mask))
    if not all(areas_px):
        return "a mask is empty"
    ratio = math.sqrt(max(areas_px) / min(areas_px))
    if ratio > limits.max_size_ratio:
        return f"the size changed by a factor of {ratio:.2f}, above {limits.max_size_ratio}"
    return ""


def _find_mismatch(
    current: FlowPatch, previous: FlowPatch, points: FlowField, limits: WarpLimits
) -> str:
    """Return the sign of another person, or of bad flow; empty for the same person."""
    x, y = points
    person = cv2.remap(previous.person, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    either_px = cv2.countNonZero(cv2.bitwise_or(person, current.person))
    overlap = cv2.countNonZero(cv2.bitwise_and(person, current.person)) / max(either_px, 1)
    if overlap < limits.min_overlap:
        return f"the warped mask overlaps by {overlap:.2f}, below {limits.min_overlap}"
    difference = cv2.absdiff(current.gray, sample_at(previous.gray, points))
    residual = cv2.mean(difference, current.person)[0]
    if residual > limits.max_residual_levels:
        return f"the flow leaves {residual:.1f} gray levels, above {limits.max_residual_levels}"
    return ""


def _sample_person(cached: CachedPerson, target: WarpTarget, offsets_px: FlowField) -> WarpedPerson:
    """Sample the synthetic person, once, inside the mask."""
    bounds = Roi.from_mask(target.mask)
    part = bounds.slices
    x, y = (cv2.resize(plane, target.mask.shape[::-1])[part] for plane in offsets_px)
    x += np.arange(bounds.x0, bounds.x1, dtype=np.float32) + (target.roi.x0 - cached.roi.x0)
    y += np.arange(bounds.y0, bounds.y1, dtype=np.float32)[:, None] + (
        target.roi.y0 - cached.roi.y0
    )
    sampled = cv2.remap(cached.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    valid = np.zeros_like(target.mask)
    # Opaque only if all neighbors were; and the rest is black, not the inpainter's background.
    valid[part] = (sampled[..., 3] == _OPAQUE) & target.mask[part]
    image = np.zeros((*valid.shape, 3), np.uint8)
    opaque = np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGBA2RGB), np.uint8)
    copy_masked(opaque, valid[part], image[part])
    return WarpedPerson(image, valid)
