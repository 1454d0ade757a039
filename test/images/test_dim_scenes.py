"""8-bit scenes of low contrast, and dark ones: seen with all gray levels; others stay."""

from collections.abc import Callable

import numpy as np
import pytest

from anon_ros.core import RgbImage
from anon_ros.images import equalize_dim, stretch_dim

DIM: dict[str, Callable[[RgbImage], RgbImage]] = {
    "low contrast": lambda image: (100 + image / 255 * 16).round().astype(np.uint8),
    "bright, low contrast": lambda image: (220 + image / 255 * 16).round().astype(np.uint8),
    "dark": lambda image: (image / 255 * 12).round().astype(np.uint8),
    "dark, linear light": lambda image: ((image / 255) ** 2.2 * 40).round().astype(np.uint8),
}


def put_lamp(image: RgbImage) -> RgbImage:
    image[:40, :200] = 255
    return image


@pytest.mark.parametrize("look", [lambda image: stretch_dim(image)[0], equalize_dim])
@pytest.mark.parametrize("version", DIM)
@pytest.mark.parametrize("has_lamp", [False, True])
def test_dim_scene_fills_gray_levels(
    vtest_rgb: dict[str, RgbImage],
    look: Callable[[RgbImage], RgbImage],
    version: str,
    *,
    has_lamp: bool,
) -> None:
    image = vtest_rgb["vtest0120"]
    dim = put_lamp(DIM[version](image)) if has_lamp else DIM[version](image)
    seen = look(dim)[40:]
    assert np.ptp(np.percentile(seen, (2, 98))) > 100
    assert np.corrcoef(seen.reshape(-1), image[40:].reshape(-1))[0, 1] > 0.8


def test_ordinary_pictures_stay(
    vtest_rgb: dict[str, RgbImage], bus_rgb: RgbImage, zidane_rgb: RgbImage
) -> None:
    """Half the light or half the contrast is ordinary, too."""
    for image in (*vtest_rgb.values(), bus_rgb, zidane_rgb):
        for version in (image, image // 2, 64 + image // 2):
            assert not stretch_dim(version)
            assert equalize_dim(version) is version


def test_constant_picture_stays() -> None:
    for value in (0, 100, 255):
        image = np.full((48, 64, 3), value, np.uint8)
        assert not stretch_dim(image)


def test_second_picture_shows_all_levels(vtest_rgb: dict[str, RgbImage]) -> None:
    """With few levels, none may be cut off."""
    few = (100 + vtest_rgb["vtest0120"] / 255 * 6).round().astype(np.uint8)
    _, brightened = stretch_dim(few)
    assert len(np.unique(brightened)) == len(np.unique(few)) == 7
