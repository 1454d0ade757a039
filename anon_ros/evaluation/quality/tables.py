"""Image quality as tables, plots and sentences."""

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
_SAME = Estimate(0.0)
_LEAST = 2  # no distance is of one image
_MANY_FOR_IS = 5000
_GENERAL = (
    "Distances are between sets of images: they do not tell whether a person looks natural, nor "
    "whether two look alike."
)
_ALIKE = (
    "Frames of one video are alike: the intervals are narrower than those of as many places would "
    "be."
)
_NO_FID = (
    "Frechet distances on other features than Inception's are no FID, and are to be compared "
    "within this report alone."
)
Values = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
StatisticsByMethod = Mapping[str, ImageStatistics]
"""By mode, ORIGINAL among them."""


@dataclass(frozen=True)
class QualityScores:
    """One kind of image, anonymized in one way, against the originals.

    Attributes:
        images: how many.
        distances: by network, Frechet and kernel distance.
        inception_score: IS; None without Inception.
        lpips: None without its weights.
        difference: levels of 0..255.
        sharpness: of the original's, all images together.
        background_change: difference where nothing may be replaced; None but for full images.
    """

    images: int
    distances: Mapping[str, tuple[Estimate, Estimate]]
    inception_score: Estimate | None
    lpips: Estimate | None
    difference: Estimate | None
    sharpness: Estimate | None
    background_change: Estimate | None = None


ScoresByKind = Mapping[str, Mapping[str, QualityScores]]
"""By kind of image, by mode."""


def compare_to_originals(
    piles: StatisticsByMethod, looks: ImageMetrics
) -> dict[str, QualityScores]:
    """The figures of each mode, and of one half of the originals against the other."""
    original = piles[ORIGINAL]
    found = {mode: _figures(pile, original, looks) for mode, pile in piles.items()}
    if looks.embedders:
        frames = np.array(original.frames)
        odd = np.isin(frames, np.unique(frames)[1::2])
        halves = {name: _halved(_features(original, name), frames, odd) for name in looks.embedders}
        found[_HALVES] = QualityScores(int(odd.sum()), halves, None, None, None, None)
    return found


def quality_table(kind: str, figures: Mapping[str, QualityScores], looks: ImageMetrics) -> Table:
    columns = ["anonymized", "images"]
    for name in looks.embedders:
        columns += [_distance(name), f"{_kernel(name)}, x1000"]
    columns += ["IS"] if INCEPTION in looks.embedders else []
    columns += ["LPIPS"] if looks.lpips is not None else []
    columns += ["difference, gray levels", "sharpness, of the original's"]
    has_elsewhere = any(found.background_change is not None for found in figures.values())
    columns += ["background change, gray levels"] if has_elsewhere else []
    rows: list[list[Cell]] = []
    for mode, found in figures.items():
        cells: list[Cell] = [mode, found.images]
        for frechet, kernel in found.distances.values():
            cells += [frechet, kernel.scaled(1000)]
        cells += [found.inception_score] if INCEPTION in looks.embedders else []
        cells += [found.lpips] if looks.lpips is not None else []
        cells += [found.difference, found.sharpness]
        rows.append([*cells, found.background_change] if has_elsewhere else cells)
    note = (
        "Against the originals. Intervals of distances and IS: from the spread over random halves, "
        "of the frames, both of a pair in the same, and none for fewer than 8 frames; of the "
        "others: bootstrap over frames. Odd against even: what the images of every other frame "
        "differ by from those of the rest."
    )
    if looks.embedders:
        kernels = ", ".join(_kernel(name) for name in looks.embedders)
        note += (
            f" {kernels}: over all images at once, but without each image's own original, as which "
            "it looks alike; so it differs from what compares two independent sets."
        )
    if has_elsewhere:
        note += " Elsewhere: outside the bounds of all that anonymization may replace."
    return Table(kind.replace(" ", "_"), f"Quality: {kind}", columns, rows, note)


def quality_plots(figures: ScoresByKind, looks: ImageMetrics) -> list[Plot]:
    plots = []
    for index, name in enumerate(looks.embedders):
        bars = _bars(figures, partial(_frechet_of, name))
        title = f"{_distance(name)} from the originals"
        plots.append(
            Plot(
                f"distance_{index + 1}",
                title,
                plot_bars(bars, f"{_distance(name)} (no unit)", None),
            )
        )
    bars = _bars(figures, lambda found: found.sharpness or Estimate(None))
    svg = plot_bars(bars, "sharpness (share of the original's)", {"original": 1.0})
    return [*plots, Plot("sharpness", "Sharpness", svg)]


