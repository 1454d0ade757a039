"""Time and loss of a training."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch


@dataclass
class Clock:
    """Seconds spent on one part of the training, over all runs.

    Attributes:
        planned_s: the budget; learning rates fall over it.
        deadline: ``time.monotonic()`` at which this run stops; the next goes on.
        spent_s: until now.
    """

    planned_s: float
    deadline: float = float("inf")
    spent_s: float = 0
    _last: float = field(default_factory=time.monotonic)

    def advance(self) -> bool:
        """Count the time since the last call; return False when this run is to stop."""
        now = time.monotonic()
        self.spent_s += now - self._last
        self._last = now
        return self.spent_s < self.planned_s and now < self.deadline

    def restore(self, spent_s: float) -> None:
        """Go on from an earlier run."""
        self.spent_s, self._last = spent_s, time.monotonic()

    @property
    def ratio(self) -> float:
        """Share of the budget that is spent, 0 to 1."""
        return min(1.0, self.spent_s / self.planned_s)


class LossLog:
    """Prints the mean loss every ``period_s`` seconds, and calls ``save`` then."""

    def __init__(self, name: str, save: Callable[[], None], period_s: float = 20) -> None:
        self._name, self._save, self._period_s = name, save, period_s
        self._losses: list[torch.Tensor] = []
        self._printed = time.monotonic()

    def add(self, loss: torch.Tensor, step: int, spent_s: float) -> None:
        """Note a loss; it is read from the device only when it is printed."""
        self._losses.append(loss.detach())
        if time.monotonic() - self._printed >= self._period_s:
            self.print(step, spent_s)
            self._save()

    def print(self, step: int, spent_s: float) -> None:
        """Print the mean of the losses since the last line."""
        if not self._losses:
            return
        mean = torch.stack(self._losses).mean().item()
        line = f"{self._name}: step {step}, {spent_s:.0f} s, loss {mean:.4f}"
        print(line, flush=True)
        self._losses.clear()
        self._printed = time.monotonic()
