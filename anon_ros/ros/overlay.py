"""Overlay for the operator: boxes, tracks and outcomes, drawn on the anonymized image."""

import cv2
import numpy as np

from anon_ros.core import AnonymizedFrame, CoverReason, Outcome, OutcomeKind, RgbImage

INPAINTED, REUSED, COVERED, FAILED = (0, 200, 0), (0, 190, 255), (255, 200, 0), (255, 0, 0)
"""RGB colors of the outcomes; ``COVERED`` as the configuration demands, ``FAILED`` otherwise."""

_REFERENCE_PX = 720
_MARGIN_PX = 3


def choose_color(outcome: Outcome) -> tuple[int, int, int]:
    """Return the RGB color of an outcome."""
    if outcome.kind is OutcomeKind.INPAINTED:
        return REUSED if outcome.cover_reason is CoverReason.REUSED else INPAINTED
    is_expected = outcome.cover_reason is None or outcome.cover_reason.is_expected
    return COVERED if is_expected else FAILED


def draw_overlay(result: AnonymizedFrame) -> RgbImage:
    """Return the anonymized image with a box, track, score and color of outcome per person."""
    image = result.image.copy()
    scale = max(image.shape[0] / _REFERENCE_PX, 0.5)
    tracks = result.track_ids or [None] * len(result.detections)
    rows = zip(
        np.rint(result.detections.boxes_xyxy).astype(int).tolist(),
        result.detections.scores.tolist(),
        tracks,
        result.outcomes,
        strict=True,
    )
    for (x0, y0, x1, y1), score, track, outcome in rows:
        color, width_px = choose_color(outcome), max(round(2 * scale), 1)
        cv2.rectangle(image, (x0, y0), (x1, y1), color, width_px)
        label = f"{score:.2f}" if track is None else f"{track}: {score:.2f}"
        bottom_px = max(y0 - _MARGIN_PX, round(18 * scale))
        origin = max(x0, 0), bottom_px
        font, font_scale = cv2.FONT_HERSHEY_SIMPLEX, 0.6 * scale
        cv2.putText(image, label, origin, font, font_scale, color, width_px, cv2.LINE_AA)
    return image
