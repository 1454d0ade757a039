"""Targets other than persons, which are covered without a diffusion model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anon_ros.core.coverage import coverage_order, coverage_px
from anon_ros.core.crops import extract_crop, plan_crop
from anon_ros.core.inpainting import inpaint_crops
from anon_ros.core.masks import PersonRegion, union_mask
from anon_ros.core.protocols import Inpainter
from anon_ros.core.types import Detections, InpaintFailure, Mask, RgbImage, copy_masked


@dataclass(frozen=True)
class Target:
    """A group of classes that are covered alike.

    Attributes:
        name: for outcomes and reports.
        action: name of the cover.
        dilate_ratio: growth of a mask, as ``mask.dilate_ratio``.
        inpainter: draws the cover from the crop; None for the smooth fill.
    """

    name: str
    action: str
    dilate_ratio: float
    inpainter: Inpainter | None = None


def paint_targets(
    image: RgbImage,
    canvas: RgbImage,
    detections: Detections,
    regions: Sequence[PersonRegion],
    targets: Mapping[int, Target],
) -> tuple[RgbImage, dict[int, str]]:
    """Draw the covers of targets over the smooth fill.

    A target sees everything else in the image only as it is covered so far, the smaller targets
    first: blurred, nothing of a person shows who stands before a vehicle.

    Args:
        image: (H, W, 3) uint8 RGB.
        canvas: ``image`` with everything filled.
        detections: all.
        regions: of all detections, then of what else is filled.
        targets: by index of the detection.

    Returns:
        A canvas, and by index the reason for which a target keeps the fill.
    """
    failures: dict[int, str] = {}
    if all(target.inpainter is None for target in targets.values()):
        return canvas, failures
    canvas, (height_px, width_px) = canvas.copy(), image.shape[:2]
    for index in coverage_order(coverage_px(detections)):
        inpainter = targets[index].inpainter if index in targets else None
        if inpainter is None:
            continue
        region = regions[index]
        rest = [*regions[:index], *regions[index + 1 :]]
        source = image.copy()
        copy_masked(canvas, union_mask(rest, height_px, width_px).copy(), source)
        roi = plan_crop(region, width_px, height_px, 1.0, square=False)
        persons_mask = union_mask(regions, height_px, width_px)
        crop = extract_crop(source, persons_mask, region, roi, seed=0)
        (result,) = inpaint_crops(inpainter, [crop])
        if isinstance(result, InpaintFailure):
            failures[index] = result.detail
        else:
            window = region.window
            patch = np.ascontiguousarray(result[window.relative_to(roi).slices])
            copy_masked(patch, region.mask, canvas[window.slices])
    return canvas, failures


def restore_targets(
    image: RgbImage,
    canvas: RgbImage,
    detections: Detections,
    regions: Sequence[PersonRegion],
    targets: Mapping[int, Target],
) -> None:
    """Put the targets' covers back over persons who were drawn onto them; in place.

    A person's own pixels stay above the margin of a target, such as of the vehicle before which
    they stand, but not above its own mask.

    Args:
        image: (H, W, 3) uint8 RGB, with drawn persons.
        canvas: with all covers.
        detections: all.
        regions: of the detections.
        targets: by index of the detection.
    """
    persons = [mask for index, mask in enumerate(detections.masks) if index not in targets]
    bodies: Mask = np.logical_or.reduce(persons) if persons else np.zeros(image.shape[:2], np.bool_)
    for index in targets:
        region, window = regions[index], regions[index].window.slices
        own = detections.masks[index][window]
        copy_masked(canvas[window], region.mask & (own | ~bodies[window]), image[window])
