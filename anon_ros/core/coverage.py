"""Back-to-front order: the larger a person appears, the nearer (arXiv 2410.08551, section 3.3)."""

import numpy as np
import numpy.typing as npt

from anon_ros.core.types import Detections


def coverage_px(detections: Detections) -> npt.NDArray[np.int64]:
    """Return (N,) the number of pixels of each instance mask."""
    return np.array([np.count_nonzero(mask) for mask in detections.masks], np.int64)


def coverage_order(coverage: npt.NDArray[np.int64]) -> list[int]:
    """Return indices by ascending coverage, the largest last (on top); equals keep their order."""
    return [int(index) for index in np.argsort(coverage, kind="stable")]
