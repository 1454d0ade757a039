"""Scenes with known depth order, composed of real cut-outs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi

BACKGROUND = -1
CHILD_MAX_HEIGHT_M = 1.45
_NUM_PERSONS = 2, 6  # half-open
_DEPTHS_M = 2.5, 20.0
_ADULT_HEIGHT_M = 1.72, 0.09  # mean, standard deviation
_CHILD_HEIGHT_M = 0.9, 1.4
_CHILD_RATIO = 0.2
_CAMERA_HEIGHT_M = 0.7, 2.2  # from a robot's to a van's
_HORIZON_RATIO = 0.25, 0.5  # of the image's height
_MAX_OFFSET_RATIO = 0.7  # of both persons' mean width, between their centers
_MIN_SIDE_PX = 8


class Cutout(NamedTuple):
    """A fully visible person: (h, w, 3) uint8 RGB and (h, w) bool, tight around the person."""

    image: RgbImage
    mask: Mask


@dataclass(frozen=True)
class ScenePerson:
    """A person of a scene.

    Attributes:
        depth_m: from the camera.
        height_m: of the person.
        total_px: pixels of the person without occlusion, in an unlimited image.
        inside_px: those of them inside the image.
    """

    depth_m: float
    height_m: float
    total_px: int
    inside_px: int


@dataclass(frozen=True)
class Scene:
    """An image and the person of every pixel.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        persons: from the farthest to the nearest.
        index_map: (H, W) int16, index of the person whom a pixel shows; BACKGROUND elsewhere.
    """

    image: RgbImage
    persons: Sequence[ScenePerson]
    index_map: npt.NDArray[np.int16]

    def visible(self) -> npt.NDArray[np.bool_]:
        """Return the visible pixels of every person, (N, H, W) bool."""
        return np.stack([self.index_map == index for index in range(len(self.persons))])


def extract_cutouts(
    image: RgbImage, masks: npt.NDArray[np.bool_], min_px: int = 48
) -> list[Cutout]:
    """Return the standing, fully visible persons: away from the border and from each other.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (N, H, W) bool.
        min_px: smallest height.
    """
    height_px, width_px = image.shape[:2]
    windows = [Roi.from_mask(mask) for mask in masks]
    cutouts = []
    for index, (mask, window) in enumerate(zip(masks, windows, strict=True)):
        is_inside = (
            window.x0 > 0 and window.y0 > 0 and window.x1 < width_px and window.y1 < height_px
        )
        rows, columns = window.slices
        further_masks = np.delete(masks, index, axis=0)[:, rows, columns]
        is_standing = window.height_px >= max(min_px, 1.5 * window.width_px)
        if is_inside and is_standing and not further_masks.any():
            cutouts.append(Cutout(image[window.slices].copy(), mask[window.slices].copy()))
    return cutouts


def make_scene(
    cutouts: Sequence[Cutout], background: RgbImage, random: np.random.Generator
) -> Scene:
    """Stand some persons on a plane in front of a camera, so that they hide each other.

    Two to five persons of natural heights, every fifth a child, 2.5 to 20 m away; the camera has
    a focal length of the image's width and looks ahead from 0.7 to 2.2 m above the ground. Every
    person but the first overlaps an earlier person.

    Args:
        cutouts: to choose from.
        background: (H, W, 3) uint8 RGB without persons.
        random: of all choices.
    """
    height_px, width_px = background.shape[:2]
    camera_m, horizon = (
        random.uniform(*_CAMERA_HEIGHT_M),
        random.uniform(*_HORIZON_RATIO) * height_px,
    )
    count = int(random.integers(*_NUM_PERSONS))
    nearest_m, farthest_m = _DEPTHS_M
    log_depths = random.uniform(np.log(nearest_m), np.log(farthest_m), count)
    depths_m = np.sort(np.exp(log_depths))[::-1]
    image, index_map = background.copy(), np.full((height_px, width_px), BACKGROUND, np.int16)
    persons: list[ScenePerson] = []
    places: list[tuple[float, int]] = []  # center and width
    for index, depth_m in enumerate(depths_m.tolist()):
        height_m = _draw_height_m(random)
        cutout = cutouts[int(random.integers(len(cutouts)))]
        tall_px = max(_MIN_SIDE_PX, round(width_px * height_m / depth_m))
        wide_px = max(_MIN_SIDE_PX, round(tall_px * cutout.mask.shape[1] / cutout.mask.shape[0]))
        center = _choose_center(places, wide_px, width_px, random)
        places.append((center, wide_px))
        left, bottom = round(center - wide_px / 2), round(horizon + width_px * camera_m / depth_m)
        window = Roi(left, bottom - tall_px, left + wide_px, bottom)
        total_px, inside_px = _paste(cutout, window, index, image, index_map)
        persons.append(ScenePerson(depth_m, height_m, total_px, inside_px))
    return Scene(image, persons, index_map)


def _draw_height_m(random: np.random.Generator) -> float:
    if random.random() < _CHILD_RATIO:
        return float(random.uniform(*_CHILD_HEIGHT_M))
    return float(random.normal(*_ADULT_HEIGHT_M))


def _choose_center(
    places: Sequence[tuple[float, int]], wide_px: int, width_px: int, random: np.random.Generator
) -> float:
    if not places:
        return float(random.uniform(0.2, 0.8) * width_px)
    center, neighbor_px = places[int(random.integers(len(places)))]
    return (
        center
        + float(random.uniform(-_MAX_OFFSET_RATIO, _MAX_OFFSET_RATIO)) * (wide_px + neighbor_px) / 2
    )


def _paste(
    cutout: Cutout, window: Roi, index: int, image: RgbImage, index_map: npt.NDArray[np.int16]
) -> tuple[int, int]:
    """Paste a person on top; return the pixels of the person, and those inside the image."""
    size_wh = window.width_px, window.height_px
    mask = cv2.resize(cutout.mask.view(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    inside = window.clip(image.shape[1], image.shape[0])
    if inside.width_px <= 0 or inside.height_px <= 0:
        return int(mask.sum()), 0
    part = inside.relative_to(window).slices
    person = cv2.resize(cutout.image, size_wh, interpolation=cv2.INTER_LINEAR)[part]
    image[inside.slices][mask[part]] = person[mask[part]]
    index_map[inside.slices][mask[part]] = index
    return int(mask.sum()), int(mask[part].sum())
