"""Training: real frames, a tiny network, interrupted and taken up again."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch

from anon_ros.errors import ModelError
from anon_ros.models import TrainingConfig, train_detector
from helpers.hostile_files import Payload
from helpers.paths import DATA


@pytest.fixture
def training(tmp_path: Path) -> TrainingConfig:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    paths = sorted(DATA.glob("vtest/*.jpg"))[:2]
    for path in paths:
        shutil.copy(path, tmp_path / "images")
        (tmp_path / "labels" / f"{path.stem}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    images = tmp_path / "train.txt"
    images.write_text("".join(f"{tmp_path / 'images' / path.name}\n" for path in paths))
    return TrainingConfig(
        init_weights="yolov8n.yaml",
        images=images,
        data_digest="these",
        directory=tmp_path / "run",
        epochs=2,
        image_size_px=64,
        batch=2,
        seed=0,
        device="cpu",
    )


def train_epochs(training: TrainingConfig, stop_after: int = 0) -> list[int]:
    """The epochs that were trained; interrupted after one of them."""
    epochs: list[int] = []

    def told(epoch: int) -> None:
        epochs.append(epoch)
        if epoch == stop_after:
            raise KeyboardInterrupt

    try:
        assert train_detector(training, told) == training.directory / "detector.pt"
    except KeyboardInterrupt:
        assert stop_after
    return epochs


def test_interrupted_run_resumes(
    training: TrainingConfig,
) -> None:
    threads = cv2.getNumThreads(), torch.get_num_threads(), os.environ.get("CUDA_VISIBLE_DEVICES")
    assert train_epochs(training, stop_after=1) == [1]
    assert not (training.directory / "detector.pt").exists()
    assert train_epochs(training) == [2]
    assert train_epochs(training) == []
    assert (training.directory / "detector.pt").is_file()
    assert not list(training.directory.rglob("*partial*"))
    assert threads == (
        *(cv2.getNumThreads(), torch.get_num_threads()),
        os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def test_run_stopped_at_end_finalizes(
    training: TrainingConfig,
) -> None:
    assert train_epochs(training, stop_after=2) == [1, 2]
    assert train_epochs(training) == []
    assert (training.directory / "detector.pt").is_file()


def test_checkpoint_runs_no_code(training: TrainingConfig, tmp_path: Path) -> None:
    """The folder may be somebody else's."""
    assert train_epochs(training, stop_after=1) == [1]
    torch.save({"epoch": Payload(tmp_path / "executed")}, training.directory / "weights/last.pt")
    assert train_epochs(training) == [1, 2]
    assert not (tmp_path / "executed").exists()


def test_damaged_checkpoint_restarts(
    training: TrainingConfig, caplog: pytest.LogCaptureFixture
) -> None:
    train_epochs(training, stop_after=1)
    last = training.directory / "weights" / "last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    assert train_epochs(training) == [1, 2]
    assert "is damaged" in caplog.text


def test_other_data_is_another_run(training: TrainingConfig) -> None:
    once = replace(training, epochs=1)
    assert train_epochs(once) == [1]
    assert train_epochs(once) == []
    assert train_epochs(replace(once, data_digest="others")) == [1]
    assert train_epochs(replace(once, data_digest="others", seed=1)) == [1]


def test_same_seed_gives_same_weights(training: TrainingConfig) -> None:
    once = replace(training, epochs=1)
    first, second = (
        torch.load(train_detector(each, lambda _: None), weights_only=False)["model"].state_dict()
        for each in (once, replace(once, directory=once.directory.with_name("again")))
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_changed_labels_are_read(
    training: TrainingConfig,
) -> None:
    once = replace(training, epochs=1)
    weights = []
    for folder, x in (("one", 0.3), ("two", 0.5), ("three", 0.5)):
        for path in (once.images.parent / "labels").iterdir():
            path.write_text(f"0 {x} 0.5 0.2 0.4\n")
        if folder == "three":
            (once.images.parent / "labels.cache").unlink()
        done = train_detector(
            replace(once, directory=once.directory.with_name(folder)), lambda _: None
        )
        weights.append(torch.load(done, weights_only=False)["model"].state_dict())
    one, two, three = weights
    assert all(torch.equal(two[name], three[name]) for name in two)
    assert not all(torch.equal(one[name], two[name]) for name in two)


def test_untrainable_inputs_named(training: TrainingConfig, demo_weights: Path) -> None:
    with pytest.raises(ModelError, match="is for segment; take"):
        train_epochs(replace(training, init_weights=str(demo_weights)))
    with pytest.raises(ModelError, match="cannot be loaded to train"):
        train_epochs(replace(training, init_weights="unknown.yaml"))
    damaged = training.directory.with_name("damaged.pt")
    damaged.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"damaged\.pt cannot be loaded to train"):
        train_epochs(replace(training, init_weights=str(damaged)))
    training.images.write_text("/nowhere.jpg\n")
    with pytest.raises(ModelError, match="the training failed"):
        train_epochs(training)
