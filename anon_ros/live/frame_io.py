"""Interfaces between the pipeline and its surroundings: messages and models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from anon_ros.config import Config, OutputConfig
from anon_ros.core import AnonymizedFrame, Anonymizer, RgbImage
from anon_ros.live.mailbox import QueuedFrame
from anon_ros.tracking import Tracker

T = TypeVar("T")


class ModelProvider(Protocol):
    """The source of the models."""

    def anonymizer(self, config: Config) -> Anonymizer:
        """Return the models of ``config``; keep those that serve the next one, too.

        Raises:
            ModelError: if a model is missing or cannot do what is asked.
        """
        ...

    def tracker(self, config: Config) -> Tracker:
        """Return a new tracker, for one camera."""
        ...

    def run_idle_work(self) -> None:
        """Do what later frames gain from; called after frames are published, must not raise."""
        ...

    def release(self) -> None:
        """Release all models."""
        ...

    def gpu_memory(self) -> tuple[int, int] | None:
        """Return the reserved and the total memory of the GPU in bytes; None without a GPU."""
        ...


@dataclass(frozen=True)
class FrameIO(Generic[T]):
    """The functions by which frames come in and go out.

    Attributes:
        stamp_ns: time of a frame; 0 if it has none.
        decode: pixels of a frame; raises if it is damaged or of an unknown kind.
        encode: a frame like the given one that shows the result.
        publish: sends the last one, of the first, out; raises GateClosed if it is not wanted any
            more.
    """

    stamp_ns: Callable[[T], int]
    decode: Callable[[QueuedFrame[T]], RgbImage]
    encode: Callable[[T, AnonymizedFrame, OutputConfig], T]
    publish: Callable[[QueuedFrame[T], T, AnonymizedFrame], None]
