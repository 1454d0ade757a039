"""Streams of frames with and without lookahead."""

import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import Detections
from anon_ros.models import build_tracker
from anon_ros.models.trackers.box_tracker import BoxTracker
from anon_ros.tracking import (
    FrameObservation,
    OnlineStream,
    PersonObservation,
    Tracker,
    iter_with_lookahead,
    observe_frame,
)
from helpers.arrays import make_detections
from helpers.street import (
    START_NS,
    STEP_NS,
    STREET,
    FrameSequence,
    choose_street,
    covered_ratio,
    make_config,
    make_person_mask,
    make_tracker_factory,
    make_walk,
    merge_masks,
)

BOTH_MODES = pytest.mark.parametrize("mode", ["past", "both"])


def test_lookahead_covers_first_frames() -> None:
    film, truth = make_walk(40, set(range(12)))
    played = film.find_persons(memory__mode="both")
    # Beginning at frame 2, a second before it was first found.
    assert [persons.num_propagated for persons in played[:13]] == [0] * 3 + [1] * 9 + [0]
    assert min(covered_ratio(merge_masks(played[i]), truth[i]) for i in range(3, 12)) > 0.95
    assert not any(
        persons.num_propagated for persons in film.find_persons(memory__mode="past")[:13]
    )


rates_hz = st.sampled_from([1.2, 1.7, 2, 2.5, 4, 9, 30])


@settings(max_examples=60, deadline=None)
@given(rates_hz, st.lists(st.booleans(), min_size=3, max_size=40), st.sampled_from([0.3, 1, 2]))
def test_lookahead_never_covers_less(rate_hz: float, found: list[bool], memory_s: float) -> None:
    film = FrameSequence()
    for index, is_found in enumerate(found):
        people = [make_person_mask(100 + 60 * index / rate_hz)] if is_found else []
        film.add_frame(people, step_ns=round(1e9 / rate_hz))
    past, both = (
        film.find_persons(memory__mode=m, memory__duration_s=memory_s) for m in ("past", "both")
    )
    for known, more in zip(past, both, strict=True):
        assert set(known.track_ids) <= set(more.track_ids)


@BOTH_MODES
def test_old_observations_released(mode: str) -> None:
    config, alive = make_config(memory__mode=mode), list[weakref.ref[PersonObservation]]()

    def walk_on() -> Iterator[FrameObservation]:
        for index in range(300):
            # A walker, and every second another one who stays for half of it.
            people = [
                make_person_mask(10 + index),
                *[make_person_mask(400, 20, 60)] * (index % 10 < 5),
            ]
            moment = observe_frame(STREET, make_detections(people), START_NS + index * STEP_NS)
            alive.extend(weakref.ref(each) for each in moment.persons)
            yield moment

    most = 0
    for timeline, moment in iter_with_lookahead(walk_on(), config, make_tracker_factory(config)):
        timeline.persons_in(moment)
        most = max(most, sum(each() is not None for each in alive))
    # At 10 Hz 1.6 s back, and as much ahead.
    assert 20 <= most <= (34 if mode == "both" else 18) * 2


def test_masks_are_extended_in_place() -> None:
    """To make new ones takes longer than all else that is done."""
    config = make_config(memory__mode="past")
    stream = OnlineStream(config, make_tracker_factory(config))
    for index in range(3):
        found = make_detections([make_person_mask(200, head=index != 2)])
        moment = observe_frame(STREET, found, START_NS + index * STEP_NS)
        persons = stream.persons_in(moment, found.masks)
        assert np.shares_memory(persons.detections.masks, found.masks)
    assert (found.masks[0] == make_person_mask(200)).all()
    found.masks.flags.writeable = False
    moment = observe_frame(STREET, found, START_NS + 3 * STEP_NS)
    assert not np.shares_memory(
        stream.persons_in(moment, found.masks).detections.masks, found.masks
    )


def test_lower_confidence_begins_tracks() -> None:
    """The tracker of before goes on: also with persons who did not count before."""
    config = make_config(memory__mode="past", detect__confidence=0.5)
    stream = OnlineStream(config, make_tracker_factory(config))
    counts = []
    for index in range(12):
        if index == 5:
            stream.reconfigure(make_config(memory__mode="past", detect__confidence=0.2))
        found = make_detections([make_person_mask(200)])
        found = replace(found, scores=np.array([0.4], np.float32))
        if index >= 9:
            found = Detections.empty(*STREET.shape[:2])
        persons = stream.persons_in(observe_frame(STREET, found, START_NS + index * STEP_NS))
        counts.append((len(persons.detections), persons.num_propagated))
    assert counts == [(0, 0)] * 5 + [(1, 0)] * 4 + [(1, 1)] * 3


def test_failed_tracker_repeats_cut() -> None:
    """Nobody of the scene before is propagated into the next one, nor shares a track with it."""
    config, failures = make_config(memory__mode="past"), [False, True, False]

    def make_tracker() -> Tracker:
        if failures.pop(0):
            raise MemoryError
        return build_tracker(config)

    stream = OnlineStream(config, make_tracker)
    tracks = []
    for index in range(10):
        image = choose_street(before=index < 5)
        person = make_detections([make_person_mask(100 if index < 5 else 300)])
        frame = observe_frame(image, person, START_NS + index * STEP_NS)
        if index == 5:
            with pytest.raises(MemoryError):
                stream.persons_in(frame)
        else:
            tracks.append(stream.persons_in(frame).track_ids)
    assert tracks == [[1]] * 5 + [[2]] * 4


def test_failed_tracker_keeps_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is half known to it is not gone on with; the numbers of tracks are not used twice."""
    config = make_config(memory__mode="past", track__backend="builtin")
    stream = OnlineStream(config, make_tracker_factory(config))
    tracks = []
    for index in range(20):
        person = make_detections([make_person_mask(200)])
        frame = observe_frame(STREET, person, START_NS + index * STEP_NS)
        with monkeypatch.context() as patch:
            if index == 5:
                patch.setattr(BoxTracker, "update", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    stream.persons_in(frame)
            else:
                tracks.append(set(stream.persons_in(frame).track_ids))
    # The track of before is propagated for a second from frame 4.
    assert tracks == [{1}] * 5 + [{1, 2}] * 8 + [{2}] * 6
