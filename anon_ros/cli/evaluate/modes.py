"""One frame anonymized in several ways, with the same persons found."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from anon_ros.cli.evaluate.sources import read_image
from anon_ros.config import Config
from anon_ros.core import Anonymizer, Detections, Persons, RgbImage, Segmenter, strangers
from anon_ros.models import BASELINES, build_inpainter, build_segmenter, model_hashes

PRODUCT_MODES = ("sdxl", "fill", "telea", "blur", "pixelate")
MODES = (*PRODUCT_MODES, *BASELINES)
FRAMES = "frames"


@dataclass(frozen=True)
class Modes:
    """Anonymizers that share a segmenter.

    Attributes:
        segmenter: finds the persons.
        anonymizers: by mode.
        seed: of all random numbers.
        drawn: folder for the frames of the diffusion model, which cost seconds each, so that an
            interrupted evaluation does not draw them again; None to keep nothing.
        spent_s: by mode, on covering and drawing; what was kept cost nothing.
        persons: by mode, for whom that was spent.
    """

    segmenter: Segmenter
    anonymizers: Mapping[str, Anonymizer]
    seed: int
    drawn: Path | None = None
    spent_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    persons: Counter[str] = field(default_factory=Counter)

    @classmethod
    def load(cls, config: Config, names: Sequence[str], out: Path | None = None) -> "Modes":
        """Load what ``names`` (of MODES) need.

        Raises:
            ModelError: if a model is missing or damaged.
        """
        segmenter = build_segmenter(config)
        anonymizers = {name: _anonymizer(segmenter, config, name) for name in names}
        drawn = drawn_folder(config, out, weights_of(config)) if out and "sdxl" in names else None
        return cls(segmenter, anonymizers, config.inpaint.seed, drawn)

    def find(self, image: RgbImage) -> Detections:
        """The persons of ``image``.

        Raises:
            SegmentationError: if they could not be found.
        """
        return next(iter(self.anonymizers.values())).find(image)

    def draw(self, image: RgbImage, found: Detections) -> dict[str, RgbImage]:
        """By mode, ``image`` without the persons of ``found``."""
        return self.draw_persons(image, strangers(found, self.seed))

    def draw_persons(self, image: RgbImage, persons: Persons) -> dict[str, RgbImage]:
        """As ``draw`` for persons of whom more is known."""
        return {name: self._draw(name, image, persons) for name in self.anonymizers}

    def _draw(self, name: str, image: RgbImage, persons: Persons) -> RgbImage:
        if self.anonymizers[name].inpaint.kind != "sdxl" or self.drawn is None:
            return self._drawn(name, image, persons)
        path = self.drawn / f"{_digest(image, persons)}.png"
        if path.is_file():
            return read_image(path)
        result = self._drawn(name, image, persons)
        self.drawn.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.png")
        cv2.imwrite(str(partial), cv2.cvtColor(result, cv2.COLOR_RGB2BGR))
        partial.replace(path)
        return result

    def _drawn(self, name: str, image: RgbImage, persons: Persons) -> RgbImage:
        anonymizer = self.anonymizers[name]
        started_s = time.perf_counter()
        (result,) = anonymizer.inpaint_all([anonymizer.cover_persons(image, persons)])
        if isinstance(result, Exception):
            raise result
        self.spent_s[name] += time.perf_counter() - started_s
        self.persons[name] += len(persons.detections)
        return result.image


def _anonymizer(segmenter: Segmenter, config: Config, name: str) -> Anonymizer:
    if name in BASELINES:  # the paper's, which spare nobody
        inpaint = replace(config.inpaint, kind="fill", min_person_px=0)
        return Anonymizer(segmenter, BASELINES[name], config.mask, inpaint)
    chosen = replace(config, inpaint=replace(config.inpaint, kind=name))
    return Anonymizer(segmenter, build_inpainter(chosen), chosen.mask, chosen.inpaint)


def weights_of(config: Config) -> list[str]:
    """SHA-256 of what draws with the diffusion model.

    Raises:
        ModelError: if a model is missing.
    """
    drawing = replace(config, inpaint=replace(config.inpaint, kind="sdxl"))
    return [model["sha256"] for model in model_hashes(drawing)]


def drawn_folder(config: Config, out: Path, weights: Sequence[str]) -> Path:
    """Where frames are kept that were drawn with these parameters and weights."""
    parts = repr((config.detect, config.mask, config.inpaint, config.compute, weights))
    return out / FRAMES / blake2b(parts.encode(), digest_size=8).hexdigest()


def _digest(image: RgbImage, persons: Persons) -> str:
    known = f"{image.shape} {persons.seeds} {persons.steady}"
    digest = blake2b(known.encode(), digest_size=16)
    digest.update(image.tobytes())
    digest.update(np.packbits(persons.detections.masks).tobytes())
    return digest.hexdigest()
