"""Tiles: overlapping parts of a large image, searched beside the whole.

A grid of tiles is followed by grids of tiles that are three times as large, up to the whole image.
So a person who is too large for the overlap of two tiles, and would be cut, fits into a tile of the
next grid, in which they still have about a twelfth of its side.
"""

import math
from collections.abc import Iterator

from anon_ros.config import DetectionConfig
from anon_ros.core import Roi

_OVERLAP = 0.25  # of a tile's side
_NEXT_GRID = 3


def plan_tiles(width_px: int, height_px: int, config: DetectionConfig) -> list[list[Roi]]:
    """Return the parts of an image to search, by grid: the smallest first, the whole image last."""
    columns, rows = _count_tiles(width_px, height_px, config)
    grids = []
    while columns * rows > 1:
        grids.append(list(_iter_grid(width_px, height_px, columns, rows)))
        columns, rows = math.ceil(columns / _NEXT_GRID), math.ceil(rows / _NEXT_GRID)
    return [*grids, [Roi(0, 0, width_px, height_px)]]


def _count_tiles(width_px: int, height_px: int, config: DetectionConfig) -> tuple[int, int]:
    """Return columns and rows of the smallest tiles."""
    if config.tiles == "off":
        return 1, 1
    if config.tiles != "auto":
        columns, rows = map(int, config.tiles.split("x"))
        return min(columns, width_px), min(rows, height_px)
    if max(width_px, height_px) <= _NEXT_GRID * config.inference_px:
        return 1, 1
    sides = (side / config.inference_px for side in (width_px, height_px))
    columns, rows = (max(1, math.ceil((n - _OVERLAP) / (1 - _OVERLAP))) for n in sides)
    return columns, rows


def _iter_grid(width_px: int, height_px: int, columns: int, rows: int) -> Iterator[Roi]:
    for top, bottom in _iter_spans(height_px, rows):
        for left, right in _iter_spans(width_px, columns):
            yield Roi(left, top, right, bottom)


def _iter_spans(length_px: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of equally long parts, each overlapping the next."""
    side_px = math.ceil(length_px / (count - (count - 1) * _OVERLAP))
    for index in range(count):
        start = round(index * (length_px - side_px) / max(1, count - 1))
        yield start, start + side_px
