"""Identities of labelled persons."""

import numpy as np
import numpy.typing as npt
import pytest
from support import rectangle

from anon_ros.metrics import link_identities

H, W = 300, 900


def persons(*corners_px: tuple[int, int], height_px: int = 100) -> npt.NDArray[np.bool_]:
    """Persons of 35 px by their height, by their upper left corners' x and y."""
    masks = [rectangle(H, W, slice(y, y + height_px), slice(x, x + 35)) for x, y in corners_px]
    return np.array(masks, np.bool_).reshape(-1, H, W)


def test_nobody_has_no_identity() -> None:
    assert link_identities([]) == []
    assert link_identities([persons(), persons()]) == [[], []]


def test_identities_stay_whatever_the_order_of_the_labels() -> None:
    frames = [persons((100, 50), (400, 60)), persons((440, 60), (140, 50)), persons((180, 50))]
    assert link_identities(frames) == [[0, 1], [1, 0], [0]]


def test_a_person_walks_further_than_its_own_width() -> None:
    """Their masks do not overlap between frames, so overlap alone would not link them."""
    assert link_identities([persons((x, 50)) for x in (100, 150, 200)]) == [[0], [0], [0]]


def test_persons_who_pass_each_other_walk_on() -> None:
    """Both stand where the other one stood, so distance alone would exchange them."""
    frames = [persons((100 + 50 * i, 50), (300 - 50 * i, 60)) for i in range(5)]
    assert link_identities(frames) == [[0, 1]] * 5


def test_who_is_too_far_away_is_somebody_else() -> None:
    assert link_identities([persons((100, 50)), persons((190, 50))]) == [[0], [0]]
    assert link_identities([persons((100, 50)), persons((210, 50))]) == [[0], [1]]


def test_who_is_of_another_height_is_somebody_else() -> None:
    near = [persons((100, 50), height_px=240), persons((100, 120), height_px=60)]
    assert link_identities(near) == [[0], [1]]


def test_the_nearer_one_is_the_same_person() -> None:
    frames = [persons((100, 50)), persons((160, 50), (120, 50))]
    assert link_identities(frames) == [[0], [1, 0]]


@pytest.mark.parametrize(("missed", "identity"), [(1, 0), (2, 1)])
def test_a_person_may_be_missed_once(missed: int, identity: int) -> None:
    later = persons((140 + 40 * (missed + 1), 50))
    frames = [persons((100, 50)), persons((140, 50)), *[persons()] * missed, later]
    assert link_identities(frames) == [[0], [0], *[[]] * missed, [identity]]


def test_a_mask_without_a_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="frame 1 has no pixel"):
        link_identities([persons((0, 0)), np.zeros((1, H, W), np.bool_)])
