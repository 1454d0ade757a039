"""FID against other implementations."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from anon_ros.metrics import (
    frechet_distance,
)
from helpers.features import IdentityFeatures, make_feature_sets

SIZES = [(50, 64), (300, 64), (40, 40), (25, 256)]


@pytest.mark.parametrize(("count", "features"), SIZES)
def test_fid_equals_other_libraries(count: int, features: int) -> None:
    one, other = make_feature_sets(count, features)
    found = frechet_distance(one, other)
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (one, other)]
    fidelity = fid_statistics_to_metric(*statistics, verbose=False)
    assert found == pytest.approx(fidelity["frechet_inception_distance"], rel=1e-3)
    metric = FrechetInceptionDistance(IdentityFeatures(features), input_img_size=(1, 1, features))
    metric.set_dtype(torch.float64)
    for x, is_real in ((one, True), (other, False)):
        metric.update(torch.from_numpy(x.astype(np.float64))[:, None, None], real=is_real)
    assert found == pytest.approx(float(metric.compute()), rel=1e-3)


def test_fid_of_shift_is_its_square() -> None:
    one, _ = make_feature_sets(90, 64)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(one, one + 2) == pytest.approx(4 * 64, rel=1e-4)


@pytest.mark.parametrize(
    ("one", "other"), [((1, 4), (5, 4)), ((5, 4), (5, 3)), ((0, 0), (5, 4)), ((4,), (4,))]
)
def test_fid_rejects_other_features(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="features"):
        frechet_distance(np.zeros(one, np.float32), np.zeros(other, np.float32))
