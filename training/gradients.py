"""Losses with their gradients; on a GPU behind CUDA graphs."""

from collections.abc import Callable

import torch

from anon_ros.models.inpainting.cuda_graphs import CudaGraphRecorder, Graph, GraphRecorder

_Shapes = tuple[torch.Size, ...]


def choose_recorder(device: torch.device) -> GraphRecorder | None:
    """Return a recorder of CUDA graphs, None without a GPU."""
    return CudaGraphRecorder(device) if device.type == "cuda" else None


class GradientStep:
    """Computes a loss, and leaves its gradients in the parameters.

    On a GPU the thousands of small kernels of a step take longer to launch than to run. Hence each
    size of the inputs is recorded once, and replayed. If that fails, it goes on without.

    Args:
        compute_loss: of the inputs alone; draws nothing and reads nothing from the device.
        optimizer: of the parameters; nobody else may set their gradients to None.
        recorder: from ``choose_recorder``.
    """

    def __init__(
        self,
        compute_loss: Callable[..., torch.Tensor],
        optimizer: torch.optim.Optimizer,
        recorder: GraphRecorder | None,
    ) -> None:
        self._compute_loss, self._optimizer, self._recorder = compute_loss, optimizer, recorder
        self._recordings: dict[_Shapes, tuple[Graph, list[torch.Tensor], torch.Tensor]] = {}

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar without a gradient of its own."""
        shapes = tuple(tensor.shape for tensor in inputs)
        if self._recorder is not None and shapes not in self._recordings:
            self._record(self._recorder, shapes, inputs)
        if shapes not in self._recordings:
            return self._run(inputs)
        graph, buffers, loss = self._recordings[shapes]
        for buffer, tensor in zip(buffers, inputs, strict=True):
            buffer.copy_(tensor)
        graph.replay()
        return loss.clone()  # graphs share their memory

    def _record(
        self, recorder: GraphRecorder, shapes: _Shapes, inputs: tuple[torch.Tensor, ...]
    ) -> None:
        buffers = [tensor.clone() for tensor in inputs]
        try:
            graph, loss = recorder.record(lambda: self._run(buffers))
        except Exception as error:  # noqa: BLE001 - whatever it is, the step itself works
            print(f"no CUDA graphs: {' '.join(str(error).split())}", flush=True)
            self._recorder = None
            return
        self._recordings[shapes] = (graph, buffers, loss)

    def _run(self, inputs: list[torch.Tensor] | tuple[torch.Tensor, ...]) -> torch.Tensor:
        # A graph writes gradients to where they were when it was recorded.
        self._optimizer.zero_grad(set_to_none=self._recorder is None and not self._recordings)
        loss = self._compute_loss(*inputs)
        loss.backward()
        return loss.detach()
