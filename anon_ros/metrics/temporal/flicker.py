"""Temporal flicker of the pixels that replace persons."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.metrics.running_mean import RunningMean, divide_or_none
from anon_ros.metrics.temporal.optical_flow import MIN_SIDE_PX, estimate_backward_flow
from anon_ros.metrics.validation import validate_array

_MARGIN_PX = 64
_FULLY_COVERED_RATIO = 0.999


@dataclass(frozen=True)
class FlickerReport:
    """Flicker inside the masks, in levels of 0..255 averaged over the three channels.

    Small numbers mean little without ``distance_levels``: a copy of the original, which hides
    nobody, has a ratio of 1, no temporal difference error, and a distance of 0. Values that were
    never measured, and ratios to zero, are None.

    Attributes:
        frames: number of frames.
        warped_px: pixels that the warping errors are means of, over all pairs of frames.
        warp_error_levels: mean |y_t - warp(y_t-1)| of the anonymized frames y.
        original_warp_error_levels: mean |x_t - warp(x_t-1)| of the original frames x, same pixels.
        warp_error_ratio: ``warp_error_levels`` by ``original_warp_error_levels``.
        temporal_difference_error_levels: mean over pairs of |d(y_t, y_t-1) - d(x_t, x_t-1)|.
        temporal_difference_error_ratio: that by the mean of d(x_t, x_t-1).
        distance_levels: mean |y - x| over the masked pixels of all frames.
    """

    frames: int
    warped_px: int
    warp_error_levels: float | None
    original_warp_error_levels: float | None
    warp_error_ratio: float | None
    temporal_difference_error_levels: float | None
    temporal_difference_error_ratio: float | None
    distance_levels: float | None


class _Frame(NamedTuple):
    original: RgbImage
    anonymized: RgbImage
    mask: Mask

    def crop(self, window: Roi) -> "_Frame":
        original, anonymized, mask = self
        cut = window.slices
        return _Frame(original[cut], anonymized[cut], mask[cut])

    def copy(self) -> "_Frame":
        return _Frame(self.original.copy(), self.anonymized.copy(), self.mask.copy())


class FlickerMetric:
    """A measure of flicker over consecutive frames, of which it stores the last.

    Warping error (Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, here with
    the absolute instead of the squared difference, and every pixel of the video counting the
    same): warp() brings frame t-1 to frame t along the optical flow of the *original* frames.
    Pixels count that lie in the mask of t, came entirely from the mask of t-1, and were visible
    there by a forward-backward check. A face that moves with its person has none, a face that is
    generated again in every frame has much.

    Temporal difference error (in the manner of tLP of Chu et al., "Learning Temporal Coherence
    via Self-Supervision for GAN-based Video Generation" (TecoGAN), 2020, where d is LPIPS): here
    d(a, b) is the mean |a - b| inside the union of both masks. It needs no flow, and penalizes
    frozen persons as well as flickering persons.
    """

    def __init__(self) -> None:
        self._previous: _Frame | None = None
        self._frames = 0
        self._warp_error = RunningMean()
        self._original_warp_error = RunningMean()
        self._temporal_difference_error = RunningMean()
        self._original_difference = RunningMean()
        self._distance = RunningMean()

    def update(self, original: RgbImage, anonymized: RgbImage, mask: Mask) -> None:
        """Add the next frame, and its pair with the last frame.

        Args:
            original: (H, W, 3) uint8 RGB, at least 32 px high and wide.
            anonymized: (H, W, 3) uint8 RGB.
            mask: (H, W) bool, the pixels that were replaced, possibly none.

        Raises:
            ValueError: if a shape or dtype is wrong, the shape differs from the last frame's, or
                the frame is too small.
        """
        frame = _Frame(original, anonymized, mask)
        self._validate(frame)
        self._frames += 1
        self._distance.add(*_sum_differences(original, anonymized, mask))
        if self._previous is not None:
            self._add_pair(self._previous, frame)
        self._previous = frame.copy()  # a reader of videos may reuse its buffer

    def compute(self) -> FlickerReport:
        """Return the flicker of the frames so far."""
        error, original_error = self._warp_error.value, self._original_warp_error.value
        differences = self._temporal_difference_error.value
        return FlickerReport(
            frames=self._frames,
            warped_px=self._warp_error.count,
            warp_error_levels=error,
            original_warp_error_levels=original_error,
            warp_error_ratio=divide_or_none(error, original_error),
            temporal_difference_error_levels=differences,
            temporal_difference_error_ratio=divide_or_none(
                differences, self._original_difference.value
            ),
            distance_levels=self._distance.value,
        )

    def _add_pair(self, previous: _Frame, current: _Frame) -> None:
        union = previous.mask | current.mask
        if not union.any():
            return
        height_px, width_px = union.shape
        roi = Roi.from_mask(union).expand(_MARGIN_PX).clip(width_px, height_px)
        previous_crop, current_crop = previous.crop(roi), current.crop(roi)
        self._add_differences(previous_crop, current_crop)
        if previous.mask.any() and current.mask.any():
            self._add_warp_errors(previous_crop, current_crop)

    def _add_differences(self, previous: _Frame, current: _Frame) -> None:
        union = previous.mask | current.mask
        total, count = _sum_differences(previous.original, current.original, union)
        anonymized_total, _ = _sum_differences(previous.anonymized, current.anonymized, union)
        self._original_difference.add(total / count)
        self._temporal_difference_error.add(abs(anonymized_total - total) / count)

    def _add_warp_errors(self, previous: _Frame, current: _Frame) -> None:
        flow = estimate_backward_flow(previous.original, current.original)
        counted = current.mask & flow.visible & (flow.warp(previous.mask) > _FULLY_COVERED_RATIO)
        self._warp_error.add(
            *_sum_differences(flow.warp(previous.anonymized), current.anonymized, counted)
        )
        self._original_warp_error.add(
            *_sum_differences(flow.warp(previous.original), current.original, counted)
        )

    def _validate(self, frame: _Frame) -> None:
        height_px, width_px = (self._previous or frame).original.shape[:2]
        if min(height_px, width_px) < MIN_SIDE_PX:
            message = f"a frame of {width_px} x {height_px} px, flow needs {MIN_SIDE_PX} or more"
            raise ValueError(message)
        validate_array("original", frame.original, (height_px, width_px, 3), np.uint8)
        validate_array("anonymized", frame.anonymized, (height_px, width_px, 3), np.uint8)
        validate_array("mask", frame.mask, (height_px, width_px), np.bool_)


def _sum_differences(
    reference: npt.NDArray[Any], candidate: RgbImage, mask: Mask
) -> tuple[float, int]:
    """Return the sum of differences inside ``mask``, averaged over channels, and its pixels."""
    differences = np.abs(reference[mask].astype(np.float32) - candidate[mask])
    return float(differences.sum(dtype=np.float64)) / 3, len(differences)
