"""Regions of an image as text: a polygon, or the path of a mask image."""

import math
from itertools import pairwise

from anon_ros.errors import ConfigError

Points = tuple[tuple[float, float], ...]
"""Corners of a polygon: x and y as ratios of the image's width and height."""

IGNORED_REGIONS = (
    "regions.never: a person who lies wholly inside is published as they are; look there yourself"
)
"""What everybody must know who reads images that were made with ``regions.never``."""

_MASK_SUFFIX = ".png"
_MIN_POINTS = 3
_MIN_AREA = 1e-6
_EXPECTED = (
    "expected three or more corners x,y, from 0,0 (left, top) to 1,1 (right, bottom), such as "
    "'0,0.8 1,0.8 1,1 0,1', or the path of a .png"
)


def is_mask_image(text: str) -> bool:
    """Return True if an entry names a mask image, no polygon."""
    return text.lower().endswith(_MASK_SUFFIX)


def parse_region(name: str, text: str) -> Points | None:
    """Return the corners of a polygon; None for the path of a mask image.

    Args:
        name: of the parameter.
        text: an entry of it.

    Raises:
        ConfigError: if it is neither, or the polygon reaches outside the image or has no area.
    """
    if is_mask_image(text):
        return None
    try:
        points = tuple(_parse_point(corner) for corner in text.split())
    except ValueError:
        message = f"parameter {name}: {text!r} is no polygon, {_EXPECTED}"
        raise ConfigError(message) from None
    if not all(0 <= side <= 1 for point in points for side in point):
        message = f"parameter {name}: {text!r} reaches outside the image, {_EXPECTED}"
        raise ConfigError(message)
    if len(points) < _MIN_POINTS or _measure_area(points) < _MIN_AREA:
        message = f"parameter {name}: {text!r} has no area, {_EXPECTED}"
        raise ConfigError(message)
    return points


def _parse_point(corner: str) -> tuple[float, float]:
    x, y = map(float, corner.split(","))
    if not math.isfinite(x + y):
        message = f"{corner} is not finite"
        raise ValueError(message)
    return x, y


def _measure_area(points: Points) -> float:
    pairs = pairwise((*points, points[0]))
    return abs(math.fsum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2
