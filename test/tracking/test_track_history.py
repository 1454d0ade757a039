"""Tracks over time: nobody is forgotten too soon or covered for long after leaving."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import Mask
from helpers.street import (
    STEP_NS,
    FrameSequence,
    choose_street,
    covered_ratio,
    frames,
    make_config,
    make_person_mask,
    make_tracker_factory,
    make_walk,
    merge_masks,
)

BOTH_MODES = pytest.mark.parametrize("mode", ["past", "both"])


@BOTH_MODES
def test_memory_covers_missed_walker(mode: str) -> None:
    missed = set(range(20, 26))
    film, truth = make_walk(40, missed)
    played = film.find_persons(memory__mode=mode)
    assert all(persons.num_propagated == (index in missed) for index, persons in enumerate(played))
    assert min(covered_ratio(merge_masks(p), m) for p, m in zip(played, truth, strict=True)) > 0.97
    assert all(len(set(persons.track_ids)) == 1 for persons in played)


def test_no_memory_isolates_frames() -> None:
    film, _ = make_walk(40, {20, 21})
    played = film.find_persons(memory__mode="off")
    assert [len(persons.detections) for persons in played[19:23]] == [1, 0, 0, 1]


@BOTH_MODES
def test_propagation_ends_on_time(mode: str) -> None:
    film, _ = make_walk(20, set())
    for _ in range(30):
        film.add_frame()
    played = film.find_persons(memory__mode=mode, memory__duration_s=0.75)
    assert [persons.num_propagated for persons in played[20:30]] == [1] * 7 + [0] * 3


@BOTH_MODES
@pytest.mark.parametrize(("frames", "carried"), [(2, 0), (3, 9)])
def test_short_track_not_propagated(mode: str, frames: int, carried: int) -> None:
    film = FrameSequence()
    for index in range(40):
        film.add_frame([make_person_mask(200)] if 15 <= index < 15 + frames else [])
    played = film.find_persons(memory__mode=mode)
    count = sum(persons.num_propagated for persons in played)
    assert count == carried * (2 if mode == "both" else 1)


@BOTH_MODES
def test_faint_track_covers_only_gaps(mode: str) -> None:
    film = FrameSequence()
    for index in range(40):
        film.add_frame(
            [make_person_mask(200)] if 10 <= index < 25 and index != 17 else [], score=0.15
        )
    played = film.find_persons(memory__mode=mode)
    carried = [index for index, persons in enumerate(played) if persons.num_propagated]
    assert carried == ([17] if mode == "both" else [])


@BOTH_MODES
@pytest.mark.parametrize("speed_px", [9, -9])
def test_leaving_person_leaves_no_cover(mode: str, speed_px: int) -> None:
    film, start = FrameSequence(), 200 if speed_px > 0 else 250
    for index in range(60):
        film.add_frame([make_person_mask(start + speed_px * index)])
    played = film.find_persons(memory__mode=mode)
    gone = next(i for i, (_, masks, *_) in enumerate(film.frames) if not masks)
    smears = [np.count_nonzero(merge_masks(persons)) for persons in played[gone:]]
    assert max(smears) < 0.35 * 30 * 80
    assert not any(smears[5:])


@BOTH_MODES
def test_crossing_persons_stay_covered(mode: str) -> None:
    film = FrameSequence()
    truth = [
        (make_person_mask(60 + 6 * i), make_person_mask(360 - 6 * i, y=110)) for i in range(50)
    ]
    for index, (one, other) in enumerate(truth):
        # While they overlap the detector sees one of them, or nobody.
        film.add_frame([[one, other], [other], [one], []][index % 4 if 22 <= index <= 28 else 0])
    played = film.find_persons(memory__mode=mode)
    for persons, pair in zip(played, truth, strict=True):
        assert min(covered_ratio(merge_masks(persons), each) for each in pair) > 0.9
    # They keep their identities, or exchange them; nobody is a third one for long.
    assert len({track for persons in played for track in persons.track_ids}) <= 3
    stray = [
        np.count_nonzero(merge_masks(p) & ~(a | b)) for p, (a, b) in zip(played, truth, strict=True)
    ]
    assert max(stray) < 30 * 80


VEHICLES = {"targets.vehicle.classes": ["car"], "targets.vehicle.confidence": 0.3}


@BOTH_MODES
def test_memory_covers_missed_target(mode: str) -> None:
    """With its own tracks: it stays a target, and counts for no person."""
    missed = set(range(20, 26))
    film, truth = make_walk(40, missed)
    film.targets = {0}
    played = film.find_persons(memory__mode=mode, **VEHICLES)
    assert min(covered_ratio(merge_masks(p), m) for p, m in zip(played, truth, strict=True)) > 0.97
    assert all(persons.detections.target_ids.tolist() == [1] for persons in played)
    assert {persons.num_propagated for persons in played} == {0}
    assert len({track for persons in played for track in persons.track_ids}) == 1
    assert len({seed for persons in played for seed in persons.seeds}) == 1
    assert all(persons.crop_windows[0] is not None for persons in played)


@BOTH_MODES
@pytest.mark.parametrize(("score", "is_covered"), [(0.41, True), (0.39, False)])
def test_target_is_credible_by_its_own_confidence(
    mode: str, score: float, *, is_covered: bool
) -> None:
    """Whatever persons need."""
    film = FrameSequence(targets={0})
    for index in range(30):
        film.add_frame([make_person_mask(200)] if index < 15 else [], score=score)
    played = film.find_persons(memory__mode=mode, detect__confidence=0.8, **VEHICLES)
    assert [len(persons.detections) for persons in played[:15]] == [1] * 15
    assert bool(len(played[20].detections)) == is_covered


@BOTH_MODES
def test_no_track_goes_from_person_to_target(mode: str) -> None:
    """Whoever is taken for a vehicle in some frames is remembered as person, too."""
    film = FrameSequence(targets={1})
    person, speck = make_person_mask(200), make_person_mask(400, height_px=10)
    for index in range(40):
        film.add_frame([speck, person] if 20 <= index < 25 else [person])
    played = film.find_persons(memory__mode=mode, **VEHICLES)
    for persons in played[20:25]:
        kinds = persons.detections.target_ids.tolist()
        assert sorted(kinds) == [0, 0, 1]
        assert persons.num_propagated == 1
        assert len(set(persons.track_ids)) == 3


def test_persons_are_as_without_targets() -> None:
    film, alone = FrameSequence(targets={1}), FrameSequence()
    for index in range(20):
        person, car = make_person_mask(60 + 4 * index), make_person_mask(300 - 3 * index)
        film.add_frame([person, car])
        alone.add_frame([person])
    for both, one in zip(film.find_persons(**VEHICLES), alone.find_persons(), strict=True):
        assert (both.track_ids[0], both.seeds[0]) == (one.track_ids[0], one.seeds[0])
        assert np.array_equal(both.detections.masks[0], one.detections.masks[0])


@BOTH_MODES
def test_absent_person_is_not_covered(mode: str) -> None:
    film = FrameSequence()
    for index in range(80):
        film.add_frame([make_person_mask(200)] if index < 20 or index >= 60 else [])
    played = film.find_persons(memory__mode=mode)
    busy = [bool(merge_masks(persons).any()) for persons in played]
    ahead = 9 if mode == "both" else 0
    assert busy == [True] * 29 + [False] * (31 - ahead) + [True] * (20 + ahead)


@BOTH_MODES
def test_memory_is_inactive_at_1_hz(mode: str) -> None:
    film = FrameSequence()
    for index in range(20):
        film.add_frame([make_person_mask(20 * index)] if index % 5 else [], step_ns=10 * STEP_NS)
    played = film.find_persons(memory__mode=mode)
    for persons, (_, masks, *_) in zip(played, film.frames, strict=True):
        assert persons.num_propagated == 0
        assert len(persons.detections) == len(masks)


@BOTH_MODES
def test_shrinking_mask_stays_covered(mode: str) -> None:
    film = FrameSequence()
    truth = [make_person_mask(60 + 3 * index) for index in range(30)]
    for index, person in enumerate(truth):
        film.add_frame([make_person_mask(60 + 3 * index, head=False) if index == 15 else person])
    played = film.find_persons(memory__mode=mode)
    assert covered_ratio(merge_masks(played[15]), truth[15]) > 0.95
    # Where nothing shrinks, nothing grows: legs would be covered where they swing to.
    extra = [np.count_nonzero(merge_masks(played[i]) & ~truth[i]) for i in range(30)]
    assert max(extra) <= 5 * 80


def test_low_scores_need_a_track() -> None:
    film = FrameSequence()
    for index in range(30):
        film.add_frame([make_person_mask(60 + 3 * index)], score=0.15 if 10 <= index < 15 else 0.9)
    for _ in range(10):
        film.add_frame([make_person_mask(60)], score=0.15)
    known = {"detect__confidence": 0.5, "track__low_confidence": 0.1, "memory__mode": "past"}
    played = film.find_persons(**known)
    assert [len(persons.detections) for persons in played[:30]] == [1] * 30
    assert not any(persons.num_propagated for persons in played[:30])
    # 60 px is 90 px away from where the track ended.
    assert not any(merge_masks(persons)[:, 60:90].any() for persons in played[30:])
    alone = film.find_persons(**known | {"memory__mode": "off"})
    assert [len(persons.detections) for persons in alone[9:16]] == [1, 0, 0, 0, 0, 0, 1]


@settings(max_examples=150, deadline=None)
@given(frames, st.sampled_from(["off", "past", "both"]))
def test_detections_never_dropped(sequence: list[tuple[list[Mask], int, bool]], mode: str) -> None:
    film = FrameSequence()
    for found, step_ns, before in sequence:
        film.add_frame(found, image=choose_street(before=before), step_ns=step_ns)
    played = film.find_persons(memory__mode=mode)
    again = film.find_persons(memory__mode=mode)
    assert len(played) == len(sequence)
    for persons, (_, found, *_), same in zip(played, film.frames, again, strict=True):
        assert len(persons.detections) == len(found) + persons.num_propagated
        for mask, raw in zip(persons.detections.masks, found, strict=False):
            assert not (raw & ~mask).any()
        assert (persons.detections.masks == same.detections.masks).all()
        assert persons.seeds == same.seeds
        assert persons.crop_windows == same.crop_windows
        assert len(set(persons.seeds)) == len(persons.seeds)


@BOTH_MODES
@pytest.mark.parametrize("rate_hz", [1.2, 2, 5, 30])
def test_memory_works_above_1_hz(mode: str, rate_hz: float) -> None:
    film = FrameSequence()
    for _ in range(8):
        film.add_frame([make_person_mask(200)], step_ns=round(1e9 / rate_hz))
    for _ in range(3):
        film.add_frame(step_ns=round(1e9 / rate_hz))
    played = film.find_persons(memory__mode=mode)
    assert [len(persons.detections) for persons in played[:9]] == [1] * 9


def test_score_at_threshold_counts() -> None:
    """It compares in float32, of which 0.35 is a little less than 0.35."""
    film = FrameSequence()
    film.add_frame([make_person_mask(200)], score=0.35)
    for mode in ("off", "past", "both"):
        (persons,) = film.find_persons(memory__mode=mode, detect__confidence=0.35)
        assert len(persons.detections) == 1


@BOTH_MODES
def test_high_threshold_is_credible(mode: str) -> None:
    film = FrameSequence()
    for index in range(20):
        film.add_frame([make_person_mask(200)] if index < 10 else [], score=0.98)
    played = film.find_persons(memory__mode=mode, detect__confidence=0.95)
    assert [len(persons.detections) for persons in played] == [1] * 19 + [0]


@pytest.mark.parametrize("mode", ["off", "past", "both"])
def test_short_memory_keeps_tracks(mode: str) -> None:
    film = FrameSequence()
    for _ in range(8):
        film.add_frame([make_person_mask(200)], step_ns=4 * STEP_NS)
    played = film.find_persons(memory__mode=mode, memory__duration_s=0.2)
    assert {persons.track_ids[0] for persons in played} == {1}


def test_shrinking_mask_at_5_hz() -> None:
    film = FrameSequence()
    for index in range(10):
        film.add_frame([make_person_mask(60 + 6 * index, head=index != 8)], step_ns=2 * STEP_NS)
    played = film.find_persons(memory__mode="past")
    assert covered_ratio(merge_masks(played[8]), make_person_mask(60 + 6 * 8)) > 0.95


def test_track_keeps_its_seed() -> None:
    film = FrameSequence()
    for index in range(20):
        pair = [make_person_mask(60 + 3 * index), make_person_mask(300 - 3 * index)]
        film.add_frame(pair if index % 2 else pair[::-1])
    played = film.find_persons()
    by_track = [dict(zip(p.track_ids, p.seeds, strict=True)) for p in played]
    assert all(each == by_track[0] for each in by_track)
    by_window = [dict(zip(p.track_ids, p.crop_windows, strict=True)) for p in film.find_persons()]
    sizes = {(w.width_px, w.height_px) for each in by_window for w in each.values()}
    assert len(sizes) == 1
    one = film.find_persons(identity__reuse="off")
    assert all(persons.seeds == one[0].seeds for persons in one)
    assert all(persons.crop_windows == [None, None] for persons in one)


def test_trackers_independent() -> None:
    config = make_config()
    trackers = [make_tracker_factory(config)() for _ in range(2)]
    boxes = np.array([[50, 50, 80, 130]], np.float32)
    scores = np.ones(1, np.float32)
    ids = []
    for index in range(12):
        far = boxes + 200 * (index // 6)
        ids.append([each.update(far, scores)[0] for each in trackers])
    assert ids == [[1, 1]] * 6 + [[2, 2]] * 6
