"""One frame in, one frame without its persons out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    Refusal,
    RgbImage,
)
from anon_ros.errors import SegmentationError, describe, freed

T = TypeVar("T")


@dataclass(frozen=True)
class Covered:
    """A frame in which everybody who was found is covered, and nobody inpainted yet.

    Attributes:
        image: (H, W, 3) uint8 RGB, the input.
        seed: of all random numbers.
        detections: the persons found, in the segmenter's order.
        regions: of each person, what is replaced.
        people: (H, W) bool, all of them.
        canvas: ``image`` with everybody covered.
        todo: indices of the persons to inpaint; the others are too small.
    """

    image: RgbImage
    seed: int
    detections: Detections
    regions: list[Region]
    people: Mask
    canvas: RgbImage
    todo: list[int]


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
        detections, regions = self._find(image)
        people = union(regions, *image.shape[:2])
        canvas = cover(image, regions, people) if regions else image
        todo = [index for index, region in enumerate(regions) if not self._is_small(region)]
        return Covered(image, seed, detections, regions, people, canvas, todo)

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
            else _or_error(self._finish, frame, each, [next(drawings) for _ in each])
            for frame, each in zip(frames, crops, strict=True)
        ]

    def leave_covered(self, frame: Covered, reason: str) -> Anonymized:
        """The frame as it is, with the reason why nobody is inpainted in the outcomes."""
        return self._finish(frame, [], [Refusal(reason) for _ in frame.todo])

    def _crops(self, frame: Covered) -> list[Crop]:
        from_cover = self.inpaint.kind == "sdxl" and self.inpaint.init == "covered"
        source = frame.canvas if from_cover else frame.image
        return [
            self._cut(source, frame.people, frame.regions[index], person_seed(frame.seed, index))
            for index in frame.todo
        ]

    def _finish(
        self, frame: Covered, crops: Sequence[Crop], drawings: Sequence[RgbImage | Refusal]
    ) -> Anonymized:
        """Composite what was drawn; whoever was not drawn stays covered."""
        if not frame.regions:
            return Anonymized(frame.image, frame.detections, frame.people, [])
        patches: list[RgbImage | Refusal] = [self._too_small(region) for region in frame.regions]
        for number, (index, drawing) in enumerate(zip(frame.todo, drawings, strict=True)):
            if isinstance(drawing, Refusal):
                patches[index] = drawing
            else:
                window = frame.regions[index].window.relative_to(crops[number].roi)
                patches[index] = drawing[window.slices]
        coverage = coverage_px(frame.detections)
        layers = [
            Layer(frame.regions[index], patch)
            for index in coverage_order(coverage)
            if not isinstance(patch := patches[index], Refusal)
        ]
        replaced = replaced_pixels(layers, frame.people)
        result = composite(frame.canvas, layers, frame.people)
        result = differ_everywhere(result, frame.image, replaced)
        outcomes = [_outcome(*pair) for pair in zip(patches, coverage.tolist(), strict=True)]
        return Anonymized(result, frame.detections, replaced, outcomes)

    def _find(self, image: RgbImage) -> tuple[Detections, list[Region]]:
        try:
            detections = self.segmenter.segment(image)
            if detections.masks.shape[1:] != image.shape[:2]:
                message = f"masks {detections.masks.shape} do not fit the image {image.shape}"
                raise SegmentationError(message)
            pairs = zip(detections.masks, detections.boxes_xyxy, strict=True)
            return detections, [person_region(mask, box, self.mask) for mask, box in pairs]
        except SegmentationError:
            raise
        except Exception as error:
            message = f"the persons could not be found: {describe(error)}"
            raise SegmentationError(message) from error

    def _cut(self, source: RgbImage, people: Mask, region: Region, seed: int) -> Crop:
        height_px, width_px = people.shape
        square = self.inpaint.crop == "square"
        roi = plan_crop(region, width_px, height_px, self.inpaint.context_ratio, square=square)
        return cut_crop(source, people, region, roi, seed)

    def _is_small(self, region: Region) -> bool:
        return min(region.person.width_px, region.person.height_px) < self.inpaint.min_person_px

    def _too_small(self, region: Region) -> Refusal:
        size = f"{region.person.width_px}x{region.person.height_px} px"
        return Refusal(f"{size} is below inpaint.min_person_px = {self.inpaint.min_person_px}")


def person_seed(seed: int, index: int) -> int:
    """The seed of one person's random numbers: from the frame's seed and the detection's index."""
    words = np.random.SeedSequence((seed, index)).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def _or_error(work: Callable[..., T], *arguments: object) -> T | Exception:
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - the caller is told
        return freed(error)


def _outcome(drawing: RgbImage | Refusal, coverage: int) -> Outcome:
    if isinstance(drawing, Refusal):
        return Outcome(OutcomeKind.COVERED, drawing.reason, coverage)
    return Outcome(OutcomeKind.INPAINTED, "", coverage)


def _check_input(image: RgbImage, seed: int) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:  # noqa: PLR2004
        message = f"expected a (H, W, 3) uint8 image, got {image.dtype} {image.shape}"
        raise ValueError(message)
    if seed < 0:
        message = f"seed {seed} is negative"
        raise ValueError(message)
