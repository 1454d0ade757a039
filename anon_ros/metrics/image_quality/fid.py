"""Frechet distance between two sets of images, by the features of a network."""

import numpy as np
import numpy.typing as npt

from anon_ros.metrics.protocols import Features
from anon_ros.metrics.validation import validate_feature_sets


def frechet_distance(a: Features, b: Features) -> float:
    """Return the Frechet distance of two sets under the assumption that both are normal.

    With Inception's features it is the FID (Heusel et al., "GANs Trained by a Two Time-Scale
    Update Rule Converge to a Local Nash Equilibrium", 2017). It is biased upwards for few images,
    strongly for fewer than there are features. Covariances have n - 1 degrees of freedom.

    The trace of the root of both covariances is computed as a sum of singular values of the
    centered features: no root of a matrix is needed, which would be singular for few images.

    Args:
        a: (N, D), N >= 2.
        b: (M, D), M >= 2.

    Raises:
        ValueError: if there are too few, or the numbers of features differ.
    """
    validate_feature_sets(a, b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    x, y = ((rows - m) / np.sqrt(len(rows) - 1) for rows, m in ((x, mean_x), (y, mean_y)))
    between = np.linalg.svd(_reduce_rows(x) @ _reduce_rows(y).T, compute_uv=False).sum()
    total = np.square(mean_x - mean_y).sum() + np.square(x).sum() + np.square(y).sum()
    return float(max(total - 2 * between, 0.0))


def _reduce_rows(centered: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return at most D rows with the same products of columns."""
    rows, columns = centered.shape
    return centered if rows <= columns else np.asarray(np.linalg.qr(centered, mode="r"))
