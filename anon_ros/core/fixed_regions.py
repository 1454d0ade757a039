"""Parts of a camera's image that are the same in all frames: always covered, or not searched."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core.masks import PersonRegion, complete_mask, fill_holes
from anon_ros.core.roi import Roi
from anon_ros.core.types import Detections, Mask
from anon_ros.errors import SegmentationError

_MAX_SIZES = 8  # of images, for which the drawn regions are remembered


@dataclass(frozen=True)
class Polygon:
    """A region by its corners: (N, 2) x and y, as ratios of the image's width and height."""

    corners: npt.NDArray[np.float64]

    def draw(self, height_px: int, width_px: int) -> Mask:
        """Return (H, W) bool: the pixels of the polygon, those on its outline included."""
        pixels = np.rint(self.corners * (width_px, height_px))
        pixels = np.minimum(pixels, (width_px - 1, height_px - 1)).astype(np.int32)
        mask = np.zeros((height_px, width_px), np.uint8)
        return np.asarray(cv2.fillPoly(mask, [pixels], 1), np.bool_)


@dataclass(frozen=True)
class MaskImage:
    """A region pixel by pixel.

    Attributes:
        name: for messages.
        mask: (H, W) bool, of the size of the camera's images, not empty.

    Raises:
        ValueError: if it is empty.
    """

    name: str
    mask: Mask

    def __post_init__(self) -> None:
        if not self.mask.any():
            message = f"{self.name} marks no pixel"
            raise ValueError(message)

    def draw(self, height_px: int, width_px: int) -> Mask:
        """Return the mask.

        Raises:
            SegmentationError: if images have another size.
        """
        if self.mask.shape != (height_px, width_px):
            mask_height_px, mask_width_px = self.mask.shape
            message = (
                f"{self.name} has {mask_width_px}x{mask_height_px} px, the image "
                f"{width_px}x{height_px}; a mask image must be as large as the image, or use a "
                "polygon"
            )
            raise SegmentationError(message)
        return self.mask


@dataclass(frozen=True)
class FixedRegions:
    """The regions of a camera.

    Attributes:
        always: covered in every frame.
        never: a person who lies wholly inside of all of them together is ignored.
    """

    always: Sequence[Polygon | MaskImage] = ()
    never: Sequence[Polygon | MaskImage] = ()
    _drawn: dict[tuple[int, int], tuple[list[PersonRegion], Mask | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def cover(self, height_px: int, width_px: int) -> list[PersonRegion]:
        """Return what is always covered, for an image of that size.

        Raises:
            SegmentationError: if a mask image has another size.
        """
        return self._draw(height_px, width_px)[0]

    def draw_never(self, height_px: int, width_px: int) -> Mask | None:
        """Return (H, W) bool, the union of ``never``, for an image of that size; None for none.

        Raises:
            SegmentationError: if a mask image has another size.
        """
        return self._draw(height_px, width_px)[1]

    def find_ignored(self, detections: Detections) -> npt.NDArray[np.bool_]:
        """Return (N,) bool: the detections whose mask lies wholly in ``never``.

        Raises:
            SegmentationError: if a mask image has another size.
        """
        never = self.draw_never(*detections.masks.shape[1:])
        if never is None:
            return np.zeros(len(detections), np.bool_)
        pairs = zip(detections.masks, detections.boxes_xyxy, strict=True)
        inside = [not (complete_mask(*pair) & ~never).any() for pair in pairs]
        return np.array(inside, np.bool_)

    def ignore(self, detections: Detections) -> Detections:
        """Return the detections without those that are ignored; errors as ``find_ignored``."""
        return detections.take(~self.find_ignored(detections)) if self.never else detections

    def _draw(self, height_px: int, width_px: int) -> tuple[list[PersonRegion], Mask | None]:
        """Draw the regions; or return them as they were drawn for an image of that size."""
        drawn = self._drawn.get((width_px, height_px))
        if drawn is None:
            always = [_make_region(shape, height_px, width_px) for shape in self.always]
            never = [shape.draw(height_px, width_px) for shape in self.never]
            drawn = always, np.logical_or.reduce(never) if never else None
            if len(self._drawn) >= _MAX_SIZES:
                self._drawn.clear()
            self._drawn[width_px, height_px] = drawn
        return drawn


def _make_region(shape: Polygon | MaskImage, height_px: int, width_px: int) -> PersonRegion:
    """Return a region that is replaced as it is drawn, without a feather."""
    mask = shape.draw(height_px, width_px)
    bounds = Roi.from_mask(mask)
    part = mask[bounds.slices]
    if isinstance(shape, Polygon):  # an outline may cross itself
        part = fill_holes(part).view(np.bool_)
    return PersonRegion(bounds, bounds, part, part.astype(np.float32))
