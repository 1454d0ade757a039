"""Kernels of the UNet's attention, in the order of their measured times."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

_LOG = logging.getLogger(__name__)
_BACKENDS = (
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
)
_PROMPT_TOKENS = 77
_CALLS = 10
_ROUNDS = 3


@dataclass(frozen=True)
class AttentionShape:
    """The sizes of one attention, and the number of layers that have it."""

    count: int
    heads: int
    queries: int
    keys: int
    head_dim: int
    layers: int


# Returns the seconds of one call; raises RuntimeError if the kernel cannot do it.
AttentionTimer = Callable[[SDPBackend, AttentionShape], float]


def make_attention_timer(device: torch.device, dtype: torch.dtype) -> AttentionTimer | None:
    """Return the timer of a GPU; None on the CPU, which has one kernel.

    None, too, if torch is too old to take an order of kernels.
    """
    if device.type != "cuda" or "set_priority" not in signature(sdpa_kernel).parameters:
        return None

    def measure(backend: SDPBackend, shape: AttentionShape) -> float:
        query = torch.randn(
            shape.count, shape.heads, shape.queries, shape.head_dim, device=device, dtype=dtype
        )
        key = torch.randn_like(query[:, :, :1]).repeat(1, 1, shape.keys, 1)
        with sdpa_kernel(backend):
            return min(_time_calls(query, key) for _ in range(_ROUNDS))

    return measure


def _time_calls(query: torch.Tensor, key: torch.Tensor) -> float:
    """Return the seconds of one call, on the GPU's clock."""
    scaled_dot_product_attention(query, key, key)
    start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(_CALLS):
        scaled_dot_product_attention(query, key, key)
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000 / _CALLS


def list_attention_shapes(
    config: Any, latent_hw: tuple[int, int], count: int
) -> list[AttentionShape]:
    """Return the attentions of a UNet with such a configuration, to the image and to the prompt.

    Args:
        config: of a UNet2DConditionModel.
        latent_hw: height and width of the latents.
        count: number of images.
    """
    levels = len(config.down_block_types)
    heads, layers = (
        value if isinstance(value, Sequence) else [value] * levels
        for value in (config.attention_head_dim, config.transformer_layers_per_block)
    )
    shapes = []
    for level, kind in enumerate(config.down_block_types):
        if "CrossAttn" not in kind:
            continue
        tokens = max(1, (latent_hw[0] >> level) * (latent_hw[1] >> level))
        head_dim = config.block_out_channels[level] // heads[level]
        shapes += [
            AttentionShape(count, heads[level], tokens, keys, head_dim, layers[level])
            for keys in (tokens, _PROMPT_TOKENS)
        ]
    return shapes


def choose_backends(shapes: Sequence[AttentionShape], measure: AttentionTimer) -> list[SDPBackend]:
    """Return the kernels that can do all the shapes, fastest first, and at last the plain one."""
    times_s = {}
    for backend in _BACKENDS:
        try:
            times_s[backend] = sum(measure(backend, shape) * shape.layers for shape in shapes)
        except RuntimeError as error:
            _LOG.info("attention: not %s: %s", backend.name, " ".join(str(error).split()))
    order = sorted(times_s, key=lambda backend: times_s[backend])
    figures = ", ".join(f"{backend.name} {times_s[backend] * 1000:.2f} ms" for backend in order)
    _LOG.info("attention: fastest first: %s", figures or "none but the plain one")
    return [*order, SDPBackend.MATH]


def prefer_backends(unet: Any, backends: Sequence[SDPBackend]) -> Callable[[], None]:
    """Let a UNet's attention take the first of the kernels that can; return what undoes that."""
    call = ExitStack()

    def enter(*_: object) -> None:
        call.enter_context(sdpa_kernel([*backends], set_priority=True))

    def leave(*_: object) -> None:
        call.close()

    handles = (
        unet.register_forward_pre_hook(enter),
        unet.register_forward_hook(leave, prepend=True, always_call=True),
    )

    def undo() -> None:
        for handle in handles:
            handle.remove()

    return undo
