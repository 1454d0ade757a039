"""Frames to evaluate: of a folder of images, a video, or a bag."""

import logging
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from anon_ros import images
from anon_ros.bags import open_bag, read_images
from anon_ros.core import RgbImage
from anon_ros.errors import ImageFormatError, InputError
from anon_ros.evaluation.options import Comparison, FrameSelection
from anon_ros.utils.files import walk_files
from anon_ros.utils.units import NS_PER_S

_LOG = logging.getLogger(__name__)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_BAG_SUFFIXES = {".mcap", ".db3", ".bag"}
_DIGITS = re.compile(r"(\d+)")
# Frames that skipping has left without a counterpart hold up those behind them.
_MAX_READ_AHEAD = 16

T = TypeVar("T")


@dataclass(frozen=True)
class InputFrame:
    """An image to evaluate.

    Attributes:
        key: unique in its source, and the same in its anonymized version.
        names: of its labels, without suffix; any of them may be used.
        camera: topic of a bag, folder of an image file; else empty.
        time_s: capture time; None for image files.
        image: (H, W, 3) uint8 RGB.
        is_numbered: the key is its number in a video, from 0.
    """

    key: str
    names: tuple[str, ...]
    camera: str
    time_s: float | None
    image: RgbImage
    is_numbered: bool = False

    @property
    def time_ns(self) -> int:
        """Capture time; 0 for image files."""
        return round((self.time_s or 0.0) * NS_PER_S)


def iter_frames(selection: FrameSelection) -> Iterator[InputFrame]:
    """Yield the selected frames.

    Raises:
        InputError: if there are none, or one cannot be read.
        AnonRosError: if a bag cannot be read.
    """
    frames = iter_all_frames(selection.path, selection.topics)
    yield from _select(frames, selection, f"{selection.path}: no frame")


def iter_frame_pairs(
    selection: FrameSelection, comparison: Comparison
) -> Iterator[tuple[InputFrame, InputFrame]]:
    """Yield the selected frames, each with its anonymized version.

    Files are matched by their path without suffix, frames of videos by their number, images of
    bags by topic and log time. An original without a counterpart is left out, and the number of
    those is logged.

    Args:
        selection: of the original frames.
        comparison: with the path of the anonymized ones.

    Raises:
        InputError: if none match, two differ in size, or an anonymized frame has no original.
        AnonRosError: if a bag cannot be read.
    """
    if comparison.anonymized is None:
        message = "no anonymized frames to compare with"
        raise InputError(message)
    matcher = _FrameMatcher(comparison.anonymized, comparison.prefix, selection.topics)
    pairs = matcher.iter_pairs(iter_all_frames(selection.path, selection.topics))
    problem = f"no frame of {selection.path} has its counterpart in {comparison.anonymized}"
    yield from _select(pairs, selection, problem)


def _select(items: Iterator[T], selection: FrameSelection, problem: str) -> Iterator[T]:
    count = 0
    for index, item in enumerate(items):
        if index % selection.stride == 0:
            yield item
            count += 1
        if selection.max_frames and count >= selection.max_frames:
            return
    if not count:
        raise InputError(problem)


