"""One frame in, one frame without its persons out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core.composite import Layer, composite, differ_everywhere, replaced_pixels
from anon_ros.core.cover import cover
from anon_ros.core.coverage import coverage_order, coverage_px
from anon_ros.core.crops import cut_crop, plan_crop
from anon_ros.core.inpaint import inpaint_each
from anon_ros.core.masks import Region, person_region, union
from anon_ros.core.ports import Inpainter, Segmenter
from anon_ros.core.types import (
    Anonymized,
    Crop,
    Detections,
    Mask,
    Outcome,
    OutcomeKind,
    Persons,
    Refusal,
    RgbImage,
    Roi,
)
from anon_ros.errors import SegmentationError, describe, freed

T = TypeVar("T")

MOVED = "moved on from an earlier frame"
"""Reason of an outcome that is no new drawing."""


@dataclass(frozen=True)
class Covered:
    """A frame in which everybody who was found is covered, and nobody inpainted yet.

    Attributes:
        image: (H, W, 3) uint8 RGB, the input.
        persons: who was found, in the segmenter's order.
        regions: of each person, what is replaced.
        people: (H, W) bool, all of them.
        canvas: ``image`` with everybody covered.
        rois: of each person to inpaint, by index, the crop's place; the others are too small.
        starts: by index, what the diffusion of that crop is to start from instead of its image.
        moved: by index, a drawing of an earlier frame in the crop's shape, for ``leave_covered``.
    """

    image: RgbImage
    persons: Persons
    regions: list[Region]
    people: Mask
    canvas: RgbImage
    rois: Mapping[int, Roi]
    starts: Mapping[int, RgbImage] = field(default_factory=dict)
    moved: Mapping[int, RgbImage] = field(default_factory=dict)


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

    def anonymize(self, image: RgbImage, seed: int = 0) -> Anonymized:
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
    ) -> list[Anonymized | Exception]:
        """As ``anonymize`` for several images and seeds, whose persons are inpainted together.

        Returns:
            One result per frame, or what ``anonymize`` would have raised for it; one frame's
            failure does not touch the others.
        """
        covered = [_or_error(self.cover, *frame) for frame in frames]
        finished = iter(self.inpaint_all([c for c in covered if isinstance(c, Covered)]))
        return [c if isinstance(c, Exception) else next(finished) for c in covered]

    def cover(self, image: RgbImage, seed: int = 0) -> Covered:
        """The first half of ``anonymize``: find everybody and cover everybody.

        Raises:
            SegmentationError: if the persons could not be found.
            ValueError: if ``image`` is no RgbImage or ``seed`` is negative.
        """
        _check_input(image, seed)
        return self.cover_persons(image, strangers(self.find(image), seed))

    def find(self, image: RgbImage) -> Detections:
        """The persons of ``image``, as the segmenter sees them.

        Raises:
            SegmentationError: if they could not be found.
        """
        with _failing_closed():
            detections = self.segmenter.segment(image)
            _check_fit(detections, image)
            return detections

    def cover_persons(self, image: RgbImage, persons: Persons) -> Covered:
        """Cover these persons, whoever found them.

        Args:
            image: (H, W, 3) uint8 RGB; not modified.
            persons: with masks of the image's size.

        Raises:
            SegmentationError: if they do not fit the image.
        """
        with _failing_closed():
            detections = persons.detections
            _check_fit(detections, image)
            pairs = zip(detections.masks, detections.boxes_xyxy, strict=True)
            regions = [person_region(mask, box, self.mask) for mask, box in pairs]
        people = union(regions, *image.shape[:2])
        canvas = cover(image, regions, people) if regions else image
        rois = {
            index: self._plan(people, region, persons.steady[index])
            for index, region in enumerate(regions)
            if not self._is_small(region)
        }
        return Covered(image, persons, regions, people, canvas, rois)

    def inpaint_all(self, frames: Sequence[Covered]) -> list[Anonymized | Exception]:
        """The second half of ``anonymize``, for the persons of several frames together.

        Whoever cannot be inpainted stays covered.

        Returns:
            One result per frame, or what was raised for it.
        """
        crops = [_or_error(self._crops, frame) for frame in frames]
        cut = [crop for each in crops if not isinstance(each, Exception) for crop in each]
        drawings = iter(inpaint_each(self.inpainter, cut))
        return [
            each
            if isinstance(each, Exception)
            else _or_error(self._finish, frame, [next(drawings) for _ in each])
            for frame, each in zip(frames, crops, strict=True)
        ]

    def leave_covered(self, frame: Covered, reason: str) -> Anonymized:
        """The frame as it is, with the reason why nobody is inpainted in the outcomes.

        Whose drawing was moved on from an earlier frame gets that.
        """
        drawings = [frame.moved.get(index, Refusal(reason)) for index in frame.rois]
        return self._finish(frame, drawings)

    def crop(self, frame: Covered, index: int) -> Crop:
        """What an inpainter is given of a person who is to be inpainted."""
        from_cover = self.inpaint.kind == "sdxl" and self.inpaint.init == "covered"
        source = frame.canvas if from_cover else frame.image
        seed = frame.persons.seeds[index]
        region, roi = frame.regions[index], frame.rois[index]
        crop = cut_crop(source, frame.people, region, roi, seed)
        return replace(crop, start=frame.starts.get(index))

    def _crops(self, frame: Covered) -> list[Crop]:
        return [self.crop(frame, index) for index in frame.rois]

    def _finish(self, frame: Covered, drawings: Sequence[RgbImage | Refusal]) -> Anonymized:
        """Composite what was drawn; whoever was not drawn stays covered."""
        persons = frame.persons
        if not frame.regions:
            return Anonymized(frame.image, persons.detections, frame.people, [])
        answers: dict[int, RgbImage | Refusal] = {
            index: self._too_small(region) for index, region in enumerate(frame.regions)
        }
        answers |= zip(frame.rois, drawings, strict=True)
        drawn = {i: each for i, each in answers.items() if not isinstance(each, Refusal)}
        coverage = coverage_px(persons.detections)
        layers = [
            Layer(frame.regions[index], _patch(frame, index, drawn[index]))
            for index in coverage_order(coverage)
            if index in drawn
        ]
        replaced = replaced_pixels(layers, frame.people)
        result = composite(frame.canvas, layers, frame.people)
        result = differ_everywhere(result, frame.image, replaced)
        outcomes = [
            _outcome(answers[index], count, is_moved=drawn.get(index) is frame.moved.get(index))
            for index, count in enumerate(coverage.tolist())
        ]
        return Anonymized(result, persons.detections, replaced, outcomes, persons.tracks, drawn)

    def _plan(self, people: Mask, region: Region, steady: Roi | None) -> Roi:
        height_px, width_px = people.shape
        square, ratio = self.inpaint.crop == "square", self.inpaint.context_ratio
        return plan_crop(region, width_px, height_px, ratio, square=square, around=steady)

    def _is_small(self, region: Region) -> bool:
        return min(region.person.width_px, region.person.height_px) < self.inpaint.min_person_px

    def _too_small(self, region: Region) -> Refusal:
        size = f"{region.person.width_px}x{region.person.height_px} px"
        return Refusal(f"{size} is below inpaint.min_person_px = {self.inpaint.min_person_px}")


def strangers(detections: Detections, seed: int) -> Persons:
    """Persons of whom nothing is known but this frame.

    Args:
        detections: the persons.
        seed: of all random numbers.
    """
    count = len(detections)
    seeds = [person_seed(seed, index) for index in range(count)]
    return Persons(detections, seeds, [None] * count, [None] * count)


def person_seed(seed: int, index: int) -> int:
    """The seed of one person's random numbers: from the seed of all and the person's number."""
    words = np.random.SeedSequence((seed, index)).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def _or_error(work: Callable[..., T], *arguments: object) -> T | Exception:
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - the caller is told
        return freed(error)


def _patch(frame: Covered, index: int, drawing: RgbImage) -> RgbImage:
    window = frame.regions[index].window.relative_to(frame.rois[index])
    return drawing[window.slices]


def _outcome(drawing: RgbImage | Refusal, coverage: int, *, is_moved: bool) -> Outcome:
    if isinstance(drawing, Refusal):
        return Outcome(OutcomeKind.COVERED, drawing.reason, coverage)
    return Outcome(OutcomeKind.INPAINTED, MOVED if is_moved else "", coverage)


def _check_input(image: RgbImage, seed: int) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:  # noqa: PLR2004
        message = f"expected a (H, W, 3) uint8 image, got {image.dtype} {image.shape}"
        raise ValueError(message)
    if seed < 0:
        message = f"seed {seed} is negative"
        raise ValueError(message)


def _check_fit(detections: Detections, image: RgbImage) -> None:
    if detections.masks.shape[1:] != image.shape[:2]:
        message = f"masks {detections.masks.shape} do not fit the image {image.shape}"
        raise SegmentationError(message)


@contextmanager
def _failing_closed() -> Iterator[None]:
    """Whatever goes wrong here, the persons are not known."""
    try:
        yield
    except SegmentationError:
        raise
    except Exception as error:
        message = f"the persons could not be found: {describe(error)}"
        raise SegmentationError(message) from error
