"""The choice of a device."""

import pytest
import torch

from anon_ros.errors import ModelError
from anon_ros.models.device import has_bfloat16, resolve_device


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "tpu:0"])
def test_unknown_device_lists_devices(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name} is not on this machine; .*cpu"):
        resolve_device(name)


def test_auto_device_prefers_cuda() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


def test_torch_without_capabilities_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not has_bfloat16(torch.device("cpu"))
