"""Streams of frames with and without lookahead."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.tracking import (
    FrameObservation,
    OnlineStream,
    PersonObservation,
    iter_with_lookahead,
    observe_frame,
)
from helpers.arrays import make_detections
from helpers.street import (
    START_NS,
    STEP_NS,
    STREET,
    FrameSequence,
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
