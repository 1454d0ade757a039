"""Interface between the tracking and the models."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Tracker(Protocol):
    """Assigns the detections of successive frames of one camera to tracks."""

    def update(
        self, boxes_xyxy: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
    ) -> Sequence[int | None]:
        """Return the track of each detection of the next frame, from 1; None for no track."""
        ...
