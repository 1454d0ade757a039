"""Several methods of anonymization, applied to the same persons of a frame."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from anon_ros.config import Config
from anon_ros.core import (
    AnonymizedFrame,
    Anonymizer,
    CoveredFrame,
    CoverReason,
    Detections,
    FramePersons,
    Outcome,
    OutcomeKind,
    RgbImage,
    Segmenter,
    untracked_persons,
)
from anon_ros.errors import ModelError
from anon_ros.evaluation.frame_cache import FrameCache, diffusion_hashes, frame_cache_directory
from anon_ros.images import load_regions
from anon_ros.models import BASELINES, build_inpainter, build_segmenter
from anon_ros.tracking import FrameProcessor, FrameTask

_DIFFUSION, _COVER = "sdxl", "fill"
_MAX_REASONS = 3


@dataclass
class MethodStatistics:
    """Counts of one method over all frames.

    Attributes:
        num_persons: all persons.
        num_too_small: those of them below inpaint.min_person_px.
        failures: number of others who could not be inpainted, by reason.
        first_details: the text of the first failure of each reason.
        num_timed: persons for whom ``spent_s`` was spent; none of a cached frame.
        spent_s: time of covering and inpainting.
    """

    num_persons: int = 0
    num_too_small: int = 0
    failures: Counter[CoverReason] = field(default_factory=Counter)
    first_details: dict[CoverReason, str] = field(default_factory=dict)
    num_timed: int = 0
    spent_s: float = 0.0

    def add_outcomes(self, outcomes: Sequence[Outcome], spent_s: float) -> None:
        """Count the persons of a frame.

        Args:
            outcomes: one per person.
            spent_s: time of covering and inpainting.
        """
        self.num_persons += len(outcomes)
        self.num_timed += len(outcomes)
        self.spent_s += spent_s
        self.num_too_small += sum(o.cover_reason is CoverReason.TOO_SMALL for o in outcomes)
        for outcome in _find_failures(outcomes):
            if outcome.cover_reason is not None:
                self.failures[outcome.cover_reason] += 1
                self.first_details.setdefault(outcome.cover_reason, outcome.reason_text)

    def add_cached(self, frame: CoveredFrame) -> None:
        """Count the persons of a frame whose result is cached."""
        self.num_persons += len(frame.regions)
        self.num_too_small += len(frame.regions) - len(frame.rois)


@dataclass(frozen=True)
class MethodRunner:
    """Anonymizers that share a segmenter.

    Attributes:
        segmenter: of all methods.
        anonymizers: by method.
        config: of the run; its seed is that of all random numbers.
        frame_cache: of the diffusion model, whose frames cost seconds; None to store nothing.
        processors: by method, with the memory of the frames before.
        statistics: by method.
    """

    segmenter: Segmenter
    anonymizers: Mapping[str, Anonymizer]
    config: Config
    frame_cache: FrameCache | None = None
    processors: dict[str, FrameProcessor] = field(default_factory=dict)
    statistics: dict[str, MethodStatistics] = field(
        default_factory=lambda: defaultdict(MethodStatistics)
    )

    @classmethod
    def load(
        cls, config: Config, methods: Sequence[str], output: Path | None = None
    ) -> "MethodRunner":
        """Load the models of some methods.

        Args:
            config: of the models.
            methods: of METHODS.
            output: directory of the report, for the cache; None for no cache.

        Raises:
            ModelError: if a model is missing or damaged.
        """
        segmenter = build_segmenter(config)
        anonymizers = {method: _build_anonymizer(segmenter, config, method) for method in methods}
        cache = None
        if output and _DIFFUSION in methods:
            hashes = diffusion_hashes(config)
            cache = FrameCache(frame_cache_directory(config, output, hashes))
        return cls(segmenter, anonymizers, config, cache)

    def detect(self, image: RgbImage) -> Detections:
        """Return the persons of ``image``.

        Raises:
            SegmentationError: if the segmentation failed.
        """
        return next(iter(self.anonymizers.values())).detect_persons(image)

    def anonymize(self, image: RgbImage, detections: Detections) -> dict[str, RgbImage]:
        """Return ``image`` with the detected persons replaced, by method."""
        return self.anonymize_persons(
            image, untracked_persons(detections, self.config.inpaint.seed)
        )

    def anonymize_persons(self, image: RgbImage, persons: FramePersons) -> dict[str, RgbImage]:
        """Return ``image`` with the persons, tracked or not, replaced, by method."""
        task = self._make_task(image, persons)
        return {method: self._run_cached(method, task) for method in self.anonymizers}

    def anonymize_next(
        self, image: RgbImage, persons: FramePersons, camera: str, time_ns: int
    ) -> dict[str, RgbImage]:
        """Return the next frame of a camera with the tracked persons replaced, by method.

        With ``identity.reuse: previous`` they are drawn after those of the frame before.
        """
        if self.config.identity.reuse != "previous":
            return self.anonymize_persons(image, persons)
        task = replace(self._make_task(image, persons), stream=camera, time_ns=time_ns)
        return {
            method: self._run(
                method, self.processors.setdefault(method, FrameProcessor(self.config)), task
            ).image
            for method in self.anonymizers
        }

    def limitations(self) -> list[str]:
        """Return sentences about the persons whom a method covered instead of inpainting.

        Raises:
            ModelError: if the diffusion model inpainted nobody.
        """
        return [
            line
            for method, statistics in self.statistics.items()
            if method != _COVER
            for line in self._describe_covered(method, statistics)
        ]

    def _describe_covered(self, method: str, statistics: MethodStatistics) -> list[str]:
        total, failures = statistics.num_persons, statistics.failures
        first_details = statistics.first_details
        num_large = total - statistics.num_too_small
        if method == _DIFFUSION and failures and failures.total() == num_large:
            message = (
                f"{method}: no person could be inpainted: {first_details[next(iter(failures))]}"
            )
            raise ModelError(message)
        min_px = self.anonymizers[method].inpaint.min_person_px
        small = (
            f"{method}: {statistics.num_too_small} of {total} persons are below "
            f"inpaint.min_person_px = {min_px}: they were covered, not inpainted."
        )
        return ([small] if statistics.num_too_small else []) + [
            f"{method}: {count} of {total} persons could not be inpainted and stayed covered: "
            f"{first_details[reason]}."
            for reason, count in failures.most_common(_MAX_REASONS)
        ]

    def _make_task(self, image: RgbImage, persons: FramePersons) -> FrameTask[None]:
        shares_windows = self.config.inpaint.is_diffusion
        return FrameTask(None, "", image, 0, persons=persons, shares_windows=shares_windows)

    def _run_cached(self, method: str, task: FrameTask[None]) -> RgbImage:
        """Anonymize a frame without the memory of those before it, or read it from the cache."""
        anonymizer, persons = self.anonymizers[method], task.persons
        cache = self.frame_cache if anonymizer.inpaint.is_diffusion else None
        if cache is None or persons is None:
            return self._run(method, FrameProcessor(self.config), task).image
        cached = cache.read(task.image, persons)
        if cached is not None:
            self.statistics[method].add_cached(anonymizer.cover_persons(task.image, persons))
            return cached
        frame = self._run(method, FrameProcessor(self.config), task)
        if not _find_failures(frame.outcomes):  # they may succeed next time
            cache.write(task.image, persons, frame.image)
        return frame.image

    def _run(
        self, method: str, processor: FrameProcessor, task: FrameTask[None]
    ) -> AnonymizedFrame:
        started_s = time.perf_counter()
        (result,) = processor.process(self.anonymizers[method], [task])
        if isinstance(result.frame, Exception):
            raise result.frame
        spent_s = time.perf_counter() - started_s
        self.statistics[method].add_outcomes(result.frame.outcomes, spent_s)
        return result.frame


def _find_failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [
        outcome
        for outcome in outcomes
        if outcome.kind is OutcomeKind.COVERED and outcome.cover_reason is not CoverReason.TOO_SMALL
    ]


def _build_anonymizer(segmenter: Segmenter, config: Config, method: str) -> Anonymizer:
    find_regions = load_regions(config)
    if method in BASELINES:  # the paper's, which leave out no person
        inpaint = replace(config.inpaint, method=_COVER, min_person_px=0)
        return Anonymizer(segmenter, BASELINES[method], config.mask, inpaint, find_regions)
    chosen = config.with_method(method)
    inpainter = build_inpainter(chosen)
    return Anonymizer(segmenter, inpainter, chosen.mask, chosen.inpaint, find_regions)
