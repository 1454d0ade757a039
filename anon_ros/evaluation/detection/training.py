"""The paper's protocol: detectors trained on anonymized frames, tested on original ones."""

import hashlib
from argparse import Namespace
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
from anon_ros.metrics import AveragePrecision, FrameMatches, GroundTruth, match_frame
from anon_ros.models import TrainingConfig, build_detector, train_detector
from anon_ros.utils.progress import ProgressBar

_JPEG = (int(cv2.IMWRITE_JPEG_QUALITY), 95)
_GAP = 0.05  # of the frames to train with


@dataclass(frozen=True)
class _DatasetFrame:
    """One frame: its number and time, and who is there."""

    number: int
    time_s: float
    truth: GroundTruth


@dataclass(frozen=True)
class YoloDataset:
    """Frames as files for Ultralytics: of each mode the same ones, encoded the same way.

    Attributes:
        folder: to write into.
        kept: what was written.
    """

    folder: Path
    kept: list[_DatasetFrame] = field(default_factory=list)
    _digests: dict[str, dict[int, str]] = field(default_factory=dict)

    def add(self, frame: InputFrame, images: Mapping[str, RgbImage], truth: GroundTruth) -> None:
        """Write one frame, by mode.

        Raises:
            InputError: if it cannot be written.
        """
        number = len(self.kept)
        self.kept.append(
            _DatasetFrame(number, number if frame.time_s is None else frame.time_s, truth)
        )
        label = _yolo(truth, frame.image.shape)
        for mode, image in images.items():
            data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG)[1].tobytes()
            try:
                _write(self.image(mode, number), data)
                _write(self.folder / mode / "labels" / f"{number:06d}.txt", label.encode())
            except OSError as error:
                message = f"{self.folder / mode} cannot be written: {error}"
                raise InputError(message) from error
            digest = hashlib.sha256(data + label.encode()).hexdigest()
            self._digests.setdefault(mode, {})[number] = digest

    def image(self, mode: str, number: int) -> Path:
        """Its file."""
        return self.folder / mode / "images" / f"{number:06d}.jpg"

    def split(self, train_share: float) -> tuple[list[_DatasetFrame], list[_DatasetFrame]]:
        """The earliest frames to train with, and the others to test with.

        Raises:
            InputError: if there are too few.
        """
        ordered = sorted(self.kept, key=lambda kept: kept.time_s)
        border = round(len(ordered) * train_share)
        learnt, tested = ordered[: border - int(border * _GAP)], ordered[border:]
        if not any(len(kept.truth.boxes_xyxy) for kept in learnt) or not tested:
            message = f"{len(ordered)} labelled frames: too few to train with some and test others"
            raise InputError(message)
        return learnt, tested

    def write_list(self, mode: str, frames: Sequence[_DatasetFrame]) -> tuple[Path, str]:
        """The list of these frames for Ultralytics, and what changes with them."""
        path = self.folder / mode / "train.txt"
        lines = [f"{self.image(mode, kept.number).absolute()}\n" for kept in frames]
        path.write_text("".join(lines), encoding="utf-8")
        digests = "".join(self._digests[mode][kept.number] for kept in frames)
        return path, hashlib.sha256(digests.encode()).hexdigest()


def train_and_test(
    arguments: Namespace, config: Config, dataset: YoloDataset, modes: Sequence[str]
) -> TrainingResults:
    """Train a detector per mode and seed, unless it was trained before, and test each.

    Raises:
        AnonRosError: if there are too few frames, or one cannot be trained.
    """
    learnt, tested = dataset.split(arguments.train_share)
    seen = replace(config.detect, classes=("person",))
    if arguments.train_px:
        seen = replace(seen, inference_px=arguments.train_px)
    found: dict[str, list[AveragePrecision]] = {}
    for mode in modes:
        images, data = dataset.write_list(mode, learnt)
        for seed in range(arguments.seeds):
            training = TrainingConfig(
                init_weights=arguments.train,
                images=images,
                data_digest=data,
                directory=dataset.folder / mode / f"seed{seed}",
                epochs=arguments.epochs,
                image_size_px=seen.inference_px,
                batch=arguments.batch,
                seed=seed,
                device=config.compute.device,
            )
            weights = _trained(training, f"training on {mode}, seed {seed}")
            frames = _tested(weights, replace(config, detect=seen), dataset, tested)
            found.setdefault(mode, []).append(AveragePrecision(frames))
    return TrainingResults(arguments.train, arguments.epochs, len(learnt), len(tested), found)


def _trained(training: TrainingConfig, phase: str) -> Path:
    shown = ProgressBar(training.epochs, phase, unit="epochs")
    try:
        return train_detector(training, lambda _: shown.advance())
    finally:
        shown.close()


def _tested(
    weights: Path, config: Config, dataset: YoloDataset, tested: Sequence[_DatasetFrame]
) -> list[FrameMatches]:
    """On the original frames, in their files."""
    detect = replace(config.detect, weights=str(weights.absolute()))
    detector = build_detector(replace(config, detect=detect))
    return [
        match_frame(kept.truth, *detector.detect(read_image(dataset.image(ORIGINAL, kept.number))))
        for kept in tested
    ]


def _yolo(truth: GroundTruth, shape: Sequence[int]) -> str:
    """Boxes as YOLO text; crowds are nobody to learn from."""
    relative = truth.boxes_xyxy[~truth.is_crowd] / ([shape[1], shape[0]] * 2)
    low, high = np.clip(relative[:, :2], 0, 1), np.clip(relative[:, 2:], 0, 1)
    rows = np.concatenate([(low + high) / 2, high - low], axis=1)
    return "".join(f"0 {' '.join(f'{value:.6f}' for value in row)}\n" for row in rows)


def _write(path: Path, data: bytes) -> None:
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
