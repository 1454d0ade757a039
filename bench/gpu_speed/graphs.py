"""A UNet behind CUDA graphs, and compiled by parts."""

from typing import Any

import torch
from torch._dynamo.utils import compile_times, counters

# More than the shapes of a run; beyond torch's own limit of 8 it would silently run uncompiled.
_MAX_SHAPES = 128


class GraphedUnet:
    """A UNet that is recorded at its first call with a shape and replayed after that.

    Whoever changes or frees the weights must drop it: the graphs read their addresses. On the CPU,
    which has no graphs, it runs the UNet.

    Args:
        unet: takes all its arguments by keyword, always: torch.compile guards on how they come.
    """

    def __init__(self, unet: Any) -> None:
        self.config = unet.config
        self._unet = unet
        self._recorded: dict[Any, tuple[Any, list[torch.Tensor], torch.Tensor]] = {}
        self._pool = torch.cuda.graph_pool_handle() if torch.cuda.is_available() else None

    def to(self, **_: Any) -> None:
        """Ignore what an inpainter asks of its UNet: moved weights would leave the graphs."""

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        encoder_hidden_states: torch.Tensor,
        added_cond_kwargs: dict[str, torch.Tensor],
        return_dict: bool = False,
    ) -> tuple[torch.Tensor]:
        """Return the prediction alone, as the UNet does without ``return_dict``."""
        del return_dict
        added = added_cond_kwargs
        inputs = [
            sample, timestep, encoder_hidden_states, added["text_embeds"], added["time_ids"]
        ]  # fmt: skip
        if self._pool is None:
            return (self._run(inputs),)
        key = (tuple(sample.shape), sample.dtype, timestep.dtype)
        if key not in self._recorded:
            self._recorded[key] = self._record([tensor.clone() for tensor in inputs])
        graph, buffers, output = self._recorded[key]
        for buffer, tensor in zip(buffers, inputs, strict=True):
            buffer.copy_(tensor)
        graph.replay()
        # A copy: the next replay, of this or another shape, writes into the same memory.
        return (output.clone(),)

    def _run(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        sample, timestep, tokens, pooled, time_ids = inputs
        predicted: torch.Tensor = self._unet(
            sample=sample,
            timestep=timestep,
            encoder_hidden_states=tokens,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
            return_dict=False,
        )[0]
        return predicted

    @torch.no_grad()
    def _record(self, buffers: list[torch.Tensor]) -> tuple[Any, list[torch.Tensor], torch.Tensor]:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # compiles, tunes, allocates the libraries' workspaces
                self._run(buffers)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            output = self._run(buffers)
        return graph, buffers, output


def compile_modules(unet: Any, kind: str, backend: str, *, dynamic: bool) -> None:
    """Let torch.compile compile the modules of a class, once for all shapes or for each."""
    torch._dynamo.config.recompile_limit = _MAX_SHAPES  # noqa: SLF001 - its only home
    torch._dynamo.config.accumulated_recompile_limit = 4 * _MAX_SHAPES  # noqa: SLF001
    for module in unet.modules():
        if type(module).__name__ == kind:
            module.compile(backend=backend, fullgraph=True, dynamic=dynamic)


def count_compilations() -> dict[str, Any]:
    """Return the numbers of compiled graphs and of calls in them, and the seconds it took."""
    seconds = compile_times(repr="csv", aggregate=True)
    times = dict(zip(seconds[0], seconds[1], strict=True))
    return dict(counters["stats"]) | {"seconds": times.get("_compile.compile_inner", 0.0)}