def summarize_quality(figures: Mapping[str, QualityScores]) -> list[str]:
    """In sentences, for one kind of image."""
    answers = []
    for mode, found in figures.items():
        if mode in {ORIGINAL, _HALVES} or found.sharpness is None:
            continue
        parts = [
            f"{_distance(name)} {format_estimate(frechet, '')}"
            for name, (frechet, _) in found.distances.items()
        ]
        parts += [f"LPIPS {format_estimate(found.lpips, '')}"] if found.lpips else []
        parts.append(f"{format_estimate(found.sharpness.scaled(100))} of the original's sharpness")
        answers.append(f"{mode}, {found.images} persons: {', '.join(parts)}.")
    return answers or ["Nobody was found in any frame, so nothing was changed."]


def quality_limitations(scopes: Mapping[str, StatisticsByMethod], looks: ImageMetrics) -> list[str]:
    """What these figures do not carry, and what was not measured."""
    limits = [*looks.missing, _GENERAL, _ALIKE]
    if any(name != INCEPTION for name in looks.embedders):
        limits.append(_NO_FID)
    for kind, piles in scopes.items():
        for name in looks.embedders:
            images, width = _features(piles[ORIGINAL], name).shape
            if name == INCEPTION and images < _MANY_FOR_IS:
                limits.append(
                    f"IS of {kind}: {images} images are few for 1008 classes; it is biased "
                    "downwards, and to be compared among equally many images alone."
                )
            if images < width:
                limits.append(
                    f"{_distance(name)} of {kind}: {images} images for {width} features are few; "
                    "it is biased upwards, and to be compared among equally many images alone. "
                    f"The {_kernel(name)} is not biased."
                )
    return limits


def _figures(
    pile: ImageStatistics, original: ImageStatistics, looks: ImageMetrics
) -> QualityScores:
    pairs = {name: (_features(pile, name), _features(original, name)) for name in looks.embedders}
    frames, ones = np.array(pile.frames), np.ones(len(pile.frames))
    score = None
    if INCEPTION in looks.embedders:
        logits = pile.features(INCEPTION)[:, NUM_FEATURES:]
        score = jackknife_halves(
            lambda chosen: inception_score(logits[chosen]), frames, min_value=1.0
        )
    is_same = pile is original
    elsewhere = np.array(pile.background_change)
    return QualityScores(
        len(pile.differences),
        {
            name: (_SAME, _SAME) if is_same else _distances(*pair, frames)
            for name, pair in pairs.items()
        },
        score,
        _ratio(pile.lpips, ones, frames) if looks.lpips is not None else None,
        _ratio(pile.differences, ones, frames),
        _ratio(pile.sharpness, original.sharpness, frames),
        _ratio(elsewhere[:, 0], elsewhere[:, 1], frames) if len(elsewhere) else None,
    )


def _distances(one: Features, other: Features, frames: Frames) -> tuple[Estimate, Estimate]:
    """Of pairs, which are of these frames."""

    def frechet(chosen: Frames) -> float | None:
        return frechet_distance(one[chosen], other[chosen]) if len(chosen) >= _LEAST else None

    def kernel(chosen: Frames) -> float | None:
        enough = len(chosen) >= _LEAST
        return kernel_distance(one[chosen], other[chosen], paired=True) if enough else None

    return jackknife_halves(frechet, frames, min_value=0.0), jackknife_halves(kernel, frames)


def _halved(
    features: Features, frames: Frames, odd: npt.NDArray[np.bool_]
) -> tuple[Estimate, Estimate]:
    """Of the images that are True in ``odd`` and the others."""

    def between(distance: Callable[[Features, Features], float], chosen: Frames) -> float | None:
        one, other = features[chosen[odd[chosen]]], features[chosen[~odd[chosen]]]
        return distance(one, other) if min(len(one), len(other)) >= _LEAST else None

    return (
        jackknife_halves(partial(between, frechet_distance), frames, min_value=0.0),
        jackknife_halves(partial(between, kernel_distance), frames),
    )


def _features(pile: ImageStatistics, name: str) -> Features:
    """Without Inception's logits."""
    vectors = pile.features(name)
    return vectors[:, :NUM_FEATURES] if name == INCEPTION else vectors


def _bars(
    figures: ScoresByKind, value: Callable[[QualityScores], Estimate]
) -> dict[str, dict[str, Estimate]]:
    others = {ORIGINAL, _HALVES}
    return {
        kind: {mode: value(found) for mode, found in modes.items() if mode not in others}
        for kind, modes in figures.items()
    }


def _frechet_of(name: str, found: QualityScores) -> Estimate:
    return found.distances[name][0]


def _distance(name: str) -> str:
    return "FID" if name == INCEPTION else f"Frechet distance on {name}"


def _kernel(name: str) -> str:
    return "KID" if name == INCEPTION else f"kernel distance on {name}"


def _ratio(
    parts: Sequence[float] | Values, wholes: Sequence[float] | Values, frames: Frames
) -> Estimate:
    return bootstrap_ratio(np.array(parts, np.float64), np.array(wholes, np.float64), frames)
