"""The node with stages that fail at random: ``faulty_node.py SEED --ros-args ...``."""

import random
import sys
from typing import Any

import anon_ros.ros.session
from anon_ros.config import OutputConfig
from anon_ros.core import AnonymizedFrame
from anon_ros.ros.main import main
from anon_ros.ros.topics.image_messages import ImageMessage
from anon_ros.ros.topics.image_stream import ImageStream
from helpers.fake_models import FaultyInpainter, FaultySegmenter, SentinelModelProvider

_SEGMENT, _INPAINT, _ENCODE, _PUBLISH, _LOAD = 0.1, 0.2, 0.03, 0.03, 0.2


class FaultyModelProvider(SentinelModelProvider):
    """Now and then a change of parameters cannot be loaded."""

    def __init__(self, seed: int) -> None:
        super().__init__(FaultySegmenter(_SEGMENT, seed), FaultyInpainter(_INPAINT, seed + 1))
        self._random = random.Random(seed + 2)  # noqa: S311 - nothing secret

    def anonymizer(self, config: Any) -> Any:
        if self.configs and self._random.random() < _LOAD:
            message = "injected: CUDA out of memory while loading"
            raise RuntimeError(message)
        return super().anonymizer(config)


def inject_faults(seed: int) -> None:
    """Let encoding and publishing fail, which the real ones cannot be made to."""
    chance = random.Random(seed + 3)  # noqa: S311 - nothing secret
    encode, publish = anon_ros.ros.session.encode_message, ImageStream.publish

    def faulty_encode(
        message: ImageMessage, result: AnonymizedFrame, output: OutputConfig
    ) -> ImageMessage:
        if chance.random() < _ENCODE:
            raise MemoryError
        return encode(message, result, output)

    def faulty_publish(self: ImageStream, image: ImageMessage, drawn_beta_d: float | None) -> None:
        if chance.random() < _PUBLISH:
            text = "injected: the publisher is gone"
            raise RuntimeError(text)
        publish(self, image, drawn_beta_d)

    anon_ros.ros.session.encode_message = faulty_encode
    ImageStream.publish = faulty_publish  # type: ignore[method-assign]


if __name__ == "__main__":
    number = int(sys.argv.pop(1))
    inject_faults(number)
    sys.exit(main(lambda: FaultyModelProvider(number)))
