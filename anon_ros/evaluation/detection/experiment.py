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

from anon_ros.cli.config_flags import parse_config
from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import InputError
from anon_ros.evaluation.detection.tables import ORIGINAL, DetectionMatches, make_detection_report
from anon_ros.evaluation.detection.training import YoloDataset, train_and_test
from anon_ros.evaluation.inputs.frames import InputFrame, iter_frame_pairs, iter_frames
from anon_ros.evaluation.labels.boxes import BoxLabels, ground_truth_from_boxes, read_box_labels
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.provenance import collect_provenance, format_models
from anon_ros.evaluation.report.model import Report
from anon_ros.metrics import GroundTruth
from anon_ros.models import build_detector, find_training_start, find_weights, model_hashes
from anon_ros.utils.files import write_atomic
from anon_ros.utils.progress import ProgressBar

ANONYMIZED = "anonymized"
_BOXES = "boxes"

ScoredBoxes = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Boxes (N, 4) xyxy and scores (N,)."""


def evaluate_detection(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if it cannot be done.
    """
    config = parse_config(arguments)
    labels = _labels(arguments)
    modes = (ANONYMIZED,) if arguments.anonymized else tuple(arguments.modes)
    if arguments.train:
        find_training_start(arguments.train, "--train")  # before hours of looking at frames
    if arguments.detector:
        find_weights(arguments.detector, "--detector")
    drawing = None if arguments.anonymized else MethodRunner.load(config, modes, arguments.out)
    judged = _run_detector(arguments, config, labels, drawing)
    trained = None
    if judged.dataset:
        trained = train_and_test(arguments, config, judged.dataset, (ORIGINAL, *modes))
    report = make_detection_report(judged.labelled, judged.own, arguments.truth_confidence, trained)
    told = collect_provenance(None) if arguments.anonymized else collect_provenance(config, modes)
    told["detector"] = _told(_detector_config(arguments, config))
    covered = drawing.limitations() if drawing else []
    return replace(report, limitations=[*report.limitations, *covered], provenance=told)


@dataclass(frozen=True)
class _Judged:
    """What one pass over the frames told.

    Attributes:
        labelled: against labels; without frames if there are none.
        own: against what the detector finds on the original.
        dataset: the frames to train and test with; None if nothing is trained.
    """

    labelled: DetectionMatches = field(default_factory=DetectionMatches)
    own: DetectionMatches = field(default_factory=DetectionMatches)
    dataset: YoloDataset | None = None


def _run_detector(
    arguments: Namespace, config: Config, labels: BoxLabels | None, modes: MethodRunner | None
) -> _Judged:
    find = _finder(arguments, config)
    judged = _Judged(dataset=YoloDataset(arguments.out / "train") if arguments.train else None)
    shown = ProgressBar(-1, "looking for persons")
    try:
        for frame, key, images in _iter_views(arguments, modes, labels):
            found = {name: find(image) for name, image in images.items()}
            own = _confident(found[ORIGINAL], arguments.truth_confidence)
            judged.own.add(own, found)
            truth = own
            if labels:
                truth = labels.read(key, *frame.image.shape[:2])
                judged.labelled.add(truth, found)
            if judged.dataset:
                judged.dataset.add(frame, images, truth)
            shown.advance(len(truth.boxes_xyxy))
    finally:
        shown.close()
    return judged


def _iter_views(
    arguments: Namespace, modes: MethodRunner | None, labels: BoxLabels | None
) -> Iterator[tuple[InputFrame, str, dict[str, RgbImage]]]:
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
        raise InputError(message)


def _frames(
    arguments: Namespace, modes: MethodRunner | None
) -> Iterator[tuple[InputFrame, Callable[[], dict[str, RgbImage]]]]:
    if modes is None:
        for frame, other in iter_frame_pairs(arguments.input, arguments.anonymized, arguments):
            yield frame, partial(dict, {ANONYMIZED: other.image})
        return
    for frame in iter_frames(arguments.input, arguments):
        yield frame, partial(_draw, modes, frame.image)


def _draw(modes: MethodRunner, image: RgbImage) -> dict[str, RgbImage]:
    return modes.anonymize(image, modes.detect(image))


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
    models = model_hashes(replace(config, inpaint=replace(config.inpaint, method="fill")))
    classes = ", ".join(config.detect.classes)
    return f"{format_models(models)['detect.weights']}, classes: {classes}"


def _confident(found: ScoredBoxes, confidence: float) -> GroundTruth:
    boxes_xyxy, scores = found
    return ground_truth_from_boxes(boxes_xyxy[scores >= confidence])


def _finder(arguments: Namespace, config: Config) -> Callable[[RgbImage], ScoredBoxes]:
    """The detector; what it found is kept, so that an interrupted evaluation goes on."""
    chosen = _detector_config(arguments, config)
    detector = build_detector(chosen)
    weights = find_weights(chosen.detect.weights).read_bytes()
    parts = hashlib.sha256(weights).hexdigest(), chosen.detect.classes, chosen.detect.inference_px
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
    folder: Path = arguments.out / _BOXES / digest

    def find(image: RgbImage) -> ScoredBoxes:
        name = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16)
        path = folder / f"{name.hexdigest()}.npy"
        if not path.is_file():
            data = BytesIO()
            np.save(data, np.column_stack(detector.detect(image)))
            write_atomic(path, data.getvalue())
        kept = np.load(path)
        return kept[:, :4], kept[:, 4]

    return find
