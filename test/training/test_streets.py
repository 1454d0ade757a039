import numpy as np

from training.streets import SIDE_PX, draw_street, draw_streets


def test_streets_differ() -> None:
    streets = draw_streets(3, seed=1, workers=1)
    assert streets.shape == (3, 3, SIDE_PX, SIDE_PX)
    assert len({street.numpy().tobytes() for street in streets}) == 3


def test_processes_draw_the_same() -> None:
    assert draw_streets(3, seed=1, workers=2).equal(draw_streets(3, seed=1, workers=1))


def test_street_has_contrast() -> None:
    assert min(np.std(draw_street(2, index)) for index in range(6)) > 3
