"""The data that the core works on. The core changes in place only arrays that it made itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import PERSON, Style
from anon_ros.core.roi import Roi

RgbImage: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB, C-contiguous."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""(H, W) bool, True = person."""


def copy_masked(source: RgbImage, mask: Mask, target: RgbImage) -> None:
    """Copy the masked pixels of ``source`` into ``target``, a window of an image of its size."""
    copied = cv2.copyTo(source, mask.view(np.uint8), target)
    if copied is not target:  # OpenCV worked on a copy of the target
        target[:] = copied


def all_channels_below(image: npt.NDArray[Any], level: int) -> Mask:
    """Return (H, W) bool: the pixels of which no channel is above ``level``."""
    # NumPy needs ten times as long for a last axis of three.
    return np.asarray(cv2.inRange(image, (0, 0, 0), (level, level, level)), np.bool_)


TARGET_STRIDE = 1 << 16
"""Added to the class ids of a target for each target before it; persons are the first."""


@dataclass(frozen=True)
class Detections:
    """Detected persons of one frame, and other targets.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the full-resolution image.
        scores: (N,) float32 in 0..1.
        class_ids: (N,) int64, indices into the segmenter's class names, plus ``TARGET_STRIDE``
            times the number of their target, which is 0 for persons.
        masks: (N, H, W) bool instance masks in full-resolution image coordinates.

    Raises:
        ValueError: if lengths or shapes disagree, or a box is not finite.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    masks: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.masks)
        expected = {"boxes_xyxy": (count, 4), "scores": (count,), "class_ids": (count,)}
        for name, shape in expected.items():
            actual = getattr(self, name).shape
            if actual != shape:
                message = f"{name} has shape {actual}, expected {shape} for {count} masks"
                raise ValueError(message)
        if self.masks.shape != (count, *self.masks.shape[-2:]) or self.masks.dtype != np.bool_:
            message = f"masks are {self.masks.dtype} {self.masks.shape}, expected bool (N, H, W)"
            raise ValueError(message)
        if not np.isfinite(self.boxes_xyxy).all():
            message = "boxes_xyxy holds values that are not finite"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def target_ids(self) -> npt.NDArray[np.int64]:
        """(N,) the number of the target of each; 0 for a person."""
        return self.class_ids // TARGET_STRIDE

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64] | slice) -> "Detections":
        """Return the persons whose row, of (N,), is True, or those at some indices."""
        return Detections(*(values[rows] for values in vars(self).values()))

    def above(self, confidence: float) -> "Detections":
        """Return the persons with at least this score, and all other targets."""
        is_above = self.scores >= np.float32(confidence)  # as the detector compares
        return self.take(is_above | (self.target_ids > 0))

    @classmethod
    def empty(cls, height_px: int, width_px: int) -> "Detections":
        """Return no persons, for an image of that size."""
        return cls(
            boxes_xyxy=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            class_ids=np.zeros(0, np.int64),
            masks=np.zeros((0, height_px, width_px), np.bool_),
        )


def concatenate_detections(parts: Sequence[Detections]) -> Detections:
    """Return the detections of one image in the order of ``parts``, one or more."""
    fields = zip(*(vars(part).values() for part in parts), strict=True)
    return Detections(*(np.concatenate(values) for values in fields))


@dataclass(frozen=True)
class FramePersons:
    """The persons to replace in one frame, with facts from other frames.

    Attributes:
        detections: the persons.
        seeds: (N,) of the persons' random numbers, 0 <= seed < 2**63.
        track_ids: (N,) the same number for the same person in all frames; None for no track.
        crop_windows: (N,) a window that changes less from frame to frame than the person's
            outline, for the crop to be planned around; None for the outline's own bounds.
        num_propagated: number of persons, the last of them, who were not detected in this frame
            but in others. Other targets do not count.

    Raises:
        ValueError: if the lengths disagree.
    """

    detections: Detections
    seeds: Sequence[int]
    track_ids: Sequence[int | None]
    crop_windows: Sequence[Roi | None]
    num_propagated: int = 0

    def __post_init__(self) -> None:
        lengths = [len(values) for values in (self.seeds, self.track_ids, self.crop_windows)]
        if lengths != [len(self.detections)] * 3:
            message = f"{lengths} seeds, tracks and windows for {len(self.detections)} persons"
            raise ValueError(message)


class Tier(Enum):
    """The model that draws a person; the value is the parameter that names it."""

    MAIN = "inpaint.model"
    SMALL = "inpaint.small_model"


@dataclass(frozen=True)
class Crop:
    """An inpainter's input for one person: a window at the image's own resolution.

    Attributes:
        image: (H, W, 3) uint8 RGB; beyond the image's border its edge pixels are repeated.
        mask: (H, W) bool, the pixels that will be taken from the inpainter's result.
        persons_mask: (H, W) bool, every person's replaced pixels, this one's included: whatever is
            True here must not be copied into ``mask``.
        roi: where the crop lies in the image; reaches outside where the crop was padded.
        seed: of this person's random numbers, 0 <= seed < 2**63.
        init_image: (H, W, 3) uint8 RGB, the start inside ``mask`` of an inpainter that starts from
            an image; None for ``image``.
        tier: the model that draws.
        style: prompts and noise level of a target; None for those of persons.
    """

    image: RgbImage
    mask: Mask
    persons_mask: Mask
    roi: Roi
    seed: int
    init_image: RgbImage | None = None
    tier: Tier = Tier.MAIN
    style: Style | None = None


class CoverReason(Enum):
    """The reason for which a person is not newly inpainted; the value is its text."""

    TOO_SMALL = "below inpaint.min_person_px"
    SKIPPED = "skipped"
    TOO_OLD = "waited longer than skip.max_age_s"
    OVER_BUDGET = "over skip.latency_budget_ms"
    REUSED = "moved on from an earlier frame"
    OUT_OF_MEMORY = "out of memory"
    INVALID_RESULT = "the inpainter returned an unusable image"
    INPAINT_ERROR = "inpainting failed"
    TARGET = "covered by the action of its target"

    @property
    def is_expected(self) -> bool:
        """True if the configuration has it so; False for a failure."""
        failures = {self.OUT_OF_MEMORY, self.INVALID_RESULT, self.INPAINT_ERROR}
        return self not in failures


@dataclass(frozen=True)
class InpaintFailure:
    """An inpainter's result without an image for a person, who then stays covered.

    Attributes:
        detail: the problem, in words; empty if the reason says it all.
        cover_reason: its kind.
    """

    detail: str
    cover_reason: CoverReason = CoverReason.INPAINT_ERROR


class OutcomeKind(Enum):
    """The way in which a person was replaced."""

    INPAINTED = "inpainted"
    COVERED = "covered"


@dataclass(frozen=True)
class Outcome:
    """The result for one detection.

    Attributes:
        kind: the way in which the person was replaced; every detected person is.
        cover_reason: reason of the cover; None when inpainted, but REUSED for a synthetic
            person of an earlier frame.
        detail: more about it, in words; empty if the reason says it all.
        coverage_px: number of pixels of the instance mask, which orders the composite.
        tier: the model that drew the person, now or in the earlier frame; None when covered.
        target: name of the target; "person" for persons.
    """

    kind: OutcomeKind
    cover_reason: CoverReason | None
    detail: str
    coverage_px: int
    tier: Tier | None = None
    target: str = PERSON

    @property
    def reason_text(self) -> str:
        """The reason in words; empty without one."""
        return self.detail or (self.cover_reason.value if self.cover_reason else "")


@dataclass(frozen=True)
class AnonymizedFrame:
    """An anonymized frame.

    Attributes:
        image: (H, W, 3) uint8 RGB, equal to the input wherever ``replaced_mask`` is False.
        detections: the persons, in the segmenter's order.
        replaced_mask: (H, W) bool, the pixels that were replaced: all dilated person masks and
            their feather. Each of them differs from the input.
        outcomes: one per detection, in the same order.
        track_ids: (N,) the persons' tracks; None for no track.
        inpainted_crops: the inpainter's results, by index of the person.
        fixed_regions: bounds of the regions that are covered whoever is in them.
        drawn_beta_d: lowest noise level at which the model draws persons and targets, whatever is
            in this frame; None if it drew none here.
    """

    image: RgbImage
    detections: Detections
    replaced_mask: Mask
    outcomes: Sequence[Outcome]
    track_ids: Sequence[int | None] = ()
    inpainted_crops: Mapping[int, RgbImage] = field(default_factory=dict)
    fixed_regions: Sequence[Roi] = ()
    drawn_beta_d: float | None = None
