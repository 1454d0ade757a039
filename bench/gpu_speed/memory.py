"""Memory of a GPU by arithmetic: weights counted, tensors of a call followed without running it."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import random_networks as networks
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anon_ros.models.inpainting.acceleration import fuse_qkv
from anon_ros.models.inpainting.weight_storage import place_unet

_META = torch.device("meta")
_GIB = 2**30
# Assumed: CUDA's context and libraries, their workspaces, the detector's tensors.
_ASSUMED_GIB = 1.0
_STORAGES = ("gpu", "float8", "host")
# Height, width, images in the UNet: persons of the chains without guidance.
_SHAPES = ((768, 384, 1), (768, 384, 4), (1024, 1024, 1), (1024, 1024, 4))


class _FusedAttention(TorchFunctionMode):
    """Attention as a GPU's kernels compute it: without a matrix of all pairs."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        if func is scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


class _Allocator(TorchDispatchMode):
    """Count of the bytes that live at once.

    Attributes:
        peak: bytes of the tensors that were made and lived, at most; without ``weights``.
    """

    def __init__(self, weights: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.peak = 0
        self._weights = [tensor.untyped_storage() for tensor in weights]
        self._live = {id(storage): 0 for storage in self._weights}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._follow(tensor.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key not in self._live:
            self._live[key] = storage.nbytes()
            weakref.finalize(storage, self._live.pop, key, None)
            self.peak = max(self.peak, sum(self._live.values()))


@torch.no_grad()
def count_peak_gib(network: Any, call: Callable[[], object]) -> float:
    """Return the GiB that a call on the meta device would allocate at once besides weights."""
    with _Allocator(list(network.parameters())) as allocator, _FusedAttention():
        call()
    return allocator.peak / _GIB


def count_gib(network: Any) -> float:
    """Return the GiB of a network's weights."""
    return sum(float(p.numel() * p.element_size()) for p in network.parameters()) / _GIB


def count_stored_gib(storage: str) -> float:
    """Return the GiB of SDXL's UNet on the GPU, as ``compute.weight_storage`` asks."""
    unet, vae = _make_networks()
    layers = [m for m in unet.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    largest_gib = max(map(count_gib, layers))
    if storage == "host":
        return 2 * largest_gib  # the layer that computes, and the next one
    if storage == "float8":
        place_unet(unet, _META, storage)
        return count_gib(unet) + largest_gib  # cast back, one at a time
    fuse_qkv(unet, vae)
    return count_gib(unet)


def predict_memory() -> str:
    """Return a table of the GiB that the profiles small and fast take, uncompiled."""
    calls_gib = {shape: _count_call_gib(shape) for shape in _SHAPES}
    _, vae = _make_networks()
    detector_gib = count_gib(networks.make_yolo(torch.device("cpu"), tiny=False))
    others_gib = count_gib(vae) + detector_gib + _ASSUMED_GIB
    columns = [f"{count} of {width}x{height} px" for height, width, count in _SHAPES]
    lines = [
        f"| `compute.weight_storage` | UNet, GiB | {' | '.join(columns)} |",
        "| --- |" + " ---: |" * (1 + len(columns)),
    ]
    for storage in _STORAGES:
        unet_gib = count_stored_gib(storage)
        totals = (f"{unet_gib + others_gib + calls_gib[shape]:.1f}" for shape in _SHAPES)
        lines.append(f"| {storage} | {unet_gib:.2f} | {' | '.join(totals)} |")
    return "\n".join(lines)


def _make_networks() -> tuple[Any, Any]:
    """Return SDXL's UNet and the tiny VAE in bfloat16, without memory."""
    with _META:
        unet = networks.UNet2DConditionModel(**networks.UNET)
        return unet.to(torch.bfloat16), networks.AutoencoderTiny().to(torch.bfloat16)


def _count_call_gib(shape: tuple[int, int, int]) -> float:
    """Return the GiB of the largest of UNet, encoder and decoder."""
    unet, vae = _make_networks()
    height, width, count = shape
    inputs = {
        "sample": _make_empty(count, 9, height // 8, width // 8),
        "timestep": torch.empty((), device=_META),
        "encoder_hidden_states": _make_empty(count, 77, unet.config.cross_attention_dim),
        "added_cond_kwargs": {
            "text_embeds": _make_empty(count, 1280),
            "time_ids": _make_empty(count, 6),
        },
    }
    images = _make_empty(count, 3, height, width)
    latents = _make_empty(count, 4, height // 8, width // 8)
    return max(
        count_peak_gib(unet, lambda: unet(**inputs)),
        count_peak_gib(vae, lambda: vae.encode(images)),
        count_peak_gib(vae, lambda: vae.decode(latents)),
    )


def _make_empty(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device=_META, dtype=torch.bfloat16)
