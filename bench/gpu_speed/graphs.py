"""The product's graphs around the UNet of the benchmark."""

from collections.abc import Callable
from typing import Any

import torch
from torch._dynamo.utils import compile_times, counters

from anon_ros.models.inpainting.acceleration import make_recorder
from anon_ros.models.inpainting.cuda_graphs import GraphedUnet


class _Rerun:
    """Stand-in for a graph where there is no GPU."""

    def __init__(self, run: Callable[[], torch.Tensor], output: torch.Tensor) -> None:
        self._run, self._output = run, output

    def replay(self) -> None:
        self._output.copy_(self._run())


class RerunRecorder:
    """Stand-in for a recorder where there is no GPU."""

    backend = "eager"

    def record(self, run: Callable[[], torch.Tensor]) -> tuple[_Rerun, torch.Tensor]:
        output = run()
        return _Rerun(run, output), output


class RecordedUnet(GraphedUnet):
    """A UNet that is recorded right after its first call of a size."""

    def __init__(self, unet: Any, device: torch.device, *, is_compiled: bool = False) -> None:
        recorder = make_recorder(device) or RerunRecorder()
        super().__init__(unet, recorder, is_compiled=is_compiled)

    def __call__(self, *positional: Any, **named: Any) -> tuple[torch.Tensor]:
        """Return the prediction.

        Raises:
            RuntimeError: if it cannot be recorded.
        """
        result = super().__call__(*positional, **named)
        self.record_waiting()
        ensure_recorded(self)
        return result


def record_graphs(inpainter: Any) -> None:
    """Record the sizes that came up, as the worker does between frames.

    Raises:
        RuntimeError: if they cannot be recorded.
    """
    inpainter.run_idle_work()
    ensure_recorded(inpainter.diffusion.unet)


def ensure_recorded(unet: Any) -> None:
    """Refuse a UNet that should replay graphs and has none; the product goes on without.

    Raises:
        RuntimeError: if it could not be recorded.
    """
    if isinstance(unet, GraphedUnet) and not (unet.is_recording and unet.has_graphs):
        message = "the UNet could not be recorded: see the warning above"
        raise RuntimeError(message)


def count_compilations() -> dict[str, Any]:
    """Return the numbers of compiled graphs and of calls in them, and the seconds it took."""
    seconds = compile_times(repr="csv", aggregate=True)
    times = dict(zip(seconds[0], seconds[1], strict=True))
    return dict(counters["stats"]) | {"seconds": times.get("_compile.compile_inner", 0.0)}
