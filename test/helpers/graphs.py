"""Stand-ins for CUDA graphs, without a GPU."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch


@dataclass
class FakeGraph:
    """Runs the recorded function anew, on the memory that it was recorded with."""

    run: Callable[[], torch.Tensor]
    output: torch.Tensor
    recorder: "FakeRecorder"
    num_replays: int = 0

    def replay(self) -> None:
        for graph in self.recorder.graphs:  # graphs share their memory
            graph.output.fill_(torch.nan)
        self.output.copy_(self.run())
        self.num_replays += 1


@dataclass
class FakeRecorder:
    """Makes FakeGraphs; fails with ``error`` if there is one."""

    backend: str = "eager"
    error: Exception | None = None
    graphs: list[FakeGraph] = field(default_factory=list)

    def record(self, run: Callable[[], torch.Tensor]) -> tuple[FakeGraph, torch.Tensor]:
        if self.error is not None:
            raise self.error
        self.graphs.append(FakeGraph(run, run().clone(), self))
        return self.graphs[-1], self.graphs[-1].output
