"""How far away things are: from a topic, from files, or from a model."""

import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from anon_ros.bags import open_bag, read_depth_maps
from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame, imread_unicode, is_bag
from anon_ros.metrics import DepthMap
from anon_ros.models import NetworkEmbedder, load_embedder
from anon_ros.utils.units import NS_PER_S

DepthSource = Callable[[InputFrame], DepthMap | None]
"""The depth map of a frame, of the image's size; None where there is none."""
_NEAR_IN_TIME_S = 0.1
_MM_PER_M = 1000
DEPTH_SUFFIX = ".png"


@dataclass(frozen=True)
class DepthEstimator:
    """A network for relative depth, which gives more for what is nearer (as MiDaS does)."""

    network: NetworkEmbedder

    def estimate(self, image: RgbImage) -> DepthMap:
        (nearness,) = self.network.predict([image])
        size_wh = image.shape[1], image.shape[0]
        resized = cv2.resize(nearness, size_wh, interpolation=cv2.INTER_LINEAR)
        return np.asarray(-resized, np.float32)


def load_depth_estimator(arguments: Namespace, config: Config) -> DepthEstimator | None:
    """What --depth-model names.

    Raises:
        ModelError: if it cannot be loaded.
    """
    spec = arguments.depth_model
    return DepthEstimator(load_embedder(spec, config.compute.device)) if spec else None


def make_depth_source(arguments: Namespace, model: DepthEstimator | None) -> DepthSource | None:
    """What --depth-topic or --depth name, or the model; None without any of them.

    Raises:
        AnonRosError: if it cannot be read.
    """
    if arguments.depth_topic:
        return _from_topic(arguments.input, arguments.depth_topic)
    if arguments.depth:
        return _from_files(arguments.depth)
    if model is not None:
        return lambda frame: model.estimate(frame.image)
    return None


def _from_topic(path: Path, topic: str) -> DepthSource:
    if not is_bag(path):
        message = f"--depth-topic {topic}: {path} is no recording; give --depth or --depth-model"
        raise InputError(message)
    recent: list[tuple[float, DepthMap]] = []
    depths = _recorded(path, topic)

    def at(frame: InputFrame) -> DepthMap | None:
        time_s = frame.time_s or 0.0
        while not recent or recent[-1][0] < time_s:
            later = next(depths, None)
            if later is None:
                break
            recent[:] = [*recent[-1:], later]
        nearest = min(recent, key=lambda each: abs(each[0] - time_s), default=None)
        if nearest is None or abs(nearest[0] - time_s) > _NEAR_IN_TIME_S:
            return None
        return _sized(nearest[1], frame, f"{topic} at {nearest[0]:.3f} s")

    return at


def _recorded(path: Path, topic: str) -> Iterator[tuple[float, DepthMap]]:
    with tempfile.TemporaryDirectory(prefix="anon_ros-") as scratch:
        for time_ns, depth_m in read_depth_maps(open_bag(path), topic, Path(scratch)):
            yield time_ns / NS_PER_S, depth_m


def _from_files(folder: Path) -> DepthSource:
    if not folder.is_dir():
        message = f"--depth: {folder} is no folder"
        raise InputError(message)

    def at(frame: InputFrame) -> DepthMap | None:
        path = folder / f"{frame.key}{DEPTH_SUFFIX}"
        if not path.is_file():
            return None
        values = imread_unicode(path, cv2.IMREAD_UNCHANGED)
        if values is None or values.dtype != np.uint16 or values.ndim != 2:  # noqa: PLR2004
            message = f"{path} is no 16-bit grey PNG; depth is given in mm, 0 for unknown"
            raise InputError(message)
        depth_m = np.where(values > 0, values / np.float32(_MM_PER_M), np.float32(np.nan))
        return _sized(depth_m.astype(np.float32), frame, str(path))

    return at


def _sized(depth: DepthMap, frame: InputFrame, name: str) -> DepthMap:
    if depth.shape != frame.image.shape[:2]:
        sizes = f"{depth.shape} px, its image {frame.image.shape[:2]}"
        message = f"depth {name} has {sizes}; take the depth that is aligned to the image"
        raise InputError(message)
    return depth
