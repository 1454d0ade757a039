"""Binary differences of messages."""

import numpy as np
import pytest

from anon_ros.bags.run_files.message_delta import apply_delta, make_delta
from anon_ros.errors import BagError


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 4096])
@pytest.mark.parametrize("ratio", [0.0, 0.1, 1.0])
def test_delta_restores_message(length: int, ratio: float) -> None:
    generator = np.random.default_rng(length)
    source = generator.integers(0, 256, length, np.uint8)
    target = np.where(generator.random(length) < ratio, source + np.uint8(1), source)
    delta = make_delta(source.tobytes(), target.tobytes())
    assert apply_delta(source.tobytes(), delta) == target.tobytes()


def test_delta_restores_message_of_other_length() -> None:
    delta = make_delta(b"source", b"a longer target")
    assert apply_delta(b"source", delta) == b"a longer target"


def test_delta_of_few_changes_is_small() -> None:
    source = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8)
    target = source.copy()
    target[500:600] += 1
    assert len(make_delta(source.tobytes(), target.tobytes())) < 500


@pytest.mark.parametrize("target", [b"target", b"longer target"])
def test_delta_refuses_changed_source(target: bytes) -> None:
    delta = make_delta(b"source", target)
    with pytest.raises(BagError, match="the input has changed"):
        apply_delta(b"sourcf", delta)
