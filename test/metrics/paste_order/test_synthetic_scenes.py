"""Scenes of cutouts whose depths are known."""

import numpy as np
import pytest

from anon_ros.core import RgbImage
from anon_ros.metrics.paste_order.synthetic_scenes import (
    BACKGROUND,
    Cutout,
    extract_cutouts,
    make_scene,
)
from helpers.arrays import make_rectangle


def test_cutouts_are_unoccluded() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    alone = make_rectangle(200, 300, slice(20, 120), slice(20, 60))
    at_the_border = make_rectangle(200, 300, slice(0, 100), slice(80, 120))
    lying = make_rectangle(200, 300, slice(150, 190), slice(20, 120))
    touching = make_rectangle(200, 300, slice(20, 120), slice(200, 240))
    touched = make_rectangle(200, 300, slice(60, 180), slice(230, 270))
    masks = np.array([alone, at_the_border, lying, touching, touched])
    (cutout,) = extract_cutouts(image, masks)
    assert cutout.mask.all()
    assert np.array_equal(cutout.image, image[20:120, 20:60])
    assert extract_cutouts(image, masks[:0]) == []


@pytest.fixture(scope="module")
def cutouts() -> list[Cutout]:
    random = np.random.default_rng(1)
    shapes = [(120, 40), (90, 45), (150, 60)]
    return [
        Cutout(random.integers(0, 256, (*shape, 3), np.uint8), np.ones(shape, np.bool_))
        for shape in shapes
    ]


def test_scene_shows_nearest_person(cutouts: list[Cutout]) -> None:
    background = np.full((240, 320, 3), 99, np.uint8)
    hidden = contested = 0
    for seed in range(40):
        scene, again = (
            make_scene(cutouts, background, np.random.default_rng(seed)) for _ in range(2)
        )
        assert np.array_equal(scene.image, again.image)
        assert np.array_equal(scene.index_map, again.index_map)
        check_scene(scene.image, scene.index_map, background)
        depths = [actor.depth_m for actor in scene.persons]
        assert depths == sorted(depths, reverse=True)
        visible_px = scene.visible().sum(axis=(1, 2))
        for actor, seen_px in zip(scene.persons, visible_px, strict=True):
            assert seen_px <= actor.inside_px <= actor.total_px
            hidden += seen_px < actor.inside_px
        contested += scene.persons[-1].inside_px == visible_px[-1]  # the nearest is never hidden
    assert contested == 40
    assert hidden > 20


def check_scene(image: RgbImage, owners: np.ndarray, background: RgbImage) -> None:
    nobody = owners == BACKGROUND
    assert np.array_equal(image[nobody], background[nobody])
