"""The Inception score against other implementations."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric
from torchmetrics.image.inception import InceptionScore

from anon_ros.metrics import (
    inception_score,
)
from helpers.features import IdentityFeatures


@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_inception_score_equals_libraries(scale: float) -> None:
    logits = (scale * np.random.default_rng(3).normal(size=(120, 50))).astype(np.float32)
    found = inception_score(logits)
    fidelity = isc_features_to_metric(torch.from_numpy(logits).double(), splits=1, shuffle=False)
    assert found == pytest.approx(fidelity["inception_score_mean"], rel=1e-3)
    metric = InceptionScore(IdentityFeatures(50), splits=1)
    metric.update(torch.from_numpy(logits)[:, :, None, None])
    assert found == pytest.approx(float(metric.compute()[0]), rel=1e-3)
