"""Fixed regions of cameras, from their parameters and mask images."""

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from anon_ros.config import (
    IGNORED_REGIONS,
    Config,
    RegionsConfig,
    configure_camera,
    ignores_regions,
    list_regions,
    parse_region,
)
from anon_ros.core import FixedRegions, Mask, MaskImage, Polygon
from anon_ros.errors import AnonRosError, ConfigError, format_error
from anon_ros.images.files.image_files import read_samples

_LOG = logging.getLogger(__name__)

_NUM_COLORS = 3


def load_regions(config: Config) -> Callable[[str], FixedRegions]:
    """Return a function from the name of a camera to its regions; warn of ``regions.never``.

    Raises:
        ConfigError: if a mask image is missing, cannot be read or marks nothing.
    """
    if ignores_regions(config):
        _LOG.warning(IGNORED_REGIONS)
    shapes = {
        (name.rpartition(".")[2], text): _load_region(name, text)
        for name, texts in list_regions(config).items()
        for text in texts
    }

    @cache
    def get_regions(regions: RegionsConfig) -> FixedRegions:
        always = [shapes["always", text] for text in regions.always]
        return FixedRegions(always, [shapes["never", text] for text in regions.never])

    return lambda camera: get_regions(configure_camera(config, camera).regions)


def _load_region(name: str, text: str) -> Polygon | MaskImage:
    corners = parse_region(name, text)
    if corners is not None:
        return Polygon(np.array(corners))
    label = f"{name}: {text}"
    try:
        mask = _read_mask(Path(text), is_strict=name.endswith("never"))
    except (OSError, AnonRosError) as error:
        message = f"{label}: {format_error(error)}"
        raise ConfigError(message) from error
    if mask is None or not mask.any():
        problem = "is no PNG that can be read" if mask is None else "marks no pixel"
        message = f"{label} {problem}; expected a PNG, white in the region and black elsewhere"
        raise ConfigError(message)
    return MaskImage(label, mask)


def _read_mask(path: Path, *, is_strict: bool) -> Mask | None:
    """Return (H, W) bool: the pixels that are not black, or if strict the white ones alone."""
    samples = read_samples(path, cv2.IMREAD_UNCHANGED)
    if samples is None:
        return None
    colors = samples.reshape(*samples.shape[:2], -1)[..., :_NUM_COLORS]
    white = np.iinfo(samples.dtype).max
    return np.asarray((colors == white).all(axis=2) if is_strict else colors.any(axis=2), np.bool_)
