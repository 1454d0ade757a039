"""Preview of an anonymized image: all that was looked for in it, drawn on it."""

from collections.abc import Iterable

import cv2
import numpy as np

from anon_ros.config import Config
from anon_ros.core import (
    AnonymizedFrame,
    Anonymizer,
    FixedRegions,
    Mask,
    Outcome,
    OutcomeKind,
    RgbImage,
)
from anon_ros.models import plan_tiles

INPAINTED, COVERED, IGNORED = (0, 200, 0), (255, 200, 0), (255, 0, 0)
"""RGB colors of persons, and of regions.always (``COVERED``) and regions.never (``IGNORED``)."""
TILES = (90, 140, 255)
LEGEND = (
    "preview: persons green if inpainted, yellow if covered, red if ignored; regions.always "
    "yellow, regions.never red; tiles blue"
)

_REFERENCE_PX = 720
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_preview(
    result: AnonymizedFrame, image: RgbImage, anonymizer: Anonymizer, config: Config
) -> RgbImage:
    """Return the anonymized image with tiles, fixed regions and detections drawn on it.

    Args:
        result: of ``image``.
        image: (H, W, 3) uint8 RGB, the input: searched once more for who was ignored. None of its
            pixels is returned.
        anonymizer: whose result it is.
        config: of the anonymizer.
    """
    preview = result.image.copy()
    height_px, width_px = preview.shape[:2]
    line_px = max(1, round(2 * height_px / _REFERENCE_PX))
    for grid in plan_tiles(width_px, height_px, config.detect)[:-1]:  # the last is the image
        _draw_boxes(preview, [(t.x0, t.y0, t.x1, t.y1) for t in grid], TILES, line_px)
    regions = anonymizer.find_regions("")
    for mask, color in _list_regions(regions, height_px, width_px):
        outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(preview, outlines, -1, color, line_px)
    _draw_persons(preview, result, line_px)
    if config.regions.never:
        detections = anonymizer.segmenter.segment(image)
        ignored = detections.take(regions.find_ignored(detections))
        _draw_boxes(preview, ignored.boxes_xyxy.tolist(), IGNORED, line_px)
    return preview


def _list_regions(
    regions: FixedRegions, height_px: int, width_px: int
) -> list[tuple[Mask, tuple[int, int, int]]]:
    """Return the masks (H, W) of the regions with their colors."""
    masks = []
    for region in regions.cover(height_px, width_px):
        mask = np.zeros((height_px, width_px), np.bool_)
        mask[region.window.slices] = region.mask
        masks.append((mask, COVERED))
    never = regions.draw_never(height_px, width_px)
    return masks if never is None else [*masks, (never, IGNORED)]


def _draw_persons(preview: RgbImage, result: AnonymizedFrame, line_px: int) -> None:
    detections = result.detections
    boxes, scores = detections.boxes_xyxy.tolist(), detections.scores.tolist()
    for box, score, outcome in zip(boxes, scores, result.outcomes, strict=True):
        color = _choose_color(outcome)
        _draw_boxes(preview, [box], color, line_px)
        origin = round(box[0]), round(max(box[1] - 2 * line_px, 9 * line_px))
        cv2.putText(
            preview, f"{score:.2f}", origin, _FONT, 0.3 * line_px, color, line_px, cv2.LINE_AA
        )


def _choose_color(outcome: Outcome) -> tuple[int, int, int]:
    return INPAINTED if outcome.kind is OutcomeKind.INPAINTED else COVERED


def _draw_boxes(
    preview: RgbImage,
    boxes_xyxy: Iterable[tuple[float, float, float, float]],
    color: tuple[int, int, int],
    line_px: int,
) -> None:
    for x0, y0, x1, y1 in boxes_xyxy:
        corners = (round(x0), round(y0)), (round(x1) - 1, round(y1) - 1)
        cv2.rectangle(preview, *corners, color, line_px)
