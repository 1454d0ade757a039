"""Rectangles of pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Roi:
    """Half-open integer rectangle [x0, x1) x [y0, y1) in image pixels.

    It may reach outside the image.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def from_box_xyxy(cls, box_xyxy: npt.NDArray[Any] | Sequence[float]) -> "Roi":
        """Return the pixels that a box of 4 finite numbers, in px, touches."""
        x0, y0, x1, y1 = box_xyxy
        return cls(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))

    @classmethod
    def from_mask(cls, mask: npt.NDArray[np.bool_], align_px: int = 1) -> "Roi":
        """Return the bounds of an (H, W) bool mask; empty if the mask is.

        Args:
            mask: any.
            align_px: side of the cells of the image (2 where chroma is subsampled) to which the
                bounds are enlarged, as far as the image reaches; 1 for tight bounds.
        """
        x0, y0, width_px, height_px = cv2.boundingRect(mask.view(np.uint8))
        x1, y1 = x0 + width_px, y0 + height_px
        aligned = cls(
            *(start // align_px * align_px for start in (x0, y0)),
            *(-(-stop // align_px) * align_px for stop in (x1, y1)),
        )
        return aligned.clip(mask.shape[1], mask.shape[0])

    @property
    def width_px(self) -> int:
        return self.x1 - self.x0

    @property
    def height_px(self) -> int:
        return self.y1 - self.y0

    @property
    def is_empty(self) -> bool:
        return self.x1 <= self.x0 or self.y1 <= self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this Roi in an (H, W, ...) array. Only valid for a Roi inside the array."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def clip(self, width_px: int, height_px: int) -> "Roi":
        """Return the part inside an image of width_px x height_px, possibly empty."""
        x0, x1 = (min(max(x, 0), width_px) for x in (self.x0, self.x1))
        y0, y1 = (min(max(y, 0), height_px) for y in (self.y0, self.y1))
        return Roi(x0, y0, x1, y1)

    def contains(self, roi: "Roi") -> bool:
        """Return True if all of ``roi`` lies in this Roi."""
        inside = self.x0 <= roi.x0 and roi.x1 <= self.x1
        return inside and self.y0 <= roi.y0 and roi.y1 <= self.y1

    def intersection(self, roi: "Roi") -> "Roi":
        """Return the part that both have in common, possibly empty."""
        x0, y0 = max(self.x0, roi.x0), max(self.y0, roi.y0)
        return Roi(x0, y0, min(self.x1, roi.x1), min(self.y1, roi.y1))

    def union(self, *rois: "Roi") -> "Roi":
        """Return the smallest Roi that contains this one and ``rois``."""
        corners = [(roi.x0, roi.y0, roi.x1, roi.y1) for roi in (self, *rois)]
        x0s, y0s, x1s, y1s = zip(*corners, strict=True)
        return Roi(min(x0s), min(y0s), max(x1s), max(y1s))

    def expand(self, margin_px: int) -> "Roi":
        """Return this Roi with a margin on all four sides."""
        return Roi(
            self.x0 - margin_px, self.y0 - margin_px, self.x1 + margin_px, self.y1 + margin_px
        )

    def relative_to(self, origin: "Roi") -> "Roi":
        """Return this Roi in the coordinates of an array that was cut out at ``origin``."""
        return Roi(
            self.x0 - origin.x0, self.y0 - origin.y0, self.x1 - origin.x0, self.y1 - origin.y0
        )
