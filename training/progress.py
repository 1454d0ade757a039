"""Time and loss of a training."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch


def choose_timer(device: torch.device) -> Callable[[], float]:
    """Return the timer of a training, in seconds.

    Without a GPU it is the time that the main thread computes: other programs take nothing of it.
    """
    return time.monotonic if device.type == "cuda" else time.thread_time


@dataclass
class Clock:
    """Seconds spent on one part of the training, over all runs.

    Attributes:
        planned_s: the budget; learning rates fall over it.
        deadline: ``time.monotonic()`` at which this run stops; the next goes on.
        spent_s: until now.
        timer: from ``choose_timer``.
    """

    planned_s: float
    deadline: float = float("inf")
    spent_s: float = 0
    timer: Callable[[], float] = time.monotonic
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.timer()

    def advance(self) -> bool:
        """Count the time since the last call; return False when this run is to stop."""
        now = self.timer()
        self.spent_s += now - self._last
        self._last = now
        return not self.is_spent and time.monotonic() < self.deadline

    def restore(self, spent_s: float) -> None:
        """Go on from an earlier run."""
        self.spent_s, self._last = spent_s, self.timer()

    @property
    def is_spent(self) -> bool:
        """True when nothing of the budget is left."""
        return self.spent_s >= self.planned_s

    @property
    def ratio(self) -> float:
        """Share of the budget that is spent, 0 to 1."""
        return min(1.0, self.spent_s / self.planned_s)


class LossLog:
    """Prints the mean loss every ``period_s`` seconds of a clock, and calls ``save`` then."""

    def __init__(self, name: str, clock: Clock, save: Callable[[], None], period_s: float) -> None:
        self._name, self._clock, self._save, self._period_s = name, clock, save, period_s
        self._losses: list[torch.Tensor] = []
        self._printed_s = clock.spent_s

    def add(self, loss: torch.Tensor, step: int) -> None:
        """Note a loss; it is read from the device only when it is printed."""
        self._losses.append(loss.detach())
        if self._clock.spent_s - self._printed_s >= self._period_s:
            self.print(step)
            self._save()

    def print(self, step: int) -> None:
        """Print the mean of the losses since the last line."""
        if not self._losses:
            return
        mean = torch.stack(self._losses).mean().item()
        line = f"{self._name}: step {step}, {self._clock.spent_s:.0f} s, loss {mean:.4f}"
        print(line, flush=True)
        self._losses.clear()
        self._printed_s = self._clock.spent_s
