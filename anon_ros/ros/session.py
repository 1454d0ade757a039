"""What lives while the node is active: the worker with its inbox, and the streams."""

import logging
from collections.abc import Callable

from anon_ros.config import Config
from anon_ros.core import AnonymizedFrame, OutcomeKind
from anon_ros.live import (
    FrameIO,
    FramePipeline,
    GateClosed,
    InferenceWorker,
    Mailbox,
    ModelProvider,
    OutputGate,
    QueuedFrame,
)
from anon_ros.ros.debug_topics import DebugTopics
from anon_ros.ros.image_messages import ImageMessage, decode_message, encode_message, stamp_ns
from anon_ros.ros.node_logging import LogThrottle
from anon_ros.ros.topic_manager import TopicManager

_LOG = logging.getLogger(__name__)
_WARNING_PERIOD_S = 10.0


class ActiveSession:
    """From activation to deactivation. A frame is published only through its gate.

    Args:
        config: at activation.
        models: where the worker gets its models from; freed when it ends.
        streams: not open yet.
        debug: topics for looking at what was found.
        on_failure: told the stream and the error of each frame that failed.
        after: a session whose worker has to end first.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a session joins
        self,
        config: Config,
        models: ModelProvider,
        streams: TopicManager,
        debug: DebugTopics,
        on_failure: Callable[[str, Exception], None],
        after: "ActiveSession | None",
    ) -> None:
        self._debug = debug
        self._warnings = LogThrottle(_WARNING_PERIOD_S)
        self.streams = streams
        self.gate = OutputGate()
        self.inbox: Mailbox[ImageMessage] = Mailbox(config.skip)
        ports = FrameIO(stamp_ns, decode_message, encode_message, self._publish)
        self.pipeline: FramePipeline[ImageMessage] = FramePipeline(config, models, ports)
        self.worker: InferenceWorker[ImageMessage] = InferenceWorker(
            self.inbox,
            self.pipeline,
            on_failure,
            max_consecutive=config.fail.max_consecutive,
            wait_for=None if after is None else after.worker,
        )

    def start(self) -> None:
        """Load the models, and follow the topics."""
        self.worker.start()
        self.streams.open(self.inbox.put, self.gate)

    def set_enabled(self, *, enabled: bool) -> None:
        """Once this has returned, a disabled session publishes nothing."""
        self.inbox.pause(paused=not enabled)
        self.gate.set_open(is_open=enabled)

    def reconfigure(self, config: Config) -> None:
        """Use ``config`` from the next frame on."""
        self.inbox.reconfigure(config.skip)
        self.pipeline.reconfigure(config)

    def stop(self) -> None:
        """Publish nothing more and take no further frame; the one in work may still be so."""
        self.gate.close()
        self.inbox.close()
        self.streams.close()

    def _send(
        self, taken: QueuedFrame[ImageMessage], message: ImageMessage, result: AnonymizedFrame
    ) -> None:
        stream = self.streams.get(taken.stream)
        if stream is None or taken.epoch != self.inbox.epoch:
            raise GateClosed  # its publisher has gone, or it was taken before the node was disabled
        stream.publish(message)
        self._debug.publish(message.header, result)

    def _publish(
        self, taken: QueuedFrame[ImageMessage], message: ImageMessage, result: AnonymizedFrame
    ) -> None:
        """In the worker's thread."""
        name = taken.stream
        self.gate.send(lambda: self._send(taken, message, result))
        covered = [o.reason_text for o in result.outcomes if o.kind is OutcomeKind.COVERED]
        if covered and self._warnings.allows(name):
            _LOG.warning(
                "%s: %d of %d persons covered, not inpainted: %s",
                name,
                len(covered),
                len(result.outcomes),
                covered[0],
            )
