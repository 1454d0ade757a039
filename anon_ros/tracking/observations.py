"""Observations of a person in a frame, small enough to be remembered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import TARGET_STRIDE, Detections, Mask, Roi, complete_mask
from anon_ros.tracking.mask_windows import EMPTY_WINDOW, MaskWindow

BoxXyxy = npt.NDArray[np.float64]
"""(4,) float64: x0, y0, x1, y1 in px."""

# Of the largest part: smaller ones are specks, which would grow where a mask is propagated.
_MIN_PART_RATIO = 0.1
_COARSE_PX = 64


@dataclass(frozen=True)
class PersonObservation:
    """A detected person in one frame.

    Attributes:
        time_ns: of the frame.
        box_xyxy: (4,) float64, px.
        score: in 0..1.
        class_id: index into the segmenter's class names.
        window: the pixels that box and mask touch, inside the image; may be empty.
        mask: (h, w) bool, the instance mask in ``window``, as ``complete_mask`` returns it: grown
            or added to, a mask that missed the person would not seem to have.
    """

    time_ns: int
    box_xyxy: BoxXyxy
    score: float
    class_id: int
    window: Roi
    mask: Mask

    @property
    def target_id(self) -> int:
        """Number of the target; 0 for a person."""
        return self.class_id // TARGET_STRIDE

    @property
    def mask_window(self) -> MaskWindow:
        """The mask with its place."""
        return MaskWindow(self.window, self.mask)

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
        return np.asarray((areas_px >= _MIN_PART_RATIO * areas_px.max())[parts])

    def stretched_to(
        self, box_xyxy: BoxXyxy, growth_px: int, width_px: int, height_px: int
    ) -> MaskWindow:
        """Return the body, stretched from its box to another box and grown on all sides.

        Args:
            box_xyxy: (4,) the person's box now.
            growth_px: growth of the mask.
            width_px: of the image.
            height_px: of the image.
        """
        target = self._stretch_window(box_xyxy)
        inside = target.expand(growth_px).clip(width_px, height_px)
        # Pixels farther outside do not grow into the image. The target may be much larger.
        near = inside.expand(growth_px)
        part = target.intersection(near)
        if not self.mask.size or inside.is_empty or part.is_empty:
            return EMPTY_WINDOW
        stretched = _stretch_mask(self.largest_parts, target, part)
        if not growth_px:
            return MaskWindow(part, stretched)
        if not stretched.any():
            return EMPTY_WINDOW
        background = np.ones((near.height_px, near.width_px), np.uint8)
        background[part.relative_to(near).slices] = ~stretched
        # A dilation takes a second where this takes milliseconds.
        distances_px = cv2.distanceTransform(background, cv2.DIST_L2, 5)
        grown = distances_px[inside.relative_to(near).slices] <= growth_px
        return MaskWindow(inside, np.asarray(grown))

    def _stretch_window(self, box_xyxy: BoxXyxy) -> Roi:
        """Map the window from the coordinates of the own box to those of another, 1 px or more."""
        factors = (box_xyxy[2:] - box_xyxy[:2]) / np.maximum(
            self.box_xyxy[2:] - self.box_xyxy[:2], 1
        )
        window = self.window
        corners = np.array([[window.x0, window.y0], [window.x1, window.y1]]) - self.box_xyxy[:2]
        (x0, y0), (x1, y1) = np.rint(corners * factors + box_xyxy[:2]).astype(int).tolist()
        return Roi(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))


def observe_persons(detections: Detections, time_ns: int) -> list[PersonObservation]:
    """Return the observations of all persons of a frame."""
    boxes = detections.boxes_xyxy.astype(np.float64)
    persons = []
    for index, (box, mask) in enumerate(zip(boxes, detections.masks, strict=True)):
        window = _find_window(box, mask)
        score, class_id = float(detections.scores[index]), int(detections.class_ids[index])
        part = complete_mask(mask, box)[window.slices].copy()
        persons.append(PersonObservation(time_ns, box, score, class_id, window, part))
    return persons


def to_detections(
    persons: Sequence[PersonObservation],
    width_px: int,
    height_px: int,
    masks: npt.NDArray[np.bool_] | None = None,
) -> Detections:
    """Return the Detections of observed persons.

    Args:
        persons: of one frame.
        width_px: of the image.
        height_px: of the image.
        masks: (N, H, W) bool, of the same persons, to be added to in place. To make new ones takes
            longer than all else that is done to track ten persons; None to do so all the same.
    """
    if masks is None:
        masks = np.zeros((len(persons), height_px, width_px), np.bool_)
    for mask, person in zip(masks, persons, strict=True):
        mask[person.window.slices] |= person.mask
    return Detections(
        boxes_xyxy=np.array([p.box_xyxy for p in persons], np.float32).reshape(-1, 4),
        scores=np.array([p.score for p in persons], np.float32),
        class_ids=np.array([p.class_id for p in persons], np.int64),
        masks=masks,
    )


def _find_window(box_xyxy: BoxXyxy, mask: Mask) -> Roi:
    """Return the smallest Roi of the image that contains box and mask."""
    window = Roi.from_box_xyxy(box_xyxy).clip(mask.shape[1], mask.shape[0])
    # Looking for bounds takes three times as long as counting.
    if cv2.countNonZero(mask.view(np.uint8)) == np.count_nonzero(mask[window.slices]):
        return window
    bounds = Roi.from_mask(mask)
    return bounds if window.is_empty else window.union(bounds)


def _stretch_mask(mask: Mask, target: Roi, part: Roi) -> Mask:
    """Stretch a mask to ``target`` and return (h, w) bool, a part of it."""
    if part == target:  # nearly always, and three times as fast
        wh_px = target.width_px, target.height_px
        resized = cv2.resize(mask.view(np.uint8), wh_px, interpolation=cv2.INTER_NEAREST)
        return np.asarray(resized, np.bool_)
    height_px, width_px = mask.shape
    rows = (np.arange(part.y0, part.y1) - target.y0) * height_px // target.height_px
    columns = (np.arange(part.x0, part.x1) - target.x0) * width_px // target.width_px
    return np.asarray(mask[rows][:, columns])
