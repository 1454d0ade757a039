"""One frame in, one frame without its persons out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core.composite import Layer, composite, force_difference, replaced_mask
from anon_ros.core.cover import cover_regions
from anon_ros.core.coverage import coverage_order, coverage_px
from anon_ros.core.crops import extract_crop, plan_crop
from anon_ros.core.inpainting import inpaint_crops
from anon_ros.core.masks import PersonRegion, make_regions, union_mask
from anon_ros.core.protocols import Inpainter, Segmenter
from anon_ros.core.roi import Roi
from anon_ros.core.types import (
    AnonymizedFrame,
    CoverReason,
    Crop,
    Detections,
    FramePersons,
    InpaintFailure,
    Mask,
    Outcome,
    OutcomeKind,
    RgbImage,
)
from anon_ros.errors import SegmentationError, drop_traceback, format_error

T = TypeVar("T")


@dataclass(frozen=True)
class CoveredFrame:
    """A frame in which everybody who was found is covered, and nobody inpainted yet.

    Attributes:
        image: (H, W, 3) uint8 RGB, the input.
        persons: who was found, in the segmenter's order.
        regions: of each person, what is replaced.
        persons_mask: (H, W) bool, all of them.
        canvas: ``image`` with everybody covered.
        rois: of each person to inpaint, by index, the crop's place; the others are too small.
        init_images: by index, what the diffusion of that crop is to start from instead of its
            image.
        warped_crops: by index, a drawing of an earlier frame in the crop's shape, for
            ``finish_covered``.
    """

    image: RgbImage
    persons: FramePersons
    regions: list[PersonRegion]
    persons_mask: Mask
    canvas: RgbImage
    rois: Mapping[int, Roi]
    init_images: Mapping[int, RgbImage] = field(default_factory=dict)
    warped_crops: Mapping[int, RgbImage] = field(default_factory=dict)


@dataclass(frozen=True)
class Anonymizer:
    """Replaces every person of a frame (arXiv 2410.08551, section 3).

    All persons are covered first; what the inpainter draws is pasted over the cover. Whatever the
    inpainter does, nobody who was detected stays visible.
    """

    segmenter: Segmenter
    inpainter: Inpainter
    mask: MaskConfig
    inpaint: InpaintConfig

    def anonymize(self, image: RgbImage, seed: int = 0) -> AnonymizedFrame:
        """Return ``image`` without its persons.

        Args:
            image: (H, W, 3) uint8 RGB; not modified.
            seed: of all random numbers, 0 or more; the same image and seed give the same result.

        Raises:
            SegmentationError: if the persons could not be found.
            ValueError: if ``image`` is no RgbImage or ``seed`` is negative.
        """
        (result,) = self.anonymize_batch([(image, seed)])
        if isinstance(result, Exception):
            raise result
        return result

    def anonymize_batch(
        self, frames: Sequence[tuple[RgbImage, int]]
    ) -> list[AnonymizedFrame | Exception]:
        """As ``anonymize`` for several images and seeds, whose persons are inpainted together.

        Returns:
            One result per frame, or what ``anonymize`` would have raised for it; one frame's
            failure does not touch the others.
        """
        covered = [_capture_error(self.detect_and_cover, *frame) for frame in frames]
        finished = iter(self.inpaint_frames([c for c in covered if isinstance(c, CoveredFrame)]))
        return [c if isinstance(c, Exception) else next(finished) for c in covered]

    def detect_and_cover(self, image: RgbImage, seed: int = 0) -> CoveredFrame:
        """The first half of ``anonymize``: find everybody and cover everybody.

        Raises:
            SegmentationError: if the persons could not be found.
            ValueError: if ``image`` is no RgbImage or ``seed`` is negative.
        """
        if seed < 0:
            message = f"seed {seed} is negative"
            raise ValueError(message)
        return self.cover_persons(image, untracked_persons(self.detect_persons(image), seed))

    def detect_persons(self, image: RgbImage) -> Detections:
        """The persons of ``image``, as the segmenter sees them.

        Raises:
            SegmentationError: if they could not be found.
            ValueError: if ``image`` is no RgbImage.
        """
        _check_image(image)
        with _as_segmentation_error():
            detections = self.segmenter.segment(image)
            _check_fit(detections, image)
            return detections

    def cover_persons(self, image: RgbImage, persons: FramePersons) -> CoveredFrame:
        """Cover these persons, whoever found them.

        Args:
            image: (H, W, 3) uint8 RGB; not modified.
            persons: with masks of the image's size.

        Raises:
            SegmentationError: if they do not fit the image.
        """
        with _as_segmentation_error():
            detections = persons.detections
            _check_fit(detections, image)
            regions = make_regions(detections, self.mask)
        people = union_mask(regions, *image.shape[:2])
        canvas = cover_regions(image, regions, people) if regions else image
        rois = {
            index: self._plan(people, region, persons.crop_windows[index])
            for index, region in enumerate(regions)
            if not self._is_small(region)
        }
        return CoveredFrame(image, persons, regions, people, canvas, rois)

    def inpaint_frames(self, frames: Sequence[CoveredFrame]) -> list[AnonymizedFrame | Exception]:
        """The second half of ``anonymize``, for the persons of several frames together.

        Whoever cannot be inpainted stays covered.

        Returns:
            One result per frame, or what was raised for it.
        """
        crops = [_capture_error(self._extract_crops, frame) for frame in frames]
        cut = [crop for each in crops if not isinstance(each, Exception) for crop in each]
        drawings = iter(inpaint_crops(self.inpainter, cut))
        return [
            each
            if isinstance(each, Exception)
            else _capture_error(self._finish, frame, [next(drawings) for _ in each])
            for frame, each in zip(frames, crops, strict=True)
        ]

    def finish_covered(self, frame: CoveredFrame, cover_reason: CoverReason) -> AnonymizedFrame:
        """The frame as it is, with the reason why nobody is inpainted in the outcomes.

        Whose drawing was moved on from an earlier frame gets that.
        """
        failure = InpaintFailure("", cover_reason)
        drawings = [frame.warped_crops.get(index, failure) for index in frame.rois]
        return self._finish(frame, drawings)

    def extract_crop(self, frame: CoveredFrame, index: int) -> Crop:
        """What an inpainter is given of a person who is to be inpainted."""
        from_cover = self.inpaint.method == "sdxl" and self.inpaint.init == "covered"
        source = frame.canvas if from_cover else frame.image
        seed = frame.persons.seeds[index]
        region, roi = frame.regions[index], frame.rois[index]
        crop = extract_crop(source, frame.persons_mask, region, roi, seed)
        return replace(crop, init_image=frame.init_images.get(index))

    def _extract_crops(self, frame: CoveredFrame) -> list[Crop]:
        return [self.extract_crop(frame, index) for index in frame.rois]

    def _finish(
        self, frame: CoveredFrame, drawings: Sequence[RgbImage | InpaintFailure]
    ) -> AnonymizedFrame:
        """Composite what was drawn; whoever was not drawn stays covered."""
        persons = frame.persons
        if not frame.regions:
            return AnonymizedFrame(frame.image, persons.detections, frame.persons_mask, [])
        answers: dict[int, RgbImage | InpaintFailure] = {
            index: self._reject_small(region) for index, region in enumerate(frame.regions)
        }
        answers |= zip(frame.rois, drawings, strict=True)
        drawn = {i: each for i, each in answers.items() if not isinstance(each, InpaintFailure)}
        coverage = coverage_px(persons.detections)
        layers = [
            Layer(frame.regions[index], _extract_patch(frame, index, drawn[index]))
            for index in coverage_order(coverage)
            if index in drawn
        ]
        replaced = replaced_mask(layers, frame.persons_mask)
        result = composite(frame.canvas, layers, frame.persons_mask)
        result = force_difference(result, frame.image, replaced)
        outcomes = [
            _make_outcome(
                answers[index], count, is_moved=drawn.get(index) is frame.warped_crops.get(index)
            )
            for index, count in enumerate(coverage.tolist())
        ]
        return AnonymizedFrame(
            result, persons.detections, replaced, outcomes, persons.track_ids, drawn
        )

    def _plan(self, persons_mask: Mask, region: PersonRegion, steady: Roi | None) -> Roi:
        height_px, width_px = persons_mask.shape
        square, ratio = self.inpaint.aspect == "square", self.inpaint.context_ratio
        return plan_crop(region, width_px, height_px, ratio, square=square, crop_window=steady)

    def _is_small(self, region: PersonRegion) -> bool:
        return min(region.bounds.width_px, region.bounds.height_px) < self.inpaint.min_person_px

    def _reject_small(self, region: PersonRegion) -> InpaintFailure:
        size = f"{region.bounds.width_px}x{region.bounds.height_px} px"
        return InpaintFailure(
            f"{size} is below inpaint.min_person_px = {self.inpaint.min_person_px}",
            CoverReason.TOO_SMALL,
        )


def untracked_persons(detections: Detections, seed: int) -> FramePersons:
    """Persons of whom nothing is known but this frame.

    Args:
        detections: the persons.
        seed: of all random numbers.
    """
    count = len(detections)
    seeds = [derive_seed(seed, index) for index in range(count)]
    return FramePersons(detections, seeds, [None] * count, [None] * count)


def derive_seed(seed: int, index: int) -> int:
    """The seed of one person's random numbers: from the seed of all and the person's number."""
    words = np.random.SeedSequence((seed, index)).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def _capture_error(work: Callable[..., T], *arguments: object) -> T | Exception:
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - the caller is told
        return drop_traceback(error)


def _extract_patch(frame: CoveredFrame, index: int, drawing: RgbImage) -> RgbImage:
    window = frame.regions[index].window.relative_to(frame.rois[index])
    return drawing[window.slices]


def _make_outcome(drawing: RgbImage | InpaintFailure, coverage: int, *, is_moved: bool) -> Outcome:
    if isinstance(drawing, InpaintFailure):
        return Outcome(OutcomeKind.COVERED, drawing.cover_reason, drawing.detail, coverage)
    cover_reason = CoverReason.REUSED if is_moved else None
    return Outcome(OutcomeKind.INPAINTED, cover_reason, "", coverage)


def _check_image(image: RgbImage) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:  # noqa: PLR2004
        message = f"expected a (H, W, 3) uint8 image, got {image.dtype} {image.shape}"
        raise ValueError(message)


def _check_fit(detections: Detections, image: RgbImage) -> None:
    if detections.masks.shape[1:] != image.shape[:2]:
        message = f"masks {detections.masks.shape} do not fit the image {image.shape}"
        raise SegmentationError(message)


@contextmanager
def _as_segmentation_error() -> Iterator[None]:
    """Whatever goes wrong here, the persons are not known."""
    try:
        yield
    except SegmentationError:
        raise
    except Exception as error:
        message = f"the persons could not be found: {format_error(error)}"
        raise SegmentationError(message) from error
