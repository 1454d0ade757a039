"""Linking of labelled persons over frames, since labels carry no identities."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.core import Roi
from anon_ros.metrics.matching import match_greedily

_MAX_COST = 1.0
_MAX_MISSED_FRAMES = 1


@dataclass(frozen=True)
class _LabelledPerson:
    """A person in the last frame in which they were labelled.

    Attributes:
        person: the identity.
        frame: index of the frame.
        center_px: (2,) x and y of the center of the mask's bounds.
        length_px: longer side of those bounds.
        step_px: (2,) movement of the center per frame; zero for a new person.
    """

    person: int
    frame: int
    center_px: npt.NDArray[np.float64]
    length_px: float
    step_px: npt.NDArray[np.float64]

    def compute_cost(self, later: "_LabelledPerson") -> float:
        """Return the distance from the expected place in lengths, plus the change of length."""
        expected_px = self.center_px + self.step_px * (later.frame - self.frame)
        distance_px = np.linalg.norm(later.center_px - expected_px)
        length_px = np.sqrt(self.length_px * later.length_px)
        return float(distance_px / length_px + abs(np.log(later.length_px / self.length_px)))

    def move_to(self, later: "_LabelledPerson") -> "_LabelledPerson":
        step_px = (later.center_px - self.center_px) / (later.frame - self.frame)
        return _LabelledPerson(self.person, later.frame, later.center_px, later.length_px, step_px)


def link_identities(frames: Iterable[npt.NDArray[np.bool_]]) -> list[list[int]]:
    """Return an identity for every labelled person, from 0 in the order of appearance.

    From frame to frame the cheapest pairs are linked first. The cost of a pair is the distance
    from the place that the person would reach by walking on as before (a new person: by standing
    still), in lengths of the person, plus the logarithm of the ratio of both lengths; 1 at most.
    So frames may be as far apart as a person needs for a step of their own height. A person who
    was missed in a single frame is linked with the next.

    Args:
        frames: (N, H, W) bool instance masks of every labelled frame, at equal intervals.

    Returns:
        By frame, the identities in the order of its masks.

    Raises:
        ValueError: if a mask has no pixel.
    """
    linked = []
    active: list[_LabelledPerson] = []
    num_persons = 0
    for index, masks in enumerate(frames):
        current = [
            _observe_person(mask, index, num_persons + offset) for offset, mask in enumerate(masks)
        ]
        num_persons += len(current)
        active = [
            observation
            for observation in active
            if index - observation.frame <= _MAX_MISSED_FRAMES + 1
        ]
        costs = np.array([[earlier.compute_cost(later) for later in current] for earlier in active])
        for old, new in match_greedily(costs.reshape(len(active), len(current)), _MAX_COST):
            current[new] = active[old].move_to(current[new])
        linked.append([observation.person for observation in current])
        linked_ids = set(linked[-1])
        active = [old for old in active if old.person not in linked_ids] + current
    return _make_consecutive(linked)


def _observe_person(mask: npt.NDArray[np.bool_], frame: int, person: int) -> _LabelledPerson:
    roi = Roi.from_mask(mask)
    if roi.is_empty:
        message = f"a mask of frame {frame} has no pixel"
        raise ValueError(message)
    center_px = np.array([roi.x0 + roi.x1, roi.y0 + roi.y1]) / 2
    return _LabelledPerson(person, frame, center_px, max(roi.width_px, roi.height_px), np.zeros(2))


def _make_consecutive(linked: list[list[int]]) -> list[list[int]]:
    numbers: dict[int, int] = {}
    return [[numbers.setdefault(person, len(numbers)) for person in frame] for frame in linked]
