"""Whether the nearer person ends up on top (arXiv 2410.08551, section 3.3, assumes it)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from anon_ros.core import Detections, PersonRegion

DepthMap = npt.NDArray[np.float32]
"""(H, W) float32, m or any unit that grows with the distance; NaN where it is not known."""


@dataclass(frozen=True)
class PasteOrderResult:
    """How one order of pasting stacked the persons of one scene.

    Attributes:
        overlap_px: pixels that at least two persons replace.
        misordered_px: those of them where somebody is on top who is farther than another of these.
        people_px: pixels that anybody replaces.
        wrong_pairs: pairs of indices, the nearer person first, that were pasted the wrong way
            round, of those that share a pixel.
        pairs: all pairs that share a pixel and are not equally far away.
    """

    overlap_px: int
    misordered_px: int
    people_px: int
    wrong_pairs: frozenset[tuple[int, int]]
    pairs: frozenset[tuple[int, int]]


def order_by_coverage(found: Detections) -> list[int]:
    """The paper's and our order: by ascending number of mask pixels, the last on top."""
    return _ascending([int(np.count_nonzero(mask)) for mask in found.masks])


def order_by_detection(found: Detections) -> list[int]:
    """The order in which the segmenter gives them: by descending score."""
    return list(range(len(found)))


def order_by_box_bottom(found: Detections) -> list[int]:
    """By ascending lower edge: on flat ground feet that are lower in the image are nearer."""
    return _ascending(found.boxes_xyxy[:, 3].tolist())


def order_by_depth(found: Detections, depth: DepthMap) -> list[int]:
    """By descending median depth of the mask; of whom nothing is known first."""
    return _ascending([-_median(depth[mask]) for mask in found.masks])


def evaluate_paste_order(
    regions: Sequence[PersonRegion], order: Sequence[int], depths: Sequence[float]
) -> PasteOrderResult:
    """Paste persons in an order, and look who is on top.

    Args:
        regions: what is replaced of each person.
        order: indices of all of them, the last one on top.
        depths: how far each one really is, in any unit that grows with the distance.
    """
    height_px = max((region.window.y1 for region in regions), default=0)
    width_px = max((region.window.x1 for region in regions), default=0)
    top, nearest = (np.full((height_px, width_px), -1, np.int16) for _ in range(2))
    claims = np.zeros((height_px, width_px), np.uint8)
    for index in order:
        top[regions[index].window.slices][regions[index].mask] = index
    for index in _ascending([-depth for depth in depths]):
        nearest[regions[index].window.slices][regions[index].mask] = index
        claims[regions[index].window.slices][regions[index].mask] += 1
    contested = claims > 1
    farther = np.array(depths)[top] > np.array(depths)[nearest] if len(depths) else contested
    pairs = frozenset(_sharing(regions, depths))
    place = {index: number for number, index in enumerate(order)}
    return PasteOrderResult(
        overlap_px=int(np.count_nonzero(contested)),
        misordered_px=int(np.count_nonzero(contested & farther)),
        people_px=int(np.count_nonzero(claims)),
        wrong_pairs=frozenset(pair for pair in pairs if place[pair[0]] < place[pair[1]]),
        pairs=pairs,
    )


def misorder_cause(
    pair: tuple[int, int],
    *,
    is_child: Sequence[bool],
    inside_ratios: Sequence[float],
    visible_ratios: Sequence[float],
    depths: Sequence[float],
) -> str:
    """Why the nearer of two persons may look smaller: the first reason that applies.

    Args:
        pair: the nearer person, the farther one.
        is_child: of all persons.
        inside_ratios: the share of each person inside the image.
        visible_ratios: of that, the share that nobody hides.
        depths: of all persons, m.
    """
    near, far = pair
    reasons: Mapping[str, bool] = {
        "cut off by the image's border": inside_ratios[near] < _CUT_RATIO,
        "hidden by a third person": visible_ratios[near] < _HIDDEN_RATIO,
        "a child before an adult": is_child[near] and not is_child[far],
        "hardly nearer (less than 15 %)": depths[far] < _HARDLY * depths[near],
    }
    return next((reason for reason, applies in reasons.items() if applies), OTHER)


OTHER = "none of these"
MISORDER_CAUSES = (
    "cut off by the image's border",
    "hidden by a third person",
    "a child before an adult",
    "hardly nearer (less than 15 %)",
    OTHER,
)
_CUT_RATIO, _HIDDEN_RATIO, _HARDLY = 0.9, 0.7, 1.15


def _sharing(regions: Sequence[PersonRegion], depths: Sequence[float]) -> Iterator[tuple[int, int]]:
    for one, other in combinations(range(len(regions)), 2):
        if depths[one] != depths[other] and _share_a_pixel(regions[one], regions[other]):
            yield (one, other) if depths[one] < depths[other] else (other, one)


def _share_a_pixel(one: PersonRegion, other: PersonRegion) -> bool:
    overlap = one.window.intersection(other.window)
    if overlap.is_empty:
        return False
    parts = [region.mask[overlap.relative_to(region.window).slices] for region in (one, other)]
    return bool((parts[0] & parts[1]).any())


def _ascending(values: Sequence[float]) -> list[int]:
    """Indices by ascending value; equal ones keep their order."""
    return [int(index) for index in np.argsort(np.array(values, np.float64), kind="stable")]


def _median(values: npt.NDArray[np.float32]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.inf
