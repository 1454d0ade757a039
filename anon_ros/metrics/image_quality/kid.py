"""Kernel distance between two sets of images, by the features of a network."""

import numpy as np
import numpy.typing as npt

from anon_ros.metrics.protocols import Features
from anon_ros.metrics.validation import validate_feature_sets

_DEGREE = 3
_BLOCK_ROWS = 256


def kernel_distance(a: Features, b: Features, *, paired: bool = False) -> float:
    """Return the squared maximum mean discrepancy with a cubic kernel, unbiased for few images.

    With Inception's features it is the KID (Binkowski et al., "Demystifying MMD GANs", 2018), here
    over all images at once. It may be slightly below 0.

    It is unbiased for independent sets. An original and its anonymized version are not
    independent: pairs are more alike than images of the two sets, which would lower the distance
    far below 0 for few images. So the kernel of a pair is left out, like that of an image with
    itself.

    Args:
        a: (N, D), N >= 2.
        b: (M, D), M >= 2.
        paired: each row of ``a`` is a version of the same row of ``b``.

    Raises:
        ValueError: if there are too few, the numbers of features differ, or those of pairs.
    """
    validate_feature_sets(a, b)
    if paired and len(a) != len(b):
        message = f"features {a.shape} and {b.shape} are no pairs"
        raise ValueError(message)
    x, y = a.astype(np.float64), b.astype(np.float64)
    within = sum(_average_kernel(rows, rows, paired=True) for rows in (x, y))
    return within - 2 * _average_kernel(x, y, paired=paired)


def _average_kernel(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], *, paired: bool
) -> float:
    """Return the mean over all pairs of rows; ``paired``: without rows of the same index."""
    starts = range(0, len(a), _BLOCK_ROWS)  # all at once would be gigabytes
    total = sum(float(_apply_kernel(a[i : i + _BLOCK_ROWS] @ b.T, a).sum()) for i in starts)
    if not paired:
        return total / (len(a) * len(b))
    pairs = float(_apply_kernel(np.einsum("ij,ij->i", a, b), a).sum())
    return (total - pairs) / (len(a) * (len(a) - 1))


def _apply_kernel(
    products: npt.NDArray[np.float64], features: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.asarray((products / features.shape[1] + 1) ** _DEGREE)
