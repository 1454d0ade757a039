"""Who of one labelled frame is who in the next: labels carry no identities."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.core import Roi
from anon_ros.metrics.matching import greedy_match

_COST_LIMIT = 1.0
_MISSED_FRAMES = 1


@dataclass(frozen=True)
class _LabelledPerson:
    """A person when last labelled.

    Attributes:
        person: the identity.
        frame: index of the frame.
        centre_px: (2,) x and y of the centre of the mask's bounds.
        length_px: longer side of those bounds.
        step_px: (2,) how far the centre moves per frame; zero for a new person.
    """

    person: int
    frame: int
    centre_px: npt.NDArray[np.float64]
    length_px: float
    step_px: npt.NDArray[np.float64]

    def cost(self, later: "_LabelledPerson") -> float:
        """How far from the expected place, in lengths of the person, plus the change of length."""
        expected_px = self.centre_px + self.step_px * (later.frame - self.frame)
        distance_px = np.linalg.norm(later.centre_px - expected_px)
        length_px = np.sqrt(self.length_px * later.length_px)
        return float(distance_px / length_px + abs(np.log(later.length_px / self.length_px)))

    def moved_to(self, later: "_LabelledPerson") -> "_LabelledPerson":
        step_px = (later.centre_px - self.centre_px) / (later.frame - self.frame)
        return _LabelledPerson(self.person, later.frame, later.centre_px, later.length_px, step_px)


def link_identities(frames: Iterable[npt.NDArray[np.bool_]]) -> list[list[int]]:
    """An identity for every labelled person, from 0 in the order of appearance.

    From frame to frame the cheapest pairs are linked first. A pair costs the distance from where
    the person would be if it walked on as before (a new one: stood still), in lengths of the
    person, plus the logarithm of the ratio of both lengths; at most 1. So frames may be as far
    apart as a person needs for a step of its own height. Who was missed in one frame is still
    remembered in the next.

    Args:
        frames: for each labelled frame, at equal intervals, the (N, H, W) bool instance masks.

    Returns:
        For each frame the identities in the order of its masks.

    Raises:
        ValueError: if a mask has no pixel.
    """
    linked = []
    known: list[_LabelledPerson] = []
    count = 0
    for index, masks in enumerate(frames):
        found = [_seen(mask, index, count + offset) for offset, mask in enumerate(masks)]
        count += len(found)
        known = [seen for seen in known if index - seen.frame <= _MISSED_FRAMES + 1]
        costs = np.array([[seen.cost(later) for later in found] for seen in known])
        for old, new in greedy_match(costs.reshape(len(known), len(found)), _COST_LIMIT):
            found[new] = known[old].moved_to(found[new])
        linked.append([seen.person for seen in found])
        now = set(linked[-1])
        known = [seen for seen in known if seen.person not in now] + found
    return _numbered(linked)


def _seen(mask: npt.NDArray[np.bool_], frame: int, person: int) -> _LabelledPerson:
    roi = Roi.from_mask(mask)
    if roi.is_empty:
        message = f"a mask of frame {frame} has no pixel"
        raise ValueError(message)
    centre_px = np.array([roi.x0 + roi.x1, roi.y0 + roi.y1]) / 2
    return _LabelledPerson(person, frame, centre_px, max(roi.width_px, roi.height_px), np.zeros(2))


def _numbered(linked: list[list[int]]) -> list[list[int]]:
    numbers: dict[int, int] = {}
    return [[numbers.setdefault(person, len(numbers)) for person in frame] for frame in linked]
