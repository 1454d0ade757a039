"""Persons found in several tiles of an image, each once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anon_ros.core import Detections, Mask, Roi, complete_mask

# Of the smaller mask. Neighbors hide each other and share few pixels, unlike two views of a person.
_SAME_MIN_OVERLAP = 0.5
# A box that ends at most this far, px, from a side of the tile which is not one of the image's.
_CUT_MARGIN_PX = 2.0


@dataclass
class _Person:
    """A person in image coordinates; ``mask`` fills ``window``."""

    tiles: set[int]
    box_xyxy: npt.NDArray[np.float32]
    score: np.float32
    class_id: np.int64
    window: Roi
    mask: Mask
    is_cut: bool

    def count_common_px(self, view: "_Person") -> int:
        common = self.window.intersection(view.window)
        if common.is_empty:
            return 0
        parts = (p.mask[common.relative_to(p.window).slices] for p in (self, view))
        return int(np.count_nonzero(np.logical_and(*parts)))

    def is_same(self, view: "_Person") -> bool:
        """Return True if two tiles show the same person; one tile shows nobody twice."""
        if self.tiles & view.tiles:
            return False
        smaller_px = min(np.count_nonzero(self.mask), np.count_nonzero(view.mask))
        return bool(self.count_common_px(view) > _SAME_MIN_OVERLAP * smaller_px)

    def is_small_part(self, view: "_Person") -> bool:
        """Return True if the view mostly shows something else."""
        common_px = self.count_common_px(view)
        return bool(common_px <= _SAME_MIN_OVERLAP * np.count_nonzero(view.mask))

    def join(self, view: "_Person") -> None:
        """Add another view of the person."""
        window = self.window.union(view.window)
        mask = np.zeros((window.height_px, window.width_px), np.bool_)
        for part in (self, view):
            mask[part.window.relative_to(window).slices] |= part.mask
        if view.score > self.score:
            self.score, self.class_id = view.score, view.class_id
        boxes = np.stack([self.box_xyxy, view.box_xyxy])
        self.box_xyxy = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        self.window, self.mask = window, mask
        self.tiles |= view.tiles

    def without(self, neighbors: Sequence["_Person"]) -> "_Person":
        """Return the person without the pixels of neighbors."""
        mask = self.mask.copy()
        for neighbor in neighbors:
            common = self.window.intersection(neighbor.window)
            if not common.is_empty:
                part = neighbor.mask[common.relative_to(neighbor.window).slices]
                mask[common.relative_to(self.window).slices] &= ~part
        return replace(self, mask=mask)


def join_tiles(
    grids: Sequence[Sequence[Roi]],
    detections: Sequence[Detections],
    height_px: int,
    width_px: int,
    confidence: float,
) -> Detections:
    """Return the persons of all tiles, the most likely first, each with the pixels of all views.

    Persons are taken from the smallest tiles, which tell neighbors apart best, and parts of persons
    at a seam last. A view that shows several of them as one belongs to the one it shows most of,
    without the pixels of the rest, who are as likely as it then: so at any threshold at least
    the pixels of the views above it are covered.

    Args:
        grids: tiles by grid, the smallest first.
        detections: in each of the tiles, in their order.
        height_px: of the image.
        width_px: of the image.
        confidence: score below which a view is joined only to whom it mostly shows.
    """
    tiles = [tile for grid in grids for tile in grid]
    image = Roi(0, 0, width_px, height_px)
    views = [
        view
        for index, (tile, part) in enumerate(zip(tiles, detections, strict=True))
        for view in _iter_views(index, tile, part, image)
    ]
    threshold = np.float32(confidence)  # as the detector compares
    views.sort(key=lambda view: (view.score < threshold, view.is_cut))  # stable
    persons: list[_Person] = []
    for view in views:
        is_weak = bool(view.score < threshold)
        same = [p for p in persons if p.is_same(view) and not (is_weak and p.is_small_part(view))]
        if not same:
            persons.append(view)
            continue
        best = max(same, key=view.count_common_px)
        rest = [person for person in same if person is not best]
        for person in rest:
            person.score = max(person.score, view.score)
        best.join(view.without(rest))
    return _to_detections(persons, height_px, width_px)


def _iter_views(index: int, tile: Roi, detections: Detections, image: Roi) -> Iterator[_Person]:
    offset = np.array([tile.x0, tile.y0] * 2, np.float32)
    fields = (detections.boxes_xyxy, detections.scores, detections.class_ids, detections.masks)
    for box, score, class_id, mask in zip(*fields, strict=True):
        # Joined, masks that missed the person would not seem to have.
        completed = complete_mask(mask, box)
        bounds = Roi.from_mask(completed)
        window = bounds.relative_to(Roi(-tile.x0, -tile.y0, 0, 0))
        pixels = completed[bounds.slices].copy()
        is_cut = _is_cut(box + offset, tile, image)
        yield _Person({index}, box + offset, score, class_id, window, pixels, is_cut)


def _is_cut(box_xyxy: npt.NDArray[np.float32], tile: Roi, image: Roi) -> bool:
    """Return True if the person may go on beyond the tile."""
    sides = zip(box_xyxy, vars(tile).values(), vars(image).values(), strict=True)
    return any(
        side != image_side and abs(box_side - side) <= _CUT_MARGIN_PX
        for box_side, side, image_side in sides
    )


def _to_detections(persons: list[_Person], height_px: int, width_px: int) -> Detections:
    persons.sort(key=lambda person: -person.score)
    masks = np.zeros((len(persons), height_px, width_px), np.bool_)
    for mask, person in zip(masks, persons, strict=True):
        mask[person.window.slices] = person.mask
    return Detections(
        np.array([p.box_xyxy for p in persons], np.float32).reshape(-1, 4),
        np.array([p.score for p in persons], np.float32),
        np.array([p.class_id for p in persons], np.int64),
        masks,
    )
