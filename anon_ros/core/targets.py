"""Targets other than persons: their covers, and what they may show of each other."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anon_ros.config import InpaintConfig
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
        drawing: parameters with which the frame's inpainter draws over the cover; None if nothing
            is drawn.
    """

    name: str
    action: str
    dilate_ratio: float
    inpainter: Inpainter | None = None
    drawing: InpaintConfig | None = None


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
    persons_mask = union_mask(regions, height_px, width_px)
    for index in coverage_order(coverage_px(detections)):
        inpainter = targets[index].inpainter if index in targets else None
        if inpainter is None:
            continue
        region = regions[index]
        source = hide_others(image, canvas, regions, index)
        roi = plan_crop(region, width_px, height_px, 1.0, square=False)
        crop = extract_crop(source, persons_mask, region, roi, seed=0)
        (result,) = inpaint_crops(inpainter, [crop])
        if isinstance(result, InpaintFailure):
            failures[index] = result.detail
        else:
            window = region.window
            patch = np.ascontiguousarray(result[window.relative_to(roi).slices])
            copy_masked(patch, region.mask, canvas[window.slices])
    return canvas, failures


def hide_others(
    image: RgbImage, canvas: RgbImage, regions: Sequence[PersonRegion], index: int
) -> RgbImage:
    """Return a copy of ``image`` in which all regions but that of ``index`` are covered.

    Args:
        image: (H, W, 3) uint8 RGB.
        canvas: ``image`` with everything covered.
        regions: all that is covered.
        index: of the region that stays; where another overlaps it, it is covered.
    """
    rest = [*regions[:index], *regions[index + 1 :]]
    source = image.copy()
    copy_masked(canvas, union_mask(rest, *image.shape[:2]).copy(), source)
    return source


def clip_targets(
    detections: Detections, regions: Sequence[PersonRegion], targets: Collection[int]
) -> dict[int, PersonRegion]:
    """Return the targets' regions by index, without the parts that lie below persons.

    A person's own pixels stay above the margin of a target, such as of the vehicle before which
    they stand, but not above its own mask.

    Args:
        detections: all.
        regions: of the detections.
        targets: indices of the detections that are no persons.
    """
    if not targets:
        return {}
    persons = [mask for index, mask in enumerate(detections.masks) if index not in targets]
    shape = detections.masks.shape[1:]
    bodies: Mask = np.logical_or.reduce(persons) if persons else np.zeros(shape, np.bool_)
    clipped = {}
    for index in targets:
        region, window = regions[index], regions[index].window.slices
        mask = region.mask & (detections.masks[index][window] | ~bodies[window])
        clipped[index] = replace(region, mask=mask)
    return clipped


def restore_covers(image: RgbImage, canvas: RgbImage, regions: Iterable[PersonRegion]) -> None:
    """Put covers back over persons and targets that were drawn onto them; in place.

    Args:
        image: (H, W, 3) uint8 RGB, with drawn persons.
        canvas: with all covers.
        regions: of the covers.
    """
    for region in regions:
        window = region.window.slices
        copy_masked(canvas[window], region.mask, image[window])
