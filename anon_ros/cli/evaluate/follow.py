"""The persons of each frame as ``anon_ros bag`` knows them: from all frames around it."""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from anon_ros.cli.evaluate.sources import Frame, frames_of, pairs_of
from anon_ros.cli.evaluate.waiting import shown
from anon_ros.config import Config
from anon_ros.core import Persons, RgbImage
from anon_ros.models import build_segmenter, build_tracker
from anon_ros.temporal import Moment, least_confidence, look_ahead, moment_of

_NS_PER_S = 1_000_000_000
Moments = dict[str, list[Moment]]
"""By camera."""
Pairs = Callable[[], Iterator[tuple[Frame, RgbImage | None]]]
"""The frames of a source, each with its anonymized version if there is one."""


def pairs_source(arguments: Namespace) -> Pairs:
    """What IN and --anonymized name; can be gone through several times."""

    def pairs() -> Iterator[tuple[Frame, RgbImage | None]]:
        if arguments.anonymized is None:
            alone = frames_of(arguments.input, arguments)
            yield from ((_timed(*each, arguments), None) for each in enumerate(alone))
        else:
            matched = pairs_of(arguments.input, arguments.anonymized, arguments)
            for index, (frame, other) in enumerate(matched):
                yield _timed(index, frame, arguments), other.image

    return pairs


def first_look(pairs: Pairs, config: Config) -> Moments:
    """Find everybody in every frame, those too who count only in a track.

    Raises:
        AnonRosError: if the source cannot be read, or the weights are missing.
    """
    segmenter = build_segmenter(config).with_thresholds(config.detect, least_confidence(config))
    moments: Moments = defaultdict(list)
    for frame, _ in shown(pairs(), "looking"):
        found = segmenter.segment(frame.image)
        moments[frame.camera].append(moment_of(frame.image, found, _time_ns(frame)))
    return moments


class Follower:
    """Everybody in each frame, by what all frames of its camera tell.

    The frames are to be asked for in the order in which ``moments`` were made.
    """

    def __init__(self, moments: Moments, config: Config) -> None:
        self._streams = {
            camera: look_ahead(_counting(those, config), config, lambda: build_tracker(config))
            for camera, those in moments.items()
        }

    def persons(self, frame: Frame) -> Persons:
        """Everybody in the next frame of its camera."""
        timeline, moment = next(self._streams[frame.camera])
        return timeline.persons(moment)


def _counting(moments: list[Moment], config: Config) -> Iterator[Moment]:
    """What would have been found with ``config``."""
    least = least_confidence(config)
    for moment in moments:
        yield replace(moment, sightings=[s for s in moment.sightings if s.score >= least])


def _time_ns(frame: Frame) -> int:
    return round((frame.time_s or 0.0) * _NS_PER_S)


def _timed(index: int, frame: Frame, arguments: Namespace) -> Frame:
    """Files have no times: they are taken to come at --rate-hz."""
    return frame if frame.time_s is not None else replace(frame, time_s=index / arguments.rate_hz)
