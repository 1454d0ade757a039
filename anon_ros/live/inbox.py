"""Where frames wait for the worker: one slot per stream, the newest frame wins."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from threading import Condition
from typing import Generic, TypeVar

from anon_ros.config import SkipConfig
from anon_ros.live.skip import SkipPolicy

T = TypeVar("T")


class Fate(Enum):
    """What became of a frame that was received."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Counts:
    """Frames of one stream: received = processed + skipped + failed + waiting, at any time."""

    received: int
    processed: int
    skipped: int
    failed: int
    waiting: int

    def __str__(self) -> str:
        return ", ".join(f"{value} {name}" for name, value in vars(self).items())


@dataclass
class _Stream(Generic[T]):
    policy: SkipPolicy
    slot: T | None = None
    since_ns: int = 0
    in_work: int = 0
    received: int = 0
    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))


class Inbox(Generic[T]):
    """Slots that any thread fills and one worker empties. Nothing here blocks for a frame's time.

    Args:
        skip: which frames are accepted.
        clock_ns: a steady clock.
    """

    def __init__(self, skip: SkipConfig, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._skip = skip
        self._clock_ns = clock_ns
        self._streams: dict[str, _Stream[T]] = {}
        self._changed = Condition()
        self._closed = False

    def offer(self, name: str, frame: T) -> None:
        """Count a frame as received and let it wait, in place of one that waited, or skip it.

        The skip policy decides here, on arrival: deciding later, a frame to be skipped could push
        out one that was to be processed.
        """
        now_ns = self._clock_ns()
        with self._changed:
            stream = self._streams.setdefault(name, _Stream(SkipPolicy(self._skip)))
            stream.received += 1
            if self._closed or not stream.policy.accepts(now_ns):
                stream.fates[Fate.SKIPPED] += 1
                return
            if stream.slot is None:
                stream.since_ns = now_ns
            else:
                stream.fates[Fate.SKIPPED] += 1
            stream.slot = frame
            self._changed.notify()

    def take(self) -> tuple[str, T] | None:
        """Wait for a frame; return that of the stream which waited longest, None once closed.

        The caller must ``settle`` it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting())
            return None if self._closed else self._take_oldest()

    def take_waiting(self, most: int) -> list[tuple[str, T]]:
        """As ``take``, of further streams, without waiting for any. Settle each of them."""
        with self._changed:
            return [self._take_oldest() for _ in self._waiting()[:most]]

    def settle(self, name: str, fate: Fate) -> None:
        """Say what became of a frame that was taken."""
        with self._changed:
            self._streams[name].in_work -= 1
            self._streams[name].fates[fate] += 1

    def close(self) -> None:
        """Skip what waits and all that comes, and let ``take`` return None."""
        with self._changed:
            self._closed = True
            for stream in self._streams.values():
                if stream.slot is not None:
                    stream.slot = None
                    stream.fates[Fate.SKIPPED] += 1
            self._changed.notify_all()

    def counts(self) -> dict[str, Counts]:
        """The counters of every stream, of one moment."""
        with self._changed:
            return {name: _count(stream) for name, stream in self._streams.items()}

    def _take_oldest(self) -> tuple[str, T]:
        name = min(self._waiting(), key=lambda name: self._streams[name].since_ns)
        stream = self._streams[name]
        frame, stream.slot = stream.slot, None
        stream.in_work += 1
        assert frame is not None  # noqa: S101 - narrows the type; _waiting() saw it
        return name, frame

    def _waiting(self) -> list[str]:
        return [name for name, stream in self._streams.items() if stream.slot is not None]


def _count(stream: _Stream[T]) -> Counts:
    return Counts(
        received=stream.received,
        processed=stream.fates[Fate.PROCESSED],
        skipped=stream.fates[Fate.SKIPPED],
        failed=stream.fates[Fate.FAILED],
        waiting=stream.in_work + (stream.slot is not None),
    )
