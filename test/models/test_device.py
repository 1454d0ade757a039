"""The choice of a device."""

import pytest
import torch

from anon_ros.errors import ModelError
from anon_ros.models.device import resolve_device


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "tpu:0"])
def test_unknown_device_lists_devices(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name} is not on this machine; .*cpu"):
        resolve_device(name)


def test_auto_device_prefers_cuda() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected
