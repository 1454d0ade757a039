"""Frames to evaluate: of a folder of images, a video, or a recording."""

import tempfile
from argparse import Namespace
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from anon_ros.bags import find_bag, read_images
from anon_ros.core import RgbImage
from anon_ros.errors import AnonRosError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_BAG_SUFFIXES = {".mcap", ".db3", ".bag"}
_NS_PER_S = 1_000_000_000
# Frames that skipping has left without a counterpart leave those behind them to wait.
_MOST_AHEAD = 16

T = TypeVar("T")


class SourceError(AnonRosError):
    """There are no frames where some were expected."""


@dataclass(frozen=True)
class Frame:
    """One image to evaluate.

    Attributes:
        key: tells it from all others of its source, and is the same in its anonymized version.
        camera: topic of a recording, folder of an image file; else empty.
        time_s: when it was taken; None for image files.
        image: (H, W, 3) uint8 RGB.
        is_numbered: the key is its number in a video, from 0.
    """

    key: str
    camera: str
    time_s: float | None
    image: RgbImage
    is_numbered: bool = False


def frames_of(path: Path, arguments: Namespace) -> Iterator[Frame]:
    """The frames that ``arguments`` (topics, every_nth, limit) ask for.

    Raises:
        SourceError: if there are none, or one cannot be read.
        AnonRosError: if a recording cannot be read.
    """
    yield from _chosen(all_frames(path, arguments.topics), arguments, f"{path}: not one frame")


def pairs_of(
    original: Path, anonymized: Path, arguments: Namespace
) -> Iterator[tuple[Frame, Frame]]:
    """The frames that ``arguments`` ask for, each with its anonymized version.

    Files belong together by their path without suffix, frames of videos by their number, images
    of recordings by topic and log time. An original without a counterpart is left out.

    Raises:
        SourceError: if none belong together, two differ in size, or an anonymized frame has no
            original.
        AnonRosError: if a recording cannot be read.
    """
    pairs = _matched(original, anonymized, arguments.topics, arguments.prefix)
    problem = f"no frame of {original} has its counterpart in {anonymized}"
    yield from _chosen(pairs, arguments, problem)


def _chosen(items: Iterator[T], arguments: Namespace, problem: str) -> Iterator[T]:
    count = 0
    for index, item in enumerate(items):
        if index % arguments.every_nth == 0:
            yield item
            count += 1
        if arguments.limit and count >= arguments.limit:
            return
    if not count:
        raise SourceError(problem)


def _matched(
    original: Path, anonymized: Path, topics: Collection[str], prefix: str
) -> Iterator[tuple[Frame, Frame]]:
    others = all_frames(anonymized, [f"{prefix}{topic}" for topic in topics])
    ahead: dict[str, Frame] = {}
    for frame in all_frames(original, topics):
        while frame.key not in ahead and len(ahead) < _MOST_AHEAD:
            other = next(others, None)
            if other is None:
                break
            ahead[_without(prefix, other)] = other
        found = ahead.pop(frame.key, None)
        if found is not None:
            if found.image.shape != frame.image.shape:
                sizes = f"{found.image.shape[:2]}, but {frame.image.shape[:2]}"
                message = f"{frame.key}: {sizes} in the original"
                raise SourceError(message)
            yield frame, found
    extra = next(iter(ahead), None) or next((_without(prefix, other) for other in others), None)
    if extra is not None:
        message = f"{extra} of {anonymized} has no counterpart in the original"
        raise SourceError(message)


def _without(prefix: str, frame: Frame) -> str:
    time, _, topic = frame.key.partition(" ")
    is_prefixed = bool(prefix) and frame.camera.startswith(prefix)
    return f"{time} {topic.removeprefix(prefix)}" if is_prefixed else frame.key


def all_frames(path: Path, topics: Collection[str]) -> Iterator[Frame]:
    """Every frame of a source."""
    if is_recording(path):
        yield from _recorded(path, topics)
    elif path.is_dir():
        yield from _files(path)
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        yield Frame(path.stem, "", None, read_image(path))
    else:
        yield from _video(path)


def is_recording(path: Path) -> bool:
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(path.glob("*.mcap"))
    return path.suffix in _BAG_SUFFIXES


def read_image(path: Path) -> RgbImage:
    """(H, W, 3) uint8 RGB.

    Raises:
        SourceError: if it cannot be decoded.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if image is None:
        message = f"{path} is no image that can be read"
        raise SourceError(message)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _files(folder: Path) -> Iterator[Frame]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    for path in paths:
        name = path.relative_to(folder)
        yield Frame(name.with_suffix("").as_posix(), name.parent.as_posix(), None, read_image(path))


def _video(path: Path) -> Iterator[Frame]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not path.is_file() or not capture.isOpened():
            message = f"{path} is no folder of images, video or recording that can be read"
            raise SourceError(message)
        rate_hz = capture.get(cv2.CAP_PROP_FPS) or 1.0
        index = 0
        while True:
            read, image = capture.read()
            if not read:
                return
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            yield Frame(f"{index:06d}", "", index / rate_hz, rgb, is_numbered=True)
            index += 1
    finally:
        capture.release()


def _recorded(path: Path, topics: Collection[str]) -> Iterator[Frame]:
    with tempfile.TemporaryDirectory(prefix="anon_ros-") as scratch:
        for topic, time_ns, image in read_images(find_bag(path), topics, Path(scratch)):
            yield Frame(f"{time_ns} {topic}", topic, time_ns / _NS_PER_S, image)
