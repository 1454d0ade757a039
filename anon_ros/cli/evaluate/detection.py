"""``anon_ros evaluate detection``: what a person detector loses."""

import hashlib
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anon_ros.cli.evaluate.made import made, told_models
from anon_ros.cli.evaluate.modes import Modes
from anon_ros.cli.evaluate.precision_tables import ORIGINAL, Tally, precision_report
from anon_ros.cli.evaluate.sources import Frame, SourceError, frames_of, pairs_of
from anon_ros.cli.evaluate.trained import Dataset, train_and_test
from anon_ros.cli.files import write_whole
from anon_ros.cli.flags import config_from
from anon_ros.cli.progress import FrameProgress
from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.evaluate import (
    BoxLabels,
    Report,
    Truth,
    read_box_labels,
    truth_of,
)
from anon_ros.models import build_detector, find_start, find_weights, model_hashes

ANONYMIZED = "anonymized"
_BOXES = "boxes"

Found = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Boxes (N, 4) xyxy and scores (N,)."""


def detection_report(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if it cannot be done.
    """
    config = config_from(arguments)
    labels = _labels(arguments)
    modes = (ANONYMIZED,) if arguments.anonymized else tuple(arguments.modes)
    if arguments.train:
        find_start(arguments.train, "--train")  # before hours of looking at frames
    if arguments.detector:
        find_weights(arguments.detector, "--detector")
    drawing = None if arguments.anonymized else Modes.load(config, modes, arguments.out)
    judged = _judge(arguments, config, labels, drawing)
    trained = None
    if judged.dataset:
        trained = train_and_test(arguments, config, judged.dataset, (ORIGINAL, *modes))
    report = precision_report(judged.labelled, judged.own, arguments.truth_confidence, trained)
    told = made(None) if arguments.anonymized else made(config, modes)
    told["detector"] = _told(_detector_config(arguments, config))
    covered = drawing.limits() if drawing else []
    return replace(report, limits=[*report.limits, *covered], made=told)


@dataclass(frozen=True)
class _Judged:
    """What one pass over the frames told.

    Attributes:
        labelled: against labels; without frames if there are none.
        own: against what the detector finds on the original.
        dataset: the frames to train and test with; None if nothing is trained.
    """

    labelled: Tally = field(default_factory=Tally)
    own: Tally = field(default_factory=Tally)
    dataset: Dataset | None = None


def _judge(
    arguments: Namespace, config: Config, labels: BoxLabels | None, modes: Modes | None
) -> _Judged:
    find = _finder(arguments, config)
    judged = _Judged(dataset=Dataset(arguments.out / "train") if arguments.train else None)
    shown = FrameProgress(-1, "looking for persons")
    try:
        for frame, key, images in _views(arguments, modes, labels):
            found = {name: find(image) for name, image in images.items()}
            own = _likely(found[ORIGINAL], arguments.truth_confidence)
            judged.own.add(own, found)
            truth = own
            if labels:
                truth = labels.read(key, *frame.image.shape[:2])
                judged.labelled.add(truth, found)
            if judged.dataset:
                judged.dataset.add(frame, images, truth)
            shown.frame(len(truth.boxes_xyxy), is_new=True)
    finally:
        shown.close()
    return judged


def _views(
    arguments: Namespace, modes: Modes | None, labels: BoxLabels | None
) -> Iterator[tuple[Frame, str, dict[str, RgbImage]]]:
    """Each frame that counts, the key of its labels, and its images by mode."""
    count, other = 0, ""
    for frame, draw in _frames(arguments, modes):
        key = labels.find(*frame.names) if labels else frame.key
        if key is None:
            other = frame.names[0]
            continue
        yield frame, key, {ORIGINAL: frame.image, **draw()}
        count += 1
    if labels and not count:
        message = (
            f"no labels of {labels.path} belong to a frame of {arguments.input}: labels are named "
            f"like {labels.example!r}, frames like {other!r}"
        )
        raise SourceError(message)


def _frames(
    arguments: Namespace, modes: Modes | None
) -> Iterator[tuple[Frame, Callable[[], dict[str, RgbImage]]]]:
    if modes is None:
        for frame, other in pairs_of(arguments.input, arguments.anonymized, arguments):
            yield frame, partial(dict, {ANONYMIZED: other.image})
        return
    for frame in frames_of(arguments.input, arguments):
        yield frame, partial(_draw, modes, frame.image)


def _draw(modes: Modes, image: RgbImage) -> dict[str, RgbImage]:
    return modes.draw(image, modes.find(image))


def _labels(arguments: Namespace) -> BoxLabels | None:
    if arguments.labels is None:
        return None
    return read_box_labels(arguments.labels, arguments.label_classes, None)


def _detector_config(arguments: Namespace, config: Config) -> Config:
    detect = config.detect
    changed: dict[str, Any] = {}
    if arguments.detector:
        changed["weights"] = arguments.detector
    if arguments.detector_classes:
        changed["classes"] = tuple(arguments.detector_classes)
    return replace(config, detect=replace(detect, **changed))


def _told(config: Config) -> str:
    models = model_hashes(replace(config, inpaint=replace(config.inpaint, kind="fill")))
    classes = ", ".join(config.detect.classes)
    return f"{told_models(models)['detect.weights']}, classes: {classes}"


def _likely(found: Found, confidence: float) -> Truth:
    boxes_xyxy, scores = found
    return truth_of(boxes_xyxy[scores >= confidence])


def _finder(arguments: Namespace, config: Config) -> Callable[[RgbImage], Found]:
    """The detector; what it found is kept, so that an interrupted evaluation goes on."""
    chosen = _detector_config(arguments, config)
    detector = build_detector(chosen)
    weights = find_weights(chosen.detect.weights).read_bytes()
    parts = hashlib.sha256(weights).hexdigest(), chosen.detect.classes, chosen.detect.inference_px
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
    folder: Path = arguments.out / _BOXES / digest

    def find(image: RgbImage) -> Found:
        name = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16)
        path = folder / f"{name.hexdigest()}.npy"
        if not path.is_file():
            data = BytesIO()
            np.save(data, np.column_stack(detector.find(image)))
            write_whole(path, data.getvalue())
        kept = np.load(path)
        return kept[:, :4], kept[:, 4]

    return find
