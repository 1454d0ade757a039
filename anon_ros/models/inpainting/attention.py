"""Kernels of the UNet's attention, in the order of their measured times."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
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
# Products of matrices that keep the GPU busy, 3 ms of an H200, while the host launches the calls:
# else the times are those of the launches.
_BUSY_SIDE = 4096
_BUSY_CALLS = 15
# Of the time of torch's own choice: what does not gain that much may be noise.
_MIN_GAIN = 0.1


@dataclass(frozen=True)
class AttentionShape:
    """The sizes of one attention, and the number of layers that have it."""

    count: int
    heads: int
    queries: int
    keys: int
    head_dim: int
    layers: int


# Returns the seconds of one call, by torch's own choice for None; raises RuntimeError if the kernel
# cannot do it.
AttentionTimer = Callable[[SDPBackend | None, AttentionShape], float]


def make_attention_timer(device: torch.device, dtype: torch.dtype) -> AttentionTimer | None:
    """Return the timer of a GPU; None on the CPU, which has one kernel.

    None, too, if torch is too old to take an order of kernels.
    """
    if device.type != "cuda" or "set_priority" not in signature(sdpa_kernel).parameters:
        return None

    busy = torch.randn(_BUSY_SIDE, _BUSY_SIDE, device=device, dtype=dtype)

    def measure(backend: SDPBackend | None, shape: AttentionShape) -> float:
        query = torch.randn(
            shape.count, shape.heads, shape.queries, shape.head_dim, device=device, dtype=dtype
        )
        key = torch.randn_like(query[:, :, :1]).repeat(1, 1, shape.keys, 1)
        with nullcontext() if backend is None else sdpa_kernel(backend):
            return min(_time_calls(query, key, busy) for _ in range(_ROUNDS))

    return measure


def _time_calls(query: torch.Tensor, key: torch.Tensor, busy: torch.Tensor) -> float:
    """Return the seconds of one call, on the GPU's clock."""
    scaled_dot_product_attention(query, key, key)
    start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    for _ in range(_BUSY_CALLS):
        busy @ busy
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
    heads, blocks, depths = (
        value if isinstance(value, Sequence) else [value] * levels
        for value in (
            *(config.attention_head_dim, config.layers_per_block),
            config.transformer_layers_per_block,
        )
    )
    shapes = []
    for level, kind in enumerate(config.down_block_types):
        if "CrossAttn" not in kind:
            continue
        tokens = max(1, (latent_hw[0] >> level) * (latent_hw[1] >> level))
        head_dim = config.block_out_channels[level] // heads[level]
        depth = depths[level]
        layers = sum(depth) if isinstance(depth, Sequence) else depth * blocks[level]
        shapes += [
            AttentionShape(count, heads[level], tokens, keys, head_dim, layers)
            for keys in (tokens, _PROMPT_TOKENS)
        ]
    return shapes


def choose_backends(
    shapes: Sequence[AttentionShape], measure: AttentionTimer
) -> list[SDPBackend] | None:
    """Return the kernels that can do all the shapes, fastest first, and at last the plain one.

    None if the first is no faster than torch's own choice.
    """

    def sum_layers(backend: SDPBackend | None) -> float:
        return sum(measure(backend, shape) * shape.layers for shape in shapes)

    try:
        own_s = sum_layers(None)
    except RuntimeError as error:
        _LOG.info("attention: not measured: %s", " ".join(str(error).split()))
        return None
    times_s = {}
    for backend in _BACKENDS:
        try:
            times_s[backend] = sum_layers(backend)
        except RuntimeError as error:
            _LOG.info("attention: not %s: %s", backend.name, " ".join(str(error).split()))
    order = sorted(times_s, key=lambda backend: times_s[backend])
    figures = [f"{backend.name} {times_s[backend] * 1000:.2f} ms" for backend in order]
    _LOG.info("attention: %s", ", ".join([f"torch's own choice {own_s * 1000:.2f} ms", *figures]))
    if not order or times_s[order[0]] > (1 - _MIN_GAIN) * own_s:
        return None
    _LOG.info("attention: %s first", order[0].name)
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
