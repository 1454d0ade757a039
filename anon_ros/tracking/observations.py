"""One person in one frame, small enough to be remembered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Detections, Mask, Roi

BoxXyxy = npt.NDArray[np.float64]
"""(4,) float64: x0, y0, x1, y1 in px."""

MaskWindow = tuple[Roi, Mask]
"""A part of an image, possibly empty, and (h, w) bool in it."""

EMPTY_WINDOW: MaskWindow = Roi(0, 0, 0, 0), np.zeros((0, 0), np.bool_)

# Of the largest part: smaller ones are specks, which would grow where a mask is carried on.
_LEAST_PART = 0.1
_COARSE_PX = 64


@dataclass(frozen=True)
class PersonObservation:
    """A person in one frame.

    Attributes:
        time_ns: of the frame.
        box_xyxy: (4,) float64, px.
        score: in 0..1.
        class_id: index into the segmenter's class names.
        window: the pixels that box and mask touch, inside the image; may be empty.
        mask: (h, w) bool, the instance mask in ``window``.
    """

    time_ns: int
    box_xyxy: BoxXyxy
    score: float
    class_id: int
    window: Roi
    mask: Mask

    @property
    def scale_px(self) -> float:
        """Geometric mean of the box's sides."""
        x0, y0, x1, y1 = self.box_xyxy
        return math.sqrt(max(x1 - x0, 1) * max(y1 - y0, 1))

    @cached_property
    def largest_parts(self) -> Mask:
        """(h, w) bool: the mask without its specks."""
        pixels = self.mask.view(np.uint8)
        step = 1 + max(pixels.shape, default=0) // _COARSE_PX
        if cv2.connectedComponents(pixels[::step, ::step])[0] <= 2:  # noqa: PLR2004 - with background
            return self.mask
        _, parts, numbers, _ = cv2.connectedComponentsWithStats(pixels)
        areas_px = numbers[:, cv2.CC_STAT_AREA]
        areas_px[0] = 0
        return np.asarray((areas_px >= _LEAST_PART * areas_px.max())[parts])


def observe_persons(detections: Detections, time_ns: int) -> list[PersonObservation]:
    """Every person of a frame."""
    boxes = detections.boxes_xyxy.astype(np.float64)
    found = []
    for index, (box, mask) in enumerate(zip(boxes, detections.masks, strict=True)):
        window = _window(box, mask)
        score, class_id = float(detections.scores[index]), int(detections.class_ids[index])
        part = mask[window.slices].copy()
        found.append(PersonObservation(time_ns, box, score, class_id, window, part))
    return found


def _window(box_xyxy: BoxXyxy, mask: Mask) -> Roi:
    window = Roi.from_box_xyxy(box_xyxy).clip(mask.shape[1], mask.shape[0])
    pixels = mask.view(np.uint8)
    # Looking for bounds takes three times as long as counting.
    if cv2.countNonZero(pixels) == np.count_nonzero(mask[window.slices]):
        return window
    bounds = Roi.from_mask(mask)
    return bounds if window.is_empty else window.union(bounds)


def stretched_to(
    sighting: PersonObservation, box_xyxy: BoxXyxy, growth_px: int, width_px: int, height_px: int
) -> MaskWindow:
    """The sighting's body, stretched from its box to another one and grown on all sides.

    Args:
        sighting: to move.
        box_xyxy: (4,) where the person is now.
        growth_px: how far the mask grows.
        width_px: of the image.
        height_px: of the image.
    """
    sides = (box_xyxy[2:] - box_xyxy[:2]) / np.maximum(
        sighting.box_xyxy[2:] - sighting.box_xyxy[:2], 1
    )
    window = sighting.window
    # The window in the coordinates of the box, and from there to the other box.
    corners = np.array([[window.x0, window.y0], [window.x1, window.y1]]) - sighting.box_xyxy[:2]
    (x0, y0), (x1, y1) = np.rint(corners * sides + box_xyxy[:2]).astype(int).tolist()
    target = Roi(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))
    inside = target.expand(growth_px).clip(width_px, height_px)
    # What is farther outside does not grow into the image. The target may be much larger.
    near = inside.expand(growth_px)
    part = target.intersection(near)
    if not sighting.mask.size or inside.is_empty or part.is_empty:
        return EMPTY_WINDOW
    stretched = _stretched(sighting.largest_parts, target, part)
    if not growth_px:
        return part, stretched
    if not stretched.any():
        return EMPTY_WINDOW
    nobody = np.ones((near.height_px, near.width_px), np.uint8)
    nobody[part.relative_to(near).slices] = ~stretched
    # A dilation takes a second where this takes milliseconds.
    distances_px = cv2.distanceTransform(nobody, cv2.DIST_L2, 5)
    return inside, np.asarray(distances_px[inside.relative_to(near).slices] <= growth_px)


def _stretched(mask: Mask, target: Roi, part: Roi) -> Mask:
    """(h, w) bool: of a mask that is stretched to ``target``, a part."""
    if part == target:  # nearly always, and three times as fast
        wh_px = target.width_px, target.height_px
        resized = cv2.resize(mask.view(np.uint8), wh_px, interpolation=cv2.INTER_NEAREST)
        return np.asarray(resized, np.bool_)
    height_px, width_px = mask.shape
    rows = (np.arange(part.y0, part.y1) - target.y0) * height_px // target.height_px
    columns = (np.arange(part.x0, part.x1) - target.x0) * width_px // target.width_px
    return np.asarray(mask[rows][:, columns])


def union_windows(parts: Sequence[MaskWindow]) -> MaskWindow:
    """The union of masks, in the window that holds them all."""
    filled = [part for part in parts if part[1].size]
    if not filled:
        return EMPTY_WINDOW
    windows = [window for window, _ in filled]
    whole = windows[0].union(*windows)
    union = np.zeros((whole.height_px, whole.width_px), np.bool_)
    for window, mask in filled:
        union[window.relative_to(whole).slices] |= mask
    return whole, union


def intersect_windows(one: MaskWindow, other: MaskWindow) -> MaskWindow:
    """What two masks have in common."""
    both = one[0].intersection(other[0])
    if both.is_empty:
        return EMPTY_WINDOW
    masks = [mask[both.relative_to(window).slices] for window, mask in (one, other)]
    return both, masks[0] & masks[1]


def to_detections(
    sightings: Sequence[PersonObservation],
    width_px: int,
    height_px: int,
    masks: npt.NDArray[np.bool_] | None = None,
) -> Detections:
    """The Detections that these are.

    Args:
        sightings: the persons.
        width_px: of the image.
        height_px: of the image.
        masks: (N, H, W) bool, of the same persons, to be added to in place. To make new ones takes
            longer than all else that is done to track ten persons; None to do so all the same.
    """
    if masks is None:
        masks = np.zeros((len(sightings), height_px, width_px), np.bool_)
    for mask, sighting in zip(masks, sightings, strict=True):
        mask[sighting.window.slices] |= sighting.mask
    return Detections(
        boxes_xyxy=np.array([s.box_xyxy for s in sightings], np.float32).reshape(-1, 4),
        scores=np.array([s.score for s in sightings], np.float32),
        class_ids=np.array([s.class_id for s in sightings], np.int64),
        masks=masks,
    )
