"""16-bit samples as the 8 bits that the models see, and back.

No message says which of the 65536 counts a scene fills: a thermal camera without gain control fills
a band of some hundred, a 12-bit camera the lowest 4095, a camera with linear light puts most of a
scene into the lowest percents. So the counts are stretched between percentiles and brightened by a
power law where most of the scene is dark. Dead rows, black borders of rectified images and
saturated pixels lie at the smallest or largest count: those two have no vote.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.errors import ImageFormatError

Samples: TypeAlias = npt.NDArray[Any]
"""(H, W) or (H, W, C) uint8 or uint16, one number per channel."""

_NUM_COUNTS = 1 << 16
_NUM_LEVELS = 256
_WHITE = np.uint8(_NUM_LEVELS - 1)
_LOW, _MEDIAN, _HIGH = 0.01, 0.5, 0.99
# Beyond the percentiles, as a ratio of their distance: small hot or bright persons lie there.
_MARGIN_RATIO = 0.25
# Where the median is darker than this, it is brought there; bench/bit_depth.py measures the result.
_MEDIAN_TARGET, _MIN_GAMMA = 0.4, 0.3
_LUMA_BLACK, _LUMA_WHITE = 16, 235  # ITU-R BT.601, limited range
# Luma outside of it, in the mean over a place: one level is the noise of black.
_PLACE_PX, _MIN_OUTSIDE = 8, 2
# Of the samples of a place: one color of a mosaic. And the levels with which persons are found
# without a stretch (dim_scenes.py).
_MIN_PLACE_RATIO, _PLACE_LEVELS = 0.25, 64
MIN_GRAY_LEVELS = 8
"""Different counts that a scene must fill: with fewer, persons are lost (docs/encodings.md)."""


@dataclass(frozen=True, eq=False)
class ToneMapping:
    """A map from counts to levels.

    Attributes:
        levels: (65536,) uint8, the level of every count; it never falls.
    """

    levels: npt.NDArray[np.uint8]

    @cached_property
    def counts(self) -> npt.NDArray[np.uint16]:
        """(256,) uint16, a count of every level, or of the next higher one that has any."""
        first, last = (
            np.searchsorted(self.levels, np.arange(_NUM_LEVELS), side) for side in ("left", "right")
        )
        # The middle of a level's counts; black and white are next to the scene, not at 0 or 65535.
        middle = np.where(last > first, (first + last - 1) // 2, first)
        middle[0], middle[-1] = last[0] - 1, first[-1]
        return np.clip(middle, 0, _NUM_COUNTS - 1).astype(np.uint16)

    def to_8bit(self, samples: Samples) -> npt.NDArray[np.uint8]:
        """Return the levels of uint16 ``samples``; uint8 is returned as it is."""
        if samples.dtype == np.uint8:
            return samples.astype(np.uint8, copy=False)
        return self.levels[samples]

    def from_8bit(self, values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
        """Return counts that ``to_8bit`` brings to ``values``, or near them in a narrow band."""
        return np.asarray(cv2.LUT(values, self.counts), np.uint16)


@dataclass(frozen=True)
class SceneRange:
    """The counts that a scene fills.

    Attributes:
        low: first percentile.
        median: of all samples.
        high: 99th percentile.
        darkest: smallest count that has a vote.
        brightest: largest count that has a vote.
        num_levels: different counts in use from ``low`` to ``high``.
        is_constant: True if all samples are the same.
    """

    low: int
    median: int
    high: int
    darkest: int
    brightest: int
    num_levels: int
    is_constant: bool


class ToneRule(Protocol):
    """A choice of the mapping: ``measure_tone``, or another one for a second look."""

    def __call__(self, samples: Samples, *, is_luma: bool = False) -> ToneMapping:
        """Return the mapping of ``samples``."""
        ...


@dataclass
class SharedTone:
    """A ToneRule that measures the first samples and maps all later ones in the same way."""

    _mapping: ToneMapping | None = None

    def __call__(self, samples: Samples, *, is_luma: bool = False) -> ToneMapping:
        """Return the mapping of the first samples."""
        if self._mapping is None:
            self._mapping = measure_tone(samples, is_luma=is_luma)
        return self._mapping


def measure_tone(samples: Samples, *, is_luma: bool = False) -> ToneMapping:
    """Return the mapping by which persons are searched in ``samples``.

    Args:
        samples: (H, W) or (H, W, C) uint16 in this machine's byte order, without alpha; uint8 needs
            no mapping and gets one that has no effect.
        is_luma: ``samples`` are 8-bit luma: LIMITED_RANGE, or FULL_RANGE if that loses a scene.

    Raises:
        ImageFormatError: if too few counts are in use to tell a person from the scene. A single
            count shows nobody, and is accepted.
    """
    if samples.dtype == np.uint8:
        return _choose_range(samples) if is_luma else _NO_MAPPING
    scene = measure_scene(samples)
    if scene.num_levels < MIN_GRAY_LEVELS and not scene.is_constant:
        message = (
            f"16-bit image with {scene.num_levels} gray levels between its percentiles (counts "
            f"{scene.low} to {scene.high}): fewer than {MIN_GRAY_LEVELS} do not show persons "
            "reliably"
        )
        raise ImageFormatError(message)
    return _show_places(samples, scene, stretch_scene(scene).levels)


def equalize_tone(samples: Samples, *, is_luma: bool = False) -> ToneMapping:
    """Return another mapping, for a second look: every count in use gets its part of the levels.

    Args:
        samples: as for ``measure_tone``.
        is_luma: as for ``measure_tone``.
    """
    if samples.dtype == np.uint8:
        return measure_tone(samples, is_luma=is_luma)
    scene = measure_scene(samples)
    black, white = map(int, _find_ends(scene))
    levels = np.full(_NUM_COUNTS, _NUM_LEVELS - 1, np.float32)
    levels[:black] = 0
    levels[black : white + 1] = (_NUM_LEVELS - 1) * _rank(samples, slice(black, white + 1))
    return _show_places(samples, scene, levels)


def measure_scene(samples: Samples) -> SceneRange:
    """Return the counts that the scene in ``samples`` fills, the smallest and largest left out."""
    histogram = _count(samples)
    used = np.flatnonzero(histogram)
    inner = _drop_extremes(histogram, used)
    low, median, high = _find_percentiles(inner)
    darkest, brightest = (int(count) for count in np.flatnonzero(inner)[[0, -1]])
    num_levels = int(np.count_nonzero(inner[low : high + 1]))
    return SceneRange(low, median, high, darkest, brightest, num_levels, len(used) == 1)


def stretch_scene(scene: SceneRange) -> ToneMapping:
    """Return the mapping that brings a scene, and a margin around it, to all gray levels."""
    black, white = _find_ends(scene)
    return _stretch(black, scene.median, white)


def _find_ends(scene: SceneRange) -> tuple[float, float]:
    margin = _MARGIN_RATIO * (scene.high - scene.low)
    return max(scene.darkest, scene.low - margin), min(scene.brightest, scene.high + margin)


def _show_places(
    samples: Samples, scene: SceneRange, levels: npt.NDArray[np.uint8 | np.float32]
) -> ToneMapping:
    """Return a mapping of a scene that shows places, too, which lie outside of its range.

    A lit window takes less than a percent of a street at night, and would be all white. It gets
    ``_PLACE_LEVELS`` levels beside those of the scene, each count in use its part of them; so does
    a dark corner.

    Args:
        samples: of the image.
        scene: their range.
        levels: (65536,), the level of every count without places.
    """
    black, white = map(int, _find_ends(scene))
    below, above = slice(scene.darkest, black), slice(white + 1, scene.brightest + 1)
    num_below, num_above = (_PLACE_LEVELS * _is_place(samples, part) for part in (below, above))
    levels = num_below + levels * (1 - (num_below + num_above) / (_NUM_LEVELS - 1))
    if num_below:
        levels[:black] = num_below * _rank(samples, slice(black))
    if num_above:
        ranks = _rank(samples, slice(white + 1, None))
        levels[white + 1 :] = _NUM_LEVELS - 1 - num_above * (1 - ranks)
    return ToneMapping(np.rint(levels).astype(np.uint8))


def _is_place(samples: Samples, counts: slice) -> bool:
    """Return True if samples of such counts lie close together, and are not single noisy ones."""
    if counts.start >= counts.stop:  # as in most images
        return False
    inside = (samples >= counts.start) & (samples < counts.stop)
    share = cv2.blur(np.where(inside, _WHITE, np.uint8(0)), (_PLACE_PX, _PLACE_PX))
    return bool(share.max() >= _MIN_PLACE_RATIO * _WHITE)


def _rank(samples: Samples, counts: slice = slice(None)) -> npt.NDArray[np.float32]:
    """Return the rank of every such count in 0..1; a frequent one has the weight of the mean."""
    histogram = _count(samples)[counts]
    limited = np.minimum(histogram, histogram.sum() / np.count_nonzero(histogram))
    ranks = np.cumsum(limited) - limited / 2
    return np.asarray(ranks / limited.sum(), np.float32)


_NO_MAPPING = ToneMapping(np.arange(_NUM_COUNTS).clip(0, _NUM_LEVELS - 1).astype(np.uint8))


def _count(samples: Samples) -> npt.NDArray[np.float32]:
    """Return (65536,) float32, the number of samples of every count; (256,) for uint8."""
    num_counts = _NUM_LEVELS if samples.dtype == np.uint8 else _NUM_COUNTS
    rows = np.ascontiguousarray(samples.reshape(len(samples), -1))
    histogram = cv2.calcHist([rows], [0], None, [num_counts], [0, num_counts])
    return np.asarray(histogram, np.float32).reshape(-1)


def _drop_extremes(
    histogram: npt.NDArray[np.float32], used: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    """Return the histogram without the smallest and largest count, unless nothing remains."""
    if len(used) <= 2:  # noqa: PLR2004 - those two
        return histogram
    inner = histogram.copy()
    inner[[used[0], used[-1]]] = 0
    return inner


def _find_percentiles(histogram: npt.NDArray[np.float32]) -> list[int]:
    ranks = np.cumsum(histogram, dtype=np.float64)
    return [int(np.searchsorted(ranks, ratio * ranks[-1])) for ratio in (_LOW, _MEDIAN, _HIGH)]


def _stretch(black: float, median: int, white: float) -> ToneMapping:
    """Bring ``black`` to 0, ``white`` to 255, and a dark ``median`` near its target."""
    span = max(white - black, 1)
    center = max((median - black) / span, 1e-3)
    gamma = 1.0
    if center < _MEDIAN_TARGET:
        gamma = max(math.log(_MEDIAN_TARGET) / math.log(center), _MIN_GAMMA)
    light = ((np.arange(_NUM_COUNTS, dtype=np.float32) - black) / span).clip(0, 1)
    return ToneMapping(np.rint(light**gamma * (_NUM_LEVELS - 1)).astype(np.uint8))


FULL_RANGE = _NO_MAPPING
LIMITED_RANGE = _stretch(_LUMA_BLACK, _LUMA_WHITE, _LUMA_WHITE)
"""Luma as it is mostly meant: what lies outside black and white looks as they do."""
_OUTSIDE = np.array(
    [max(_LUMA_BLACK - luma, luma - _LUMA_WHITE, 0) for luma in range(_NUM_LEVELS)], np.uint8
)


def _choose_range(luma: npt.NDArray[np.uint8]) -> ToneMapping:
    """Return FULL_RANGE if persons may stand in luma that LIMITED_RANGE shows as black or white."""
    outside = cv2.LUT(np.ascontiguousarray(luma), _OUTSIDE)
    mean = cv2.blur(outside, (_PLACE_PX, _PLACE_PX))
    return FULL_RANGE if mean.max() >= _MIN_OUTSIDE else LIMITED_RANGE
