"""CUDA graphs of a UNet: its kernels recorded once per size, then started by one call."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch

_LOG = logging.getLogger(__name__)
_WARM_UP_CALLS = 3
# Of one block's code, which is compiled once per width and for one image or several; torch's own
# limit of 8 would leave no room.
_MAX_COMPILATIONS = 64
_Key = tuple[tuple[tuple[int, ...], torch.dtype], ...]


class Graph(Protocol):
    """Recorded kernels."""

    def replay(self) -> None:
        """Run them again, on the memory that they were recorded with."""
        ...


class GraphRecorder(Protocol):
    """The source of graphs; the tests have one without a GPU."""

    @property
    def backend(self) -> str:
        """The backend of torch.compile for what is recorded."""
        ...

    def record(self, run: Callable[[], torch.Tensor]) -> tuple[Graph, torch.Tensor]:
        """Return the graph of ``run``, and the tensor that every replay writes to."""
        ...


class CudaGraphRecorder:
    """A GraphRecorder over torch's CUDA graphs, which share one pool of memory.

    Not torch's own cudagraph trees: they work in the thread alone that imported them first, and a
    restart of the node makes another.

    Args:
        device: the GPU.
    """

    backend = "inductor"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        # One for all: memory of the pool is reused on the same stream alone.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def record(self, run: Callable[[], torch.Tensor]) -> tuple[Graph, torch.Tensor]:
        """Return the graph of ``run``, and the tensor that every replay writes to."""
        with torch.cuda.device(self._device):
            current = torch.cuda.current_stream()
            try:
                return self._record(run, current)
            finally:
                torch.cuda.set_stream(current)  # which a capture that fails does not restore

    def _record(
        self, run: Callable[[], torch.Tensor], current: torch.cuda.Stream
    ) -> tuple[Graph, torch.Tensor]:
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_CALLS):  # compiles, tunes, allocates the libraries' workspaces
                run()
        current.wait_stream(self._stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            graph,
            pool=self._pool,
            stream=self._stream,
            capture_error_mode="thread_local",  # no other thread's work spoils it
        ):
            output = run()
        return graph, output


@dataclass(frozen=True)
class _Recording:
    """A graph with the tensors that it reads and the one that it writes, at fixed addresses."""

    graph: Graph
    inputs: dict[str, torch.Tensor]
    output: torch.Tensor

    def replay(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        for name, buffer in self.inputs.items():
            buffer.copy_(inputs[name])
        self.graph.replay()
        # A copy: the next replay, of this or another size, writes into the same memory.
        return self.output.clone()


class GraphedUnet:
    """A UNet that is recorded for each size of its inputs, and replayed from then on.

    A call with a new size runs at once, uncompiled; ``record_waiting`` records the sizes that came
    up. Graphs read the weights at their addresses: whoever frees or moves them calls ``release``.

    Attributes:
        config: of the UNet.
        has_replayed: True if a call replayed a graph since the owner last set this to False.

    Args:
        unet: UNet2DConditionModel.
        recorder: makes the graphs.
        is_compiled: True if parts of it are compiled.
    """

    def __init__(self, unet: Any, recorder: GraphRecorder, *, is_compiled: bool = False) -> None:
        self.config = unet.config
        self.has_replayed = False
        self._unet = unet
        self._recorder: GraphRecorder | None = recorder
        self._is_compiled = is_compiled
        self._recordings: dict[_Key, _Recording] = {}
        self._waiting: dict[_Key, dict[str, torch.Tensor]] = {}

    @property
    def is_recording(self) -> bool:
        """False once recording failed or was stopped."""
        return self._recorder is not None

    @property
    def has_graphs(self) -> bool:
        """True if graphs take memory."""
        return bool(self._recordings)

    @torch.no_grad()
    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        encoder_hidden_states: torch.Tensor,
        added_cond_kwargs: dict[str, torch.Tensor] | None = None,
        return_dict: bool = False,
    ) -> tuple[torch.Tensor]:
        """Return the prediction alone, as the UNet does without ``return_dict``.

        Raises:
            RuntimeError: after ``release``.
        """
        del return_dict
        if self._unet is None:
            message = "this UNet was released"
            raise RuntimeError(message)
        inputs = {
            "sample": sample,
            "timestep": timestep,
            "encoder_hidden_states": encoder_hidden_states,
            **(added_cond_kwargs or {}),
        }
        key = tuple((tuple(tensor.shape), tensor.dtype) for tensor in inputs.values())
        recording = self._recordings.get(key)
        if recording is not None:
            self.has_replayed = True
            return (recording.replay(inputs),)
        if self.is_recording and key not in self._waiting:
            self._waiting[key] = {name: tensor.clone() for name, tensor in inputs.items()}
        return (self._run_uncompiled(inputs),)

    @torch.no_grad()
    def record_waiting(self) -> None:
        """Record the sizes that came up; if that fails, go on without graphs."""
        waiting, self._waiting = self._waiting, {}
        for key, inputs in waiting.items():
            start_s = time.monotonic()
            try:
                self._recordings[key] = self._record(inputs)
            except Exception as error:  # noqa: BLE001 - whatever it is, the UNet itself works
                _LOG.warning(
                    "no CUDA graphs until the next start: %s", " ".join(str(error).split())
                )
                self.stop_recording()
                return
            shape = "x".join(map(str, inputs["sample"].shape))
            _LOG.info("recorded the UNet for %s in %.1f s", shape, time.monotonic() - start_s)

    def stop_recording(self) -> None:
        """Drop all graphs, whose memory others need, and go on uncompiled."""
        self._recorder = None
        self._recordings.clear()
        self._waiting.clear()

    def release(self) -> None:
        """Drop the graphs, the compiled code and the UNet; a further call is refused."""
        self.stop_recording()
        self._unet = None
        if self._is_compiled:
            torch._dynamo.reset()  # noqa: SLF001 - its only home

    def _record(self, inputs: dict[str, torch.Tensor]) -> _Recording:
        assert self._recorder is not None  # noqa: S101 - narrows the type: else nothing waits
        if self._is_compiled:  # here, since torch keeps these settings per thread
            torch._dynamo.config.recompile_limit = _MAX_COMPILATIONS  # noqa: SLF001
        graph, output = self._recorder.record(partial(self._run, inputs))
        return _Recording(graph, inputs, output)

    def _run_uncompiled(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        if not self._is_compiled:
            return self._run(inputs)
        with torch.compiler.set_stance("force_eager"):
            return self._run(inputs)

    def _run(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        # Always keywords: torch.compile guards on how arguments come.
        named = dict(inputs)
        main = {name: named.pop(name) for name in ("sample", "timestep", "encoder_hidden_states")}
        predicted: torch.Tensor = self._unet(
            **main, added_cond_kwargs=named or None, return_dict=False
        )[0]
        return predicted
