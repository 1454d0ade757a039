"""``anon_ros evaluate detection``: does a person detector find as much?"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO

import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import InputError
from anon_ros.evaluation.detection.tables import ORIGINAL, DetectionMatches, make_detection_report
from anon_ros.evaluation.detection.training import YoloDataset, train_and_test
from anon_ros.evaluation.inputs.frames import InputFrame, iter_frame_pairs, iter_frames
from anon_ros.evaluation.labels.boxes import BoxLabels, make_ground_truth, read_box_labels
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.options import DetectionOptions
from anon_ros.evaluation.provenance import collect_provenance, format_models
from anon_ros.evaluation.report.model import Report
from anon_ros.metrics import GroundTruth
from anon_ros.models import (
    build_detector,
    find_training_start,
    find_weights,
    hash_model,
    model_hashes,
)
from anon_ros.utils.files import write_atomic
from anon_ros.utils.progress import ProgressBar

ANONYMIZED = "anonymized"
_BOXES = "boxes"

ScoredBoxes = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Boxes (N, 4) xyxy and scores (N,)."""


def evaluate_detection(options: DetectionOptions, config: Config) -> Report:
    """Compare a detector on original and anonymized frames.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    labels = _read_labels(options)
    is_given = options.comparison.anonymized is not None
    methods = (ANONYMIZED,) if is_given else options.comparison.methods
    _require_weights(options)
    runner = None if is_given else MethodRunner.load(config, methods, options.output)
    run = _run_detector(options, config, labels, runner)
    training = None
    if run.dataset:
        training = train_and_test(options.training, config, run.dataset, (ORIGINAL, *methods))
    report = make_detection_report(
        run.labelled, run.pseudo_labelled, options.pseudo_label_confidence, training
    )
    provenance = collect_provenance(None) if is_given else collect_provenance(config, methods)
    provenance["detector"] = _describe_detector(_make_detector_config(options, config))
    covered = runner.limitations() if runner else []
    return replace(report, limitations=[*report.limitations, *covered], provenance=provenance)


def _require_weights(options: DetectionOptions) -> None:
    """Fail for missing weights before the frames are looked at, which takes hours."""
    if options.training.train_from:
        find_training_start(options.training.train_from, "--train-from")
    if options.detector:
        find_weights(options.detector, "--detector")


@dataclass(frozen=True)
class _DetectorRun:
    """Results of one pass over the frames.

    Attributes:
        labelled: matches with labels; without frames if there are no labels.
        pseudo_labelled: matches with the detector's own boxes on the original.
        dataset: the frames to train and test with; None if nothing is trained.
    """

    labelled: DetectionMatches = field(default_factory=DetectionMatches)
    pseudo_labelled: DetectionMatches = field(default_factory=DetectionMatches)
    dataset: YoloDataset | None = None


def _run_detector(
    options: DetectionOptions,
    config: Config,
    labels: BoxLabels | None,
    runner: MethodRunner | None,
) -> _DetectorRun:
    detect = _make_cached_detector(options, config)
    is_training = options.training.train_from is not None
    run = _DetectorRun(dataset=YoloDataset(options.output / "train") if is_training else None)
    progress = ProgressBar(-1, "looking for persons")
    try:
        for frame, key, images in _iter_views(options, runner, labels):
            boxes = {method: detect(image) for method, image in images.items()}
            truth = _make_pseudo_labels(boxes[ORIGINAL], options.pseudo_label_confidence)
            run.pseudo_labelled.add(truth, boxes)
            if labels:
                truth = labels.read(key, *frame.image.shape[:2])
                run.labelled.add(truth, boxes)
            if run.dataset:
                run.dataset.add(frame, images, truth)
            progress.advance(len(truth.boxes_xyxy))
    finally:
        progress.close()
    return run


def _iter_views(
    options: DetectionOptions, runner: MethodRunner | None, labels: BoxLabels | None
) -> Iterator[tuple[InputFrame, str, dict[str, RgbImage]]]:
    """Yield each labelled frame, the key of its labels, and its images by method."""
    count, unlabelled_name = 0, ""
    for frame, anonymize in _iter_lazy_frames(options, runner):
        key = labels.find(*frame.names) if labels else frame.key
        if key is None:
            unlabelled_name = frame.names[0]
            continue
        yield frame, key, {ORIGINAL: frame.image, **anonymize()}
        count += 1
    if labels and not count:
        message = (
            f"no labels of {labels.path} belong to a frame of {options.frames.path}: labels are "
            f"named like {labels.example!r}, frames like {unlabelled_name!r}"
        )
        raise InputError(message)


def _iter_lazy_frames(
    options: DetectionOptions, runner: MethodRunner | None
) -> Iterator[tuple[InputFrame, Callable[[], dict[str, RgbImage]]]]:
    """Yield each frame with a function that returns its anonymized versions."""
    if runner is None:
        for frame, anonymized in iter_frame_pairs(options.frames, options.comparison):
            yield frame, partial(dict, {ANONYMIZED: anonymized.image})
        return
    for frame in iter_frames(options.frames):
        yield frame, partial(_anonymize, runner, frame.image)


def _anonymize(runner: MethodRunner, image: RgbImage) -> dict[str, RgbImage]:
    return runner.anonymize(image, runner.detect(image))


def _read_labels(options: DetectionOptions) -> BoxLabels | None:
    if options.labels is None:
        return None
    return read_box_labels(options.labels, options.label_classes, None)


def _make_detector_config(options: DetectionOptions, config: Config) -> Config:
    detect = config.detect
    if options.detector:
        detect = replace(detect, weights=(options.detector,), backend="auto")
    if options.detector_classes:
        detect = replace(detect, classes=options.detector_classes)
    return replace(config, detect=detect)


def _describe_detector(config: Config) -> str:
    models = model_hashes(config.with_method("fill"))
    classes = ", ".join(config.detect.classes)
    return f"{format_models(models)['detect.weights']}, classes: {classes}"


def _make_pseudo_labels(boxes: ScoredBoxes, confidence: float) -> GroundTruth:
    boxes_xyxy, scores = boxes
    return make_ground_truth(boxes_xyxy[scores >= confidence])


def _make_cached_detector(
    options: DetectionOptions, config: Config
) -> Callable[[RgbImage], ScoredBoxes]:
    """Return the detector; its boxes are stored, so that an interrupted evaluation continues."""
    chosen = _make_detector_config(options, config)
    detector = build_detector(chosen)
    directory = options.output / _BOXES / _hash_detector(chosen)

    def detect(image: RgbImage) -> ScoredBoxes:
        digest = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16)
        path = directory / f"{digest.hexdigest()}.npy"
        if not path.is_file():
            data = BytesIO()
            np.save(data, np.column_stack(detector.detect(image)))
            write_atomic(path, data.getvalue())
        rows = np.load(path)
        return rows[:, :4], rows[:, 4]

    return detect


def _hash_detector(config: Config) -> str:
    weights = [hash_model(find_weights(name)) for name in config.detect.weights]
    parts = weights, config.detect.classes, config.detect.inference_px
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
