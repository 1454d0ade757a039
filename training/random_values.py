"""Random values of a batch, on its device."""

import random
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class RandomValues:
    """Draws tensors from one generator, and what a whole batch shares from another.

    The latter are numbers of the host: to read a tensor would wait for all work of the device.

    Args:
        generator: on the device of the tensors to draw.
        host: draws the numbers.
    """

    generator: torch.Generator
    host: random.Random

    @classmethod
    def seed(cls, seed: int, device: torch.device) -> "RandomValues":
        """Return a source of its own, seeded."""
        return cls(torch.Generator(device).manual_seed(seed), random.Random(seed))  # noqa: S311

    @property
    def device(self) -> torch.device:
        return self.generator.device

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Draw from low..high."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """Draw from the standard normal distribution."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def choose(self, count: int, *shape: int) -> torch.Tensor:
        """Draw integers 0..count-1."""
        return torch.randint(count, shape, generator=self.generator, device=self.device)

    def happens(self, probability: float, *shape: int) -> torch.Tensor:
        """Draw booleans that are True with ``probability``."""
        return self.uniform(0, 1, *shape) < probability
