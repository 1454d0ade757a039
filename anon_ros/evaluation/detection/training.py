"""Training of detectors on anonymized frames, tested on original ones: the paper's protocol."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import InputError
from anon_ros.evaluation.detection.tables import ORIGINAL, TrainingResults
from anon_ros.evaluation.inputs.frames import InputFrame, read_image
from anon_ros.evaluation.options import TrainingOptions
from anon_ros.metrics import AveragePrecision, FrameMatches, GroundTruth, match_frame
from anon_ros.models import TrainingConfig, build_detector, train_detector
from anon_ros.utils.files import make_private_dir
from anon_ros.utils.progress import ProgressBar

_JPEG = (int(cv2.IMWRITE_JPEG_QUALITY), 95)
_GAP_RATIO = 0.05  # of the frames to train with


@dataclass(frozen=True)
class _DatasetFrame:
    """A frame of the dataset: number, time, and persons."""

    number: int
    time_s: float
    truth: GroundTruth


@dataclass(frozen=True)
class YoloDataset:
    """Frames as files for Ultralytics: the same ones of each method, encoded the same way.

    Attributes:
        directory: to write into.
        frames: that were written.
    """

    directory: Path
    frames: list[_DatasetFrame] = field(default_factory=list)
    _digests: dict[str, dict[int, str]] = field(default_factory=dict)

    def add(self, frame: InputFrame, images: Mapping[str, RgbImage], truth: GroundTruth) -> None:
        """Write one frame.

        Args:
            frame: its time.
            images: by method.
            truth: its persons.

        Raises:
            InputError: if it cannot be written.
        """
        if not self.frames:
            self._make_directory()
        number = len(self.frames)
        time_s = number if frame.time_s is None else frame.time_s
        self.frames.append(_DatasetFrame(number, time_s, truth))
        label = _format_yolo(truth, frame.image.shape)
        for method, image in images.items():
            data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG)[1].tobytes()
            label_path = self.directory / method / "labels" / f"{number:06d}.txt"
            try:
                _write_if_changed(self.get_image_path(method, number), data)
                _write_if_changed(label_path, label.encode())
            except OSError as error:
                message = f"{self.directory / method} cannot be written: {error}"
                raise InputError(message) from error
            digest = hashlib.sha256(data + label.encode()).hexdigest()
            self._digests.setdefault(method, {})[number] = digest

    def get_image_path(self, method: str, number: int) -> Path:
        """Return the file of a frame."""
        return self.directory / method / "images" / f"{number:06d}.jpg"

    def _make_directory(self) -> None:
        try:
            make_private_dir(self.directory)  # the originals are among its images
        except OSError as error:
            message = f"{self.directory} cannot be written: {error}"
            raise InputError(message) from error

    def split(self, train_fraction: float) -> tuple[list[_DatasetFrame], list[_DatasetFrame]]:
        """Return the earliest frames, to train with, and the last ones, to test with.

        Raises:
            InputError: if there are too few.
        """
        ordered = sorted(self.frames, key=lambda frame: frame.time_s)
        border = round(len(ordered) * train_fraction)
        train, test = ordered[: border - int(border * _GAP_RATIO)], ordered[border:]
        if not any(len(frame.truth.boxes_xyxy) for frame in train) or not test:
            message = f"{len(ordered)} labelled frames: too few to train with some and test others"
            raise InputError(message)
        return train, test

    def write_list(self, method: str, frames: Sequence[_DatasetFrame]) -> tuple[Path, str]:
        """Write the list of frames for Ultralytics; return its path and a digest of the frames."""
        path = self.directory / method / "train.txt"
        lines = [f"{self.get_image_path(method, frame.number).absolute()}\n" for frame in frames]
        path.write_text("".join(lines), encoding="utf-8")
        digests = "".join(self._digests[method][frame.number] for frame in frames)
        return path, hashlib.sha256(digests.encode()).hexdigest()


def train_and_test(
    options: TrainingOptions, config: Config, dataset: YoloDataset, methods: Sequence[str]
) -> TrainingResults:
    """Train a detector per method and seed, unless it was trained before, and test each.

    Args:
        options: with ``train_from``.
        config: of the detectors.
        dataset: of all methods.
        methods: to train with.

    Raises:
        AnonRosError: if there are too few frames, or one cannot be trained.
    """
    start = options.train_from
    if start is None:
        message = "no weights to train from"
        raise InputError(message)
    train, test = dataset.split(options.train_fraction)
    detect = replace(config.detect, classes=("person",), backend="auto")
    if options.train_px:
        detect = replace(detect, inference_px=options.train_px)
    scores: dict[str, list[AveragePrecision]] = {}
    for method in methods:
        images, digest = dataset.write_list(method, train)
        for seed in range(options.train_seeds):
            training = TrainingConfig(
                init_weights=start,
                images=images,
                data_digest=digest,
                directory=dataset.directory / method / f"seed{seed}",
                epochs=options.epochs,
                image_size_px=detect.inference_px,
                batch=options.train_batch,
                seed=seed,
                device=config.compute.device,
            )
            weights = _train(training, f"training on {method}, seed {seed}")
            matches = _test(weights, replace(config, detect=detect), dataset, test)
            scores.setdefault(method, []).append(AveragePrecision(matches))
    return TrainingResults(start, options.epochs, len(train), len(test), scores)


def _train(training: TrainingConfig, phase: str) -> Path:
    progress = ProgressBar(training.epochs, phase, unit="epochs")
    try:
        return train_detector(training, lambda _: progress.advance())
    finally:
        progress.close()


def _test(
    weights: Path, config: Config, dataset: YoloDataset, frames: Sequence[_DatasetFrame]
) -> list[FrameMatches]:
    """Return the matches on the original frames, read from their files."""
    detect = replace(config.detect, weights=(str(weights.absolute()),))
    detector = build_detector(replace(config, detect=detect))
    images = (read_image(dataset.get_image_path(ORIGINAL, frame.number)) for frame in frames)
    return [
        match_frame(frame.truth, *detector.detect(image))
        for frame, image in zip(frames, images, strict=True)
    ]


def _format_yolo(truth: GroundTruth, shape: Sequence[int]) -> str:
    """Return boxes as YOLO text, without crowds, which show no single person."""
    relative = truth.boxes_xyxy[~truth.is_crowd] / ([shape[1], shape[0]] * 2)
    low, high = np.clip(relative[:, :2], 0, 1), np.clip(relative[:, 2:], 0, 1)
    rows = np.concatenate([(low + high) / 2, high - low], axis=1)
    return "".join(f"0 {' '.join(f'{value:.6f}' for value in row)}\n" for row in rows)


def _write_if_changed(path: Path, data: bytes) -> None:
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
