"""Masks at the image's borders, which a network's coarse cells leave short of them."""

import math

import numpy as np

from anon_ros.core import Mask, Roi

_REACH_CELLS = 2


def get_reach_px(cell_px: float) -> int:
    """Return how far a mask or box may end from a border and be meant to reach it, px.

    Args:
        cell_px: side of a cell of the network's mask, px of the image.
    """
    return math.ceil(_REACH_CELLS * cell_px)


def widen_to_borders(window: Roi, width_px: int, height_px: int, reach_px: tuple[int, int]) -> Roi:
    """Return the window with the image's borders within reach.

    Args:
        window: of a person, inside the image.
        width_px: of the image.
        height_px: of the image.
        reach_px: horizontally and vertically.
    """
    x, y = reach_px
    return Roi(
        0 if window.x0 <= x else window.x0,
        0 if window.y0 <= y else window.y0,
        width_px if window.x1 >= width_px - x else window.x1,
        height_px if window.y1 >= height_px - y else window.y1,
    )


def continue_to_borders(
    mask: Mask, window: Roi, width_px: int, height_px: int, reach_px: tuple[int, int]
) -> None:
    """Continue a mask (h, w) of ``window`` to the image's borders within reach; in place."""
    x, y = reach_px
    if window.x0 == 0:
        _continue_left(mask, x)
    if window.x1 == width_px:
        _continue_left(mask[:, ::-1], x)
    if window.y0 == 0:
        _continue_left(mask.T, y)
    if window.y1 == height_px:
        _continue_left(mask.T[:, ::-1], y)


def _continue_left(mask: Mask, reach_px: int) -> None:
    """Fill each row from its start to the first pixel of the mask, if that is within reach."""
    band = mask[:, : reach_px + 1]
    band |= np.logical_or.accumulate(band[:, ::-1], axis=1)[:, ::-1]
