"""``/diagnostics``: state of the worker and of every stream, once a second."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile

from anon_ros.config import FailureConfig
from anon_ros.live import Cover, FrameCounts
from anon_ros.ros.guards import ERROR, OK, WARN, GuardStatus, check_guards, summarize_guards
from anon_ros.ros.session import ActiveSession, SessionSnapshot, StreamSnapshot

_WINDOW_S = 10
_BUSY_WARNING_S = 60.0
_BYTES_PER_MIB = 1 << 20


@dataclass(frozen=True)
class NodeStatus:
    """State of the node.

    Attributes:
        state: "unconfigured", "inactive", "loading", "ready", "disabled" or "failed".
        problem: error for the operator; empty without one.
        fallbacks: number of reduced inpainter calls by reason.
        weaker: parameters that anonymize less than their defaults, as "0.9, not 0.1".
    """

    state: str
    problem: str
    fallbacks: Mapping[str, int]
    weaker: Mapping[str, str]


@dataclass
class _History:
    """Counters of a stream in the last seconds, an entry per second."""

    counts: deque[FrameCounts] = field(default_factory=lambda: deque(maxlen=_WINDOW_S + 1))
    covers: deque[Mapping[Cover, int]] = field(default_factory=lambda: deque(maxlen=_WINDOW_S + 1))

    def get_rate_hz(self, name: str) -> float:
        """Return the mean increase per second of a frame counter."""
        seconds = len(self.counts) - 1
        if not seconds:
            return 0.0
        difference = getattr(self.counts[-1], name) - getattr(self.counts[0], name)
        return float(difference / seconds)

    def list_new_covers(self) -> list[Cover]:
        """Return the recent covers, except those that the configuration demands."""
        first, last = self.covers[0], self.covers[-1]
        return [
            cover
            for cover, count in last.items()
            if count > first.get(cover, 0) and not cover[1].is_expected
        ]


class Diagnostics:
    """Publisher of diagnostic_msgs/DiagnosticArray.

    Attributes:
        fail: limit of failures from which on a stream reports an error.
    """

    def __init__(self, node: Node, fail: FailureConfig) -> None:
        self._node = node
        self.fail = fail
        self._publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", QoSProfile(depth=5)
        )
        self._session: ActiveSession | None = None
        self._histories: dict[str, _History] = {}

    def publish(self, session: ActiveSession | None, state: NodeStatus) -> None:
        """Publish the state of node and session; called once a second.

        Args:
            session: the running or the last session, None before the first.
            state: of the node.
        """
        if session is not self._session:
            self._session, self._histories = session, {}
        snapshot = None if session is None else session.snapshot()
        statuses = [self._describe_worker(snapshot, state)]
        if snapshot is not None:
            names = {stream.name for stream in snapshot.streams}
            self._histories = {n: h for n, h in self._histories.items() if n in names}
            statuses += [self._describe_stream(stream) for stream in snapshot.streams]
        statuses += self._describe_guards(snapshot, state, statuses)
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _describe_guards(
        self,
        session: SessionSnapshot | None,
        state: NodeStatus,
        statuses: Sequence[DiagnosticStatus],
    ) -> list[DiagnosticStatus]:
        """Return a status for every guard, and the summary of all."""
        guards = [] if session is None else check_guards(session)
        own = f"{self._node.get_fully_qualified_name()}: "
        states = [
            GuardStatus(status.name.removeprefix(own), status.level, status.message)
            for status in statuses
        ]
        summary = summarize_guards(state.state, guards, states)
        return [
            self._make_status(guard.name, guard.level, guard.text, {})
            for guard in [*guards, summary]
        ]

    def _describe_worker(
        self, session: SessionSnapshot | None, state: NodeStatus
    ) -> DiagnosticStatus:
        values: dict[str, object] = {"model state": state.state}
        level, text = OK, state.state
        if state.state == "failed":
            level, text = ERROR, state.problem
        elif state.state in {"unconfigured", "inactive", "disabled"}:
            level, text = WARN, f"{state.state}: nothing is published"
        if session is not None:
            values["in work [s]"] = f"{session.busy_s:.1f}"
            if session.busy_s > _BUSY_WARNING_S and level == OK:
                level, text = WARN, f"the frames in work take {session.busy_s:.0f} s already"
            missing = ", ".join(session.missing_publishers)
            values["nobody publishes"] = missing
            if missing and level == OK:
                level, text = WARN, f"nobody publishes {missing}"
            for stage, (p50, p99) in session.stage_latencies_ms.items():
                values[f"{stage} p50 [ms]"] = f"{p50:.2f}"
                values[f"{stage} p99 [ms]"] = f"{p99:.2f}"
            if session.gpu_memory is not None:
                values["GPU memory reserved [MiB]"] = session.gpu_memory[0] // _BYTES_PER_MIB
                values["GPU memory total [MiB]"] = session.gpu_memory[1] // _BYTES_PER_MIB
        values |= state.fallbacks
        if state.fallbacks and level == OK:
            level, text = WARN, "the GPU's memory did not suffice; see the values"
        weaker = "; ".join(f"{name} = {values}" for name, values in state.weaker.items())
        values["weaker than the default"] = weaker
        if weaker and level == OK:
            level, text = WARN, f"weaker than the default: {weaker}"
        return self._make_status("worker", level, text, values)

    def _describe_stream(self, stream: StreamSnapshot) -> DiagnosticStatus:
        history = self._histories.setdefault(stream.name, _History())
        history.counts.append(stream.counts)
        history.covers.append(stream.cover_counts)
        p50, p99 = stream.latency_ms
        values: dict[str, object] = {
            "mirrored topic": stream.mirrored_topic,
            "subscribed": stream.is_subscribed,
            "rate in [Hz]": f"{history.get_rate_hz('received'):.1f}",
            "rate out [Hz]": f"{history.get_rate_hz('processed'):.1f}",
            **vars(stream.counts),
            "latency p50 [ms]": f"{p50:.2f}",
            "latency p99 [ms]": f"{p99:.2f}",
            "queue age [s]": f"{stream.queue_age_s:.2f}",
            "jumps of the stamps": stream.num_time_jumps,
            "failed in a row": stream.consecutive_failures,
            "last error": stream.last_error,
            "original images go to": ", ".join(stream.untrusted_subscribers),
        }
        for (group, reason), count in history.covers[-1].items():
            values[f"{group} covered: {reason.value}"] = count
        return self._make_status(stream.name, *self._judge(stream, history), values)

    def _judge(self, stream: StreamSnapshot, history: _History) -> tuple[bytes, str]:
        failures, error = stream.consecutive_failures, stream.last_error
        if failures >= self.fail.error_after:
            return ERROR, f"{failures} frames in a row failed and are not published: {error}"
        if failures:
            return WARN, f"the newest frame failed and is not published: {error}"
        if stream.untrusted_subscribers:
            nodes = ", ".join(stream.untrusted_subscribers)
            return WARN, f"the original images go to {nodes}"
        if not stream.has_publisher:
            return WARN, "nobody publishes it"
        if covers := history.list_new_covers():
            problem = stream.cover_details[covers[0]]
            return WARN, f"{covers[0][0]} are covered, not inpainted: {problem}"
        if not stream.is_subscribed:
            idle = "idle: nobody subscribes to the mirrored topic"
            return OK, f"shows the frames of {stream.feeder}" if stream.feeder else idle
        if len(history.counts) > _WINDOW_S and not history.get_rate_hz("received"):
            return WARN, "subscribed, but nothing arrives: check QoS and the DDS profile"
        return (
            OK,
            f"{history.get_rate_hz('processed'):.1f} of {history.get_rate_hz('received'):.1f} Hz",
        )

    def _make_status(
        self, name: str, level: bytes, text: str, values: Mapping[str, object]
    ) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=level,
            name=f"{self._node.get_fully_qualified_name()}: {name}",
            message=text,
            hardware_id="anon_ros",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