@dataclass
class _FrameMatcher:
    """Search for the anonymized version of frames, in the order of both sources.

    Attributes:
        path: of the anonymized frames.
        prefix: namespace of their topics.
        topics: of the originals; empty for all.
    """

    path: Path
    prefix: str
    topics: Collection[str]
    _waiting: dict[str, InputFrame] = field(default_factory=dict)

    def iter_pairs(
        self, originals: Iterable[InputFrame]
    ) -> Iterator[tuple[InputFrame, InputFrame]]:
        """Yield the originals that have a counterpart, with it."""
        anonymized = iter_all_frames(self.path, [f"{self.prefix}{topic}" for topic in self.topics])
        matched = missing = 0
        for original in originals:
            counterpart = self._find_counterpart(original, anonymized)
            if counterpart is None:
                missing += 1
                continue
            matched += 1
            _check_same_size(original, counterpart)
            yield original, counterpart
        self._require_all_matched(anonymized)
        if missing and matched:
            _LOG.warning("%d of %d frames are not in %s", missing, missing + matched, self.path)

    def _find_counterpart(
        self, original: InputFrame, anonymized: Iterator[InputFrame]
    ) -> InputFrame | None:
        while original.key not in self._waiting and len(self._waiting) < _MAX_READ_AHEAD:
            frame = next(anonymized, None)
            if frame is None:
                break
            self._waiting[self._find_original_key(frame)] = frame
        return self._waiting.pop(original.key, None)

    def _require_all_matched(self, anonymized: Iterator[InputFrame]) -> None:
        unmatched = next(iter(self._waiting), None)
        if unmatched is None:
            unmatched = next(map(self._find_original_key, anonymized), None)
        if unmatched is not None:
            message = f"{unmatched} of {self.path} has no counterpart in the original"
            raise InputError(message)

    def _find_original_key(self, frame: InputFrame) -> str:
        time, _, topic = frame.key.partition(" ")
        is_prefixed = bool(self.prefix) and frame.camera.startswith(self.prefix)
        return f"{time} {topic.removeprefix(self.prefix)}" if is_prefixed else frame.key


def _check_same_size(original: InputFrame, counterpart: InputFrame) -> None:
    if counterpart.image.shape != original.image.shape:
        sizes = f"{counterpart.image.shape[:2]}, but {original.image.shape[:2]}"
        message = f"{original.key}: {sizes} in the original"
        raise InputError(message)


def iter_all_frames(path: Path, topics: Collection[str]) -> Iterator[InputFrame]:
    """Yield every frame of a source."""
    if is_bag(path):
        yield from _iter_bag(path, topics)
    elif path.is_dir():
        yield from _iter_folder(path)
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        yield InputFrame(path.stem, (path.stem,), "", None, read_image(path))
    else:
        yield from _iter_video(path)


def is_bag(path: Path) -> bool:
    """Return True for a bag, by the names of its files."""
    if path.is_dir():
        bag_files = (file for suffix in ("mcap", "db3") for file in path.glob(f"*.{suffix}"))
        return (path / "metadata.yaml").is_file() or any(bag_files)
    return path.suffix.lower() in _BAG_SUFFIXES


def read_image(path: Path) -> RgbImage:
    """Return a file as (H, W, 3) uint8 RGB, upright.

    Raises:
        InputError: if it cannot be decoded.
    """
    try:
        return images.read_image(path)
    except ImageFormatError as error:
        raise InputError(str(error)) from error


def _iter_folder(folder: Path) -> Iterator[InputFrame]:
    files = (path for path in walk_files(folder) if path.is_file())
    paths = (path for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
    for path in sorted(paths, key=lambda path: _split_numbers(path.relative_to(folder).as_posix())):
        name = path.relative_to(folder)
        key, camera = name.with_suffix("").as_posix(), name.parent.as_posix()
        yield InputFrame(key, (key,), "" if camera == "." else camera, None, read_image(path))


def _split_numbers(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts 2.jpg before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]


def _iter_video(path: Path) -> Iterator[InputFrame]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not path.is_file() or not capture.isOpened():
            message = f"{path} is no folder of images, video or recording that can be read"
            raise InputError(message)
        rate_hz = capture.get(cv2.CAP_PROP_FPS) or 1.0
        index = 0
        while True:
            is_read, image = capture.read()
            if not is_read:
                break
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            key = f"{index:06d}"
            yield InputFrame(key, (key,), "", index / rate_hz, rgb, is_numbered=True)
            index += 1
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if index < total:
            _LOG.warning("%s: %d of %d frames can be read; is it damaged?", path, index, total)
    finally:
        capture.release()


def _iter_bag(path: Path, topics: Collection[str]) -> Iterator[InputFrame]:
    with tempfile.TemporaryDirectory(prefix="anon_ros-") as scratch:
        counts = Counter[str]()
        for topic, time_ns, image in read_images(open_bag(path), topics, Path(scratch)):
            folder = topic.strip("/")
            names = (f"{folder}/{counts[topic]:06d}", f"{folder}/{time_ns}")
            counts[topic] += 1
            yield InputFrame(f"{time_ns} {topic}", names, topic, time_ns / NS_PER_S, image)
