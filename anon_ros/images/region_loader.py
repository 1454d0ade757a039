"""Fixed regions of cameras, from their parameters and mask images."""

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from anon_ros.config import IGNORED_REGIONS, Config, RegionsConfig, parse_region
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
    if config.regions.never:
        _LOG.warning(IGNORED_REGIONS)
    regions = _load_regions(config.regions)
    return lambda _: regions


def _load_regions(config: RegionsConfig) -> FixedRegions:
    always = [_load_region("regions.always", text, is_strict=False) for text in config.always]
    never = [_load_region("regions.never", text, is_strict=True) for text in config.never]
    return FixedRegions(always, never)


def _load_region(name: str, text: str, *, is_strict: bool) -> Polygon | MaskImage:
    corners = parse_region(name, text)
    if corners is not None:
        return Polygon(np.array(corners))
    label = f"{name}: {text}"
    try:
        mask = _read_mask(Path(text), is_strict=is_strict)
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
