"""Latencies of the last frames."""

from collections import defaultdict, deque
from collections.abc import Collection
from threading import Lock

import numpy as np

_MAX_ENTRIES = 500
_MS_PER_NS = 1e-6


class LatencyStats:
    """The newest 500 durations by name. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._newest_ns: defaultdict[str, deque[int]] = defaultdict(
            lambda: deque(maxlen=_MAX_ENTRIES)
        )

    def add(self, name: str, duration_ns: int) -> None:
        """Add a duration."""
        with self._lock:
            self._newest_ns[name].append(duration_ns)

    def retain(self, names: Collection[str]) -> None:
        """Forget all names but these."""
        with self._lock:
            for name in self._newest_ns.keys() - set(names):
                del self._newest_ns[name]

    def quantiles_ms(self) -> dict[str, tuple[float, float]]:
        """Return p50 and p99 by name, in the order in which the names came up."""
        with self._lock:
            copies = {name: list(newest) for name, newest in self._newest_ns.items()}
        quantiles = {name: np.quantile(values, (0.5, 0.99)) for name, values in copies.items()}
        return {
            name: (float(p50) * _MS_PER_NS, float(p99) * _MS_PER_NS)
            for name, (p50, p99) in quantiles.items()
        }
