"""Queues of the frames that wait for the worker: the newest per stream, or with covers all."""

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from threading import Condition
from typing import Generic, TypeVar

from anon_ros.config import SkipConfig
from anon_ros.core import CoverReason, SkipPolicy
from anon_ros.utils.units import NS_PER_S

T = TypeVar("T")


class FrameStatus(Enum):
    """The end of a frame that was received."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class FrameCounts:
    """Frames of one stream: received = processed + skipped + failed + waiting, at any time."""

    received: int
    processed: int
    skipped: int
    failed: int
    waiting: int

    def __str__(self) -> str:
        return ", ".join(f"{value} {name}" for name, value in vars(self).items())


@dataclass(frozen=True)
class QueuedFrame(Generic[T]):
    """A frame in the worker's hands.

    Attributes:
        stream: its name.
        frame: as it was put.
        arrived_ns: by the mailbox's clock.
        cover_reason: reason to only cover its persons; None to inpaint them.
        epoch: number of pauses of the mailbox when it was taken; a frame of an earlier epoch must
            not be published.
    """

    stream: str
    frame: T
    arrived_ns: int
    cover_reason: CoverReason | None = None
    epoch: int = 0


@dataclass
class _WaitingFrame(Generic[T]):
    frame: T
    arrived_ns: int
    turn_ns: int  # the streams' turns are in this order
    cover_reason: CoverReason | None


@dataclass
class _Stream(Generic[T]):
    skip: SkipConfig
    policy: SkipPolicy
    queue: deque[_WaitingFrame[T]] = field(default_factory=deque)
    num_in_work: int = 0
    num_received: int = 0
    num_by_status: dict[FrameStatus, int] = field(
        default_factory=lambda: dict.fromkeys(FrameStatus, 0)
    )


class Mailbox(Generic[T]):
    """Queues that any thread fills and one worker empties. No call blocks for a frame's time.

    At most one frame of a stream waits to be inpainted: the newest that the skip policy accepts.
    With ``skip.on_skipped`` other than drop the others wait to be covered, in their order.

    Args:
        skip: which frames are accepted.
        clock_ns: a steady clock.
        choose_skip: returns ``skip`` of a stream; ``every_nth``, ``max_rate_hz`` and ``max_age_s``
            may differ from the others'.
    """

    def __init__(
        self,
        skip: SkipConfig,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        choose_skip: Callable[[str], SkipConfig] | None = None,
    ) -> None:
        self._skip = skip
        self._choose_skip = choose_skip or (lambda _: skip)
        self._clock_ns = clock_ns
        self._streams: dict[str, _Stream[T]] = {}
        self._changed = Condition()
        self._paused = False
        self._epoch = 0
        self._closed = False

    def put(self, name: str, frame: T) -> None:
        """Count a frame as received and let it wait, or skip it.

        The skip policy decides here, on arrival: deciding later, a frame to be skipped could push
        out one that was to be processed.
        """
        now_ns = self._clock_ns()
        with self._changed:
            stream = self._streams.get(name) or self._add_stream(name)
            stream.num_received += 1
            if self._closed or self._paused:
                stream.num_by_status[FrameStatus.SKIPPED] += 1
                return
            is_accepted = stream.policy.accepts(now_ns)
            if not is_accepted and not self._covers:
                stream.num_by_status[FrameStatus.SKIPPED] += 1
                return
            waiting = _WaitingFrame(
                frame, now_ns, now_ns, None if is_accepted else CoverReason.SKIPPED
            )
            if is_accepted:
                self._replace_pending(stream, waiting)
            stream.queue.append(waiting)
            self._trim(stream)
            self._changed.notify()

    def take(self, max_frames: int = 1) -> list[QueuedFrame[T]] | None:
        """Wait for a frame; return the oldest of each waiting stream, None once closed.

        The stream that waited longest comes first. The caller must ``finish`` all of them.

        Args:
            max_frames: largest number to return, at least 1.
        """
        with self._changed:
            frames: list[QueuedFrame[T]] = []
            while not frames:
                self._changed.wait_for(lambda: self._closed or self._list_by_turn())
                if self._closed:
                    return None
                for name in self._list_by_turn():
                    if len(frames) < max_frames:
                        frames += self._take_oldest(name)
            return frames

    def finish(self, name: str, status: FrameStatus) -> None:
        """Count a frame that was taken by its end."""
        with self._changed:
            self._streams[name].num_in_work -= 1
            self._streams[name].num_by_status[status] += 1

    def reconfigure(
        self, skip: SkipConfig, choose_skip: Callable[[str], SkipConfig] | None = None
    ) -> None:
        """Let another policy decide from the next frame on; arguments as at the start."""
        with self._changed:
            self._skip = skip
            self._choose_skip = choose_skip or (lambda _: skip)
            for name, stream in self._streams.items():
                before, after = stream.skip, self._choose_skip(name)
                stream.skip = after
                if (before.every_nth, before.max_rate_hz) != (after.every_nth, after.max_rate_hz):
                    stream.policy = SkipPolicy(after)
                self._trim(stream)

    def retain(self, names: Collection[str]) -> None:
        """Forget all streams but these, and those with a frame in work."""
        with self._changed:
            self._streams = {
                name: stream
                for name, stream in self._streams.items()
                if name in names or stream.num_in_work
            }

    def pause(self, *, paused: bool) -> None:
        """While paused, skip the waiting frames and all that come."""
        with self._changed:
            self._paused = paused
            if paused:
                self._epoch += 1
                self._skip_all()

    @property
    def epoch(self) -> int:
        """Number of pauses: a frame that was taken in an earlier epoch is not wanted."""
        return self._epoch

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Skip the waiting frames and all that come, and let ``take`` return None."""
        with self._changed:
            self._closed = True
            self._skip_all()
            self._changed.notify_all()

    def counts(self) -> dict[str, FrameCounts]:
        """Return the counters of all streams, of one moment."""
        with self._changed:
            return {name: _make_counts(stream) for name, stream in self._streams.items()}

    def queue_age_s(self) -> dict[str, float]:
        """Return the time for which the oldest frame of each stream has waited; 0 for none."""
        with self._changed:
            now_ns = self._clock_ns()
            return {
                name: (now_ns - stream.queue[0].arrived_ns) / NS_PER_S if stream.queue else 0.0
                for name, stream in self._streams.items()
            }

    @property
    def _covers(self) -> bool:
        return self._skip.on_skipped != "drop"

    def _add_stream(self, name: str) -> _Stream[T]:
        skip = self._choose_skip(name)
        stream = self._streams[name] = _Stream[T](skip, SkipPolicy(skip))
        return stream

    def _trim(self, stream: _Stream[T]) -> None:
        while len(stream.queue) > self._skip.queue_size:
            stream.queue.popleft()
            stream.num_by_status[FrameStatus.SKIPPED] += 1

    def _replace_pending(self, stream: _Stream[T], newer: _WaitingFrame[T]) -> None:
        """Skip the frame that waits to be inpainted; its stream keeps its turn."""
        older = next((waiting for waiting in stream.queue if not waiting.cover_reason), None)
        if older is None:
            return
        if self._covers:
            older.cover_reason = CoverReason.SKIPPED
        else:
            newer.turn_ns = older.turn_ns
            stream.queue.remove(older)
            stream.num_by_status[FrameStatus.SKIPPED] += 1

    def _take_oldest(self, name: str) -> list[QueuedFrame[T]]:
        """Take the stream's oldest frame; none if that is too old and is skipped."""
        stream = self._streams[name]
        waiting = stream.queue.popleft()
        cover_reason = waiting.cover_reason
        age_ns = self._clock_ns() - waiting.arrived_ns
        is_old = 0 < stream.skip.max_age_s * NS_PER_S < age_ns
        if cover_reason is None and is_old:
            cover_reason = CoverReason.TOO_OLD
            if not self._covers:
                stream.num_by_status[FrameStatus.SKIPPED] += 1
                return []
        stream.num_in_work += 1
        return [QueuedFrame(name, waiting.frame, waiting.arrived_ns, cover_reason, self._epoch)]

    def _list_by_turn(self) -> list[str]:
        waiting = [name for name, stream in self._streams.items() if stream.queue]
        return sorted(waiting, key=lambda name: self._streams[name].queue[0].turn_ns)

    def _skip_all(self) -> None:
        for stream in self._streams.values():
            stream.num_by_status[FrameStatus.SKIPPED] += len(stream.queue)
            stream.queue.clear()


def _make_counts(stream: _Stream[T]) -> FrameCounts:
    return FrameCounts(
        received=stream.num_received,
        processed=stream.num_by_status[FrameStatus.PROCESSED],
        skipped=stream.num_by_status[FrameStatus.SKIPPED],
        failed=stream.num_by_status[FrameStatus.FAILED],
        waiting=stream.num_in_work + len(stream.queue),
    )
