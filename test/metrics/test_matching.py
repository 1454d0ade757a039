"""Masks matched by overlap."""

import numpy as np

from anon_ros.metrics import (
    match_masks,
)
from helpers.arrays import make_rectangle

H, W = 60, 80


def test_match_masks_takes_best_first() -> None:
    a, b = (
        make_rectangle(H, W, slice(0, 20), slice(0, 20)),
        make_rectangle(H, W, slice(0, 20), slice(2, 22)),
    )
    c = make_rectangle(H, W, slice(40, 60), slice(40, 60))
    assert match_masks(np.array([b, c]), np.array([a, b]), 0.5) == {0: 1}
    assert match_masks(np.array([a]), np.zeros((0, H, W), np.bool_), 0.5) == {}
