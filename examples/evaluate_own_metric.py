"""Measure something of your own, with an interval, on originals and their anonymized versions.

python examples/evaluate_own_metric.py ORIGINALS/ ANONYMIZED/

The metric here: the correlation of the replaced pixels with the original ones. 1 means that the
structure of the persons is still there, 0 that nothing of it is.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from anon_ros.images import read_samples
from anon_ros.metrics import bootstrap

_MIN_DIFFERENCE = 16  # gray levels; above what JPEG compression changes by itself


def structure_correlation(original: Path, anonymized: Path) -> float:
    """Return the correlation over the replaced pixels of an image pair; NaN without any."""
    before, after = (read_samples(path, cv2.IMREAD_GRAYSCALE) for path in (original, anonymized))
    assert before is not None, f"{original} is no image"
    assert after is not None, f"{anonymized} is no image"
    is_replaced = cv2.absdiff(before, after) > _MIN_DIFFERENCE
    if np.count_nonzero(is_replaced) < 2:  # noqa: PLR2004 - no correlation of one pixel
        return float("nan")
    return float(np.corrcoef(before[is_replaced], after[is_replaced])[0, 1])


def main(originals: str, anonymized: str) -> int:
    """Print the mean over all images with its 95 % confidence interval."""
    pairs = [(Path(originals) / path.name, path) for path in sorted(Path(anonymized).glob("*.jpg"))]
    values = np.array([structure_correlation(*pair) for pair in pairs])
    values = values[~np.isnan(values)]
    if not len(values):
        print(f"nothing was replaced in {len(pairs)} images", file=sys.stderr)
        return 1
    # Frames are resampled, since they are what is independent here; persons or pixels are not.
    mean = bootstrap(lambda indices: float(values[indices].mean()), len(values))
    interval = "" if mean.low is None else f" ({mean.low:.3f} to {mean.high:.3f})"
    print(f"structure correlation {mean.value:.3f}{interval} over {len(values)} images")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
