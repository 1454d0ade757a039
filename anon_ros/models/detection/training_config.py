"""Settings of a training run. Imports no model library."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Attributes:
        init_weights: Ultralytics detection weights (.pt), or an architecture (.yaml) to start from
            random weights, for example "yolov8n.yaml".
        images: text file with the path of an image per line; its labels are in the folder
            "labels" beside "images", of the one class "person".
        data_digest: changes whenever images or labels do.
        directory: for the run; nothing else may be in it.
        epochs: passes over the images.
        image_size_px: side of what the network sees.
        batch: images per step.
        seed: of all random numbers.
        device: value of ``compute.device``.
    """

    init_weights: str
    images: Path
    data_digest: str
    directory: Path
    epochs: int
    image_size_px: int
    batch: int
    seed: int
    device: str
