"""Nobody who was seen is forgotten too soon, and nothing is covered for long where nobody is."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from street import (
    ELSEWHERE,
    HEIGHT_PX,
    START_NS,
    STEP_NS,
    STREET,
    WIDTH_PX,
    Film,
    config_of,
    covered,
    figure,
    tracker,
)
from support import detections

from anon_ros.core import Mask, RgbImage
from anon_ros.tracking import (
    FrameObservation,
    OnlineStream,
    PersonObservation,
    iter_with_lookahead,
    observe_frame,
)
from anon_ros.tracking.stable_window import StableWindow

BOTH = pytest.mark.parametrize("mode", ["past", "both"])


def share(cover: Mask, person: Mask) -> float:
    return np.count_nonzero(cover & person) / np.count_nonzero(person)


SDXL = {"inpaint.method": "sdxl"}  # nothing is loaded: only then windows are steady


def walk(frames: int, missed: set[int], speed_px: float = 4) -> tuple[Film, list[Mask]]:
    """One person who walks to the right and is missed in some frames."""
    film, truth = Film(), [figure(60 + speed_px * index) for index in range(frames)]
    for index, person in enumerate(truth):
        film.add([] if index in missed else [person])
    return film, truth


@BOTH
def test_a_person_who_is_missed_stays_covered_where_he_walks(mode: str) -> None:
    missed = set(range(20, 26))
    film, truth = walk(40, missed)
    played = film.play(memory__mode=mode)
    assert all(persons.num_propagated == (index in missed) for index, persons in enumerate(played))
    assert min(share(covered(p), m) for p, m in zip(played, truth, strict=True)) > 0.97
    assert all(len(set(persons.track_ids)) == 1 for persons in played)


def test_without_memory_each_frame_stands_alone() -> None:
    film, _ = walk(40, {20, 21})
    played = film.play(memory__mode="off")
    assert [len(persons.detections) for persons in played[19:23]] == [1, 0, 0, 1]


def test_frames_before_a_person_is_first_found_are_covered_in_a_recording() -> None:
    film, truth = walk(40, set(range(12)))
    played = film.play(memory__mode="both")
    # Beginning at frame 2, a second before it was first found.
    assert [persons.num_propagated for persons in played[:13]] == [0] * 3 + [1] * 9 + [0]
    assert min(share(covered(played[i]), truth[i]) for i in range(3, 12)) > 0.95
    assert not any(persons.num_propagated for persons in film.play(memory__mode="past")[:13])


@BOTH
def test_a_person_is_carried_on_for_as_long_as_memory_s_and_no_longer(mode: str) -> None:
    film, _ = walk(20, set())
    for _ in range(30):
        film.add()
    played = film.play(memory__mode=mode, memory__duration_s=0.75)
    assert [persons.num_propagated for persons in played[20:30]] == [1] * 7 + [0] * 3


@BOTH
@pytest.mark.parametrize(("frames", "carried"), [(2, 0), (3, 9)])
def test_a_ghost_of_two_frames_is_not_carried_on(mode: str, frames: int, carried: int) -> None:
    film = Film()
    for index in range(40):
        film.add([figure(200)] if 15 <= index < 15 + frames else [])
    played = film.play(memory__mode=mode)
    count = sum(persons.num_propagated for persons in played)
    assert count == carried * (2 if mode == "both" else 1)


@BOTH
def test_a_faint_track_is_not_carried_beyond_its_ends_but_between_them(mode: str) -> None:
    film = Film()
    for index in range(40):
        film.add([figure(200)] if 10 <= index < 25 and index != 17 else [], score=0.15)
    played = film.play(memory__mode=mode)
    carried = [index for index, persons in enumerate(played) if persons.num_propagated]
    assert carried == ([17] if mode == "both" else [])


@BOTH
@pytest.mark.parametrize("speed_px", [9, -9])
def test_a_person_who_leaves_through_the_border_leaves_nothing_behind(
    mode: str, speed_px: int
) -> None:
    film, start = Film(), 200 if speed_px > 0 else 250
    for index in range(60):
        film.add([figure(start + speed_px * index)])
    played = film.play(memory__mode=mode)
    gone = next(i for i, (_, masks, *_) in enumerate(film.frames) if not masks)
    smears = [np.count_nonzero(covered(persons)) for persons in played[gone:]]
    assert max(smears) < 0.35 * 30 * 80
    assert not any(smears[5:])


@BOTH
def test_two_who_cross_are_both_covered_throughout(mode: str) -> None:
    film = Film()
    truth = [(figure(60 + 6 * i), figure(360 - 6 * i, y=110)) for i in range(50)]
    for index, (one, other) in enumerate(truth):
        # While they overlap the detector sees one of them, or nobody.
        film.add([[one, other], [other], [one], []][index % 4 if 22 <= index <= 28 else 0])
    played = film.play(memory__mode=mode)
    for persons, pair in zip(played, truth, strict=True):
        assert min(share(covered(persons), each) for each in pair) > 0.9
    # They keep their identities, or exchange them; nobody is a third one for long.
    assert len({track for persons in played for track in persons.track_ids}) <= 3
    stray = [
        np.count_nonzero(covered(p) & ~(a | b)) for p, (a, b) in zip(played, truth, strict=True)
    ]
    assert max(stray) < 30 * 80


@BOTH
def test_one_who_leaves_and_returns_is_not_covered_in_between(mode: str) -> None:
    film = Film()
    for index in range(80):
        film.add([figure(200)] if index < 20 or index >= 60 else [])
    played = film.play(memory__mode=mode)
    busy = [bool(covered(persons).any()) for persons in played]
    ahead = 9 if mode == "both" else 0
    assert busy == [True] * 29 + [False] * (31 - ahead) + [True] * (20 + ahead)


@BOTH
def test_after_a_cut_nobody_is_carried_over(mode: str) -> None:
    film = Film()
    for index in range(40):
        before = index < 20
        film.add([figure(100 if before else 300)], image=film_image(before=before))
    played = film.play(memory__mode=mode)
    assert not any(persons.num_propagated for persons in played)
    tracks = [persons.track_ids[0] for persons in played]
    assert len(set(tracks[:20])) == 1
    assert set(tracks[:20]).isdisjoint(tracks[20:])


def film_image(*, before: bool) -> RgbImage:
    return STREET if before else ELSEWHERE


@BOTH
def test_a_loop_begins_anew(mode: str) -> None:
    film = Film()
    for index in range(40):
        step_ns = -19 * STEP_NS if index == 20 else STEP_NS
        film.add([figure(60 + 8 * (index % 20))], step_ns=step_ns)
    played = film.play(memory__mode=mode)
    assert not any(persons.num_propagated for persons in played)
    for persons, (_, masks, *_) in zip(played, film.frames, strict=True):
        assert (covered(persons) == masks[0]).all()


@BOTH
def test_at_1_hz_motion_tells_nothing(mode: str) -> None:
    film = Film()
    for index in range(20):
        film.add([figure(20 * index)] if index % 5 else [], step_ns=10 * STEP_NS)
    played = film.play(memory__mode=mode)
    for persons, (_, masks, *_) in zip(played, film.frames, strict=True):
        assert persons.num_propagated == 0
        assert len(persons.detections) == len(masks)


@BOTH
def test_a_mask_that_shrinks_for_one_frame_uncovers_nothing(mode: str) -> None:
    film = Film()
    truth = [figure(60 + 3 * index) for index in range(30)]
    for index, person in enumerate(truth):
        film.add([figure(60 + 3 * index, head=False) if index == 15 else person])
    played = film.play(memory__mode=mode)
    assert share(covered(played[15]), truth[15]) > 0.95
    # Where nothing shrinks, nothing grows: legs would be covered where they swing to.
    extra = [np.count_nonzero(covered(played[i]) & ~truth[i]) for i in range(30)]
    assert max(extra) <= 5 * 80


def test_low_scores_count_only_in_a_track() -> None:
    film = Film()
    for index in range(30):
        film.add([figure(60 + 3 * index)], score=0.15 if 10 <= index < 15 else 0.9)
    for _ in range(10):
        film.add([figure(60)], score=0.15)
    known = {"detect__confidence": 0.5, "track__low_confidence": 0.1, "memory__mode": "past"}
    played = film.play(**known)
    assert [len(persons.detections) for persons in played[:30]] == [1] * 30
    assert not any(persons.num_propagated for persons in played[:30])
    # 60 px is 90 px away from where the track ended.
    assert not any(covered(persons)[:, 60:90].any() for persons in played[30:])
    alone = film.play(**known | {"memory__mode": "off"})
    assert [len(persons.detections) for persons in alone[9:16]] == [1, 0, 0, 0, 0, 0, 1]


masks = st.builds(
    figure, st.integers(-20, WIDTH_PX), st.integers(0, HEIGHT_PX - 60), st.integers(10, 60)
)
frames = st.lists(
    st.tuples(
        st.lists(masks, max_size=3),
        st.sampled_from([STEP_NS, STEP_NS, STEP_NS, 1, 3 * STEP_NS, 50 * STEP_NS, -STEP_NS, 0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(frames, st.sampled_from(["off", "past", "both"]))
def test_never_fewer_than_the_detector_found(
    sequence: list[tuple[list[Mask], int, bool]], mode: str
) -> None:
    film = Film()
    for found, step_ns, before in sequence:
        film.add(found, image=film_image(before=before), step_ns=step_ns)
    played = film.play(memory__mode=mode, **SDXL)
    again = film.play(memory__mode=mode, **SDXL)
    assert len(played) == len(sequence)
    for persons, (_, found, *_), same in zip(played, film.frames, again, strict=True):
        assert len(persons.detections) == len(found) + persons.num_propagated
        for mask, raw in zip(persons.detections.masks, found, strict=False):
            assert not (raw & ~mask).any()
        assert (persons.detections.masks == same.detections.masks).all()
        assert persons.seeds == same.seeds
        assert persons.crop_windows == same.crop_windows
        assert len(set(persons.seeds)) == len(persons.seeds)


rates_hz = st.sampled_from([1.2, 1.7, 2, 2.5, 4, 9, 30])


@settings(max_examples=60, deadline=None)
@given(rates_hz, st.lists(st.booleans(), min_size=3, max_size=40), st.sampled_from([0.3, 1, 2]))
def test_looking_ahead_covers_whoever_looking_back_covers(
    rate_hz: float, found: list[bool], memory_s: float
) -> None:
    film = Film()
    for index, is_found in enumerate(found):
        people = [figure(100 + 60 * index / rate_hz)] if is_found else []
        film.add(people, step_ns=round(1e9 / rate_hz))
    past, both = (film.play(memory__mode=m, memory__duration_s=memory_s) for m in ("past", "both"))
    for known, more in zip(past, both, strict=True):
        assert set(known.track_ids) <= set(more.track_ids)


@BOTH
@pytest.mark.parametrize("rate_hz", [1.2, 2, 5, 30])
def test_memory_works_at_any_rate_above_1_hz(mode: str, rate_hz: float) -> None:
    film = Film()
    for _ in range(8):
        film.add([figure(200)], step_ns=round(1e9 / rate_hz))
    for _ in range(3):
        film.add(step_ns=round(1e9 / rate_hz))
    played = film.play(memory__mode=mode)
    assert [len(persons.detections) for persons in played[:9]] == [1] * 9


@BOTH
def test_what_concerns_no_frame_any_more_is_forgotten(mode: str) -> None:
    config, alive = config_of(memory__mode=mode), list[weakref.ref[PersonObservation]]()

    def walk_on() -> Iterator[FrameObservation]:
        for index in range(300):
            # A walker, and every second another one who stays for half of it.
            people = [figure(10 + index), *[figure(400, 20, 60)] * (index % 10 < 5)]
            moment = observe_frame(STREET, detections(people), START_NS + index * STEP_NS)
            alive.extend(weakref.ref(each) for each in moment.persons)
            yield moment

    most = 0
    for timeline, moment in iter_with_lookahead(walk_on(), config, tracker(config)):
        timeline.persons_in(moment)
        most = max(most, sum(each() is not None for each in alive))
    # At 10 Hz 1.6 s back, and as much ahead.
    assert 20 <= most <= (34 if mode == "both" else 18) * 2


def test_a_score_at_the_limit_counts_as_it_does_to_the_detector() -> None:
    """It compares in float32, of which 0.35 is a little less than 0.35."""
    film = Film()
    film.add([figure(200)], score=0.35)
    for mode in ("off", "past", "both"):
        (persons,) = film.play(memory__mode=mode, detect__confidence=0.35)
        assert len(persons.detections) == 1


@BOTH
def test_a_detector_that_is_hardly_to_be_convinced_has_credible_tracks(mode: str) -> None:
    film = Film()
    for index in range(20):
        film.add([figure(200)] if index < 10 else [], score=0.98)
    played = film.play(memory__mode=mode, detect__confidence=0.95)
    assert [len(persons.detections) for persons in played] == [1] * 19 + [0]


@pytest.mark.parametrize("mode", ["off", "past", "both"])
def test_a_short_memory_breaks_off_no_tracks(mode: str) -> None:
    film = Film()
    for _ in range(8):
        film.add([figure(200)], step_ns=4 * STEP_NS)
    played = film.play(memory__mode=mode, memory__duration_s=0.2)
    assert {persons.track_ids[0] for persons in played} == {1}


def test_live_at_5_hz_a_mask_that_shrinks_uncovers_nothing() -> None:
    film = Film()
    for index in range(10):
        film.add([figure(60 + 6 * index, head=index != 8)], step_ns=2 * STEP_NS)
    played = film.play(memory__mode="past")
    assert share(covered(played[8]), figure(60 + 6 * 8)) > 0.95


def test_the_segmenters_masks_are_added_to_in_place() -> None:
    """To make new ones takes longer than all else that is done."""
    config = config_of(memory__mode="past")
    stream = OnlineStream(config, tracker(config))
    for index in range(3):
        found = detections([figure(200, head=index != 2)])
        moment = observe_frame(STREET, found, START_NS + index * STEP_NS)
        persons = stream.persons_in(moment, found.masks)
        assert np.shares_memory(persons.detections.masks, found.masks)
    assert (found.masks[0] == figure(200)).all()
    found.masks.flags.writeable = False
    moment = observe_frame(STREET, found, START_NS + 3 * STEP_NS)
    assert not np.shares_memory(
        stream.persons_in(moment, found.masks).detections.masks, found.masks
    )


def test_a_track_keeps_its_seed_whatever_the_order_of_the_detections() -> None:
    film = Film()
    for index in range(20):
        pair = [figure(60 + 3 * index), figure(300 - 3 * index)]
        film.add(pair if index % 2 else pair[::-1])
    played = film.play()
    by_track = [dict(zip(p.track_ids, p.seeds, strict=True)) for p in played]
    assert all(each == by_track[0] for each in by_track)
    by_window = [dict(zip(p.track_ids, p.crop_windows, strict=True)) for p in film.play(**SDXL)]
    sizes = {(w.width_px, w.height_px) for each in by_window for w in each.values()}
    assert len(sizes) == 1
    one = film.play(identity__reuse="off", **SDXL)
    assert all(persons.seeds == one[0].seeds for persons in one)
    assert all(persons.crop_windows == [None, None] for persons in one)


def test_cameras_do_not_touch_each_other() -> None:
    config = config_of()
    trackers = [tracker(config)() for _ in range(2)]
    boxes = np.array([[50, 50, 80, 130]], np.float32)
    scores = np.ones(1, np.float32)
    ids = []
    for index in range(12):
        far = boxes + 200 * (index // 6)
        ids.append([each.update(far, scores)[0] for each in trackers])
    assert ids == [[1, 1]] * 6 + [[2, 2]] * 6


def test_windows_are_steady_and_hold_the_box() -> None:
    random, steady = np.random.default_rng(0), StableWindow()
    sizes = set()
    for index in range(200):
        x0, y0 = 50 + 2 * index, 100
        box = np.array([x0, y0, x0 + 40, y0 + 120]) + random.uniform(-3, 3, 4)
        roi = steady.update(box)
        assert roi.x0 <= box[0]
        assert roi.y0 <= box[1]
        assert roi.x1 >= box[2]
        assert roi.y1 >= box[3]
        sizes.add((roi.width_px, roi.height_px))
    assert len(sizes) <= 2
    grown = steady.update(np.array([0.0, 0, 400, 600]))
    assert (grown.width_px, grown.height_px) > (400, 600)
    shrunk = steady.update(np.array([0.0, 0, 40, 60]))
    assert shrunk.width_px < 80
