"""Synthetic scenes of real persons, of whom it is known who stands before whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi

BACKGROUND = -1
CHILD_MAX_HEIGHT_M = 1.45
_PERSONS = 2, 6  # half-open
_DEPTHS_M = 2.5, 20.0
_ADULT_M = 1.72, 0.09  # mean, standard deviation
_CHILDREN_M = 0.9, 1.4
_CHILD_SHARE = 0.2
_CAMERA_M = 0.7, 2.2  # from a robot's to a van's
_HORIZON = 0.25, 0.5  # of the image's height
_OVERLAP = 0.7  # of both persons' mean width, between their centres
_LEAST_SIDE_PX = 8


class Cutout(NamedTuple):
    """A person who is seen whole: (h, w, 3) uint8 RGB, and (h, w) bool, tight around the person."""

    image: RgbImage
    mask: Mask


@dataclass(frozen=True)
class ScenePerson:
    """A person of a scene.

    Attributes:
        depth_m: from the camera.
        height_m: of the person.
        total_px: pixels that the person would have in front of all others in a larger image.
        inside_px: those of them that are inside the image.
    """

    depth_m: float
    height_m: float
    total_px: int
    inside_px: int


@dataclass(frozen=True)
class Scene:
    """An image, and who is seen where.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        actors: the persons.
        index_map: (H, W) int16, index of the person whom a pixel shows; NOBODY elsewhere.
    """

    image: RgbImage
    actors: Sequence[ScenePerson]
    index_map: npt.NDArray[np.int16]

    def visible(self) -> npt.NDArray[np.bool_]:
        """(N, H, W) bool, what is seen of each person."""
        return np.stack([self.index_map == index for index in range(len(self.actors))])


def extract_cutouts(
    image: RgbImage, masks: npt.NDArray[np.bool_], min_px: int = 48
) -> list[Cutout]:
    """The standing persons of an image who are seen whole: away from its border and each other.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (N, H, W) bool.
        min_px: height of the smallest one.
    """
    height_px, width_px = image.shape[:2]
    windows = [Roi.from_mask(mask) for mask in masks]
    found = []
    for index, (mask, window) in enumerate(zip(masks, windows, strict=True)):
        inner = window.x0 > 0 and window.y0 > 0 and window.x1 < width_px and window.y1 < height_px
        rows, columns = window.slices
        others = np.delete(masks, index, axis=0)[:, rows, columns]
        stands = window.height_px >= max(min_px, 1.5 * window.width_px)
        if inner and stands and not others.any():
            found.append(Cutout(image[window.slices].copy(), mask[window.slices].copy()))
    return found


def make_scene(
    cutouts: Sequence[Cutout], background: RgbImage, random: np.random.Generator
) -> Scene:
    """Stand some persons on a plane in front of a camera, so that they hide each other.

    Two to five persons of natural heights, every fifth a child, 2.5 to 20 m away; the camera has
    a focal length of the image's width and looks ahead from 0.7 to 2.2 m above the ground. Each
    but the first stands across from an earlier one.

    Args:
        cutouts: to choose from.
        background: (H, W, 3) uint8 RGB without persons.
        random: of all choices.
    """
    height_px, width_px = background.shape[:2]
    camera_m, horizon = random.uniform(*_CAMERA_M), random.uniform(*_HORIZON) * height_px
    count = int(random.integers(*_PERSONS))
    nearest_m, farthest_m = _DEPTHS_M
    log_depths = random.uniform(np.log(nearest_m), np.log(farthest_m), count)
    depths_m = np.sort(np.exp(log_depths))[::-1]
    image, owners = background.copy(), np.full((height_px, width_px), BACKGROUND, np.int16)
    actors: list[ScenePerson] = []
    places: list[tuple[float, int]] = []  # centre and width
    for index, depth_m in enumerate(depths_m.tolist()):
        height_m = _height_m(random)
        cutout = cutouts[int(random.integers(len(cutouts)))]
        tall_px = max(_LEAST_SIDE_PX, round(width_px * height_m / depth_m))
        wide_px = max(_LEAST_SIDE_PX, round(tall_px * cutout.mask.shape[1] / cutout.mask.shape[0]))
        centre = _centre(places, wide_px, width_px, random)
        places.append((centre, wide_px))
        left, bottom = round(centre - wide_px / 2), round(horizon + width_px * camera_m / depth_m)
        window = Roi(left, bottom - tall_px, left + wide_px, bottom)
        whole_px, inside_px = _paste(cutout, window, index, image, owners)
        actors.append(ScenePerson(depth_m, height_m, whole_px, inside_px))
    return Scene(image, actors, owners)


def _height_m(random: np.random.Generator) -> float:
    if random.random() < _CHILD_SHARE:
        return float(random.uniform(*_CHILDREN_M))
    return float(random.normal(*_ADULT_M))


def _centre(
    places: Sequence[tuple[float, int]], wide_px: int, width_px: int, random: np.random.Generator
) -> float:
    if not places:
        return float(random.uniform(0.2, 0.8) * width_px)
    centre, other_px = places[int(random.integers(len(places)))]
    return centre + float(random.uniform(-_OVERLAP, _OVERLAP)) * (wide_px + other_px) / 2


def _paste(
    cutout: Cutout, window: Roi, index: int, image: RgbImage, owners: npt.NDArray[np.int16]
) -> tuple[int, int]:
    """Draw a person over all that is there; pixels of the person, and those inside the image."""
    size_wh = window.width_px, window.height_px
    mask = cv2.resize(cutout.mask.view(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    inside = window.clip(image.shape[1], image.shape[0])
    if inside.width_px <= 0 or inside.height_px <= 0:
        return int(mask.sum()), 0
    cut = inside.relative_to(window).slices
    person = cv2.resize(cutout.image, size_wh, interpolation=cv2.INTER_LINEAR)[cut]
    image[inside.slices][mask[cut]] = person[mask[cut]]
    owners[inside.slices][mask[cut]] = index
    return int(mask.sum()), int(mask[cut].sum())
