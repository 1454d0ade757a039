"""One frame anonymized in several ways, with the same persons found."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from anon_ros.config import Config
from anon_ros.core import (
    Anonymizer,
    CoverReason,
    Detections,
    FramePersons,
    OutcomeKind,
    RgbImage,
    Segmenter,
    untracked_persons,
)
from anon_ros.errors import ModelError
from anon_ros.evaluation.inputs.frames import read_image
from anon_ros.models import BASELINES, build_inpainter, build_segmenter, model_hashes
from anon_ros.utils.files import write_atomic

PRODUCT_METHODS = ("sdxl", "fill", "telea", "blur", "pixelate")
METHODS = (*PRODUCT_METHODS, *BASELINES)
FRAMES = "frames"
_DIFFUSION, _COVER = "sdxl", "fill"
_MOST_REASONS = 3


@dataclass(frozen=True)
class MethodRunner:
    """Anonymizers that share a segmenter.

    Attributes:
        segmenter: finds the persons.
        anonymizers: by mode.
        seed: of all random numbers.
        frame_cache: folder for the frames of the diffusion model, which cost seconds each, so that
            an interrupted evaluation does not draw them again; None to keep nothing.
        spent_s: by mode, on covering and drawing; what was kept cost nothing.
        persons: by mode, for whom that was spent.
        num_persons: by mode, all persons.
        num_too_small: by mode, those of them who are too small to be drawn.
        failures: by mode, why others could not be drawn, and how often.
        details: by mode, the text of the first failure of each reason.
    """

    segmenter: Segmenter
    anonymizers: Mapping[str, Anonymizer]
    seed: int
    frame_cache: Path | None = None
    spent_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    persons: Counter[str] = field(default_factory=Counter)
    num_persons: Counter[str] = field(default_factory=Counter)
    num_too_small: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Counter[CoverReason]] = field(default_factory=lambda: defaultdict(Counter))
    details: dict[str, dict[CoverReason, str]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def load(cls, config: Config, names: Sequence[str], out: Path | None = None) -> "MethodRunner":
        """Load what ``names`` (of MODES) need.

        Raises:
            ModelError: if a model is missing or damaged.
        """
        segmenter = build_segmenter(config)
        anonymizers = {name: _anonymizer(segmenter, config, name) for name in names}
        drawn = (
            frame_cache_directory(config, out, diffusion_hashes(config))
            if out and _DIFFUSION in names
            else None
        )
        return cls(segmenter, anonymizers, config.inpaint.seed, drawn)

    def detect(self, image: RgbImage) -> Detections:
        """The persons of ``image``.

        Raises:
            SegmentationError: if they could not be found.
        """
        return next(iter(self.anonymizers.values())).detect_persons(image)

    def anonymize(self, image: RgbImage, found: Detections) -> dict[str, RgbImage]:
        """By mode, ``image`` without the persons of ``found``."""
        return self.anonymize_persons(image, untracked_persons(found, self.seed))

    def anonymize_persons(self, image: RgbImage, persons: FramePersons) -> dict[str, RgbImage]:
        """As ``draw`` for persons of whom more is known."""
        return {name: self._draw(name, image, persons) for name in self.anonymizers}

    def limitations(self) -> list[str]:
        """Who was covered by a smooth fill, though measured with those who were drawn.

        Raises:
            ModelError: if the diffusion model drew nobody.
        """
        told = []
        for mode, whole in self.num_persons.items():
            small, failures = self.num_too_small[mode], self.failures[mode]
            if mode == _COVER:
                continue
            if mode == _DIFFUSION and failures and failures.total() == whole - small:
                message = (
                    f"{mode}: nobody could be drawn: {self.details[mode][next(iter(failures))]}"
                )
                raise ModelError(message)
            least_px = self.anonymizers[mode].inpaint.min_person_px
            if small:
                told.append(
                    f"{mode}: {small} of {whole} persons are below inpaint.min_person_px = "
                    f"{least_px}: they were covered, not drawn."
                )
            told += [
                f"{mode}: {count} of {whole} persons could not be drawn and stayed covered: "
                f"{self.details[mode][reason]}."
                for reason, count in failures.most_common(_MOST_REASONS)
            ]
        return told

    def _draw(self, name: str, image: RgbImage, persons: FramePersons) -> RgbImage:
        started_s = time.perf_counter()
        anonymizer = self.anonymizers[name]
        covered = anonymizer.cover_persons(image, persons)
        self.num_persons[name] += len(covered.regions)
        self.num_too_small[name] += len(covered.regions) - len(covered.rois)
        path = None
        if anonymizer.inpaint.method == _DIFFUSION and self.frame_cache is not None:
            path = self.frame_cache / f"{_digest(image, persons)}.png"
            if path.is_file():
                return read_image(path)
        (result,) = anonymizer.inpaint_frames([covered])
        if isinstance(result, Exception):
            raise result
        self.spent_s[name] += time.perf_counter() - started_s
        self.persons[name] += len(covered.regions)
        outcomes = [result.outcomes[index] for index in covered.rois]
        failed = [each for each in outcomes if each.kind is OutcomeKind.COVERED]
        for outcome in failed:
            if outcome.cover_reason:
                self.failures[name][outcome.cover_reason] += 1
                self.details[name].setdefault(outcome.cover_reason, outcome.reason_text)
        if path is not None and not failed:  # it may succeed the next time
            png = cv2.imencode(".png", cv2.cvtColor(result.image, cv2.COLOR_RGB2BGR))[1]
            write_atomic(path, png.tobytes())
        return result.image


def _anonymizer(segmenter: Segmenter, config: Config, name: str) -> Anonymizer:
    if name in BASELINES:  # the paper's, which spare nobody
        inpaint = replace(config.inpaint, method=_COVER, min_person_px=0)
        return Anonymizer(segmenter, BASELINES[name], config.mask, inpaint)
    chosen = replace(config, inpaint=replace(config.inpaint, method=name))
    return Anonymizer(segmenter, build_inpainter(chosen), chosen.mask, chosen.inpaint)


def diffusion_hashes(config: Config) -> list[str]:
    """SHA-256 of what draws with the diffusion model.

    Raises:
        ModelError: if a model is missing.
    """
    drawing = replace(config, inpaint=replace(config.inpaint, method=_DIFFUSION))
    return [model["sha256"] for model in model_hashes(drawing)]


def frame_cache_directory(config: Config, out: Path, weights: Sequence[str]) -> Path:
    """Where frames are kept that were drawn with these parameters and weights."""
    parts = repr((config.detect, config.mask, config.inpaint, config.compute, weights))
    return out / FRAMES / blake2b(parts.encode(), digest_size=8).hexdigest()


def _digest(image: RgbImage, persons: FramePersons) -> str:
    known = f"{image.shape} {persons.seeds} {persons.crop_windows}"
    digest = blake2b(known.encode(), digest_size=16)
    digest.update(image.tobytes())
    digest.update(np.packbits(persons.detections.masks).tobytes())
    return digest.hexdigest()
