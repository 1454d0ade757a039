"""``anon_ros evaluate temporal``: is every person covered at all times; do the results flicker?"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import FramePersons, RgbImage, make_regions
from anon_ros.core.masks import union_mask
from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame
from anon_ros.evaluation.inputs.mask_labels import MaskSource, load_mask_labels, no_labels_error
from anon_ros.evaluation.inputs.tracked_frames import (
    FramePairSource,
    ObservationsByCamera,
    PersonFollower,
    observe_all_frames,
)
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.options import TemporalOptions
from anon_ros.evaluation.person_crops import EXTERNAL_METHOD
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.report.model import Report
from anon_ros.evaluation.temporal.tables import (
    make_flicker_table,
    make_recall_plot,
    make_recall_table,
    summarize_temporal,
)
from anon_ros.metrics import MIN_SIDE_PX, FlickerMetric, IdSwitches, TemporalRecall, link_identities
from anon_ros.utils.progress import track_progress

_FLICKER_LIMITATION = (
    "Flicker alone says little: a copy of the original would have the minimum. Compare it with "
    "the distance from the original."
)
_NO_LABELS_LIMITATION = (
    "The persons of these frames are not labelled, so it was not measured how many stay uncovered: "
    "give --labels for that."
)


@dataclass
class TemporalScores:
    """Measurements of all frames.

    Attributes:
        recalls: by mode of the mask memory.
        switches: of the tracks against the labels; None without labels.
        flickers: by camera and method.
    """

    recalls: dict[str, TemporalRecall] = field(default_factory=dict)
    switches: IdSwitches | None = None
    flickers: dict[tuple[str, str], FlickerMetric] = field(
        default_factory=lambda: defaultdict(FlickerMetric)
    )


@dataclass(frozen=True)
class LabelledPersons:
    """Labels of all frames.

    Attributes:
        masks: by frame.
        persons: numbers of the persons, one per mask, by key of the frame.
    """

    masks: MaskSource
    persons: Mapping[str, Sequence[int]]


def evaluate_temporal(options: TemporalOptions, config: Config) -> Report:
    """Measure uncovered persons, with labels, and flicker.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    pairs = FramePairSource(options.frames, options.comparison, options.fps)
    methods = () if options.comparison.anonymized else options.comparison.methods
    runner = MethodRunner.load(config, methods, options.output) if methods else None
    labels = _link_labels(options, pairs)
    observations = observe_all_frames(pairs, config)
    scores = _Measurement(config, runner, labels).run(pairs, observations)
    tables = [make_flicker_table(scores.flickers)]
    plots = []
    if labels is not None:
        tables = [make_recall_table(scores.recalls, scores.switches), *tables]
        plots = [make_recall_plot(scores.recalls)]
    limitations = [_FLICKER_LIMITATION, *([] if labels else [_NO_LABELS_LIMITATION])]
    return Report(
        f"Through time: {options.frames.path.name}",
        summarize_temporal(scores.recalls, scores.flickers),
        tables,
        plots,
        [*limitations, *(runner.limitations() if runner else [])],
        collect_provenance(config, methods),
    )


@dataclass(frozen=True)
class _Measurement:
    """Measurement in a pass over the frames.

    Attributes:
        config: of masks, tracks and mask memory.
        runner: of the methods; None for an existing anonymized version.
        labels: None without.
    """

    config: Config
    runner: MethodRunner | None
    labels: LabelledPersons | None

    def run(self, pairs: FramePairSource, observations: ObservationsByCamera) -> TemporalScores:
        """Return the scores of all frames."""
        scores = TemporalScores(switches=IdSwitches() if self.labels else None)
        mode = self.config.memory.mode
        modes = dict.fromkeys(("off", mode)) if self.labels else [mode]
        followers = {
            name: PersonFollower(observations, _with_memory_mode(self.config, name))
            for name in modes
        }
        total = sum(map(len, observations.values()))
        sizes: dict[str, tuple[int, ...]] = {}
        for frame, anonymized in track_progress(pairs, "measuring", total):
            _require_same_size(frame, sizes)
            persons = {name: follower.persons_in(frame) for name, follower in followers.items()}
            self._add_recall(scores, frame, persons)
            images = self._anonymize(frame, persons[mode])
            images |= {} if anonymized is None else {EXTERNAL_METHOD: anonymized}
            mask = self._find_replaced(persons[mode], frame)
            for method, image in images.items():
                scores.flickers[frame.camera, method].update(frame.image, image, mask)
        return scores

    def _anonymize(self, frame: InputFrame, persons: FramePersons) -> dict[str, RgbImage]:
        if self.runner is None:
            return {}
        return self.runner.anonymize_next(frame.image, persons, frame.camera, frame.time_ns)

    def _add_recall(
        self, scores: TemporalScores, frame: InputFrame, persons: Mapping[str, FramePersons]
    ) -> None:
        masks = self.labels.masks(frame) if self.labels else None
        if self.labels is None or masks is None:
            return
        ids = self.labels.persons[frame.key]
        for mode, mode_persons in persons.items():
            recall = scores.recalls.setdefault(mode, TemporalRecall())
            replaced = self._find_replaced(mode_persons, frame)
            recall.update(frame.time_s or 0.0, masks, ids, replaced)
        if scores.switches is not None:
            tracked = persons[self.config.memory.mode]
            tracks = [(i, track) for i, track in enumerate(tracked.track_ids) if track is not None]
            track_masks = tracked.detections.masks[[i for i, _ in tracks]]
            scores.switches.update(masks, ids, track_masks, [track for _, track in tracks])

    def _find_replaced(self, persons: FramePersons, frame: InputFrame) -> npt.NDArray[np.bool_]:
        """Return (H, W) bool, True where pixels may be replaced."""
        regions = make_regions(persons.detections, self.config.mask)
        return np.array(union_mask(regions, *frame.image.shape[:2]))


def _require_same_size(frame: InputFrame, sizes: dict[str, tuple[int, ...]]) -> None:
    size = frame.image.shape[:2]
    first_size = sizes.setdefault(frame.camera, size)
    if size != first_size or min(size) < MIN_SIDE_PX:
        message = (
            f"{frame.key} is {size[1]} x {size[0]} px, the frames before it {first_size[1]} x "
            f"{first_size[0]}: flicker is measured between frames of one size, 32 px and more"
        )
        raise InputError(message)


def _with_memory_mode(config: Config, mode: str) -> Config:
    return replace(config, memory=replace(config.memory, mode=mode))


def _link_labels(options: TemporalOptions, pairs: FramePairSource) -> LabelledPersons | None:
    """Return the labels with the numbers of the persons, the same in all frames."""
    if options.labels is None:
        return None
    mask_source = load_mask_labels(options.labels)
    keys: list[str] = []

    def iter_masks() -> Iterator[npt.NDArray[np.bool_]]:
        for frame, _ in pairs:
            masks = mask_source(frame)
            if masks is not None:
                keys.append(frame.key)
                yield masks

    persons = link_identities(iter_masks())
    if not keys:
        raise no_labels_error(options.labels, options.frames.path)
    return LabelledPersons(mask_source, dict(zip(keys, persons, strict=True)))
