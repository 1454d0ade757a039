"""KID against torch-fidelity, and its paired form."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kernel_poly, kid_features_to_metric, mmd2

from anon_ros.metrics import (
    kernel_distance,
)
from helpers.features import make_feature_sets

SIZES = [(50, 64), (300, 64), (40, 40), (25, 256)]


@pytest.mark.parametrize(("count", "features"), SIZES)
def test_kid_equals_torch_fidelity(count: int, features: int) -> None:
    one, other = make_feature_sets(count, features)
    other = other[:count]
    fidelity = kid_features_to_metric(
        torch.from_numpy(one),
        torch.from_numpy(other),
        kid_subsets=1,
        kid_subset_size=count,
        kid_kernel="poly",
        verbose=False,
    )
    expected = fidelity["kernel_inception_distance_mean"]
    assert kernel_distance(one, other) == pytest.approx(expected, rel=1e-3)


def test_paired_kid_leaves_pairs_out() -> None:
    """A u-statistic, as torch-fidelity's; otherwise equal sets would be far below zero."""
    one, noise = make_feature_sets(50, 64)
    other = one + 0.2 * noise[:50]
    kernels = [kernel_poly(*each) for each in ((one, one), (one, other), (other, other))]
    expected = mmd2(*kernels, mmd_est="u-statistic")
    assert kernel_distance(one, other, paired=True) == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert kernel_distance(one, one, paired=True) == pytest.approx(0, abs=1e-9)
    assert kernel_distance(one, one) < -0.05
    with pytest.raises(ValueError, match="no pairs"):
        kernel_distance(one, other[:49], paired=True)


def test_paired_kid_unbiased() -> None:
    """Over many small sets of pairs, as over one large set; not so as strangers."""
    random = np.random.default_rng(0)

    def pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
        one = random.normal(size=(count, 8))
        return one, 0.9 * one + 0.3 + 0.3 * random.normal(size=(count, 8))

    truth = kernel_distance(*pairs(4000))
    drawn = [pairs(12) for _ in range(400)]
    as_pairs = [kernel_distance(*each, paired=True) for each in drawn]
    as_strangers = [kernel_distance(*each) for each in drawn]
    error = float(np.std(as_pairs) / np.sqrt(len(drawn)))
    assert abs(np.mean(as_pairs) - truth) < 4 * error
    assert np.mean(as_strangers) < truth - 10 * error
