"""Persons of a recording, to search for and to search in."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import FramePersons, RgbImage, Roi
from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame
from anon_ros.evaluation.inputs.tracked_frames import (
    FramePairSource,
    ObservationsByCamera,
    PersonFollower,
    observe_all_frames,
)
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.utils.progress import track_progress

EXTERNAL_METHOD = "as given"
_LEAST_HEIGHT_PX = 32
_MOST_HEIGHT_PX = 256
_LEAST_PERSONS = 2


@dataclass
class PersonCrops:
    """One crop per person and period.

    Attributes:
        originals: (h, w, 3) uint8 RGB each, at most 256 px high.
        anonymized: by mode, the same windows of the anonymized frames.
        persons: number of the person.
        periods: number of the period.
        frames: number of the frame.
        too_small: persons, of all frames, below 32 px.
    """

    originals: list[RgbImage] = field(default_factory=list)
    anonymized: dict[str, list[RgbImage]] = field(default_factory=lambda: defaultdict(list))
    persons: list[int] = field(default_factory=list)
    periods: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    too_small: int = 0


FrameCallback = Callable[[FramePersons, Mapping[str, RgbImage]], None]
"""Told of the persons of each frame that was drawn, and the anonymized frame by mode."""


def extract_person_crops(  # noqa: PLR0913, PLR0917 - a source, and what is done with it
    pairs: FramePairSource,
    period_s: float,
    config: Config,
    modes: MethodRunner | None,
    moments: ObservationsByCamera | None = None,
    watch: FrameCallback | None = None,
) -> PersonCrops:
    """Cut every tracked person out of the originals and their anonymized versions.

    Args:
        pairs: the frames, with their anonymized versions if there are any.
        period_s: each person is cut out once in so many seconds.
        config: of detection and tracks.
        modes: to draw the anonymized versions with; None for --anonymized.
        moments: of the first look; None to look now.
        watch: told of each frame of which somebody is cut out.

    Raises:
        InputError: if there are fewer than two persons, or none is seen in two periods.
        AnonRosError: if the source cannot be read, or weights are missing.
    """
    moments = observe_all_frames(pairs, config) if moments is None else moments
    follower = PersonFollower(moments, config)
    crops, seen = PersonCrops(), set[tuple[str, int, int]]()
    numbers: dict[tuple[str, int], int] = {}
    total = sum(len(each) for each in moments.values())
    for index, (frame, given) in enumerate(track_progress(pairs, "cutting out", total)):
        persons = follower.persons_in(frame)
        period = int((frame.time_s or 0.0) // period_s)
        new = []
        for track, window in _windows(frame, persons, crops):
            if (frame.camera, track, period) not in seen:
                seen.add((frame.camera, track, period))
                new.append((numbers.setdefault((frame.camera, track), len(numbers)), window))
        if not new:
            continue
        images = modes.anonymize_persons(frame.image, persons) if modes else {}
        images |= {} if given is None else {EXTERNAL_METHOD: given}
        if watch is not None:
            watch(persons, images)
        for number, window in new:
            crops.originals.append(_cut(frame.image, window))
            crops.persons.append(number)
            crops.periods.append(period)
            crops.frames.append(index)
            for mode, image in images.items():
                crops.anonymized[mode].append(_cut(image, window))
    _check(crops, pairs.selection.path, period_s)
    return crops


def _windows(
    frame: InputFrame, persons: FramePersons, crops: PersonCrops
) -> Iterator[tuple[int, Roi]]:
    """The tracked persons who were found in the frame itself, and their boxes."""
    height_px, width_px = frame.image.shape[:2]
    found = len(persons.detections) - persons.num_propagated
    for track, box in zip(
        persons.track_ids[:found], persons.detections.boxes_xyxy[:found], strict=True
    ):
        window = _window(box).clip(width_px, height_px)
        if window.height_px < _LEAST_HEIGHT_PX or window.width_px < 1:
            crops.too_small += 1
        elif track is not None:
            yield track, window


def _window(box_xyxy: npt.NDArray[np.float32]) -> Roi:
    x0, y0, x1, y1 = (int(side) for side in np.rint(box_xyxy))
    return Roi(x0, y0, x1, y1)


def _cut(image: RgbImage, window: Roi) -> RgbImage:
    crop = image[window.slices]
    if window.height_px <= _MOST_HEIGHT_PX:
        return crop.copy()
    width_px = max(1, round(window.width_px * _MOST_HEIGHT_PX / window.height_px))
    size_wh = width_px, _MOST_HEIGHT_PX
    return np.asarray(cv2.resize(crop, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _check(crops: PersonCrops, path: Path, period_s: float) -> None:
    """Raise InputError if nobody can be searched for."""
    num_persons = len(set(crops.persons))
    if num_persons < _LEAST_PERSONS:
        message = (
            f"{path}: only {num_persons} trackable persons ({_LEAST_HEIGHT_PX} px or taller); "
            "re-identification needs two"
        )
        raise InputError(message)
    if num_persons == len(crops.persons):
        message = (
            f"{path}: no person is visible in two periods of {period_s} s; choose a shorter "
            "--period-s, or more frames"
        )
        raise InputError(message)
