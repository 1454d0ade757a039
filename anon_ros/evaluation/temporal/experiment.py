"""``anon_ros evaluate temporal``: is everybody covered at all times, and are the results calm?"""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from anon_ros.cli.config_flags import parse_config
from anon_ros.config import Config
from anon_ros.core import FramePersons, make_regions
from anon_ros.core.masks import union_mask
from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame
from anon_ros.evaluation.inputs.mask_labels import MaskSource, load_mask_labels, no_labels_error
from anon_ros.evaluation.inputs.tracked_frames import (
    FramePairSource,
    ObservationsByCamera,
    PersonFollower,
    frame_pair_source,
    observe_all_frames,
)
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.report.model import Report
from anon_ros.evaluation.temporal.tables import (
    flicker_table,
    recall_plot,
    recall_table,
    summarize_temporal,
)
from anon_ros.metrics import MIN_SIDE_PX, FlickerMetric, IdSwitches, TemporalRecall, link_identities
from anon_ros.utils.progress import track_progress

_GIVEN = "as given"


@dataclass
class TemporalScores:
    """What was measured, by camera and kind.

    Attributes:
        recalls: by mode of the memory.
        switches: of the tracks against the labels; None without labels.
        flickers: by camera and mode.
    """

    recalls: dict[str, TemporalRecall] = field(default_factory=dict)
    switches: IdSwitches | None = None
    flickers: dict[tuple[str, str], FlickerMetric] = field(
        default_factory=lambda: defaultdict(FlickerMetric)
    )


@dataclass(frozen=True)
class LabelledPersons:
    """Who is where: masks by frame, identities by key of the frame."""

    masks: MaskSource
    persons: Mapping[str, Sequence[int]]


def evaluate_temporal(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    config = parse_config(arguments)
    pairs = frame_pair_source(arguments)
    modes = (
        None if arguments.anonymized else MethodRunner.load(config, arguments.modes, arguments.out)
    )
    labels = _labels(arguments, pairs)
    measured = _measure(config, pairs, observe_all_frames(pairs, config), modes, labels)
    tables = [flicker_table(measured.flickers)]
    plots = []
    if labels is not None:
        tables = [recall_table(measured.recalls, measured.switches), *tables]
        plots = [recall_plot(measured.recalls)]
    drawn = () if arguments.anonymized else tuple(arguments.modes)
    return Report(
        f"Through time: {arguments.input.name}",
        summarize_temporal(measured.recalls, measured.flickers),
        tables,
        plots,
        [*_limits(labels), *(modes.limitations() if modes else [])],
        collect_provenance(config, drawn),
    )


def _measure(
    config: Config,
    pairs: FramePairSource,
    moments: ObservationsByCamera,
    modes: MethodRunner | None,
    labels: LabelledPersons | None,
) -> TemporalScores:
    measured = TemporalScores(switches=IdSwitches() if labels else None)
    kinds = dict.fromkeys(("off", config.memory.mode)) if labels else [config.memory.mode]
    followers = {kind: PersonFollower(moments, _with_memory_mode(config, kind)) for kind in kinds}
    total = sum(len(each) for each in moments.values())
    sizes: dict[str, tuple[int, ...]] = {}
    for frame, given in track_progress(pairs(), "measuring", total):
        _check_size(frame, sizes)
        persons = {kind: follower.persons_in(frame) for kind, follower in followers.items()}
        known = persons[config.memory.mode]
        if labels is not None:
            _add_recall(measured, labels, frame, persons, config)
        images = modes.anonymize_persons(frame.image, known) if modes else {}
        images |= {} if given is None else {_GIVEN: given}
        mask = _replaced(known, config, frame)
        for name, image in images.items():
            measured.flickers[frame.camera, name].update(frame.image, image, mask)
    return measured


def _check_size(frame: InputFrame, sizes: dict[str, tuple[int, ...]]) -> None:
    size = frame.image.shape[:2]
    before = sizes.setdefault(frame.camera, size)
    if size != before or min(size) < MIN_SIDE_PX:
        message = (
            f"{frame.key} is {size[1]} x {size[0]} px, the frames before it {before[1]} x "
            f"{before[0]}: calmness is measured between frames of one size, 32 px and more"
        )
        raise InputError(message)


def _add_recall(
    measured: TemporalScores,
    labels: LabelledPersons,
    frame: InputFrame,
    persons: Mapping[str, FramePersons],
    config: Config,
) -> None:
    masks = labels.masks(frame)
    if masks is None:
        return
    who = labels.persons[frame.key]
    for kind, each in persons.items():
        recall = measured.recalls.setdefault(kind, TemporalRecall())
        recall.update(frame.time_s or 0.0, masks, who, _replaced(each, config, frame))
    if measured.switches is not None:
        known = persons[config.memory.mode]
        tracked = [i for i, track in enumerate(known.track_ids) if track is not None]
        ids = [track for track in known.track_ids if track is not None]
        measured.switches.add(masks, who, known.detections.masks[tracked], ids)


def _replaced(persons: FramePersons, config: Config, frame: InputFrame) -> npt.NDArray[np.bool_]:
    found = persons.detections
    regions = make_regions(found, config.mask)
    return np.array(union_mask(regions, *frame.image.shape[:2]))


def _with_memory_mode(config: Config, mode: str) -> Config:
    return replace(config, memory=replace(config.memory, mode=mode))


def _labels(arguments: Namespace, pairs: FramePairSource) -> LabelledPersons | None:
    if arguments.labels is None:
        return None
    masks_of = load_mask_labels(arguments.labels)
    labelled = ((frame.key, masks_of(frame)) for frame, _ in pairs())
    keys: list[str] = []

    def each() -> Iterator[npt.NDArray[np.bool_]]:
        for key, masks in labelled:
            if masks is not None:
                keys.append(key)
                yield masks

    persons = link_identities(each())
    if not keys:
        raise no_labels_error(arguments)
    return LabelledPersons(masks_of, dict(zip(keys, persons, strict=True)))


def _limits(labels: LabelledPersons | None) -> list[str]:
    flicker = (
        "Flicker alone says little: a copy of the original would have the least. Read it beside "
        "the distance from the original."
    )
    unlabelled = (
        "Nobody labelled the persons of these frames, so it was not measured who stays uncovered: "
        "give --labels for that."
    )
    return [flicker, unlabelled] if labels is None else [flicker]
