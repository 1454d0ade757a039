"""Cuts and jumps in time, which end all tracks."""

import pytest

from helpers.street import STEP_NS, FrameSequence, choose_street, make_person_mask, merge_masks

BOTH_MODES = pytest.mark.parametrize("mode", ["past", "both"])


@BOTH_MODES
def test_scene_cut_stops_propagation(mode: str) -> None:
    film = FrameSequence()
    for index in range(40):
        before = index < 20
        film.add_frame(
            [make_person_mask(100 if before else 300)], image=choose_street(before=before)
        )
    played = film.find_persons(memory__mode=mode)
    assert not any(persons.num_propagated for persons in played)
    tracks = [persons.track_ids[0] for persons in played]
    assert len(set(tracks[:20])) == 1
    assert set(tracks[:20]).isdisjoint(tracks[20:])


@BOTH_MODES
def test_time_jump_restarts_tracks(mode: str) -> None:
    film = FrameSequence()
    for index in range(40):
        step_ns = -19 * STEP_NS if index == 20 else STEP_NS
        film.add_frame([make_person_mask(60 + 8 * (index % 20))], step_ns=step_ns)
    played = film.find_persons(memory__mode=mode)
    assert not any(persons.num_propagated for persons in played)
    for persons, (_, masks, *_) in zip(played, film.frames, strict=True):
        assert (merge_masks(persons) == masks[0]).all()
