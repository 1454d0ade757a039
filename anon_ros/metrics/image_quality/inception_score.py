"""Inception score of a set of images."""

import numpy as np

from anon_ros.metrics.protocols import Features


def inception_score(logits: Features) -> float:
    """Return the exponential of the mean divergence of an image's classes from those of all.

    (Salimans et al., "Improved Techniques for Training GANs", 2016.) Over all images at once;
    published figures are often means of ten parts, which are lower.

    Args:
        logits: (N, classes), before the softmax, N >= 1.
    """
    logs = logits.astype(np.float64)
    logs -= logs.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    probabilities = np.exp(logs)
    mean = probabilities.mean(axis=0)
    log_mean = np.log(np.maximum(mean, np.finfo(np.float64).tiny))
    return float(np.exp((probabilities * (logs - log_mean)).sum(axis=1).mean()))
