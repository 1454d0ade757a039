"""Compositing by index against the same by mask."""

import numpy as np

from anon_ros.config import MaskConfig
from anon_ros.core import Detections, make_regions
from anon_ros.core.composite import Layer, composite, force_difference, replaced_mask
from anon_ros.core.masks import union_mask

HEIGHT_PX, WIDTH_PX = 60, 90
BOXES = [(0, 5, 20, 60), (15, 10, 40, 50), (60, 0, 90, 30)]


def test_layers_cover_their_masks_and_feathers_blend_with_what_is_below() -> None:
    rng = np.random.default_rng(0)
    canvas = rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    masks = np.zeros((len(BOXES), HEIGHT_PX, WIDTH_PX), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, BOXES, strict=True):
        mask[y0:y1, x0:x1] = True
    count = len(BOXES)
    boxes = np.array(BOXES, np.float32)
    detections = Detections(boxes, np.ones(count, np.float32), np.zeros(count, np.int64), masks)
    regions = make_regions(detections, MaskConfig(feather_ratio=0.2))
    persons_mask = union_mask(regions, HEIGHT_PX, WIDTH_PX)
    patches = [rng.integers(0, 256, (*region.mask.shape, 3), np.uint8) for region in regions]
    layers = [Layer(region, patch) for region, patch in zip(regions, patches, strict=True)]
    before, expected = canvas.copy(), canvas.astype(np.float64)
    for region, patch in zip(regions, patches, strict=True):
        window = region.window.slices
        alpha = np.where(persons_mask[window] & ~region.mask, 0, region.feather_alpha)[..., None]
        expected[window] = np.rint(alpha * patch + (1 - alpha) * expected[window])

    result = composite(canvas, layers, persons_mask)

    assert np.abs(result - expected).max() <= 1  # float32 against float64
    assert (result == expected).mean() > 0.99
    outside = ~replaced_mask(layers, persons_mask)
    assert outside.any()
    assert (result[outside] == before[outside]).all()
    assert (canvas == before).all()


def test_only_replaced_pixels_that_equal_the_original_move() -> None:
    rng = np.random.default_rng(1)
    original = rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    changed = rng.random((HEIGHT_PX, WIDTH_PX)) < 0.5
    before = original.copy()
    before[changed, 1] += 1
    replaced = np.zeros_like(changed)
    replaced[20:50, 33:71] = rng.random((30, 38)) < 0.7
    result = before.copy()

    force_difference(result, original, replaced)

    moved = replaced & ~changed
    assert (result[moved] == before[moved] ^ 1).all()
    assert (result[~moved] == before[~moved]).all()
