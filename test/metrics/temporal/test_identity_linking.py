"""Identities of labelled persons."""

import numpy as np
import numpy.typing as npt
import pytest

from anon_ros.metrics import link_identities
from helpers.arrays import make_rectangle

H, W = 300, 900


def make_person_masks(*corners_px: tuple[int, int], height_px: int = 100) -> npt.NDArray[np.bool_]:
    """Persons of 35 px by their height, by their upper left corners' x and y."""
    masks = [make_rectangle(H, W, slice(y, y + height_px), slice(x, x + 35)) for x, y in corners_px]
    return np.array(masks, np.bool_).reshape(-1, H, W)


def test_no_persons_have_no_identity() -> None:
    assert link_identities([]) == []
    assert link_identities([make_person_masks(), make_person_masks()]) == [[], []]


def test_links_in_any_label_order() -> None:
    frames = [
        make_person_masks((100, 50), (400, 60)),
        make_person_masks((440, 60), (140, 50)),
        make_person_masks((180, 50)),
    ]
    assert link_identities(frames) == [[0, 1], [1, 0], [0]]


def test_links_without_overlap() -> None:
    """Their masks do not overlap between frames, so overlap alone would not link them."""
    assert link_identities([make_person_masks((x, 50)) for x in (100, 150, 200)]) == [[0], [0], [0]]


def test_links_persons_who_cross() -> None:
    """Both stand where the other one stood, so distance alone would exchange them."""
    frames = [make_person_masks((100 + 50 * i, 50), (300 - 50 * i, 60)) for i in range(5)]
    assert link_identities(frames) == [[0, 1]] * 5


def test_distant_person_is_new() -> None:
    assert link_identities([make_person_masks((100, 50)), make_person_masks((190, 50))]) == [
        [0],
        [0],
    ]
    assert link_identities([make_person_masks((100, 50)), make_person_masks((210, 50))]) == [
        [0],
        [1],
    ]


def test_different_height_is_new() -> None:
    near = [
        make_person_masks((100, 50), height_px=240),
        make_person_masks((100, 120), height_px=60),
    ]
    assert link_identities(near) == [[0], [1]]


def test_nearest_person_linked_first() -> None:
    frames = [make_person_masks((100, 50)), make_person_masks((160, 50), (120, 50))]
    assert link_identities(frames) == [[0], [1, 0]]


@pytest.mark.parametrize(("missed", "identity"), [(1, 0), (2, 1)])
def test_person_may_be_missed_once(missed: int, identity: int) -> None:
    later = make_person_masks((140 + 40 * (missed + 1), 50))
    frames = [
        make_person_masks((100, 50)),
        make_person_masks((140, 50)),
        *[make_person_masks()] * missed,
        later,
    ]
    assert link_identities(frames) == [[0], [0], *[[]] * missed, [identity]]


def test_empty_mask_rejected() -> None:
    with pytest.raises(ValueError, match="frame 1 has no pixel"):
        link_identities([make_person_masks((0, 0)), np.zeros((1, H, W), np.bool_)])
