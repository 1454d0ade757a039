"""FID, KID and IS against other implementations, on the same features."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_poly, kid_features_to_metric, mmd2
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from anon_ros.metrics import (
    Estimate,
    frechet_distance,
    inception_score,
    jackknife_halves,
    kernel_distance,
)

FRAMES = np.arange(60)
SIZES = [(50, 64), (300, 64), (40, 40), (25, 256)]


class Given(torch.nn.Module):
    """The features are the images."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


def two_sets(count: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(count)
    mixing = random.normal(size=(features, features)) / np.sqrt(features)
    one = random.normal(size=(count, features)) @ mixing
    other = 0.4 + 1.3 * random.normal(size=(count + 7, features)) @ mixing[::-1]
    return one.astype(np.float32), other.astype(np.float32)


@pytest.mark.parametrize(("count", "features"), SIZES)
def test_frechet_distance_equals_torch_fidelity_and_torchmetrics(count: int, features: int) -> None:
    one, other = two_sets(count, features)
    found = frechet_distance(one, other)
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (one, other)]
    fidelity = fid_statistics_to_metric(*statistics, verbose=False)
    assert found == pytest.approx(fidelity["frechet_inception_distance"], rel=1e-3)
    metric = FrechetInceptionDistance(Given(features), input_img_size=(1, 1, features))
    metric.set_dtype(torch.float64)
    for x, is_real in ((one, True), (other, False)):
        metric.update(torch.from_numpy(x.astype(np.float64))[:, None, None], real=is_real)
    assert found == pytest.approx(float(metric.compute()), rel=1e-3)


def test_a_set_is_no_distance_from_itself_and_a_shift_is_its_square() -> None:
    one, _ = two_sets(90, 64)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(one, one + 2) == pytest.approx(4 * 64, rel=1e-4)


@pytest.mark.parametrize(("count", "features"), SIZES)
def test_kernel_distance_equals_torch_fidelity_over_all_images(count: int, features: int) -> None:
    one, other = two_sets(count, features)
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


def test_kernel_distance_of_pairs_leaves_the_pairs_out() -> None:
    """As torch-fidelity's u-statistic; else what has not changed would be far below zero."""
    one, noise = two_sets(50, 64)
    other = one + 0.2 * noise[:50]
    kernels = [kernel_poly(*each) for each in ((one, one), (one, other), (other, other))]
    expected = mmd2(*kernels, mmd_est="u-statistic")
    assert kernel_distance(one, other, paired=True) == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert kernel_distance(one, one, paired=True) == pytest.approx(0, abs=1e-9)
    assert kernel_distance(one, one) < -0.05
    with pytest.raises(ValueError, match="no pairs"):
        kernel_distance(one, other[:49], paired=True)


def test_kernel_distance_of_pairs_is_right_on_average() -> None:
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


@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_inception_score_equals_torch_fidelity_and_torchmetrics(scale: float) -> None:
    logits = (scale * np.random.default_rng(3).normal(size=(120, 50))).astype(np.float32)
    found = inception_score(logits)
    fidelity = isc_features_to_metric(torch.from_numpy(logits).double(), splits=1, shuffle=False)
    assert found == pytest.approx(fidelity["inception_score_mean"], rel=1e-3)
    metric = InceptionScore(Given(50), splits=1)
    metric.update(torch.from_numpy(logits)[:, :, None, None])
    assert found == pytest.approx(float(metric.compute()[0]), rel=1e-3)


def test_the_interval_of_halves_covers_a_known_mean() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        values = random.normal(3, 1, 60)
        found = jackknife_halves(
            lambda chosen, v=values: float(v[chosen].mean()), FRAMES, seed=seed
        )
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 3 <= found.high
    assert 0.9 <= held / 200 <= 0.99


def test_persons_of_one_frame_tell_no_more_than_one_of_them() -> None:
    values = np.random.default_rng(0).normal(size=60)
    alone = jackknife_halves(lambda chosen: float(values[chosen].mean()), FRAMES)
    often = values.repeat(9)
    crowded = jackknife_halves(lambda chosen: float(often[chosen].mean()), FRAMES.repeat(9))
    assert crowded.value == pytest.approx(alone.value)
    widths = [each.high - each.low for each in (alone, crowded)]  # type: ignore[operator]
    assert widths[1] == pytest.approx(widths[0])


def test_an_interval_ends_where_the_statistic_does_and_skips_what_tells_nothing() -> None:
    values = np.random.default_rng(0).exponential(size=60) ** 4
    found = jackknife_halves(lambda chosen: float(values[chosen].mean()), FRAMES, min_value=0.0)
    assert found.low == 0
    seldom = jackknife_halves(lambda chosen: 1.0 if len(chosen) == 60 else None, FRAMES)
    assert seldom == Estimate(1.0)


def test_copies_do_not_widen_what_is_biased_for_few_images() -> None:
    one, other = two_sets(60, 64)
    other = other[:60]
    found = jackknife_halves(lambda chosen: frechet_distance(one[chosen], other[chosen]), FRAMES)
    assert found.value is not None
    assert found.low is not None
    assert 0 < found.value - found.low < found.value
    few = jackknife_halves(lambda chosen: frechet_distance(one[chosen], other[chosen]), FRAMES[:5])
    assert (few.low, few.high) == (None, None)
    assert jackknife_halves(lambda _: 1.0, FRAMES[:1]).value is None


@pytest.mark.parametrize(
    ("one", "other"), [((1, 4), (5, 4)), ((5, 4), (5, 3)), ((0, 0), (5, 4)), ((4,), (4,))]
)
def test_what_cannot_be_compared_is_refused(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="features"):
        frechet_distance(np.zeros(one, np.float32), np.zeros(other, np.float32))
