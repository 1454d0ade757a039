"""Tables, plots and summary of image quality."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from anon_ros.evaluation.embedders import INCEPTION
from anon_ros.evaluation.image_statistics import ImageMetrics, ImageStatistics
from anon_ros.evaluation.report.model import Cell, Plot, Table
from anon_ros.evaluation.report.plots import plot_bars
from anon_ros.evaluation.report.tables import format_estimate
from anon_ros.metrics import (
    Estimate,
    Features,
    bootstrap_ratio,
    frechet_distance,
    inception_score,
    jackknife_halves,
    kernel_distance,
)
from anon_ros.models import NUM_FEATURES

ORIGINAL = "original"
_HALVES = "original, odd against even"
_ZERO = Estimate(0.0)
_MIN_IMAGES = 2  # a single image has no distance
_MIN_IMAGES_FOR_IS = 5000
_SETS_LIMITATION = (
    "Distances are between sets of images: they do not tell whether a person looks natural, nor "
    "whether two look alike."
)
_VIDEO_LIMITATION = (
    "Frames of one video are alike: the intervals are narrower than those of as many places would "
    "be."
)
_FEATURES_LIMITATION = (
    "Frechet distances on other features than Inception's are no FID, and are to be compared "
    "within this report alone."
)
Values = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
StatisticsByMethod = Mapping[str, ImageStatistics]
"""By method, with ORIGINAL."""


@dataclass(frozen=True)
class QualityScores:
    """Scores of one kind of image, anonymized with one method, against the originals.

    Attributes:
        images: number of images.
        distances: by network, Frechet and kernel distance.
        inception_score: IS; None without Inception.
        lpips: None without its weights.
        difference: gray levels of 0..255.
        sharpness: ratio to the original's, over all images.
        background_change: difference in gray levels where nothing may be replaced; None for crops.
    """

    images: int
    distances: Mapping[str, tuple[Estimate, Estimate]]
    inception_score: Estimate | None
    lpips: Estimate | None
    difference: Estimate | None
    sharpness: Estimate | None
    background_change: Estimate | None = None


ScoresByKind = Mapping[str, Mapping[str, QualityScores]]
"""By kind of image, then by method."""


def compare_to_originals(
    statistics: StatisticsByMethod, metrics: ImageMetrics
) -> dict[str, QualityScores]:
    """Return the scores by method, and of one half of the originals against the other half."""
    original = statistics[ORIGINAL]
    by_method = {
        method: _compute_scores(images, original, metrics) for method, images in statistics.items()
    }
    if metrics.embedders:
        frames = np.array(original.frames)
        odd = np.isin(frames, np.unique(frames)[1::2])
        halves = {
            name: _compare_halves(_get_features(original, name), frames, odd)
            for name in metrics.embedders
        }
        by_method[_HALVES] = QualityScores(int(odd.sum()), halves, None, None, None, None)
    return by_method


def make_quality_table(
    kind: str, scores: Mapping[str, QualityScores], metrics: ImageMetrics
) -> Table:
    columns = ["anonymized", "images"]
    for name in metrics.embedders:
        columns += [_name_distance(name), f"{_name_kernel_distance(name)}, x1000"]
    columns += ["IS"] if INCEPTION in metrics.embedders else []
    columns += ["LPIPS"] if metrics.lpips is not None else []
    columns += ["difference, gray levels", "sharpness, of the original's"]
    has_background = any(s.background_change is not None for s in scores.values())
    columns += ["background change, gray levels"] if has_background else []
    rows: list[list[Cell]] = []
    for method, row in scores.items():
        cells: list[Cell] = [method, row.images]
        for frechet, kernel in row.distances.values():
            cells += [frechet, kernel.scaled(1000)]
        cells += [row.inception_score] if INCEPTION in metrics.embedders else []
        cells += [row.lpips] if metrics.lpips is not None else []
        cells += [row.difference, row.sharpness]
        rows.append([*cells, row.background_change] if has_background else cells)
    note = (
        "Against the originals. Intervals of distances and IS: from the spread over random halves, "
        "of the frames, both of a pair in the same, and none for fewer than 8 frames; of the "
        "others: bootstrap over frames. Odd against even: what the images of every other frame "
        "differ by from those of the rest."
    )
    if metrics.embedders:
        kernels = ", ".join(_name_kernel_distance(name) for name in metrics.embedders)
        note += (
            f" {kernels}: over all images at once, but without each image's own original, as which "
            "it looks alike; so it differs from what compares two independent sets."
        )
    if has_background:
        note += " Elsewhere: outside the bounds of all that anonymization may replace."
    return Table(kind.replace(" ", "_"), f"Quality: {kind}", columns, rows, note)


def make_quality_plots(scores: ScoresByKind, metrics: ImageMetrics) -> list[Plot]:
    plots = []
    for index, name in enumerate(metrics.embedders):
        bars = _select_bars(scores, partial(_get_frechet, name))
        title = f"{_name_distance(name)} from the originals"
        plots.append(
            Plot(
                f"distance_{index + 1}",
                title,
                plot_bars(bars, f"{_name_distance(name)} (no unit)", None),
            )
        )
    bars = _select_bars(scores, lambda row: row.sharpness or Estimate(None))
    svg = plot_bars(bars, "sharpness (share of the original's)", {"original": 1.0})
    return [*plots, Plot("sharpness", "Sharpness", svg)]


def summarize_quality(scores: Mapping[str, QualityScores]) -> list[str]:
    """Summarize the scores of one kind of image in sentences."""
    sentences = []
    for method, row in scores.items():
        if method in {ORIGINAL, _HALVES} or row.sharpness is None:
            continue
        parts = [
            f"{_name_distance(name)} {format_estimate(frechet, '')}"
            for name, (frechet, _) in row.distances.items()
        ]
        parts += [f"LPIPS {format_estimate(row.lpips, '')}"] if row.lpips else []
        parts.append(f"{format_estimate(row.sharpness.scaled(100))} of the original's sharpness")
        sentences.append(f"{method}, {row.images} persons: {', '.join(parts)}.")
    return sentences or ["Nobody was found in any frame, so nothing was changed."]


def list_quality_limitations(
    scopes: Mapping[str, StatisticsByMethod], metrics: ImageMetrics
) -> list[str]:
    """Return the limitations of the scores, and of missing networks, in sentences."""
    limitations = [*metrics.missing, _SETS_LIMITATION, _VIDEO_LIMITATION]
    if any(name != INCEPTION for name in metrics.embedders):
        limitations.append(_FEATURES_LIMITATION)
    for kind, statistics in scopes.items():
        for name in metrics.embedders:
            images, width = _get_features(statistics[ORIGINAL], name).shape
            if name == INCEPTION and images < _MIN_IMAGES_FOR_IS:
                limitations.append(
                    f"IS of {kind}: {images} images are few for 1008 classes; it is biased "
                    "downwards, and to be compared among equally many images alone."
                )
            if images < width:
                limitations.append(
                    f"{_name_distance(name)} of {kind}: {images} images for {width} features are "
                    "few; it is biased upwards, and to be compared among equally many images "
                    "alone. "
                    f"The {_name_kernel_distance(name)} is not biased."
                )
    return limitations


def _compute_scores(
    images: ImageStatistics, original: ImageStatistics, metrics: ImageMetrics
) -> QualityScores:
    pairs = {
        name: (_get_features(images, name), _get_features(original, name))
        for name in metrics.embedders
    }
    frames, weights = np.array(images.frames), np.ones(len(images.frames))
    score = None
    if INCEPTION in metrics.embedders:
        logits = images.get_features(INCEPTION)[:, NUM_FEATURES:]
        score = jackknife_halves(
            lambda chosen: inception_score(logits[chosen]), frames, min_value=1.0
        )
    is_same = images is original
    background = np.array(images.background_change)
    return QualityScores(
        len(images.differences),
        {
            name: (_ZERO, _ZERO) if is_same else _estimate_distances(*pair, frames)
            for name, pair in pairs.items()
        },
        score,
        _estimate_ratio(images.lpips, weights, frames) if metrics.lpips is not None else None,
        _estimate_ratio(images.differences, weights, frames),
        _estimate_ratio(images.sharpness, original.sharpness, frames),
        _estimate_ratio(background[:, 0], background[:, 1], frames) if len(background) else None,
    )


def _estimate_distances(a: Features, b: Features, frames: Frames) -> tuple[Estimate, Estimate]:
    """Estimate Frechet and kernel distance of paired images of these frames."""

    def compute_frechet(chosen: Frames) -> float | None:
        return frechet_distance(a[chosen], b[chosen]) if len(chosen) >= _MIN_IMAGES else None

    def compute_kernel(chosen: Frames) -> float | None:
        is_enough = len(chosen) >= _MIN_IMAGES
        return kernel_distance(a[chosen], b[chosen], paired=True) if is_enough else None

    frechet = jackknife_halves(compute_frechet, frames, min_value=0.0)
    return frechet, jackknife_halves(compute_kernel, frames)


def _compare_halves(
    features: Features, frames: Frames, is_odd: npt.NDArray[np.bool_]
) -> tuple[Estimate, Estimate]:
    """Estimate both distances of the odd images from the even images."""

    def compute(distance: Callable[[Features, Features], float], chosen: Frames) -> float | None:
        odd, even = features[chosen[is_odd[chosen]]], features[chosen[~is_odd[chosen]]]
        return distance(odd, even) if min(len(odd), len(even)) >= _MIN_IMAGES else None

    return (
        jackknife_halves(partial(compute, frechet_distance), frames, min_value=0.0),
        jackknife_halves(partial(compute, kernel_distance), frames),
    )


def _get_features(images: ImageStatistics, name: str) -> Features:
    """Return the features of an embedder, without Inception's logits."""
    vectors = images.get_features(name)
    return vectors[:, :NUM_FEATURES] if name == INCEPTION else vectors


def _select_bars(
    scores: ScoresByKind, value: Callable[[QualityScores], Estimate]
) -> dict[str, dict[str, Estimate]]:
    references = {ORIGINAL, _HALVES}
    return {
        kind: {method: value(row) for method, row in rows.items() if method not in references}
        for kind, rows in scores.items()
    }


def _get_frechet(name: str, row: QualityScores) -> Estimate:
    return row.distances[name][0]


def _name_distance(name: str) -> str:
    return "FID" if name == INCEPTION else f"Frechet distance on {name}"


def _name_kernel_distance(name: str) -> str:
    return "KID" if name == INCEPTION else f"kernel distance on {name}"


def _estimate_ratio(
    parts: Sequence[float] | Values, totals: Sequence[float] | Values, frames: Frames
) -> Estimate:
    return bootstrap_ratio(np.array(parts, np.float64), np.array(totals, np.float64), frames)
