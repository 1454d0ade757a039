"""``anon_ros evaluate temporal``: is everybody covered at all times, and are the results calm?"""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from anon_ros.cli.evaluate.follow import Follower, Moments, Pairs, first_look, pairs_source
from anon_ros.cli.evaluate.made import made
from anon_ros.cli.evaluate.modes import Modes
from anon_ros.cli.evaluate.outlines import MasksOf, labelled_masks, unlabelled
from anon_ros.cli.evaluate.sources import Frame, SourceError
from anon_ros.cli.evaluate.through_time import flicker_table, recall_plot, recall_table, told
from anon_ros.cli.evaluate.waiting import shown
from anon_ros.cli.flags import config_from
from anon_ros.config import Config
from anon_ros.core import Persons, person_region
from anon_ros.core.masks import union
from anon_ros.evaluate import LEAST_SIDE_PX, Flicker, Recall, Report, Switches, link_persons

_GIVEN = "as given"


@dataclass
class Measured:
    """What was measured, by camera and kind.

    Attributes:
        recalls: by mode of the memory.
        switches: of the tracks against the labels; None without labels.
        flickers: by camera and mode.
    """

    recalls: dict[str, Recall] = field(default_factory=dict)
    switches: Switches | None = None
    flickers: dict[tuple[str, str], Flicker] = field(default_factory=lambda: defaultdict(Flicker))


@dataclass(frozen=True)
class Labels:
    """Who is where: masks by frame, identities by key of the frame."""

    masks: MasksOf
    persons: Mapping[str, Sequence[int]]


def temporal_report(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    config = config_from(arguments)
    pairs = pairs_source(arguments)
    modes = None if arguments.anonymized else Modes.load(config, arguments.modes, arguments.out)
    labels = _labels(arguments, pairs)
    measured = _measure(config, pairs, first_look(pairs, config), modes, labels)
    tables = [flicker_table(measured.flickers)]
    plots = []
    if labels is not None:
        tables = [recall_table(measured.recalls, measured.switches), *tables]
        plots = [recall_plot(measured.recalls)]
    drawn = () if arguments.anonymized else tuple(arguments.modes)
    return Report(
        f"Through time: {arguments.input.name}",
        told(measured.recalls, measured.flickers),
        tables,
        plots,
        [*_limits(labels), *(modes.limits() if modes else [])],
        made(config, drawn),
    )


def _measure(
    config: Config, pairs: Pairs, moments: Moments, modes: Modes | None, labels: Labels | None
) -> Measured:
    measured = Measured(switches=Switches() if labels else None)
    kinds = dict.fromkeys(("off", config.memory.mode)) if labels else [config.memory.mode]
    followers = {kind: Follower(moments, _remembering(config, kind)) for kind in kinds}
    total = sum(len(each) for each in moments.values())
    sizes: dict[str, tuple[int, ...]] = {}
    for frame, given in shown(pairs(), "measuring", total):
        _check_size(frame, sizes)
        persons = {kind: follower.persons(frame) for kind, follower in followers.items()}
        known = persons[config.memory.mode]
        if labels is not None:
            _add_recall(measured, labels, frame, persons, config)
        images = modes.draw_persons(frame.image, known) if modes else {}
        images |= {} if given is None else {_GIVEN: given}
        mask = _replaced(known, config, frame)
        for name, image in images.items():
            measured.flickers[frame.camera, name].add(frame.image, image, mask)
    return measured


def _check_size(frame: Frame, sizes: dict[str, tuple[int, ...]]) -> None:
    size = frame.image.shape[:2]
    before = sizes.setdefault(frame.camera, size)
    if size != before or min(size) < LEAST_SIDE_PX:
        message = (
            f"{frame.key} is {size[1]} x {size[0]} px, the frames before it {before[1]} x "
            f"{before[0]}: calmness is measured between frames of one size, 32 px and more"
        )
        raise SourceError(message)


def _add_recall(
    measured: Measured, labels: Labels, frame: Frame, persons: Mapping[str, Persons], config: Config
) -> None:
    masks = labels.masks(frame)
    if masks is None:
        return
    who = labels.persons[frame.key]
    for kind, each in persons.items():
        recall = measured.recalls.setdefault(kind, Recall())
        recall.add(frame.time_s or 0.0, masks, who, _replaced(each, config, frame))
    if measured.switches is not None:
        known = persons[config.memory.mode]
        tracked = [i for i, track in enumerate(known.tracks) if track is not None]
        ids = [track for track in known.tracks if track is not None]
        measured.switches.add(masks, who, known.detections.masks[tracked], ids)


def _replaced(persons: Persons, config: Config, frame: Frame) -> npt.NDArray[np.bool_]:
    found = persons.detections
    pairs = zip(found.masks, found.boxes_xyxy, strict=True)
    regions = [person_region(mask, box, config.mask) for mask, box in pairs]
    return np.array(union(regions, *frame.image.shape[:2]))


def _remembering(config: Config, mode: str) -> Config:
    return replace(config, memory=replace(config.memory, mode=mode))


def _labels(arguments: Namespace, pairs: Pairs) -> Labels | None:
    if arguments.labels is None:
        return None
    masks_of = labelled_masks(arguments.labels)
    labelled = ((frame.key, masks_of(frame)) for frame, _ in pairs())
    keys: list[str] = []

    def each() -> Iterator[npt.NDArray[np.bool_]]:
        for key, masks in labelled:
            if masks is not None:
                keys.append(key)
                yield masks

    persons = link_persons(each())
    if not keys:
        raise unlabelled(arguments)
    return Labels(masks_of, dict(zip(keys, persons, strict=True)))


def _limits(labels: Labels | None) -> list[str]:
    flicker = (
        "Flicker alone says little: a copy of the original would have the least. Read it beside "
        "the distance from the original."
    )
    unlabelled = (
        "Nobody labelled the persons of these frames, so it was not measured who stays uncovered: "
        "give --labels for that."
    )
    return [flicker, unlabelled] if labels is None else [flicker]
