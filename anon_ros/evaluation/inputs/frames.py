"""Frames to evaluate: of a folder of images, a video, or a recording."""

import logging
import re
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.bags import open_bag, read_images
from anon_ros.core import RgbImage
from anon_ros.errors import InputError
from anon_ros.utils.units import NS_PER_S

_LOG = logging.getLogger(__name__)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_BAG_SUFFIXES = {".mcap", ".db3", ".bag"}
_DIGITS = re.compile(r"(\d+)")
# Frames that skipping has left without a counterpart leave those behind them to wait.
_MOST_AHEAD = 16

T = TypeVar("T")


@dataclass(frozen=True)
class InputFrame:
    """One image to evaluate.

    Attributes:
        key: tells it from all others of its source, and is the same in its anonymized version.
        names: that its labels may have, without suffix.
        camera: topic of a recording, folder of an image file; else empty.
        time_s: when it was taken; None for image files.
        image: (H, W, 3) uint8 RGB.
        is_numbered: the key is its number in a video, from 0.
    """

    key: str
    names: tuple[str, ...]
    camera: str
    time_s: float | None
    image: RgbImage
    is_numbered: bool = False


def iter_frames(path: Path, arguments: Namespace) -> Iterator[InputFrame]:
    """The frames that ``arguments`` (topics, every_nth, limit) ask for.

    Raises:
        InputError: if there are none, or one cannot be read.
        AnonRosError: if a recording cannot be read.
    """
    yield from _chosen(iter_all_frames(path, arguments.topics), arguments, f"{path}: not one frame")


def iter_frame_pairs(
    original: Path, anonymized: Path, arguments: Namespace
) -> Iterator[tuple[InputFrame, InputFrame]]:
    """The frames that ``arguments`` ask for, each with its anonymized version.

    Files belong together by their path without suffix, frames of videos by their number, images
    of recordings by topic and log time. An original without a counterpart is left out, and how
    many are is logged.

    Raises:
        InputError: if none belong together, two differ in size, or an anonymized frame has no
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
        raise InputError(problem)


def _matched(
    original: Path, anonymized: Path, topics: Collection[str], prefix: str
) -> Iterator[tuple[InputFrame, InputFrame]]:
    others = iter_all_frames(anonymized, [f"{prefix}{topic}" for topic in topics])
    ahead: dict[str, InputFrame] = {}
    matched = missing = 0
    for frame in iter_all_frames(original, topics):
        while frame.key not in ahead and len(ahead) < _MOST_AHEAD:
            other = next(others, None)
            if other is None:
                break
            ahead[_without(prefix, other)] = other
        found = ahead.pop(frame.key, None)
        if found is None:
            missing += 1
        else:
            matched += 1
            if found.image.shape != frame.image.shape:
                sizes = f"{found.image.shape[:2]}, but {frame.image.shape[:2]}"
                message = f"{frame.key}: {sizes} in the original"
                raise InputError(message)
            yield frame, found
    extra = next(iter(ahead), None) or next((_without(prefix, other) for other in others), None)
    if extra is not None:
        message = f"{extra} of {anonymized} has no counterpart in the original"
        raise InputError(message)
    if missing and matched:
        _LOG.warning("%d of %d frames are not in %s", missing, missing + matched, anonymized)


def _without(prefix: str, frame: InputFrame) -> str:
    time, _, topic = frame.key.partition(" ")
    is_prefixed = bool(prefix) and frame.camera.startswith(prefix)
    return f"{time} {topic.removeprefix(prefix)}" if is_prefixed else frame.key


def iter_all_frames(path: Path, topics: Collection[str]) -> Iterator[InputFrame]:
    """Every frame of a source."""
    if is_bag(path):
        yield from _recorded(path, topics)
    elif path.is_dir():
        yield from _files(path)
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        yield InputFrame(path.stem, (path.stem,), "", None, read_image(path))
    else:
        yield from _video(path)


def is_bag(path: Path) -> bool:
    if path.is_dir():
        of_a_bag = (each for suffix in ("mcap", "db3") for each in path.glob(f"*.{suffix}"))
        return (path / "metadata.yaml").is_file() or any(of_a_bag)
    return path.suffix.lower() in _BAG_SUFFIXES


def imread_unicode(path: Path, how: int) -> npt.NDArray[Any] | None:
    """What OpenCV reads; None if it is no image. OpenCV itself dies of names that are no text."""
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    return cv2.imdecode(data, how) if len(data) else None


def read_image(path: Path) -> RgbImage:
    """(H, W, 3) uint8 RGB.

    Raises:
        InputError: if it cannot be decoded.
    """
    image = imread_unicode(path, cv2.IMREAD_COLOR)
    if image is None:
        message = f"{path} is no image that can be read"
        raise InputError(message)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _files(folder: Path) -> Iterator[InputFrame]:
    paths = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    for path in sorted(paths, key=lambda path: _natural(path.relative_to(folder).as_posix())):
        name = path.relative_to(folder)
        key, camera = name.with_suffix("").as_posix(), name.parent.as_posix()
        yield InputFrame(key, (key,), "" if camera == "." else camera, None, read_image(path))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts 2.jpg before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]


def _video(path: Path) -> Iterator[InputFrame]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not path.is_file() or not capture.isOpened():
            message = f"{path} is no folder of images, video or recording that can be read"
            raise InputError(message)
        rate_hz = capture.get(cv2.CAP_PROP_FPS) or 1.0
        index = 0
        while True:
            read, image = capture.read()
            if not read:
                break
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            key = f"{index:06d}"
            yield InputFrame(key, (key,), "", index / rate_hz, rgb, is_numbered=True)
            index += 1
        promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if index < promised:
            _LOG.warning("%s: %d of %d frames can be read; is it damaged?", path, index, promised)
    finally:
        capture.release()


def _recorded(path: Path, topics: Collection[str]) -> Iterator[InputFrame]:
    with tempfile.TemporaryDirectory(prefix="anon_ros-") as scratch:
        counts = Counter[str]()
        for topic, time_ns, image in read_images(open_bag(path), topics, Path(scratch)):
            names = tuple(
                f"{topic.strip('/')}/{each}" for each in (f"{counts[topic]:06d}", time_ns)
            )
            counts[topic] += 1
            yield InputFrame(f"{time_ns} {topic}", names, topic, time_ns / NS_PER_S, image)
