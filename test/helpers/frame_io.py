"""A fake outside of the live pipeline: frames in, messages out."""

from dataclasses import dataclass, field
from typing import Any

from anon_ros.config import OutputConfig, load_config
from anon_ros.core import AnonymizedFrame, CoverReason, RgbImage
from anon_ros.live import FrameIO, FramePipeline, QueuedFrame
from helpers.fake_models import NoiseInpainter, SentinelModelProvider, make_street_image

IMAGE = make_street_image(320, 240)


FILL = {"inpaint.method": "fill"}


@dataclass
class FakeFrameIO:
    """The outside of the pipeline: frames are arrays; time passes only on request."""

    published: list[tuple[str, RgbImage, AnonymizedFrame]] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    now_ns: int = 0

    def _maybe_fail(self, stage: str) -> None:
        if stage in self.fails:
            raise self.fails[stage]

    def decode(self, queued: QueuedFrame[RgbImage]) -> RgbImage:
        self._maybe_fail("decode")
        return queued.frame

    def encode(self, _: RgbImage, result: AnonymizedFrame, _output: OutputConfig) -> RgbImage:
        self._maybe_fail("encode")
        return result.image

    def publish(
        self, taken: QueuedFrame[RgbImage], message: RgbImage, result: AnonymizedFrame
    ) -> None:
        self._maybe_fail("publish")
        self.published.append((taken.stream, message, result))

    def pipeline(self, models: Any = None, **overrides: Any) -> FramePipeline[RgbImage]:
        named = {name.replace("__", "."): value for name, value in overrides.items()}
        pipeline = FramePipeline(
            load_config(overrides=FILL | named),
            models or SentinelModelProvider(),
            FrameIO(lambda _: 0, self.decode, self.encode, self.publish),
            lambda: self.now_ns,
        )
        pipeline.load()
        return pipeline


def make_queued_frame(
    name: str = "a", cover_reason: CoverReason | None = None, arrived_ns: int = 0
) -> QueuedFrame[RgbImage]:
    return QueuedFrame(name, IMAGE, arrived_ns, cover_reason)


def get_reasons(result: AnonymizedFrame) -> set[str]:
    return {outcome.reason_text for outcome in result.outcomes}


@dataclass
class SlowInpainter(NoiseInpainter):
    outside: FakeFrameIO | None = None
    each_ns: int = 0

    def inpaint(self, crops: Any) -> Any:
        self.outside.now_ns += self.each_ns * len(crops)
        return super().inpaint(crops)
