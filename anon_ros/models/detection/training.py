"""Training of a detector with Ultralytics, resumed where it was interrupted."""

import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch

from anon_ros.errors import ModelError, format_error
from anon_ros.models.detection.training_config import TrainingConfig
from anon_ros.models.device import resolve_device
from anon_ros.models.weights.locate import find_training_start
from anon_ros.models.weights.offline import disable_network_access
from anon_ros.utils.files import make_private_dir, sha256_of_file

_LOG = logging.getLogger(__name__)
_SETTINGS_NAME, _RESULT_NAME = "run.json", "detector.pt"
_CHECKPOINT = Path("weights") / "last.pt"
_MAX_WORKERS = 4


def train_detector(training: TrainingConfig, on_epoch: Callable[[int], None]) -> Path:
    """Train, or resume an interrupted run; a finished run is not repeated.

    The weights are those after the last epoch, so no validation images are needed. A resumed run
    draws other random numbers than an uninterrupted one.

    Args:
        training: the run.
        on_epoch: called after each epoch, with the number of finished epochs.

    Returns:
        The path of the weights.

    Raises:
        ModelError: if the initial weights or the images cannot be used, or the device is missing.
    """
    start = find_training_start(training.init_weights, "--train-from")
    result = training.directory / _RESULT_NAME
    _prepare_directory(training, start)
    if result.is_file():
        return result
    with _restore_process_state():
        try:
            _run(training, start, on_epoch)
        except ModelError:
            raise
        except Exception as error:
            message = f"{training.directory}: the training failed: {format_error(error)}"
            raise ModelError(message) from error
    return result


def _prepare_directory(training: TrainingConfig, start: str) -> None:
    """Make the directory this run's own: remove the files of a run with other settings."""
    is_file = Path(start).is_file()
    digest = sha256_of_file(Path(start)) if is_file else start
    settings = {"start": digest} | {
        name: value
        for name, value in vars(training).items()
        if name not in {"init_weights", "images", "directory", "device"}
    }
    path = training.directory / _SETTINGS_NAME
    text = json.dumps(settings, indent=2) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        try:
            if training.directory.exists():
                shutil.rmtree(training.directory)
            make_private_dir(training.directory)  # Ultralytics plots images into it
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            message = f"{training.directory} cannot be written: {format_error(error)}"
            raise ModelError(message) from error


@contextmanager
def _restore_process_state() -> Iterator[None]:
    """Undo what Ultralytics changes for the whole process."""
    threads, opencv_threads = torch.get_num_threads(), cv2.getNumThreads()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(opencv_threads)
        if visible is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible


def _run(training: TrainingConfig, start: str, on_epoch: Callable[[int], None]) -> None:
    disable_network_access()
    checkpoint = training.directory / _CHECKPOINT
    epochs_done = _read_epochs_done(checkpoint)
    # Older versions compare a cache with the labels by the sum of their sizes alone.
    (training.images.parent / "labels.cache").unlink(missing_ok=True)
    if epochs_done < training.epochs:
        if not epochs_done:
            _require_detector(start)
        options = _make_options(training, start) | (
            {"resume": str(checkpoint)} if epochs_done else {}
        )
        trainer = _define_trainer(training.images)(overrides=options)
        trainer.add_callback("on_fit_epoch_end", lambda it: on_epoch(it.epoch + 1))
        trainer.train()
    from ultralytics.utils.torch_utils import strip_optimizer  # noqa: PLC0415 - after the switches

    partial = training.directory / f"partial-{_RESULT_NAME}"
    strip_optimizer(checkpoint, s=str(partial))
    partial.replace(training.directory / _RESULT_NAME)
    shutil.rmtree(checkpoint.parent)  # four times the size, and no longer needed


def _read_epochs_done(checkpoint: Path) -> int:
    """Return the epochs of an interrupted run's checkpoint; 0 if none can be read."""
    if not checkpoint.is_file():
        return 0
    try:
        from ultralytics.nn.tasks import torch_safe_load  # noqa: PLC0415 - after the switches

        # It holds a whole module; in somebody else's folder any code, which this refuses.
        return int(torch_safe_load(checkpoint)[0]["epoch"]) + 1
    except Exception as error:  # noqa: BLE001 - whatever a damaged pickle raises
        _LOG.warning(
            "%s is damaged (%s); this training starts over", checkpoint, format_error(error)
        )
        return 0


def _require_detector(start: str) -> None:
    from ultralytics import YOLO  # noqa: PLC0415 - after the switches

    try:
        task = YOLO(start).task
    except Exception as error:
        message = f"{start} cannot be loaded to train: {' '.join(str(error).split())}"
        raise ModelError(message) from error
    if task != "detect":
        message = f"{start} is for {task}; take weights or an architecture for detection"
        raise ModelError(message)


def _make_options(training: TrainingConfig, start: str) -> dict[str, Any]:
    device = resolve_device(training.device)
    return {
        "model": start,
        "data": str(training.images),
        "save_dir": str(training.directory),
        "epochs": training.epochs,
        "imgsz": training.image_size_px,
        "batch": training.batch,
        "seed": training.seed,
        "device": str(device),
        "workers": 0 if device.type == "cpu" else min(_MAX_WORKERS, os.cpu_count() or 1),
        "deterministic": True,
        "amp": False,  # its check wants a model that it would download
        "patience": 0,
        "val": False,
        "plots": False,
        "verbose": False,
    }


def _define_trainer(images: Path) -> Any:
    """Return Ultralytics' trainer without network access and validation."""
    from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: PLC0415

    class Trainer(DetectionTrainer):  # type: ignore[misc]  # ships no types
        def get_dataset(self) -> dict[str, Any]:
            """Return the images, without the check that fetches a font."""
            splits = {"train": str(images), "val": str(images), "path": images.parent}
            return {**splits, "names": {0: "person"}, "nc": 1, "channels": 3}

        def validate(self) -> tuple[dict[str, float], float]:
            """Return nothing: the weights after the last epoch are the result."""
            return {}, 0.0

        def final_eval(self) -> None:
            """Do nothing, as ``validate``."""

        def save_model(self) -> bool:
            """Write last.pt atomically, and no best.pt."""
            self.best_fitness = math.nan  # equals no fitness, so best.pt is not written
            checkpoint, partial = self.wdir / _CHECKPOINT.name, self.wdir / "partial.pt"
            self.last = partial
            super().save_model()
            self.last = checkpoint
            partial.replace(checkpoint)
            return True

    return Trainer
