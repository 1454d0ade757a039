"""Query and gallery crops of persons, cut out of a recording."""

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
_MIN_HEIGHT_PX = 32
_MAX_HEIGHT_PX = 256
_MIN_PERSONS = 2


@dataclass
class PersonCrops:
    """Crops of persons, a single crop per person and period.

    Attributes:
        originals: (h, w, 3) uint8 RGB, at most 256 px high.
        anonymized: by method, the same parts of the anonymized frames.
        persons: number of the person.
        periods: number of the period.
        frames: number of the frame.
        too_small: persons below 32 px, over all frames.
    """

    originals: list[RgbImage] = field(default_factory=list)
    anonymized: dict[str, list[RgbImage]] = field(default_factory=lambda: defaultdict(list))
    persons: list[int] = field(default_factory=list)
    periods: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    too_small: int = 0


FrameCallback = Callable[[FramePersons, Mapping[str, RgbImage]], None]
"""A function of the persons of an anonymized frame, and of the frame by method."""


def extract_person_crops(  # noqa: PLR0913, PLR0917 - a source, and what is done with it
    pairs: FramePairSource,
    period_s: float,
    config: Config,
    methods: MethodRunner | None,
    observations: ObservationsByCamera | None = None,
    on_frame: FrameCallback | None = None,
) -> PersonCrops:
    """Cut every tracked person out of the originals and their anonymized versions.

    Args:
        pairs: the frames, with their anonymized versions if there are any.
        period_s: length of a period, in which a person is cut out once.
        config: of detection and tracks.
        methods: to anonymize the frames with; None if ``pairs`` has anonymized versions.
        observations: of all frames; None to detect the persons now.
        on_frame: called with every frame of which a person is cut out.

    Raises:
        InputError: if there are fewer than two persons, or nobody is visible in two periods.
        AnonRosError: if the source cannot be read, or weights are missing.
    """
    if observations is None:
        observations = observe_all_frames(pairs, config)
    follower = PersonFollower(observations, config)
    crops, finished = PersonCrops(), set[tuple[str, int, int]]()
    numbers: dict[tuple[str, int], int] = {}
    total = sum(map(len, observations.values()))
    for index, (frame, anonymized) in enumerate(track_progress(pairs, "cutting out", total)):
        persons = follower.persons_in(frame)
        period = int((frame.time_s or 0.0) // period_s)
        new = []
        for track, roi in _find_rois(frame, persons, crops):
            if (frame.camera, track, period) not in finished:
                finished.add((frame.camera, track, period))
                new.append((numbers.setdefault((frame.camera, track), len(numbers)), roi))
        if not new:
            continue
        images = methods.anonymize_persons(frame.image, persons) if methods else {}
        images |= {} if anonymized is None else {EXTERNAL_METHOD: anonymized}
        if on_frame is not None:
            on_frame(persons, images)
        for number, roi in new:
            crops.originals.append(_crop_and_shrink(frame.image, roi))
            crops.persons.append(number)
            crops.periods.append(period)
            crops.frames.append(index)
            for method, image in images.items():
                crops.anonymized[method].append(_crop_and_shrink(image, roi))
    _validate(crops, pairs.selection.path, period_s)
    return crops


def _find_rois(
    frame: InputFrame, persons: FramePersons, crops: PersonCrops
) -> Iterator[tuple[int, Roi]]:
    """Yield track id and box of the tracked persons who were detected in the frame itself."""
    height_px, width_px = frame.image.shape[:2]
    num_detected = len(persons.detections) - persons.num_propagated
    for track, box in zip(
        persons.track_ids[:num_detected], persons.detections.boxes_xyxy[:num_detected], strict=True
    ):
        roi = _round_box(box).clip(width_px, height_px)
        if roi.height_px < _MIN_HEIGHT_PX or roi.width_px < 1:
            crops.too_small += 1
        elif track is not None:
            yield track, roi


def _round_box(box_xyxy: npt.NDArray[np.float32]) -> Roi:
    x0, y0, x1, y1 = (int(side) for side in np.rint(box_xyxy))
    return Roi(x0, y0, x1, y1)


def _crop_and_shrink(image: RgbImage, roi: Roi) -> RgbImage:
    crop = image[roi.slices]
    if roi.height_px <= _MAX_HEIGHT_PX:
        return crop.copy()
    width_px = max(1, round(roi.width_px * _MAX_HEIGHT_PX / roi.height_px))
    size_wh = width_px, _MAX_HEIGHT_PX
    return np.asarray(cv2.resize(crop, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _validate(crops: PersonCrops, path: Path, period_s: float) -> None:
    """Raise InputError if nobody can be searched for."""
    num_persons = len(set(crops.persons))
    if num_persons < _MIN_PERSONS:
        message = (
            f"{path}: only {num_persons} trackable persons ({_MIN_HEIGHT_PX} px or taller); "
            "re-identification needs two"
        )
        raise InputError(message)
    if num_persons == len(crops.persons):
        message = (
            f"{path}: no person is visible in two periods of {period_s} s; choose a shorter "
            "--period-s, or more frames"
        )
        raise InputError(message)
