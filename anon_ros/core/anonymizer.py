"""One frame in, one frame without its persons out."""

from dataclasses import dataclass

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
    Detections,
    Mask,
    Outcome,
    OutcomeKind,
    Refusal,
    RgbImage,
)
from anon_ros.errors import SegmentationError, describe


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
        _check_input(image, seed)
        detections, regions = self._find(image)
        people = union(regions, *image.shape[:2])
        canvas = cover(image, regions, people)
        from_cover = self.inpaint.kind == "sdxl" and self.inpaint.init == "covered"
        drawings = self._draw(canvas if from_cover else image, people, regions, seed)
        coverage = coverage_px(detections)
        layers = [
            Layer(regions[index], drawing)
            for index in coverage_order(coverage)
            if not isinstance(drawing := drawings[index], Refusal)
        ]
        replaced = replaced_pixels(layers, people)
        result = differ_everywhere(composite(canvas, layers, people), image, replaced)
        outcomes = [_outcome(*pair) for pair in zip(drawings, coverage.tolist(), strict=True)]
        return Anonymized(result, detections, replaced, outcomes)

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

    def _draw(
        self, source: RgbImage, people: Mask, regions: list[Region], seed: int
    ) -> list[RgbImage | Refusal]:
        """What to paste on each region's window, or why its person stays covered."""
        height_px, width_px = people.shape
        drawings: list[RgbImage | Refusal] = [self._too_small(region) for region in regions]
        todo = [index for index, region in enumerate(regions) if not self._is_small(region)]
        crops = []
        for index in todo:
            square = self.inpaint.crop == "square"
            roi = plan_crop(
                regions[index], width_px, height_px, self.inpaint.context_ratio, square=square
            )
            crops.append(cut_crop(source, people, regions[index], roi, person_seed(seed, index)))
        for index, crop, drawing in zip(
            todo, crops, inpaint_each(self.inpainter, crops), strict=True
        ):
            window = regions[index].window.relative_to(crop.roi)
            drawings[index] = drawing if isinstance(drawing, Refusal) else drawing[window.slices]
        return drawings

    def _is_small(self, region: Region) -> bool:
        return min(region.person.width_px, region.person.height_px) < self.inpaint.min_person_px

    def _too_small(self, region: Region) -> Refusal:
        size = f"{region.person.width_px}x{region.person.height_px} px"
        return Refusal(f"{size} is below inpaint.min_person_px = {self.inpaint.min_person_px}")


def person_seed(seed: int, index: int) -> int:
    """The seed of one person's random numbers: from the frame's seed and the detection's index."""
    words = np.random.SeedSequence((seed, index)).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


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
