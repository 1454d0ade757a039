"""Whether somebody can still be found in an anonymized image."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from anon_ros.core import Mask, RgbImage, Segmenter
from anon_ros.errors import format_error

# Less of a person inside what was replaced: somebody else than those who were.
_INSIDE_RATIO = 0.5


@dataclass(frozen=True)
class MissedPerson:
    """A person outside of what was replaced.

    Attributes:
        box_xyxy: px.
        score: 0..1.
        inside_ratio: share of the person's pixels that were replaced.
    """

    box_xyxy: tuple[float, ...]
    score: float
    inside_ratio: float

    def __str__(self) -> str:
        x0, y0, x1, y1 = (round(side) for side in self.box_xyxy)
        return (
            f"a person at {x0},{y0} to {x1},{y1} px, score {self.score:.2f}, "
            f"{self.inside_ratio:.0%} of it replaced"
        )


@dataclass(frozen=True)
class RedetectionResult:
    """What a second look at an image found.

    Attributes:
        suspects: persons outside of what was replaced.
        lowest_score: of all persons that were found; None without any.
        problem: why nobody could be looked for; empty if it worked.
    """

    suspects: Sequence[MissedPerson] = ()
    lowest_score: float | None = None
    problem: str = ""


@dataclass
class Redetector:
    """Looks at the first of every ``every_nth`` images of a topic.

    A synthetic person is found, too: only those count who are outside of what was replaced.
    """

    segmenter: Segmenter
    every_nth: int
    _seen: Counter[str] = field(default_factory=Counter)

    def is_due(self, topic: str) -> bool:
        """Whether it is this image's turn; to be asked once for each."""
        turn = self._seen[topic] % self.every_nth == 0
        self._seen[topic] += 1
        return turn

    def redetect(self, image: RgbImage, mask: Mask | None) -> RedetectionResult:
        """Find persons.

        Args:
            image: (H, W, 3) uint8 RGB, of the output.
            mask: (H, W) bool, what was replaced; None if nobody can be found there any more.
        """
        try:
            found = self.segmenter.segment(image)
        except Exception as error:  # noqa: BLE001 - whoever is there was not looked for
            return RedetectionResult(problem=f"the second look failed: {format_error(error)}")
        suspects = []
        for box, score, person in zip(found.boxes_xyxy, found.scores, found.masks, strict=True):
            inside = 0.0 if mask is None else float(np.mean(mask[person])) if person.any() else 1.0
            if inside < _INSIDE_RATIO:
                suspects.append(MissedPerson(tuple(box.tolist()), float(score), inside))
        return RedetectionResult(suspects, float(found.scores.min()) if len(found) else None)
