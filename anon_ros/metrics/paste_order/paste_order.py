"""Paste orders, and their errors: farther persons on top (arXiv 2410.08551, section 3.3)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from anon_ros.core import Detections, PersonRegion

DepthMap = npt.NDArray[np.float32]
"""(H, W) float32, m or any unit that grows with the distance; NaN where it is unknown."""


@dataclass(frozen=True)
class PasteOrderResult:
    """The result of a paste order for the persons of a scene.

    Attributes:
        overlap_px: pixels that two or more persons replace.
        misordered_px: pixels of the overlap in which a farther person is on top of a nearer one.
        replaced_px: pixels that any person replaces.
        misordered_pairs: those of ``pairs`` in which the nearer person was pasted first.
        pairs: pairs of indices, the nearer person first, that share a pixel and are not equally
            far away.
    """

    overlap_px: int
    misordered_px: int
    replaced_px: int
    misordered_pairs: frozenset[tuple[int, int]]
    pairs: frozenset[tuple[int, int]]


def order_by_coverage(detections: Detections) -> list[int]:
    """Order by ascending number of mask pixels, the last on top: the paper's and our order."""
    return _sort_indices([int(np.count_nonzero(mask)) for mask in detections.masks])


def order_by_detection(detections: Detections) -> list[int]:
    """Order by descending score, as the segmenter returns them."""
    return list(range(len(detections)))


def order_by_box_bottom(detections: Detections) -> list[int]:
    """Order by ascending lower edge: on flat ground, lower feet in the image are nearer."""
    return _sort_indices(detections.boxes_xyxy[:, 3].tolist())


def order_by_depth(detections: Detections, depth: DepthMap) -> list[int]:
    """Order by descending median depth of the mask; persons without depth first."""
    return _sort_indices([-_compute_median(depth[mask]) for mask in detections.masks])


def evaluate_paste_order(
    regions: Sequence[PersonRegion], order: Sequence[int], depths: Sequence[float]
) -> PasteOrderResult:
    """Paste persons in an order and compare the top person of every pixel with the nearest.

    Args:
        regions: of the persons.
        order: indices of all regions, the last on top.
        depths: true distance of the persons, in any unit that grows with it.
    """
    height_px = max((region.window.y1 for region in regions), default=0)
    width_px = max((region.window.x1 for region in regions), default=0)
    top, nearest = (np.full((height_px, width_px), -1, np.int16) for _ in range(2))
    num_persons = np.zeros((height_px, width_px), np.uint8)
    for index in order:
        top[regions[index].window.slices][regions[index].mask] = index
    for index in _sort_indices([-depth for depth in depths]):
        nearest[regions[index].window.slices][regions[index].mask] = index
        num_persons[regions[index].window.slices][regions[index].mask] += 1
    overlap = num_persons > 1
    is_misordered = np.array(depths)[top] > np.array(depths)[nearest] if len(depths) else overlap
    pairs = frozenset(_find_overlapping_pairs(regions, depths))
    position = {index: number for number, index in enumerate(order)}
    return PasteOrderResult(
        overlap_px=int(np.count_nonzero(overlap)),
        misordered_px=int(np.count_nonzero(overlap & is_misordered)),
        replaced_px=int(np.count_nonzero(num_persons)),
        misordered_pairs=frozenset(pair for pair in pairs if position[pair[0]] < position[pair[1]]),
        pairs=pairs,
    )


def find_misorder_cause(
    pair: tuple[int, int],
    *,
    is_child: Sequence[bool],
    inside_ratios: Sequence[float],
    visible_ratios: Sequence[float],
    depths: Sequence[float],
) -> str:
    """Return the first cause that applies for a nearer person who looks smaller.

    Args:
        pair: indices of the nearer and the farther person.
        is_child: of all persons.
        inside_ratios: ratio of every person inside the image.
        visible_ratios: ratio of the inside part that nobody hides.
        depths: of all persons, m.
    """
    near, far = pair
    causes: Mapping[str, bool] = {
        "cut off by the image's border": inside_ratios[near] < _MIN_INSIDE_RATIO,
        "hidden by a third person": visible_ratios[near] < _MIN_VISIBLE_RATIO,
        "a child before an adult": is_child[near] and not is_child[far],
        "hardly nearer (less than 15 %)": depths[far] < _MIN_DEPTH_RATIO * depths[near],
    }
    return next((cause for cause, applies in causes.items() if applies), _NO_CAUSE)


_NO_CAUSE = "none of these"
MISORDER_CAUSES = (
    "cut off by the image's border",
    "hidden by a third person",
    "a child before an adult",
    "hardly nearer (less than 15 %)",
    _NO_CAUSE,
)
_MIN_INSIDE_RATIO, _MIN_VISIBLE_RATIO, _MIN_DEPTH_RATIO = 0.9, 0.7, 1.15


def _find_overlapping_pairs(
    regions: Sequence[PersonRegion], depths: Sequence[float]
) -> Iterator[tuple[int, int]]:
    for a, b in combinations(range(len(regions)), 2):
        if depths[a] != depths[b] and _has_common_pixel(regions[a], regions[b]):
            yield (a, b) if depths[a] < depths[b] else (b, a)


def _has_common_pixel(a: PersonRegion, b: PersonRegion) -> bool:
    overlap = a.window.intersection(b.window)
    if overlap.is_empty:
        return False
    parts = [region.mask[overlap.relative_to(region.window).slices] for region in (a, b)]
    return bool((parts[0] & parts[1]).any())


def _sort_indices(values: Sequence[float]) -> list[int]:
    """Return the indices by ascending value; equal values stay in order."""
    return [int(index) for index in np.argsort(np.array(values, np.float64), kind="stable")]


def _compute_median(values: npt.NDArray[np.float32]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else np.inf
