"""``/diagnostics``: how the worker and each stream are, once a second."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile

from anon_ros.config import FailureConfig
from anon_ros.core import CoverReason
from anon_ros.live import FrameCounts
from anon_ros.ros.image_stream import ImageStream
from anon_ros.ros.session import ActiveSession

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

_WINDOW_S = 10
_LONG_S = 60.0
_MIB = 1 << 20


@dataclass(frozen=True)
class NodeStatus:
    """The state of the whole node.

    Attributes:
        state: "unconfigured", "inactive", "loading", "ready", "disabled" or "failed".
        problem: what an operator must know; empty if all is well.
        fallbacks: how often the inpainter had to do less than asked, by reason.
    """

    state: str
    problem: str
    fallbacks: Mapping[str, int]


@dataclass
class _History:
    """Counters of one stream, once a second."""

    counts: deque[FrameCounts] = field(default_factory=lambda: deque(maxlen=_WINDOW_S + 1))
    covers: deque[Mapping[CoverReason, int]] = field(
        default_factory=lambda: deque(maxlen=_WINDOW_S + 1)
    )

    def rate_hz(self, name: str) -> float:
        seconds = len(self.counts) - 1
        if not seconds:
            return 0.0
        difference = getattr(self.counts[-1], name) - getattr(self.counts[0], name)
        return float(difference / seconds)

    def new_covers(self) -> list[CoverReason]:
        """Why persons were covered lately, other than by configuration."""
        first, last = self.covers[0], self.covers[-1]
        return [
            reason
            for reason, count in last.items()
            if count > first.get(reason, 0) and not reason.is_expected
        ]


class Diagnostics:
    """Publishes diagnostic_msgs/DiagnosticArray. To be called once a second."""

    def __init__(self, node: Node, fail: FailureConfig) -> None:
        self._node = node
        self._fail = fail
        self._publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", QoSProfile(depth=5)
        )
        self._session: ActiveSession | None = None
        self._histories: dict[str, _History] = {}

    def publish(self, session: ActiveSession | None, state: NodeStatus) -> None:
        """Tell how everything is.

        Args:
            session: the running or the last one.
            state: of the node.
        """
        if session is not self._session:
            self._session, self._histories = session, {}
        statuses = [self._worker(session, state)]
        if session is not None:
            counts, ages = session.inbox.counts(), session.inbox.queue_age_s()
            for stream in session.streams:
                count = counts.get(stream.name, FrameCounts(0, 0, 0, 0, 0))
                age_s = ages.get(stream.name, 0.0)
                statuses.append(self._stream(session, stream, count, age_s))
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _worker(self, session: ActiveSession | None, state: NodeStatus) -> DiagnosticStatus:
        values: dict[str, object] = {"model state": state.state}
        level, text = OK, state.state
        if state.state == "failed":
            level, text = ERROR, state.problem
        elif state.state in {"unconfigured", "inactive", "disabled"}:
            level, text = WARN, f"{state.state}: nothing is published"
        if session is not None:
            busy_s = session.worker.busy_s
            values["in work [s]"] = f"{busy_s:.1f}"
            if busy_s > _LONG_S and level == OK:
                level, text = WARN, f"the frames in work take {busy_s:.0f} s already"
            absent = ", ".join(session.streams.missing_publishers)
            values["nobody publishes"] = absent
            if absent and level == OK:
                level, text = WARN, f"nobody publishes {absent}"
            for stage, (p50, p99) in session.pipeline.stage_latencies.quantiles_ms().items():
                values[f"{stage} p50 [ms]"] = f"{p50:.2f}"
                values[f"{stage} p99 [ms]"] = f"{p99:.2f}"
            if (memory := session.pipeline.gpu_memory) is not None:
                values["GPU memory reserved [MiB]"] = memory[0] // _MIB
                values["GPU memory total [MiB]"] = memory[1] // _MIB
        values |= state.fallbacks
        if state.fallbacks and level == OK:
            level, text = WARN, "the GPU's memory did not suffice; see the values"
        return self._status("worker", level, text, values)

    def _stream(
        self, session: ActiveSession, stream: ImageStream, counts: FrameCounts, age_s: float
    ) -> DiagnosticStatus:
        history = self._histories.setdefault(stream.name, _History())
        history.counts.append(counts)
        history.covers.append(session.pipeline.cover_counts(stream.name).counts())
        watchers = session.streams.untrusted_subscribers.get(stream.name, [])
        p50, p99 = session.pipeline.stream_latencies.quantiles_ms().get(stream.name, (0.0, 0.0))
        values: dict[str, object] = {
            "mirrored topic": stream.mirrored_topic,
            "subscribed": stream.is_subscribed,
            "rate in [Hz]": f"{history.rate_hz('received'):.1f}",
            "rate out [Hz]": f"{history.rate_hz('processed'):.1f}",
            **vars(counts),
            "latency p50 [ms]": f"{p50:.2f}",
            "latency p99 [ms]": f"{p99:.2f}",
            "queue age [s]": f"{age_s:.2f}",
            "jumps of the stamps": stream.num_time_jumps,
            "failed in a row": session.worker.consecutive_failures.get(stream.name, 0),
            "last error": session.worker.last_error.get(stream.name, ""),
            "original images go to": ", ".join(watchers),
        }
        for reason, count in history.covers[-1].items():
            values[f"persons covered: {reason.value}"] = count
        return self._status(stream.name, *self._judge(session, stream, history, watchers), values)

    def _judge(
        self, session: ActiveSession, stream: ImageStream, history: _History, watchers: list[str]
    ) -> tuple[bytes, str]:
        in_row = session.worker.consecutive_failures.get(stream.name, 0)
        last_error = session.worker.last_error.get(stream.name, "")
        if in_row >= self._fail.error_after:
            return ERROR, f"{in_row} frames in a row failed and are not published: {last_error}"
        if in_row:
            return WARN, f"the newest frame failed and is not published: {last_error}"
        if watchers:
            return WARN, f"the original images go to {', '.join(watchers)}"
        if stream.name in session.streams.missing_publishers:
            return WARN, "nobody publishes it"
        if covers := history.new_covers():
            detail = session.pipeline.cover_counts(stream.name).last_detail(covers[0])
            return WARN, f"persons are covered, not inpainted: {detail}"
        if not stream.is_subscribed:
            return OK, "idle: nobody subscribes to the mirrored topic"
        if len(history.counts) > _WINDOW_S and not history.rate_hz("received"):
            return WARN, "subscribed, but nothing arrives: check QoS and the DDS profile"
        return OK, f"{history.rate_hz('processed'):.1f} of {history.rate_hz('received'):.1f} Hz"

    def _status(
        self, name: str, level: bytes, text: str, values: Mapping[str, object]
    ) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=level,
            name=f"{self._node.get_fully_qualified_name()}: {name}",
            message=text,
            hardware_id="anon_ros",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
