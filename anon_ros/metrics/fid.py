"""How far two sets of images are from each other, by what a network sees in them."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from anon_ros.metrics.intervals import Estimate, t_quantile
from anon_ros.metrics.protocols import Features

_KERNEL_DEGREE = 3
_MANY = 1000
_ROWS = 256
_LEAST = 4
_TWO = 2  # no distance is of one image


def frechet_distance(one: Features, other: Features) -> float:
    """The Frechet distance of two sets, each taken to be normal.

    With Inception's features it is the FID (Heusel et al., "GANs Trained by a Two Time-Scale
    Update Rule Converge to a Local Nash Equilibrium", 2017). It is biased upwards for few images,
    and much so for fewer than there are features. Covariances of n - 1, as everywhere.

    The trace of the root of both covariances is taken as a sum of singular values of the centred
    features, which needs no root of a matrix that is singular for few images.

    Args:
        one: (N, D), N >= 2.
        other: (M, D), M >= 2.

    Raises:
        ValueError: if there are too few, or the numbers of features differ.
    """
    _check(one, other)
    a, b = one.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = ((x - m) / np.sqrt(len(x) - 1) for x, m in ((a, mean_a), (b, mean_b)))
    between = np.linalg.svd(_reduce_rows(a) @ _reduce_rows(b).T, compute_uv=False).sum()
    apart = np.square(mean_a - mean_b).sum() + np.square(a).sum() + np.square(b).sum()
    return float(max(apart - 2 * between, 0.0))


def kernel_distance(one: Features, other: Features, *, paired: bool = False) -> float:
    """The squared maximum mean discrepancy with a cubic kernel, unbiased for any number of images.

    With Inception's features it is the KID (Binkowski et al., "Demystifying MMD GANs", 2018), here
    over all images at once. It may be a little below 0.

    Unbiased it is for independent sets. An original and its anonymized version are not: as pairs
    they are more alike than images of both sets are, which would take the distance far below 0 for
    few images. So the kernel of each pair is left out, as that of each image with itself is.

    Args:
        one: (N, D), N >= 2.
        other: (M, D), M >= 2.
        paired: each row of one is another version of the same row of the other.

    Raises:
        ValueError: if there are too few, the numbers of features differ, or those of pairs.
    """
    _check(one, other)
    if paired and len(one) != len(other):
        message = f"features {one.shape} and {other.shape} are no pairs"
        raise ValueError(message)
    a, b = one.astype(np.float64), other.astype(np.float64)
    own = sum(_mean_kernel(x, x, paired=True) for x in (a, b))
    return own - 2 * _mean_kernel(a, b, paired=paired)


def inception_score(logits: Features) -> float:
    """Exp of the mean divergence of each image's classes from those of all (Salimans et al., 2016).

    Over all images at once; published figures are often means of ten parts, which are lower.

    Args:
        logits: (N, classes), before the softmax, N >= 1.
    """
    logs = logits.astype(np.float64)
    logs -= logs.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    shares = np.exp(logs)
    mean = shares.mean(axis=0)
    log_mean = np.log(np.maximum(mean, np.finfo(np.float64).tiny))
    return float(np.exp((shares * (logs - log_mean)).sum(axis=1).mean()))


def jackknife_halves(
    statistic: Callable[[npt.NDArray[np.int64]], float | None],
    frames: npt.NDArray[np.int64],
    least: float = -np.inf,
    seed: int = 0,
) -> Estimate:
    """A statistic that is biased for few images, with an interval from random halves.

    Resampling with replacement would add that bias to the interval: copies look like a smaller
    set. The spread of the statistic over halves without replacement estimates its standard error
    (the delete-d jackknife with d = n / 2; Shao and Wu, 1989); their bias, which is larger, does
    not count.

    Args:
        statistic: of indices of images, the same ones of both sets; None if they are too few.
        frames: (N,) of each image, which frame it is of. Persons in one frame share its light and
            place, so halves are of frames.
        least: that the statistic can be.
        seed: of the halves.
    """
    value = statistic(np.arange(len(frames))) if len(frames) >= _TWO else None
    known = np.unique(frames)
    if value is None or len(known) < 2 * _LEAST:
        return Estimate(value)
    random = np.random.default_rng(seed)
    drawn: list[float | None] = []
    rounds = 50 if len(frames) <= _MANY else 10
    half = len(known) // 2
    for _ in range(rounds):
        chosen = np.isin(frames, random.permutation(known)[:half])
        drawn.append(statistic(np.flatnonzero(chosen)))
    found = [each for each in drawn if each is not None]
    if len(found) < _TWO:
        return Estimate(value)
    reach = (
        t_quantile(rounds - 1)
        * math.sqrt(half / (len(known) - half))
        * float(np.std(found, ddof=1))
    )
    return Estimate(value, max(least, value - reach), value + reach)


def _reduce_rows(centred: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """At most D rows with the same products of columns."""
    rows, columns = centred.shape
    return centred if rows <= columns else np.asarray(np.linalg.qr(centred, mode="r"))


def _mean_kernel(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], *, paired: bool
) -> float:
    """Of all rows of both; ``paired``: of all but those of the same number."""
    starts = range(0, len(one), _ROWS)  # all at once would be gigabytes
    total = sum(float(_kernel(one[i : i + _ROWS] @ other.T, one).sum()) for i in starts)
    if not paired:
        return total / (len(one) * len(other))
    pairs = float(_kernel(np.einsum("ij,ij->i", one, other), one).sum())
    return (total - pairs) / (len(one) * (len(one) - 1))


def _kernel(
    products: npt.NDArray[np.float64], features: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.asarray((products / features.shape[1] + 1) ** _KERNEL_DEGREE)


def _check(one: Features, other: Features) -> None:
    if one.ndim != 2 or one.shape[1:] != other.shape[1:] or min(len(one), len(other)) < 2:  # noqa: PLR2004
        message = f"features {one.shape} and {other.shape}, expected (N, D) and (M, D), N, M >= 2"
        raise ValueError(message)
