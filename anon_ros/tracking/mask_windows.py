"""Masks of a part of an image, and their unions and intersections."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anon_ros.core import Mask, Roi


class MaskWindow(NamedTuple):
    """A part of an image, possibly empty, and (h, w) bool in it."""

    roi: Roi
    mask: Mask


EMPTY_WINDOW = MaskWindow(Roi(0, 0, 0, 0), np.zeros((0, 0), np.bool_))


def union_windows(windows: Sequence[MaskWindow]) -> MaskWindow:
    """Return the union of masks, in the smallest Roi that contains them all."""
    filled = [window for window in windows if window.mask.size]
    if not filled:
        return EMPTY_WINDOW
    bounds = filled[0].roi.union(*(window.roi for window in filled))
    union = np.zeros((bounds.height_px, bounds.width_px), np.bool_)
    for window in filled:
        union[window.roi.relative_to(bounds).slices] |= window.mask
    return MaskWindow(bounds, union)


def intersect_windows(a: MaskWindow, b: MaskWindow) -> MaskWindow:
    """Return the pixels that two masks have in common."""
    overlap = a.roi.intersection(b.roi)
    if overlap.is_empty:
        return EMPTY_WINDOW
    masks = [window.mask[overlap.relative_to(window.roi).slices] for window in (a, b)]
    return MaskWindow(overlap, masks[0] & masks[1])
