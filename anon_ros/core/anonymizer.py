"""Replacement of all persons of a frame."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from anon_ros.config import PERSON, InpaintConfig, MaskConfig
from anon_ros.core.composite import Layer, composite, force_difference, replaced_mask
from anon_ros.core.cover import cover_regions
from anon_ros.core.coverage import coverage_order, coverage_px
from anon_ros.core.crops import extract_crop, plan_crop
from anon_ros.core.fixed_regions import FixedRegions
from anon_ros.core.inpainting import inpaint_crops
from anon_ros.core.masks import PersonRegion, make_regions, union_mask
from anon_ros.core.protocols import BatchSegmenter, Inpainter, Segmenter
from anon_ros.core.roi import Roi
from anon_ros.core.targets import (
    Target,
    clip_targets,
    hide_others,
    paint_targets,
    restore_covers,
)
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
    Tier,
)
from anon_ros.errors import SegmentationError, drop_traceback, format_error

T = TypeVar("T")

_NO_REGIONS = FixedRegions()


@dataclass(frozen=True)
class CoveredFrame:
    """A frame in which all persons are covered, and none is inpainted yet.

    Attributes:
        image: (H, W, 3) uint8 RGB, the input.
        persons: all persons, in the segmenter's order.
        regions: of the persons.
        fixed_regions: of the image, covered whoever is in them.
        persons_mask: (H, W) bool, the union of all these regions.
        canvas: ``image`` with the persons and the fixed regions covered.
        targets: by index, the detections that are no persons.
        target_failures: by index, the reason for which one has the fill instead of its cover.
        rois: by index, the place of each crop; without the persons who are too small.
        tiers: by index, the model that draws each crop.
        init_images: by index, the start of that crop's diffusion instead of the crop's image.
        warped_crops: by index, the synthetic person of an earlier frame in the crop's shape, for
            ``finish_covered``.
    """

    image: RgbImage
    persons: FramePersons
    regions: list[PersonRegion]
    fixed_regions: list[PersonRegion]
    persons_mask: Mask
    canvas: RgbImage
    targets: Mapping[int, Target]
    target_failures: Mapping[int, str]
    rois: Mapping[int, Roi]
    tiers: Mapping[int, Tier]
    init_images: Mapping[int, RgbImage] = field(default_factory=dict)
    warped_crops: Mapping[int, RgbImage] = field(default_factory=dict)


@dataclass(frozen=True)
class Anonymizer:
    """Replaces every person of a frame (arXiv 2410.08551, section 3).

    All persons are covered first; inpainted persons are pasted over the cover. Whatever the
    inpainter does, no detected person stays visible.

    Attributes:
        segmenter: finds the persons.
        inpainter: draws in their places.
        mask: growth of their masks.
        inpaint: parameters of the replacement.
        find_regions: returns the fixed regions of the camera of that name.
        targets: beside persons, in the order of their numbers in the detections, from 1. A
            detection with another number is taken for a person.
    """

    segmenter: Segmenter
    inpainter: Inpainter
    mask: MaskConfig
    inpaint: InpaintConfig
    find_regions: Callable[[str], FixedRegions] = lambda _: _NO_REGIONS
    targets: Sequence[Target] = ()

    def anonymize(self, image: RgbImage, seed: int = 0) -> AnonymizedFrame:
        """Return ``image`` with its persons replaced.

        Args:
            image: (H, W, 3) uint8 RGB; not modified.
            seed: of all random numbers, 0 or more; the same image and seed give the same result.

        Raises:
            SegmentationError: if the segmentation failed.
            ValueError: if ``image`` is no RgbImage or ``seed`` is negative.
        """
        (result,) = self.anonymize_batch([(image, seed)])
        if isinstance(result, Exception):
            raise result
        return result

    def anonymize_batch(
        self, frames: Sequence[tuple[RgbImage, int]]
    ) -> list[AnonymizedFrame | Exception]:
        """Anonymize several images with their seeds; detect and inpaint their persons together.

        Returns:
            One result per frame, or the error that ``anonymize`` would have raised; the failure of
            a frame does not touch the others.
        """
        results = self.detect_batch([(image, "") for image, _ in frames])
        covered = [
            _capture_error(self._cover_untracked, *frame, detections)
            for frame, detections in zip(frames, results, strict=True)
        ]
        finished = iter(self.inpaint_frames([c for c in covered if isinstance(c, CoveredFrame)]))
        return [c if isinstance(c, Exception) else next(finished) for c in covered]

    @property
    def max_detection_batch(self) -> int:
        """The number of frames that are worth a joint call of ``detect_batch``."""
        segmenter = self.segmenter
        return segmenter.max_batch if isinstance(segmenter, BatchSegmenter) else 1

    @property
    def min_beta_d(self) -> float:
        """The lowest noise level at which persons and targets are drawn."""
        drawings = (target.drawing for target in self.targets)
        levels = (drawing.beta_d for drawing in drawings if drawing is not None)
        return min((self.inpaint.beta_d, *levels))

    def detect_batch(self, frames: Sequence[tuple[RgbImage, str]]) -> list[Detections | Exception]:
        """Detect the persons of several images of cameras, together if the segmenter can.

        Returns:
            One result per frame, or the error that ``detect_persons`` would have raised; the
            failure of a frame does not touch the others.
        """
        step = self.max_detection_batch
        parts = (frames[start : start + step] for start in range(0, len(frames), step))
        together = [
            d for part in parts for d in self._segment_together([image for image, _ in part])
        ]
        return [
            _capture_error(self._detect, *frame, detections)
            for frame, detections in zip(frames, together, strict=True)
        ]

    def detect_persons(self, image: RgbImage, camera: str = "") -> Detections:
        """Return the persons of ``image``, as the segmenter sees them, but for ignored ones.

        Args:
            image: (H, W, 3) uint8 RGB; not modified.
            camera: whose fixed regions count.

        Raises:
            SegmentationError: if the segmentation failed, or a region does not fit the image.
            ValueError: if ``image`` is no RgbImage.
        """
        return self._detect(image, camera, None)

    def cover_persons(
        self, image: RgbImage, persons: FramePersons, camera: str = ""
    ) -> CoveredFrame:
        """Cover persons, from the segmenter or from elsewhere, and the camera's fixed regions.

        Args:
            image: (H, W, 3) uint8 RGB; not modified.
            persons: with masks of the image's size.
            camera: whose fixed regions count.

        Raises:
            SegmentationError: if persons or regions do not fit the image.
        """
        with _as_segmentation_error():
            detections = persons.detections
            _check_fit(detections, image)
            targets = self._find_targets(detections)
            dilate_ratios = {index: target.dilate_ratio for index, target in targets.items()}
            regions = make_regions(detections, self.mask, dilate_ratios)
            fixed_regions = self.find_regions(camera).cover(*image.shape[:2])
        all_regions = [*regions, *fixed_regions]
        persons_mask = union_mask(all_regions, *image.shape[:2])
        canvas = cover_regions(image, all_regions, persons_mask) if all_regions else image
        canvas, failures = paint_targets(image, canvas, detections, all_regions, targets)
        windows = persons.crop_windows
        tiers = {
            index: tier
            for index, region in enumerate(regions)
            if (tier := self._choose_tier(region, windows[index], targets.get(index))) is not None
        }
        rois = {
            i: self._plan_crop(persons_mask, regions[i], windows[i], targets.get(i)) for i in tiers
        }
        return CoveredFrame(
            image=image,
            persons=persons,
            regions=regions,
            fixed_regions=fixed_regions,
            persons_mask=persons_mask,
            canvas=canvas,
            targets=targets,
            target_failures=failures,
            rois=rois,
            tiers=tiers,
        )

    def inpaint_frames(self, frames: Sequence[CoveredFrame]) -> list[AnonymizedFrame | Exception]:
        """Inpaint the persons of several frames together: the second half of ``anonymize``.

        A person who cannot be inpainted stays covered.

        Returns:
            One result per frame, or its error.
        """
        crops_by_frame = [_capture_error(self._extract_crops, frame) for frame in frames]
        crops = [crop for crops in crops_by_frame if isinstance(crops, list) for crop in crops]
        inpainted = iter(inpaint_crops(self.inpainter, crops))
        return [
            crops
            if isinstance(crops, Exception)
            else _capture_error(self._finish, frame, [next(inpainted) for _ in crops])
            for frame, crops in zip(frames, crops_by_frame, strict=True)
        ]

    def finish_covered(self, frame: CoveredFrame, cover_reason: CoverReason) -> AnonymizedFrame:
        """Return the frame as it is, with the reason in the outcomes.

        A person with a warped crop gets that.
        """
        failure = InpaintFailure("", cover_reason)
        return self._finish(frame, [frame.warped_crops.get(index, failure) for index in frame.rois])

    def _segment_together(self, images: Sequence[RgbImage]) -> Sequence[Detections | None]:
        """Return the detections of a joint call; None for all if it fails or is not worth it."""
        segmenter, nothing = self.segmenter, [None] * len(images)
        if len(images) == 1 or not isinstance(segmenter, BatchSegmenter):
            return nothing
        try:
            for image in images:
                _check_image(image)
            results = segmenter.segment_batch(images)
            return results if len(results) == len(images) else nothing
        except Exception:  # noqa: BLE001 - it comes again for the frame that it concerns
            return nothing

    def _detect(self, image: RgbImage, camera: str, detections: Detections | None) -> Detections:
        """Return what of ``detections`` counts, or detect the persons."""
        _check_image(image)
        with _as_segmentation_error():
            if detections is None:
                detections = self.segmenter.segment(image)
            _check_fit(detections, image)
            return self.find_regions(camera).ignore(detections)

    def _cover_untracked(
        self, image: RgbImage, seed: int, detections: Detections | Exception
    ) -> CoveredFrame:
        if seed < 0:
            message = f"seed {seed} is negative"
            raise ValueError(message)
        if isinstance(detections, Exception):
            raise detections
        return self.cover_persons(image, untracked_persons(detections, seed))

    def _extract_crops(self, frame: CoveredFrame) -> list[Crop]:
        return [self._extract_crop(frame, index) for index in frame.rois]

    def _extract_crop(self, frame: CoveredFrame, index: int) -> Crop:
        from_cover = self.inpainter.draws_persons and self.inpaint.init == "covered"
        source = frame.canvas if from_cover else frame.image
        if index in frame.targets:  # whose noise level may be lower than that of a person
            regions = [*frame.regions, *frame.fixed_regions]
            source = hide_others(source, frame.canvas, regions, index)
        seed = frame.persons.seeds[index]
        region, roi = frame.regions[index], frame.rois[index]
        crop = extract_crop(source, frame.persons_mask, region, roi, seed)
        style = self._find_drawing(frame.targets.get(index)).style
        return replace(
            crop,
            init_image=frame.init_images.get(index),
            tier=frame.tiers[index],
            style=None if style == self.inpaint.style else style,
        )

    def _finish(
        self, frame: CoveredFrame, crop_results: Sequence[RgbImage | InpaintFailure]
    ) -> AnonymizedFrame:
        """Composite the inpainted crops; a person without one stays covered."""
        persons = frame.persons
        if not frame.regions and not frame.fixed_regions:
            return AnonymizedFrame(frame.image, persons.detections, frame.persons_mask, [])
        results: dict[int, RgbImage | InpaintFailure] = {
            index: self._describe_cover(frame, index) for index in range(len(frame.regions))
        }
        results |= zip(frame.rois, crop_results, strict=True)
        inpainted = {i: r for i, r in results.items() if not isinstance(r, InpaintFailure)}
        coverage = coverage_px(persons.detections)
        clipped = clip_targets(persons.detections, frame.regions, frame.targets)
        layers = [
            Layer(
                clipped.get(index, frame.regions[index]),
                _extract_patch(frame, index, inpainted[index]),
            )
            for index in coverage_order(coverage)
            if index in inpainted
        ]
        replaced = replaced_mask(layers, frame.persons_mask)
        image = composite(frame.canvas, layers, frame.persons_mask)
        covers = [region for index, region in clipped.items() if index not in inpainted]
        restore_covers(image, frame.canvas, [*covers, *frame.fixed_regions])
        force_difference(image, frame.image, replaced)
        outcomes = [
            _make_outcome(
                results[index],
                count,
                frame.tiers.get(index),
                is_reused=inpainted.get(index) is frame.warped_crops.get(index),
                target=frame.targets[index].name if index in frame.targets else PERSON,
            )
            for index, count in enumerate(coverage.tolist())
        ]
        return AnonymizedFrame(
            image=image,
            detections=persons.detections,
            replaced_mask=replaced,
            outcomes=outcomes,
            track_ids=persons.track_ids,
            inpainted_crops=inpainted,
            fixed_regions=[region.bounds for region in frame.fixed_regions],
            drawn_beta_d=self.min_beta_d if inpainted and self.inpainter.draws_persons else None,
        )

    def _find_targets(self, detections: Detections) -> dict[int, Target]:
        """Return the targets of the detections that are no persons, by index."""
        numbers = enumerate(detections.target_ids.tolist())
        return {i: self.targets[n - 1] for i, n in numbers if 1 <= n <= len(self.targets)}

    def _find_drawing(self, target: Target | None) -> InpaintConfig:
        """Return the parameters of a drawing, of a person without ``target``."""
        return self.inpaint if target is None or target.drawing is None else target.drawing

    def _plan_crop(
        self, persons_mask: Mask, region: PersonRegion, window: Roi | None, target: Target | None
    ) -> Roi:
        height_px, width_px = persons_mask.shape
        square, ratio = self.inpaint.aspect == "square", self._find_drawing(target).context_ratio
        return plan_crop(region, width_px, height_px, ratio, square=square, crop_window=window)

    def _choose_tier(
        self, region: PersonRegion, window: Roi | None, target: Target | None
    ) -> Tier | None:
        """Return the model that draws a person or target; None if none does, or it is too small."""
        side_px = min(region.bounds.width_px, region.bounds.height_px)
        if target is not None:
            is_drawn = target.drawing is not None and side_px >= self.inpaint.min_person_px
            return Tier.MAIN if is_drawn else None
        if side_px < self.inpaint.min_drawn_px:
            return None
        height_px = (window or region.bounds).height_px
        is_small = side_px < self.inpaint.min_person_px or height_px < self.inpaint.small_below_px
        return Tier.SMALL if self.inpaint.has_small_model and is_small else Tier.MAIN

    def _describe_cover(self, frame: CoveredFrame, index: int) -> InpaintFailure:
        """Return the reason why nothing is drawn in the place of a person or target."""
        target, bounds = frame.targets.get(index), frame.regions[index].bounds
        if target is not None and target.drawing is None:
            return _describe_target(target, frame.target_failures.get(index, ""))
        limit = f"inpaint.min_person_px = {self.inpaint.min_person_px}"
        if target is None and self.inpaint.has_small_model:
            limit = f"{self.inpaint.min_drawn_px}"
        size = f"{bounds.width_px}x{bounds.height_px} px"
        return InpaintFailure(f"{size} is below {limit}", CoverReason.TOO_SMALL)


def untracked_persons(detections: Detections, seed: int) -> FramePersons:
    """Wrap detections that have no track.

    Args:
        detections: the persons.
        seed: of all random numbers.
    """
    count = len(detections)
    seeds = [derive_seed(seed, index) for index in range(count)]
    return FramePersons(detections, seeds, [None] * count, [None] * count)


def derive_seed(seed: int, index: int) -> int:
    """Return the seed of one person, from the seed of all and the person's number."""
    words = np.random.SeedSequence((seed, index)).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def _capture_error(work: Callable[..., T], *arguments: object) -> T | Exception:
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - returned to the caller
        return drop_traceback(error)


def _extract_patch(frame: CoveredFrame, index: int, inpainted: RgbImage) -> RgbImage:
    window = frame.regions[index].window.relative_to(frame.rois[index])
    return inpainted[window.slices]


def _describe_target(target: Target, problem: str) -> InpaintFailure:
    detail = f"{target.name}: {f'fill, as {problem}' if problem else target.action}"
    return InpaintFailure(detail, CoverReason.TARGET)


def _make_outcome(
    result: RgbImage | InpaintFailure,
    coverage: int,
    tier: Tier | None,
    *,
    is_reused: bool,
    target: str,
) -> Outcome:
    if isinstance(result, InpaintFailure):
        reason, detail = result.cover_reason, result.detail
        return Outcome(OutcomeKind.COVERED, reason, detail, coverage, target=target)
    cover_reason = CoverReason.REUSED if is_reused else None
    return Outcome(OutcomeKind.INPAINTED, cover_reason, "", coverage, tier, target)


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
    """Raise any error of the block as a SegmentationError."""
    try:
        yield
    except SegmentationError:
        raise
    except Exception as error:
        message = f"person segmentation failed: {format_error(error)}"
        raise SegmentationError(message) from error
