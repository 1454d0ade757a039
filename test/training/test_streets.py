from pathlib import Path

import numpy as np
import pytest
import torch

from training.streets import SIDE_PX, draw_street, draw_streets, load_streets


def test_streets_differ() -> None:
    streets = draw_streets(3, seed=1, workers=1)
    assert streets.shape == (3, 3, SIDE_PX, SIDE_PX)
    assert len({street.numpy().tobytes() for street in streets}) == 3


def test_processes_draw_the_same() -> None:
    assert draw_streets(3, seed=1, workers=2).equal(draw_streets(3, seed=1, workers=1))


def test_street_has_contrast() -> None:
    assert min(np.std(draw_street(2, index)) for index in range(6)) > 3


def test_streets_of_same_seed_and_count_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_streets(tmp_path, 2, seed=1)
    assert not load_streets(tmp_path, 2, seed=2).equal(first)
    assert len(load_streets(tmp_path, 3, seed=1)) == 3
    monkeypatch.setattr("training.streets.draw_streets", lambda *_: pytest.fail("drawn again"))
    assert load_streets(tmp_path, 2, seed=1).equal(first)


def test_half_written_streets_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(InterruptedError):
            load_streets(tmp_path, 2, seed=1)
    assert load_streets(tmp_path, 2, seed=1).equal(draw_streets(2, 1, 1))
