"""Frames of the diffusion model on disk, so that an interrupted evaluation continues."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from anon_ros.config import Config
from anon_ros.core import FramePersons, RgbImage
from anon_ros.evaluation.inputs.frames import read_image
from anon_ros.models import model_hashes
from anon_ros.utils.files import write_atomic

_FRAMES = "frames"


@dataclass(frozen=True)
class FrameCache:
    """Anonymized frames, by original and persons.

    Attributes:
        directory: for the frames of one set of parameters and weights.
    """

    directory: Path

    def read(self, image: RgbImage, persons: FramePersons) -> RgbImage | None:
        """Return the anonymized frame; None if it was not stored."""
        path = self._find_path(image, persons)
        return read_image(path) if path.is_file() else None

    def write(self, image: RgbImage, persons: FramePersons, anonymized: RgbImage) -> None:
        """Store the anonymized version of ``image``.

        Raises:
            OSError: if it cannot be written.
        """
        png = cv2.imencode(".png", cv2.cvtColor(anonymized, cv2.COLOR_RGB2BGR))[1]
        write_atomic(self._find_path(image, persons), png.tobytes())

    def _find_path(self, image: RgbImage, persons: FramePersons) -> Path:
        layout = f"{image.shape} {persons.seeds} {persons.crop_windows}"
        digest = blake2b(layout.encode(), digest_size=16)
        digest.update(image.tobytes())
        digest.update(np.packbits(persons.detections.masks).tobytes())
        return self.directory / f"{digest.hexdigest()}.png"


def diffusion_hashes(config: Config) -> list[str]:
    """Return the SHA-256 digests of the files of the diffusion model.

    Raises:
        ModelError: if a model is missing.
    """
    return [model["sha256"] for model in model_hashes(config.with_method("sdxl"))]


def frame_cache_directory(config: Config, output: Path, hashes: Sequence[str]) -> Path:
    """Return the directory for the frames of these parameters and weights.

    Args:
        config: of the method.
        output: directory of the report.
        hashes: of the weights (see ``diffusion_hashes``).
    """
    parts = repr((config.detect, config.mask, config.inpaint, config.compute, hashes))
    return output / _FRAMES / blake2b(parts.encode(), digest_size=8).hexdigest()
