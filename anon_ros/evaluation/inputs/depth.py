"""Depth maps of frames: from a topic, from files, or from a network."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from anon_ros.bags import open_bag, read_depth_maps
from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame, is_bag
from anon_ros.evaluation.options import OcclusionOptions
from anon_ros.images import read_samples
from anon_ros.metrics import DepthMap
from anon_ros.models import DepthNetwork, load_depth_network
from anon_ros.utils.units import NS_PER_S

DepthSource = Callable[[InputFrame], DepthMap | None]
"""The depth map of a frame, of the image's size; None where there is none."""
DEPTH_SUFFIX = ".png"
_MAX_TIME_DIFFERENCE_S = 0.1
_MM_PER_M = 1000


@dataclass(frozen=True)
class DepthEstimator:
    """A network for relative depth, whose output is larger for nearer things (as of MiDaS)."""

    network: DepthNetwork

    def estimate(self, image: RgbImage) -> DepthMap:
        """Return a map of the image's size, larger for what is further away."""
        (nearness,) = self.network.predict([image])
        size_wh = image.shape[1], image.shape[0]
        resized = cv2.resize(nearness, size_wh, interpolation=cv2.INTER_LINEAR)
        return np.asarray(-resized, np.float32)


def load_depth_estimator(options: OcclusionOptions, config: Config) -> DepthEstimator | None:
    """Load the network of ``depth_model``; None without one.

    Raises:
        ModelError: if it cannot be loaded.
    """
    spec = options.depth_model
    return DepthEstimator(load_depth_network(spec, config.compute.device)) if spec else None


def make_depth_source(
    options: OcclusionOptions, estimator: DepthEstimator | None
) -> DepthSource | None:
    """Return the source of ``depth_topic`` or ``depth``, or the estimator; None without any.

    Raises:
        AnonRosError: if it cannot be read.
    """
    if options.depth_topic:
        return _read_from_topic(options.frames.path, options.depth_topic)
    if options.depth:
        return _read_from_folder(options.depth)
    if estimator is not None:
        return lambda frame: estimator.estimate(frame.image)
    return None


def _read_from_topic(path: Path, topic: str) -> DepthSource:
    if not is_bag(path):
        message = f"--depth-topic {topic}: {path} is no recording; give --depth or --depth-model"
        raise InputError(message)
    recent: list[tuple[float, DepthMap]] = []
    depth_maps = _iter_bag(path, topic)

    def find_depth(frame: InputFrame) -> DepthMap | None:
        time_s = frame.time_s or 0.0
        while not recent or recent[-1][0] < time_s:
            later = next(depth_maps, None)
            if later is None:
                break
            recent[:] = [*recent[-1:], later]
        nearest = min(recent, key=lambda timed: abs(timed[0] - time_s), default=None)
        if nearest is None or abs(nearest[0] - time_s) > _MAX_TIME_DIFFERENCE_S:
            return None
        return _require_same_size(nearest[1], frame, f"{topic} at {nearest[0]:.3f} s")

    return find_depth


def _iter_bag(path: Path, topic: str) -> Iterator[tuple[float, DepthMap]]:
    with tempfile.TemporaryDirectory(prefix="anon_ros-") as scratch:
        for time_ns, depth_m in read_depth_maps(open_bag(path), topic, Path(scratch)):
            yield time_ns / NS_PER_S, depth_m


def _read_from_folder(folder: Path) -> DepthSource:
    if not folder.is_dir():
        message = f"--depth: {folder} is no folder"
        raise InputError(message)

    def find_depth(frame: InputFrame) -> DepthMap | None:
        path = folder / f"{frame.key}{DEPTH_SUFFIX}"
        if not path.is_file():
            return None
        depth_mm = read_samples(path, cv2.IMREAD_UNCHANGED)
        if depth_mm is None or depth_mm.dtype != np.uint16 or depth_mm.ndim != 2:  # noqa: PLR2004
            message = f"{path} is no 16-bit gray PNG; depth is given in mm, 0 for unknown"
            raise InputError(message)
        depth_m = np.where(depth_mm > 0, depth_mm / np.float32(_MM_PER_M), np.float32(np.nan))
        return _require_same_size(depth_m.astype(np.float32), frame, str(path))

    return find_depth


def _require_same_size(depth: DepthMap, frame: InputFrame, name: str) -> DepthMap:
    if depth.shape != frame.image.shape[:2]:
        sizes = f"{depth.shape} px, its image {frame.image.shape[:2]}"
        message = f"depth {name} has {sizes}; take the depth that is aligned to the image"
        raise InputError(message)
    return depth
